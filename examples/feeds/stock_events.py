"""The events of stock.pty, as functions."""

from pathlib import Path
from typing import Any

from volnux import event

HERE = Path(__file__).parent


@event
def fetch(shop: str) -> tuple[bool, str]:
    """Stands in for the mail in which a shop sends its list."""
    return True, HERE.joinpath(f"stock-{shop}.csv").read_text(encoding="utf-8")


@event
def total(previous_result: list[list[dict[str, Any]]]) -> tuple[bool, dict[str, float]]:
    """Add up the articles of all shops."""
    totals: dict[str, float] = {}
    for rows in previous_result:
        for row in rows:
            totals[row["article"]] = totals.get(row["article"], 0) + row["count"]
    print(f"in stock: {totals}")
    return True, totals


@event
def alarm(previous_result: Any):
    """A chat message, in real life."""
    print(f"the stock is not known: {previous_result}")
    return True, None
