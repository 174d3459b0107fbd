"""What the benchmarks share: interleaved measuring, tables, JSON.

Everything that is compared is measured in turn, round by round, in one process on one machine. The
result is the median of the rounds. Ratios are comparable between machines, but single results are
not.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence


def arguments(description: str | None) -> argparse.Namespace:
    """The options that every benchmark has: `--json`, `--full`, `--rounds`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--full", action="store_true", help="also run the measurements that take minutes"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="the number of rounds of each measurement"
    )
    return parser.parse_args()


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes, without collecting the garbage of earlier calls."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each of several calls in seconds, by name, measured in turn."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in taken.items()}


def show(
    title: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, as_json: bool
) -> None:
    """Print rows as a table, or as one line of JSON."""
    if as_json:
        told = [dict(zip(head, row, strict=True)) for row in rows]
        print(json.dumps({"title": title, "rows": told}))
        return
    cells = [[_cell(item) for item in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        first, *rest = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join([first, *rest]).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def _cell(item: object) -> str:
    if isinstance(item, float):
        return f"{item:,.1f}" if item >= 10 else f"{item:.2f}"
    return f"{item:,}" if isinstance(item, int) else str(item)
