"""The events of nightly.pty, as functions."""

import contextlib
import datetime as dt
import os
import random
import sqlite3
from pathlib import Path

from volnux import event

HERE = Path(os.environ.get("EXAMPLES_DATA") or Path(__file__).parent)
TABLES = ("sales", "refunds")


def connect(database: str) -> contextlib.closing[sqlite3.Connection]:
    connection = sqlite3.connect(database or HERE / "warehouse.db", timeout=30)
    for table in TABLES:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (day TEXT, shop TEXT, cents INT)")
    return contextlib.closing(connection)


@event
def extract(table: str, day: dt.date, limit: int = 100):
    """Stands in for the shops' own system: the same rows for a day, whenever it is asked."""
    dice = random.Random(f"{table} {day}")
    rows = [
        [day.isoformat(), dice.choice(["north", "south"]), dice.randrange(100, 9_999)]
        for _ in range(dice.randint(5, limit))
    ]
    return True, rows


@event
def load(table: str, day: dt.date, database: str, previous_result):
    """Replace the day's partition, so that a run can be repeated."""
    if table not in TABLES:
        return False, f"there is no table {table!r}"
    with connect(database) as connection, connection:
        connection.execute(f"DELETE FROM {table} WHERE day = ?", [day.isoformat()])
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", previous_result)
    return True, len(previous_result)


@event
def alarm(day: dt.date, previous_result):
    """A chat message, in real life."""
    print(f"{day} was not loaded: {previous_result}")
    return True, None


@event
def count(self, day: dt.date, database: str):
    with connect(database) as connection:
        counts = {
            table: connection.execute(
                f"SELECT count(*) FROM {table} WHERE day = ?", [day.isoformat()]
            ).fetchone()[0]
            for table in TABLES
        }
    print(f"{day}: {counts}, in the run of {self.scheduled_at:%Y-%m-%d %H:%M}")
    return True, {"day": day.isoformat(), **counts}
