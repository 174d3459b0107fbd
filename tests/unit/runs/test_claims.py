"""A scheduled time of a file is claimed by one run at a time."""

import contextlib
import datetime as dt
import sqlite3
from pathlib import Path

import pytest

from volnux.runs import RunStoreError, Store
from volnux.runs.claims import claimed

FILE = Path("daily.pty")
NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def always(run):
    return True


def test_a_time_is_claimed_until_the_end_of_the_block():
    store = Store("runs.db")
    in_berlin = NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))
    with claimed(store, FILE, NOON, "a", always) as taken:
        assert taken is None
        with claimed(store, FILE, in_berlin, "b", always) as taken:
            assert taken == "another process runs it"
        with claimed(store, FILE, in_berlin, "b", always) as taken:
            assert taken is not None
        for free in (FILE.with_name("other.pty"), NOON), (FILE, NOON + dt.timedelta(minutes=1)):
            with claimed(store, *free, "c", always) as taken:
                assert taken is None
    with claimed(store, FILE, NOON, "b", lambda run: run is not None) as taken:
        assert taken == "it has a run"
    with claimed(store, FILE, NOON, "b", always) as taken:
        assert taken is None


def test_the_claim_of_a_process_that_was_killed_is_free():
    store = Store("runs.db")
    with claimed(store, FILE, NOON, "a", always):
        with contextlib.closing(sqlite3.connect("runs.db")) as other, other:
            other.execute("UPDATE claims SET process = rtrim(process, '0123456789') || '1'")
        with claimed(store, FILE, NOON, "b", always) as taken:
            assert taken is None


def test_a_store_that_cannot_be_used():
    Path("runs.db").write_text("text")
    with pytest.raises(RunStoreError), claimed(Store("runs.db"), FILE, NOON, "a", always):
        pass
