"""The cost of an event that does nothing: a chain and a group, compared with plain threads.

The alternatives are `ThreadPoolExecutor.submit(…).result()` and a simple loop over
`graphlib.TopologicalSorter`, both with as many threads as a run has.
"""

import graphlib
import queue
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from measure import arguments, interleaved, show
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.events import Lookup, Plan, link
from volnux.graph import compile
from volnux.kit.processes import default_workers
from volnux.pointy import parse

WORKERS = default_workers()


class Nothing(EventBase):
    def process(self) -> tuple[bool, Any]:
        return True, None


def nothing() -> tuple[bool, Any]:
    return True, None


def plan_of(count: int, sign: str) -> Plan:
    module = types.ModuleType("events")
    vars(module)["Nothing"] = Nothing
    graph = compile(parse(f" {sign} ".join(["Nothing"] * count)))
    return link(graph, Lookup(extra=[module]))


def volnux(plan: Plan) -> None:
    report = StandaloneBackend().run(plan, {}, RunOptions(workers=WORKERS))
    assert report.status == "success"


def threads_chain(count: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in range(count):
            pool.submit(nothing).result()


def threads_group(count: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(nothing) for _ in range(count)]:
            future.result()


def graphlib_and_threads(count: int, *, chain: bool) -> None:
    sorter = graphlib.TopologicalSorter(
        {number: [number - 1] if chain and number else [] for number in range(count)}
    )
    sorter.prepare()
    done: queue.SimpleQueue[tuple[int, object]] = queue.SimpleQueue()

    def run(node: int) -> None:
        done.put((node, nothing()))

    with ThreadPoolExecutor(WORKERS) as pool:
        while sorter.is_active():
            for node in sorter.get_ready():
                pool.submit(run, node)
            node, _ = done.get()
            sorter.done(node)


def main() -> None:
    options = arguments(__doc__)
    sizes = [100, 1_000, 10_000, 100_000] + ([1_000_000] if options.full else [])
    for sign, shape, bare in (("->", "chain", threads_chain), ("||", "group", threads_group)):
        rows: list[list[object]] = []
        for size in sizes:
            plan = plan_of(size, sign)
            rounds = max(options.rounds, 2_000 // size) if size < 100_000 else 3
            works: dict[str, Callable[[], object]] = {"volnux": partial(volnux, plan)}
            if size <= 100_000:
                works["threads"] = partial(bare, size)
                works["graphlib"] = partial(graphlib_and_threads, size, chain=sign == "->")
            took = {name: s / size * 1e6 for name, s in interleaved(works, rounds).items()}
            row: list[object] = [f"{shape} of {size:,}", took["volnux"]]
            for rival in ("threads", "graphlib"):
                known = rival in took
                row += [took[rival], took["volnux"] / took[rival]] if known else ["-", "-"]
            rows.append(row)
        head = ["µs per event", "volnux", "threads", "volnux / threads"]
        head += ["graphlib", "volnux / graphlib"]
        show(f"Events that do nothing, {WORKERS} threads", head, rows, as_json=options.json)


if __name__ == "__main__":
    main()
