"""The events of weather.pty: two data sets of `vega_datasets`, a SQLite database and a chart.

Only DrawChart needs matplotlib and only the two Load events need vega_datasets, so each imports it
only when it runs. Checking the pipeline needs neither.
"""

import csv
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volnux import EventBase


def folder(output: str | None) -> Path:
    """The folder for results, created if it does not exist."""
    path = Path(output or os.environ.get("EXAMPLES_DATA") or Path(__file__).parent)
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def database(output: str | None) -> Iterator[sqlite3.Connection]:
    """Open the database in a transaction: either all changes are made, or none."""
    path = folder(output) / "weather.db"
    # Two events may write at the same time: then one waits for the other.
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


class LoadDays(EventBase):
    """Load the weather of each day without changes, except that dates become ISO dates."""

    def process(self, output):
        from vega_datasets import data

        rows = list(csv.DictReader(data.seattle_weather.raw().decode().splitlines()))
        with database(output) as db:
            db.execute("DROP TABLE IF EXISTS days")
            db.execute(
                "CREATE TABLE days (date TEXT PRIMARY KEY, precipitation REAL, temp_max REAL,"
                " temp_min REAL, wind REAL, weather TEXT)"
            )
            db.executemany(
                "INSERT INTO days VALUES (replace(:date, '/', '-'), :precipitation, :temp_max,"
                " :temp_min, :wind, :weather)",
                rows,
            )
        return True, {"days": len(rows)}


class CheckDays(EventBase):
    """Compare the weather word of each day with the rain gauge.

    Ends with 3 and the dates if they contradict each other. A missing day is a failure.
    """

    def process(self, output):
        with database(output) as db:
            missing = db.execute(
                "SELECT julianday(max(date)) - julianday(min(date)) + 1 - count(*) FROM days"
            ).fetchone()[0]
            # Drizzle may be too light for the gauge, so drizzle without rain is not a
            # contradiction.
            rows = db.execute(
                "SELECT date FROM days WHERE (weather = 'sun' AND precipitation > 0)"
                " OR (weather IN ('rain', 'snow') AND precipitation = 0) ORDER BY date"
            ).fetchall()
        if missing:
            return False, f"{missing:.0f} days are missing"
        dates = [date for (date,) in rows]
        return (3, dates) if dates else (True, None)


class MendDays(EventBase):
    """Trust the gauge: remove each word that contradicts it."""

    def process(self, output, previous_result):
        with database(output) as db:
            db.executemany(
                "UPDATE days SET weather = NULL WHERE date = ?",
                [(date,) for date in previous_result],
            )
        return True, {"words removed": len(previous_result)}


class LoadAirports(EventBase):
    """Load the airports without changes."""

    def process(self, output):
        from vega_datasets import data

        rows = list(csv.DictReader(data.airports.raw().decode().splitlines()))
        with database(output) as db:
            db.execute("DROP TABLE IF EXISTS airports")
            db.execute(
                "CREATE TABLE airports (iata TEXT PRIMARY KEY, name TEXT, city TEXT, state TEXT,"
                " country TEXT, latitude REAL, longitude REAL)"
            )
            db.executemany(
                "INSERT INTO airports VALUES"
                " (:iata, :name, :city, :state, :country, :latitude, :longitude)",
                rows,
            )
        return True, {"airports": len(rows)}


# Each kind of error: which rows have it, and how to fix it.
FAULTS = {
    "city unknown": ("city = 'NA'", "city = NULL"),
    "state unknown": ("state = 'NA'", "state = NULL"),
    "spaces in the name": ("name <> tidy(name)", "name = tidy(name)"),
    # Guam and the Northern Marianas lie west of the date line, American Samoa south of the equator.
    "east, not west": ("state IN ('GU', 'CQ') AND longitude < 0", "longitude = -longitude"),
    "south, not north": ("state = 'AS' AND latitude > 0", "latitude = -latitude"),
}


def tidy(text: str) -> str:
    """The words of a text, separated by single spaces."""
    return " ".join(text.split())


class CheckAirports(EventBase):
    """Count the errors of each kind. Ends with 3 if there are any."""

    def process(self, output):
        with database(output) as db:
            db.create_function("tidy", 1, tidy)
            counts = {
                fault: db.execute(f"SELECT count(*) FROM airports WHERE {where}").fetchone()[0]
                for fault, (where, _) in FAULTS.items()
            }
        return (3 if any(counts.values()) else 1), counts


class MendAirports(EventBase):
    """Fix the errors that were found."""

    def process(self, output, previous_result):
        with database(output) as db:
            db.create_function("tidy", 1, tidy)
            return True, {
                fault: db.execute(f"UPDATE airports SET {mend} WHERE {where}").rowcount
                for fault, (where, mend) in FAULTS.items()
                if previous_result[fault]
            }


RECORDS = {
    "hottest day": ("temp_max", "DESC", "°C"),
    "coldest night": ("temp_min", "ASC", "°C"),
    "wettest day": ("precipitation", "DESC", "mm"),
    "windiest day": ("wind", "DESC", "m/s"),
}


class FindRecords(EventBase):
    """The extreme days. If two are equal, the earlier one counts."""

    def process(self, output):
        with database(output) as db:
            return True, {
                name: "{1} {2} on {0}".format(
                    *db.execute(
                        f"SELECT date, {column} FROM days ORDER BY {column} {order}, date"
                    ).fetchone(),
                    unit,
                )
                for name, (column, order, unit) in RECORDS.items()
            }


class DrawChart(EventBase):
    """Draw the year's temperatures and each month's rain into weather.png."""

    def process(self, output):
        from weather_chart import draw

        with database(output) as db:
            days = db.execute("SELECT date, temp_min, temp_max, precipitation FROM days").fetchall()
            station = db.execute(
                "SELECT name, latitude, longitude FROM airports WHERE iata = 'SEA'"
            ).fetchone()
        path = folder(output) / "weather.png"
        draw(days, station, path)
        return True, str(path)


class Tell(EventBase):
    """Print what was found and where the results are."""

    def process(self, output, previous_result):
        records, chart = previous_result
        results = {**records, "chart": chart, "database": str(folder(output) / "weather.db")}
        for name, value in results.items():
            print(f"  {name:<14} {value}")
        return True, results
