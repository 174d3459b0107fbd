"""The cost of events that wait: time for each poll, and threads and processor time meanwhile."""

import threading
import time
import types
from typing import Any

from measure import arguments, show
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.backends.port import RunObserver
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.kit.processes import default_workers
from volnux.pointy import parse

WORKERS = default_workers()
SECONDS = 20.0


class Ready(EventBase):
    every = SECONDS

    def process(self) -> tuple[bool, Any]:
        if not self.polls:
            self.not_yet("no file")
        return True, None


class Watch(RunObserver):
    """Notes threads and processor time when all events wait, and just before they go on."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.threads = 0
        self.begun = time.perf_counter()
        self.all_wait = self.used = 0.0

    def place_waits(self, node: object, outcome: object) -> None:
        self.left -= 1
        if not self.left:
            self.all_wait = time.perf_counter() - self.begun
            self.threads = threading.active_count()
            timer = threading.Timer(SECONDS / 4, self._look, [time.process_time()])
            timer.daemon = True
            timer.start()

    def _look(self, before: float) -> None:
        self.used = time.process_time() - before


def main() -> None:
    options = arguments(__doc__)
    module = types.ModuleType("events")
    vars(module)["Ready"] = Ready
    plan = link(compile(parse("@input: n: list\nReady[each=i, in=n]")), Lookup(extra=[module]))
    rows: list[list[object]] = []
    for size in (1_000, 10_000):
        watch = Watch(size)
        chosen = RunOptions(workers=WORKERS, observer=watch)
        report = StandaloneBackend().run(plan, {"n": list(range(size))}, chosen)
        assert report.succeeded
        assert all(place.polls == 1 for place in report.places.values())
        poll = watch.all_wait / size * 1e6
        rows.append([f"{size:,} events", poll, watch.threads, watch.used / (SECONDS / 4) * 100])
    columns = ["", "µs per first poll", "threads", "processor while all wait, %"]
    show(f"Events that wait, {WORKERS} threads", columns, rows, as_json=options.json)


if __name__ == "__main__":
    main()
