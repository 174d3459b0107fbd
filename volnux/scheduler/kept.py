"""Keeps the runs of files as `volnux run` does, and leaves out times that have a kept run."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from volnux.errors import VolnuxError
from volnux.runs.claims import claimed
from volnux.runs.store import Store
from volnux.runs.where import where_of
from volnux.scheduler.targets import Target

__all__ = ["KeptRuns", "Turn"]

log = logging.getLogger("volnux.scheduler")


class Turn(NamedTuple):
    """Whether a due run begins.

    Attributes:
        store: where the run is kept; None if it is not.
        taken: why it does not begin: another run has its time; None if it begins.
    """

    store: Store | None = None
    taken: str | None = None


class KeptRuns:
    """The stores of runs of the files that a scheduler runs.

    A store that cannot be used is a warning in the log, once; the run goes on unkept.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    @contextlib.contextmanager
    def turn(
        self, target: Target, instant: dt.datetime, run_id: str, *, repeats: bool
    ) -> Iterator[Turn]:
        """Claim the time of a due run, until the end of the block.

        Args:
            target: what runs. Only files without inputs of their own are kept.
            instant: the time for which it is due, aware.
            run_id: the id of the run.
            repeats: whether it repeats an interrupted run with this id.
        """
        with contextlib.ExitStack() as stack:
            turn = Turn()
            try:
                if target.file is not None and not target.inputs:
                    turn = self._turn(stack, Path(target.file), instant, run_id, repeats=repeats)
            except VolnuxError as error:
                self._warn(f"runs of {target.file} are not kept: {error}")
            yield turn

    def _turn(
        self,
        stack: contextlib.ExitStack,
        file: Path,
        instant: dt.datetime,
        run_id: str,
        *,
        repeats: bool,
    ) -> Turn:
        where = where_of(file)
        if where is None:
            return Turn()
        store = stack.enter_context(Store(where.path, keep=where.keep, warn=self._warn))
        if repeats:
            # The repetition replaces it, because it has the same id.
            store.remove([run_id])
        taken = stack.enter_context(claimed(store, file, instant, run_id, lambda run: run is None))
        return Turn(store, taken)

    def _warn(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            log.warning(sentence)
