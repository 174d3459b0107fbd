"""What an event costs that does nothing: a chain and a group, against bare threads.

The rivals are `ThreadPoolExecutor.submit(…).result()` and the loop over
`graphlib.TopologicalSorter` that anyone would write, both with as many threads as a run has.
"""

import graphlib
import queue
import types
from concurrent.futures import ThreadPoolExecutor

from measure import arguments, interleaved, show
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.kit.processes import default_workers
from volnux.pointy import parse

WORKERS = default_workers()


class Nothing(EventBase):
    def process(self):
        return True, None


def nothing():
    return True, None


def plan_of(count, sign):
    module = types.ModuleType("events")
    module.Nothing = Nothing
    graph = compile(parse(f" {sign} ".join(["Nothing"] * count)))
    return link(graph, Lookup(extra=[module]))


def volnux(plan):
    report = StandaloneBackend().run(plan, {}, RunOptions(workers=WORKERS))
    assert report.status == "success"


def threads_chain(count):
    with ThreadPoolExecutor(WORKERS) as pool:
        for _ in range(count):
            pool.submit(nothing).result()


def threads_group(count):
    with ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(nothing) for _ in range(count)]:
            future.result()


def graphlib_and_threads(count, *, chain):
    sorter = graphlib.TopologicalSorter(
        {number: [number - 1] if chain and number else [] for number in range(count)}
    )
    sorter.prepare()
    done = queue.SimpleQueue()

    def run(node):
        done.put((node, nothing()))

    with ThreadPoolExecutor(WORKERS) as pool:
        while sorter.is_active():
            for node in sorter.get_ready():
                pool.submit(run, node)
            node, _ = done.get()
            sorter.done(node)


def main():
    options = arguments(__doc__)
    sizes = [100, 1_000, 10_000, 100_000] + ([1_000_000] if options.full else [])
    for sign, shape, bare in (("->", "chain", threads_chain), ("||", "group", threads_group)):
        rows = []
        for size in sizes:
            plan = plan_of(size, sign)
            rounds = max(options.rounds, 2_000 // size) if size < 100_000 else 3
            works = {"volnux": lambda plan=plan: volnux(plan)}
            if size <= 100_000:
                works["threads"] = lambda size=size, bare=bare: bare(size)
                works["graphlib"] = lambda size=size, chain=sign == "->": graphlib_and_threads(
                    size, chain=chain
                )
            took = {name: s / size * 1e6 for name, s in interleaved(works, rounds).items()}
            row = [f"{shape} of {size:,}", took["volnux"]]
            for rival in ("threads", "graphlib"):
                known = rival in took
                row += [took[rival], took["volnux"] / took[rival]] if known else ["-", "-"]
            rows.append(row)
        head = ["µs an event", "volnux", "threads", "volnux / threads"]
        head += ["graphlib", "volnux / graphlib"]
        show(f"Events that do nothing, {WORKERS} threads", head, rows, as_json=options.json)


if __name__ == "__main__":
    main()
