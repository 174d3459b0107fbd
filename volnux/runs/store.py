"""A store of kept runs."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from volnux.runs.keeper import Keeper
from volnux.runs.model import KeptLine, KeptPlace, KeptRun, KeptStatus

if TYPE_CHECKING:
    from volnux.hooks import About

__all__ = ["Store"]


class Store:
    """Kept runs in an SQLite file. Several threads and processes may use it at once."""

    @classmethod
    def open(cls, where: str | os.PathLike[str], *, create: bool = True) -> Self:
        """Open a store.

        Args:
            where: the path of the file.
            create: whether to create the file and its folder if they do not exist.

        Raises:
            RunStoreError: it does not exist or cannot be read, or is of a later version.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(
        self,
        about: About,
        inputs: Mapping[str, Any],
        *,
        scheduled_at: dt.datetime | None = None,
        resumed_from: str | None = None,
    ) -> Keeper:
        """Keep a run that is about to begin.

        Args:
            about: the run, with its plan.
            inputs: the values of its inputs, by name.
            scheduled_at: the scheduled time of the run, aware.
            resumed_from: the id of the run that it resumes.
        """
        raise NotImplementedError

    def run(self, run_id: str) -> KeptRun:
        """A run.

        Args:
            run_id: its id, the beginning of it if that is unique, or `last`.

        Raises:
            RunStoreError: there is no such run, or several.
        """
        raise NotImplementedError

    def places(self, run_id: str) -> list[KeptPlace]:
        """The places of a run that have begun or ended, in reading order.

        Args:
            run_id: the whole id of the run.
        """
        raise NotImplementedError

    def lines(self, run_id: str, place: str | None = None) -> list[KeptLine]:
        """The log lines of a run, or of one of its places, in order.

        Args:
            run_id: the whole id of the run.
            place: the place; None for all of them.
        """
        raise NotImplementedError

    def last(
        self,
        *,
        file: str | os.PathLike[str] | None = None,
        pipeline: str | None = None,
        unsuccessful: bool = False,
    ) -> KeptRun | None:
        """The run that began last; None if there is none.

        Args:
            file: only runs of this file.
            pipeline: only runs of a pipeline of this name.
            unsuccessful: only runs that failed, were cancelled or lost.
        """
        raise NotImplementedError

    def list(
        self,
        *,
        file: str | os.PathLike[str] | None = None,
        pipeline: str | None = None,
        status: KeptStatus | None = None,
        since: dt.datetime | None = None,
        limit: int | None = None,
    ) -> list[KeptRun]:
        """Runs, the latest first, without their source texts."""
        raise NotImplementedError

    def remove(self, run_ids: Iterable[str]) -> int:
        """Remove runs with all that belongs to them, and return how many there were."""
        raise NotImplementedError

    def answer(self, run_id: str, place: str, value: str, by: str | None = None) -> None:
        """Record an answer for a place that waits for one, in place of an earlier one.

        Args:
            run_id: the whole id of the run.
            place: the place.
            value: the answer.
            by: who gave it; the user of this process if None.
        """
        raise NotImplementedError

    def answer_of(self, run_id: str, place: str) -> str | None:
        """The answer for a place of a run; None if there is none."""
        raise NotImplementedError
