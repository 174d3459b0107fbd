"""The cost of one item of an `each`, compared with threads, a dask bag and a group of arms."""

import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import dask.bag
from measure import arguments, interleaved, show
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.events import Lookup, Plan, link
from volnux.graph import compile
from volnux.kit.processes import default_workers
from volnux.pointy import parse

WORKERS = default_workers()


class Add(EventBase):
    def process(self, previous_result: Any) -> tuple[bool, int]:
        return True, (previous_result or 0) + 1


class Sum(EventBase):
    def process(self, previous_result: list[int]) -> tuple[bool, int]:
        return True, sum(previous_result)


def add(number: int) -> int:
    return number + 1


def plan_of(text: str) -> Plan:
    module = types.ModuleType("events")
    vars(module).update(Add=Add, Sum=Sum)
    return link(compile(parse(text)), Lookup(extra=[module]))


def volnux(plan: Plan, numbers: list[int]) -> None:
    report = StandaloneBackend().run(plan, {"numbers": numbers}, RunOptions(workers=WORKERS))
    assert report.status == "success"


def threads(numbers: list[int]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        sum(pool.map(add, numbers))


def bag(numbers: list[int]) -> None:
    # One partition for each item, because an item of an `each` is an event of its own.
    items = dask.bag.from_sequence(numbers, npartitions=len(numbers))  # type: ignore[no-untyped-call]  # of dask
    items.map(add).sum().compute(scheduler="threads", num_workers=WORKERS)


def main() -> None:
    options = arguments(__doc__)
    head = "@input: numbers: list\n"
    each = plan_of(head + "Add[each=n, in=numbers] |-> Sum")
    limited = plan_of(head + "Add[each=n, in=numbers, at_once=8] |-> Sum")
    rows: list[list[object]] = []
    for size in [1_000, 10_000, 100_000] + ([1_000_000] if options.full else []):
        numbers = list(range(size))
        works: dict[str, Callable[[], object]] = {
            "each": partial(volnux, each, numbers),
            "at_once=8": partial(volnux, limited, numbers),
        }
        if size <= 100_000:
            group = plan_of(head + "{" + " || ".join(["Add"] * size) + "} |-> Sum")
            works["group"] = partial(volnux, group, numbers)
            works["threads"] = partial(threads, numbers)
        if size <= 10_000:
            works["bag"] = partial(bag, numbers)
        rounds = options.rounds if size <= 10_000 else 3
        took = {name: s / size * 1e6 for name, s in interleaved(works, rounds).items()}
        row: list[object] = [f"{size:,} items", took["each"]]
        for rival in ("at_once=8", "group", "threads", "bag"):
            row += [took["each"] / took[rival] if rival in took else "-"]
        rows.append(row)
    columns = ["", "µs per item", "each / each with at_once=8", "each / group"]
    columns += ["each / threads", "each / dask bag"]
    show(f"Items of an each, {WORKERS} threads", columns, rows, as_json=options.json)


if __name__ == "__main__":
    main()
