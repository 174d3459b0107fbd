"""Writes one run into a store, in a thread of its own."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from volnux.runs import rows
from volnux.runs.database import said, transaction
from volnux.runs.keeping import prune
from volnux.runs.model import RunStoreError
from volnux.runs.process import BEAT

if TYPE_CHECKING:
    from volnux.runs.store import Store

__all__ = ["ANEW", "Writer"]

_PAUSE: Final = 0.05
"""Seconds between two transactions, so that short events share one."""

_MOST_PLACES: Final = 2_000
_MOST_CHARACTERS: Final = 8_000_000
"""What is written in one transaction at most."""

_AT_ONCE: Final = (512, 64, 8, 1)
"""The numbers of rows in one statement. Between statements, this thread waits for Python's lock."""

ANEW: Final = ""
"""In place of a column: these columns replace what was written, even where they are None."""

_MERGE: Final = "{name} = coalesce(excluded.{name}, {name})"
_REPLACE: Final = "{name} = excluded.{name}"

_LINE: Final = tuple(rows.LINE.split(", "))


class Writer:
    """The thread that writes a run. After an error it warns once, and writes nothing more.

    If another program locks the store for long, it warns, and waits until the run has ended.

    Args:
        store: where it is written.
        run: the columns of the run, by name.
        texts: the fingerprint and the JSON of its texts.
    """

    def __init__(
        self,
        store: Store,
        run: Mapping[str, Any],
        texts: tuple[str, str],
    ) -> None:
        self._store = store
        self._run = run
        self._texts = texts
        self._lock = threading.Lock()
        self._arrived: dict[str, dict[str, Any]] = {}
        self._taken: deque[dict[str, Any]] = deque()
        self._has_waited = False
        self._lines: deque[tuple[Any, ...]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._end: Mapping[str, Any] = {}
        self._failed = False
        self._thread = threading.Thread(target=self._work, name="volnux-runs", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def place(self, columns: dict[str, Any]) -> None:
        """Write some columns of a place; others keep their values. Safe from any thread.

        A value of None changes nothing, except with `ANEW`.
        """
        place = columns["place"]
        with self._lock:
            arrived = self._arrived
            if place in arrived:
                arrived[place].update(columns)
                return
            arrived[place] = columns
            is_first = len(arrived) == 1
        if is_first:
            self._wake.set()

    def line(self, line: tuple[Any, ...]) -> None:
        """Write a log line, with the columns `rows.LINE`."""
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, end: Mapping[str, Any]) -> None:
        """Write the end of the run, and return when everything is committed.

        Args:
            end: the columns that change with it, by name.
        """
        self._end = end
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            with contextlib.closing(self._store.connect()) as connection:
                self._write_all(connection)
        except Exception as error:  # noqa: BLE001 - whatever happens, the run goes on
            self._failed = True
            self._store.warn(f"this run is not kept: {said(error, self._store.path)}")
        while self._failed and not self._closing.is_set():
            # Nobody will read what still arrives.
            with self._lock:
                self._arrived.clear()
            self._lines.clear()
            self._closing.wait(BEAT)

    def _write_all(self, connection: sqlite3.Connection) -> None:
        with transaction(connection, waits=self._waits):
            key = self._begin(connection)
        try:
            ended = False
            while not ended:
                self._wake.wait(BEAT)
                self._wake.clear()
                closing = self._closing.is_set()
                with transaction(connection, waits=self._waits):
                    complete = self._write(connection, key)
                    if closing and complete:
                        self._set(connection, key, self._end)
                        prune(connection, self._store.keep)
                        ended = True
                    else:
                        self._set(connection, key, {"beat": time.time()})
                if not complete:
                    self._wake.set()
                else:
                    self._closing.wait(_PAUSE)
        except BaseException:
            # What is left of the run looks as if it had been killed, and can be resumed.
            with contextlib.suppress(sqlite3.Error):
                self._set(connection, key, {"status": "lost", "ended": time.time()})
            raise

    def _waits(self, error: sqlite3.Error) -> bool:
        """Whether to wait again for another program that writes."""
        if self._closing.wait(_PAUSE):
            return False
        if not self._has_waited:
            self._has_waited = True
            locked = said(error, self._store.path)
            self._store.warn(f"this run is kept as soon as the store can be written: {locked}")
        return True

    def _begin(self, connection: sqlite3.Connection) -> int:
        connection.execute(
            "INSERT OR IGNORE INTO sources (fingerprint, texts) VALUES (?, ?)", self._texts
        )
        names = ", ".join(self._run)
        marks = ", ".join("?" * len(self._run))
        try:
            done = connection.execute(
                f"INSERT INTO runs (source, {names}) "
                f"VALUES ((SELECT key FROM sources WHERE fingerprint = ?), {marks})",
                (self._texts[0], *self._run.values()),
            )
        except sqlite3.IntegrityError as error:
            raise RunStoreError(
                f"{self._store.path} has a run with the id {self._run['id']} already"
            ) from error
        assert done.lastrowid is not None
        return done.lastrowid

    def _write(self, connection: sqlite3.Connection, key: int) -> bool:
        """Write what has arrived, and return whether that is all."""
        if not self._taken:
            with self._lock:
                self._taken.extend(self._arrived.values())
                self._arrived.clear()
        alike: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        count = size = 0
        while self._taken and count < _MOST_PLACES and size < _MOST_CHARACTERS:
            columns = self._taken.popleft()
            count += 1
            size += len(columns.get("result") or "")
            change = _REPLACE if columns.pop(ANEW, False) else _MERGE
            alike.setdefault((change, *columns), []).append((key, *columns.values()))
        for (change, *names), new in alike.items():
            _insert(connection, "places", tuple(names), new, change)
        lines: list[tuple[Any, ...]] = []
        while self._lines and len(lines) < _MOST_PLACES:
            lines.append(self._lines.popleft())
        _insert(connection, "lines", _LINE, [(key, *line) for line in lines], "")
        return not (self._taken or self._arrived or self._lines)

    def _set(self, connection: sqlite3.Connection, key: int, columns: Mapping[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        connection.execute(f"UPDATE runs SET {names} WHERE key = ?", (*columns.values(), key))


def _insert(
    connection: sqlite3.Connection,
    table: str,
    names: tuple[str, ...],
    new: Sequence[tuple[Any, ...]],
    change: str,
) -> None:
    """Insert rows, many with each statement.

    Args:
        connection: the store.
        table: the table.
        names: the columns, without that of the run, which is the first.
        new: the rows.
        change: how a column changes in a row that is there already, by its name.
    """
    begin = 0
    for count in _AT_ONCE:
        while len(new) - begin >= count:
            part = chain.from_iterable(new[begin : begin + count])
            connection.execute(_statement(table, names, count, change), [*part])
            begin += count


@functools.lru_cache(64)
def _statement(table: str, names: tuple[str, ...], count: int, change: str) -> str:
    marks = f"({', '.join('?' * (len(names) + 1))})"
    text = f"INSERT INTO {table} (run, {', '.join(names)}) VALUES {', '.join([marks] * count)}"
    if change:
        changes = ", ".join(change.format(name=name) for name in names)
        text += f" ON CONFLICT (run, place) DO UPDATE SET {changes}"
    return text
