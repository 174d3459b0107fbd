"""A store of kept runs."""

from __future__ import annotations

import builtins
import contextlib
import datetime as dt
import functools
import json
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from volnux.databases import DatabaseFileError
from volnux.errors import shortened
from volnux.runs import rows
from volnux.runs.database import PATIENCE, connect, said, transaction
from volnux.runs.keeping import Keep, remove
from volnux.runs.model import KeptLine, KeptPlace, KeptRun, KeptStatus, RunStoreError
from volnux.runs.where import storable_path

if TYPE_CHECKING:
    from volnux.events.answers import Question
    from volnux.hooks import About
    from volnux.runs.keeper import Keeper

__all__ = ["FAULTS", "Store", "StoreLike"]

FAULTS = (sqlite3.Error, OSError, DatabaseFileError)
"""What a store that cannot be used raises, besides `RunStoreError`."""


class Store:
    """Kept runs in an SQLite file. Several threads and processes may use it at once.

    Args:
        path: the file. It is opened, and created if it does not exist, when it is used.
        keep: how long runs are kept.
        warn: called with a sentence if a run cannot be kept; by default, it is logged.
        patience: the maximum seconds to wait while another process writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        keep: Keep | None = None,
        warn: Callable[[str], object] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.path = Path(path).absolute()
        self.keep = keep or Keep()
        self.warn = warn or logging.getLogger("volnux.runs").warning
        self.patience = patience
        self._connection: sqlite3.Connection | None = None
        self._closing: weakref.finalize[..., Any] | None = None
        self._lock = threading.RLock()

    @classmethod
    def of(cls, store: StoreLike) -> Store:
        """The store itself, or that at a path."""
        return store if isinstance(store, Store) else cls(store)

    @classmethod
    def open(cls, where: str | os.PathLike[str], *, create: bool = True) -> Self:
        """Open a store.

        Args:
            where: the path of the file.
            create: whether to create the file and its folder if they do not exist.

        Raises:
            RunStoreError: it does not exist or cannot be read, or is of a later version.
        """
        store = cls(where)
        with store._lock, store._faults():
            store._opened(create=create)
        return store

    def connect(self, *, create: bool = True) -> sqlite3.Connection:
        """A new connection to the file; see `database.connect`."""
        return connect(self.path, create=create, patience=self.patience)

    def close(self) -> None:
        """Close the file. The store opens it again when it is used.

        A store that is no longer referenced closes its file itself.
        """
        with self._lock:
            if self._closing is not None:
                self._closing()
            self._connection = self._closing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            raise RunStoreError(said(error, self.path)) from error

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._faults():
            yield self._connection or self._opened()

    def _opened(self, *, create: bool = True) -> sqlite3.Connection:
        self._connection = connection = _with_rows(self.connect(create=create))
        self._closing = weakref.finalize(self, connection.close)
        # Threads that still run when the process ends may use it.
        self._closing.atexit = False
        return connection

    def _rows(self, query: str, values: Sequence[Any] = ()) -> builtins.list[sqlite3.Row]:
        with self._using() as connection:
            try:
                return connection.execute(query, values).fetchall()
            except UnicodeEncodeError:
                return []  # one of the texts cannot be in a store

    # Writing.

    def begin(
        self,
        about: About,
        inputs: Mapping[str, Any],
        *,
        scheduled_at: dt.datetime | None = None,
        resumed_from: str | None = None,
        anew: Iterable[str] = (),
    ) -> Keeper:
        """Keep a run that is about to begin.

        Args:
            about: the run, with its plan.
            inputs: the values of its inputs, by name.
            scheduled_at: the scheduled time of the run, aware.
            resumed_from: the id of the run that it resumes.
            anew: the places that it runs anew with everything behind them.
        """
        # What only reads a store need not load the following.
        from volnux.runs.keeper import Keeper
        from volnux.runs.writer import Writer

        return Keeper(
            about,
            inputs,
            writer=functools.partial(Writer, self),
            scheduled_at=scheduled_at,
            resumed_from=resumed_from,
            anew=anew,
        )

    def remove(self, run_ids: Iterable[str]) -> int:
        """Remove runs with all that belongs to them, and return how many there were.

        Args:
            run_ids: their whole ids.
        """
        with self._using() as connection, transaction(connection):
            keys = [
                (row["key"],)
                for run_id in run_ids
                for row in connection.execute("SELECT key FROM runs WHERE id = ?", (run_id,))
            ]
            remove(connection, keys)
        return len(keys)

    def ask(self, question: Question) -> bool:
        """Record a question that a place asks, and return whether its run is kept by now."""
        with self._using() as connection, transaction(connection):
            done = connection.execute(
                "INSERT OR REPLACE INTO questions (run, place, text, options, deadline, is_open) "
                "SELECT key, ?, ?, ?, ?, 1 FROM runs WHERE id = ? AND status != 'lost'",
                (
                    question.place,
                    question.text,
                    json.dumps(question.options),
                    question.deadline,
                    question.run_id,
                ),
            )
            return done.rowcount > 0

    def close_question(self, run_id: str, place: str) -> None:
        """Record that a place waits for no answer any more."""
        with self._using() as connection, transaction(connection):
            connection.execute(f"UPDATE questions SET is_open = 0 {_ONE_QUESTION}", (run_id, place))

    def answer(self, run_id: str, place: str, answer: str, by: str | None = None) -> bool:
        """Answer an open question, and return whether there was one without an answer.

        Args:
            run_id: the whole id of the run.
            place: the place.
            answer: the answer, one of its options.
            by: who gives it; the user of this process if None.
        """
        from volnux.runs.lines import storable

        by = storable(_user() if by is None else by)
        now = time.time()
        with self._using() as connection, transaction(connection):
            done = connection.execute(
                "UPDATE questions SET answer = ?, answered_by = ?, answered_at = ? "
                f"{_ONE_QUESTION} AND is_open AND answer IS NULL AND deadline > ?",
                (answer, by, now, run_id, place, now),
            )
            return done.rowcount > 0

    # Reading.

    def run(self, run_id: str) -> KeptRun:
        """A run.

        Args:
            run_id: its id, the beginning of it if that is unique, or `last`.

        Raises:
            RunStoreError: there is no such run, or several.
        """
        if run_id == "last":
            found = self._runs("1", (), 1)
        else:
            found = self._runs("id = ?", (run_id,), 1)
            # The ids after it that begin with it.
            begins = "id > ? AND substr(id, 1, length(?)) = ?"
            found = found or self._runs(begins, (run_id,) * 3, 2)
        name = shortened(run_id)
        if not found or not run_id:
            what = "is no run" if run_id in ("", "last") else f"is no run '{name}'"
            raise RunStoreError(f"there {what} in {self.path}; to list them: volnux runs")
        if len(found) > 1:
            raise RunStoreError(
                f"several runs begin with '{name}', such as {found[0].id} and {found[1].id}: "
                "give more of the id"
            )
        return found[0]

    def places(self, run_id: str) -> builtins.list[KeptPlace]:
        """The places of a run that have begun or ended, in reading order.

        Args:
            run_id: the whole id of the run.
        """
        found = self._rows(
            f"SELECT {rows.PLACE} FROM places WHERE run = (SELECT key FROM runs WHERE id = ?)",
            (run_id,),
        )
        return [*map(rows.place_of, rows.in_reading_order(found))]

    def lines(self, run_id: str, place: str | None = None) -> builtins.list[KeptLine]:
        """The log lines of a run, or of one of its places, in the order of their times.

        Args:
            run_id: the whole id of the run.
            place: the place; None for all of them.
        """
        query = f"SELECT {rows.LINE} FROM lines WHERE run = (SELECT key FROM runs WHERE id = ?)"
        values = [run_id]
        if place is not None:
            query += " AND place = ?"
            values.append(place)
        return [*map(rows.line_of, self._rows(f"{query} ORDER BY at, key", values))]

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
        where, values = _selection(file, pipeline, None)
        if unsuccessful:
            where += " AND status != 'success'"
        for limit in (10, -1):
            for run in self._runs(where, values, limit):
                # The database does not tell whether a run that has not ended is lost.
                if not (unsuccessful and run.status is KeptStatus.RUNNING):
                    return run
        return None

    def list(
        self,
        *,
        file: str | os.PathLike[str] | None = None,
        pipeline: str | None = None,
        status: KeptStatus | None = None,
        since: dt.datetime | None = None,
        limit: int | None = None,
    ) -> builtins.list[KeptRun]:
        """Runs, the latest first, without their source texts.

        Args:
            file: only runs of this file.
            pipeline: only runs of a pipeline of this name.
            status: only runs with this status.
            since: only runs that began at this time or later.
            limit: at most this many.
        """
        where, values = _selection(file, pipeline, since)
        status = status and KeptStatus(status)
        unended = status in (KeptStatus.RUNNING, KeptStatus.LOST)
        if status is not None:
            where += " AND status IN (?, ?)"
            values += (status.value, KeptStatus.RUNNING.value if unended else status.value)
        # As above: these are told apart here.
        found = self._runs(where, values, -1 if unended or limit is None else limit, texts=False)
        if unended:
            found = [run for run in found if run.status is status]
        return found[:limit]

    def questions(self, run_id: str | None = None) -> builtins.list[Question]:
        """The open questions of runs that are still alive, the oldest run first.

        Args:
            run_id: the whole id of a run; None for all runs.
        """
        found = self._rows(
            "SELECT id, status, process, beat, place, text, options, deadline FROM questions "
            "JOIN runs ON runs.key = run WHERE is_open AND answer IS NULL AND id = coalesce(?, id) "
            "ORDER BY started, place",
            (run_id,),
        )
        return [rows.question_of(row) for row in found if rows.is_running(row)]

    def answer_of(self, run_id: str, place: str) -> str | None:
        """The answer to the question of a place; None if there is none."""
        found = self._rows(f"SELECT answer FROM questions {_ONE_QUESTION}", (run_id, place))
        return found[0]["answer"] if found else None

    def _runs(
        self, where: str, values: Sequence[Any], limit: int, *, texts: bool = True
    ) -> builtins.list[KeptRun]:
        columns = rows.WHOLE_RUN if texts else rows.RUN
        found = self._rows(
            f"SELECT {columns} FROM runs JOIN sources ON sources.key = source WHERE {where} "
            "ORDER BY started DESC, runs.key DESC LIMIT ?",
            [*values, limit],
        )
        return [*map(rows.run_of, found)]


_ONE_QUESTION = "WHERE run = (SELECT key FROM runs WHERE id = ?) AND place = ?"


def _user() -> str:
    """The name of the user of this process, or the number of one who has no name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, for example
        return str(os.getuid())


def _selection(
    file: str | os.PathLike[str] | None, pipeline: str | None, since: dt.datetime | None
) -> tuple[str, tuple[Any, ...]]:
    wanted: dict[str, Any] = {}
    if file is not None:
        wanted["file = ?"] = storable_path(Path(file))
    if pipeline is not None:
        wanted["pipeline = ?"] = pipeline
    if since is not None:
        wanted["started >= ?"] = since.timestamp()
    return " AND ".join(wanted) or "1", tuple(wanted.values())


def _with_rows(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    return connection


StoreLike = Store | str | os.PathLike[str]
"""A store, or the path of its file."""
