"""The SQLite file of a store: its tables, their version, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from volnux.databases import DatabaseFileError, make_private
from volnux.runs.model import RunStoreError

__all__ = ["FOLDER", "PATIENCE", "VERSION", "connect", "said", "transaction"]

FOLDER: Final = ".volnux"
"""The folder of a store that has no other place."""

VERSION: Final = 2
"""The version of the tables. A store of an earlier one is migrated when it is opened."""

_APPLICATION: Final = 0x766C6E78
"""Marks the file as a store of runs: `vlnx`."""

_LOCKED: Final = ("BUSY", "LOCKED")

PATIENCE: Final = 10.0
"""The maximum seconds to wait while another process writes."""

_TABLES: Final = """
CREATE TABLE sources (
    key INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    texts TEXT NOT NULL
);

CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    file TEXT,
    backend TEXT NOT NULL,
    status TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    beat REAL NOT NULL,
    process TEXT NOT NULL,
    scheduled TEXT,
    resumed_from TEXT,
    anew TEXT NOT NULL,
    source INTEGER NOT NULL REFERENCES sources (key),
    versions TEXT NOT NULL,
    failure TEXT,
    inputs TEXT NOT NULL
);
CREATE INDEX runs_by_start ON runs (started);
CREATE INDEX runs_by_file ON runs (file, started);

CREATE TABLE places (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    place TEXT NOT NULL,
    event TEXT,
    position INTEGER,
    state TEXT,
    descriptor INTEGER,
    attempts INTEGER,
    polls INTEGER,
    started REAL,
    ended REAL,
    bypassed INTEGER,
    handled INTEGER,
    reused INTEGER,
    given TEXT,
    received_from TEXT,
    failure TEXT,
    unkept TEXT,
    result TEXT,
    tries TEXT,
    UNIQUE (run, place)
);

CREATE TABLE lines (
    key INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    place TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at REAL NOT NULL,
    level TEXT NOT NULL,
    logger TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX lines_by_run ON lines (run, place);

CREATE TABLE questions (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    place TEXT NOT NULL,
    text TEXT NOT NULL,
    options TEXT NOT NULL,
    deadline REAL NOT NULL,
    is_open INTEGER NOT NULL,
    answer TEXT,
    answered_by TEXT,
    answered_at REAL,
    PRIMARY KEY (run, place)
) WITHOUT ROWID;
"""

_MIGRATIONS: Final[dict[int, str]] = {1: "ALTER TABLE places ADD COLUMN tries TEXT"}
"""The statements that turn the tables of a version into those of the next one, by the former."""


def connect(path: Path, *, create: bool, patience: float = PATIENCE) -> sqlite3.Connection:
    """Open a store, and migrate it if it is of an earlier version.

    Args:
        path: its file.
        create: whether to create the file and its folder if they do not exist.
        patience: the maximum seconds to wait while another process writes.

    Raises:
        RunStoreError: the file is something else, or of a later version, or does not exist.
        sqlite3.Error, OSError, DatabaseFileError: it cannot be used; `said` tells why.
    """
    if create:
        _make_folder(path.parent)
        make_private(path)
    elif not path.exists():
        raise RunStoreError(f"there is no store of runs {path}")
    connection = _open(path, patience)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, patience: float) -> sqlite3.Connection:
    def opened(path: str, *, uri: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False, uri=uri
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        return opened(str(path), uri=False)
    except sqlite3.OperationalError:
        if os.access(path.parent, os.W_OK):
            raise
        journal = path.with_name(f"{path.name}-wal")
        if journal.exists() and journal.stat().st_size:
            raise RunStoreError(
                f"{path} cannot be read in a read-only folder, because {journal.name} has changes "
                "that are not in it yet: copy both files to a folder that can be written"
            ) from None
        # SQLite cannot make its journals there, but nobody else can write there either.
        return opened(f"{path.as_uri()}?immutable=1", uri=True)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create or migrate the tables."""
    version = _version(connection, path)
    if version == VERSION:
        return
    # Without WAL, who reads would block who writes. Some filesystems do not have it.
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        # Another process may have done it in the meantime.
        version = _version(connection, path)
        if version == VERSION:
            return
        steps = [_TABLES] if version == 0 else [_MIGRATIONS[v] for v in range(version, VERSION)]
        for step in steps:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables; 0 if there are none.

    Raises:
        RunStoreError: the file is something else, or the version is later than ours.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == _APPLICATION:
        if version > VERSION:
            raise RunStoreError(
                f"the store {path} was written by a later version of volnux (format {version}, "
                f"this one knows {VERSION}): update volnux, or use another store"
            )
        return int(version)
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone() or version:
        raise RunStoreError(f"{path} is not a store of runs: name another file")
    return 0


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder / ".gitignore"
    if folder.name == FOLDER and not ignored.exists():
        ignored.write_text("*\n")


@contextlib.contextmanager
def transaction(
    connection: sqlite3.Connection, *, waits: Callable[[sqlite3.Error], bool] = lambda error: False
) -> Iterator[None]:
    """Write in one transaction; nothing is written if an exception is raised.

    Args:
        connection: the store.
        waits: called if another process has been writing for too long; whether to wait again.
    """
    while True:
        try:
            # Not the plain BEGIN: then another writer could make the first write fail.
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if _kind_of(error) not in _LOCKED or not waits(error):
                raise
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _kind_of(error: BaseException) -> str:
    """The kind of an error of SQLite, such as `BUSY`."""
    return getattr(error, "sqlite_errorname", "").partition("_")[2].partition("_")[0]


def said(error: BaseException, path: Path) -> str:
    """What an error of a store means, in one sentence without a full stop."""
    if isinstance(error, (RunStoreError, DatabaseFileError)):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or path} cannot be written: {error.strerror or error}"
    kind = _kind_of(error)
    if kind in _LOCKED:
        return f"{path} is locked: another program has been writing to it for too long"
    match kind:
        case "FULL":
            return f"{path} cannot be written: the disk is full"
        case "READONLY" | "CANTOPEN" | "PERM":
            return f"{path} cannot be written: its folder or file is read-only"
        case "CORRUPT" | "NOTADB":
            return f"{path} is damaged, or not a store of runs: move it away, or name another file"
    return f"{path} cannot be used: {error}"
