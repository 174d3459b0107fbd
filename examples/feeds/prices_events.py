"""The events of prices.pty, as functions."""

import json
import os
from pathlib import Path
from typing import Any

from volnux import event

HERE = Path(__file__).parent
OUTPUT = Path(os.environ.get("EXAMPLES_DATA") or HERE)


@event
def fetch(file: str) -> tuple[bool, str]:
    """Stands in for the supplier's server."""
    return True, HERE.joinpath(file).read_text(encoding="utf-8")


@event
def store(previous_result: list[dict[str, Any]]) -> tuple[bool, dict[str, float]]:
    """Write the prices by article."""
    prices = {row["article"]: row["price"] for row in previous_result}
    OUTPUT.joinpath("prices.json").write_text(json.dumps(prices, indent=2), encoding="utf-8")
    return True, prices
