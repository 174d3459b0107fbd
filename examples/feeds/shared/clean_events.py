"""The events of clean.pty, as functions."""

import csv
import io
from typing import Any

from volnux import event

Row = dict[str, Any]


@event
def parse(previous_result: str) -> tuple[bool, list[Row]]:
    """Read the rows of a CSV text, without spaces around the values and without empty rows."""
    rows = csv.DictReader(io.StringIO(previous_result or ""), skipinitialspace=True)
    found = [{name: (value or "").strip() for name, value in row.items()} for row in rows]
    return True, [row for row in found if any(row.values())]


@event
def check(previous_result: list[Row], column: str) -> tuple[int, list[Row]]:
    """Go on with 3 if a number is not written as Python writes it."""
    for row in previous_result:
        try:
            row[column] = float(row[column])
        except ValueError:
            return 3, previous_result
    return 1, previous_result


@event
def repair(previous_result: list[Row], column: str, most_bad: float) -> tuple[bool, list[Row]]:
    """Repair numbers such as `1.234,50 EUR`, and drop the rows without a number."""
    good = []
    for row in previous_result:
        text = str(row[column]).replace("EUR", "").strip()
        if "," in text:
            text = text.replace(".", "").replace(",", ".")
        try:
            good.append({**row, column: float(text)})
        except ValueError:
            print(f"dropped, {column} is not a number: {row}")
    bad = len(previous_result) - len(good)
    if bad > most_bad * len(previous_result):
        raise ValueError(f"{bad} of {len(previous_result)} rows have no {column}")
    return True, good
