"""A flow of 200 no-op events from a `.pty`, compared with the same flow written by hand.

The time is measured in the client: from the call of the flow until it returns, with a temporary
server (or the one in PREFECT_API_URL). Both flows run in turn, and the result is the median of the
ratios of all rounds, which short peaks of load do not change. The aim is at most 1.05. The client's
processor time, which does not include waiting for the server, is reported in the same way.

    python benchmarks/bench_prefect.py [EVENTS] [ROUNDS]
"""

from __future__ import annotations

import gc
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
# The server writes rarely, in large batches: under constant writes, SQLite refuses some requests,
# and then the client waits two seconds, in both flows.
for name, value in {"BATCH_SIZE": "1000", "READ_BATCH_SIZE": "100", "FLUSH_INTERVAL": "1"}.items():
    os.environ.setdefault(f"PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_{name}", value)
os.environ.setdefault("PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")

EVENTS = 200
ROUNDS = 9
AIM = 1.05

EVENTS_MODULE = """\
from volnux import event


@event
def Nothing(previous_result=None):
    return True, previous_result
"""


def by_hand(events: int, wide: int) -> Any:
    """The flow as a Prefect user would write it: submit tasks that wait for the previous ones."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.states import Completed

    @task(name="Nothing", cache_policy=NO_CACHE)
    def nothing(previous_result: Any = None) -> Any:
        return previous_result

    @flow(name="by-hand")
    def by_hand() -> Any:
        last: list[Any] = []
        for row in range(0, events, wide):
            last = [
                nothing.submit(return_state=False, wait_for=last)
                for _ in range(min(wide, events - row))
            ]
        for future in last:
            future.wait()
        return Completed(message="done")

    return by_hand


def main() -> None:
    """Run and print the ratios."""
    if importlib.util.find_spec("prefect") is None:
        from volnux.extras import how_to_install

        print(f"Prefect is not installed: {how_to_install('prefect')}")
        return
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="volnux-bench-") as folder:
        if "PREFECT_API_URL" not in os.environ:
            os.environ["PREFECT_HOME"] = folder
        from volnux_prefect import load_flow

        Path(folder, "events.py").write_text(EVENTS_MODULE)
        for wide, shape in ((1, "in a chain"), (10, "in groups of 10")):
            row = " || ".join(["Nothing"] * wide)
            pty = Path(folder, f"flow{wide}.pty")
            pty.write_text(" -> ".join([row] * (events // wide)))
            begun = time.perf_counter()
            ours = load_flow(pty)
            loaded = time.perf_counter() - begun
            theirs = by_hand(events, wide)
            taken: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}
            for number in range(rounds + 1):
                # In turn, and each is first equally often. The first round is a warm-up.
                pair = [("ours", ours), ("theirs", theirs)]
                for name, flow in pair if number % 2 else reversed(pair):
                    spent = measured(flow)
                    if number:
                        taken[name].append(spent)
            print(
                f"{events} events {shape} ({rounds} rounds, aim: at most {AIM}; "
                f"loading the .pty took {loaded:.2f} s)"
            )
            for kind, what in ((0, "time"), (1, "processor time")):
                mine = [spent[kind] for spent in taken["ours"]]
                other = [spent[kind] for spent in taken["theirs"]]
                ratio = statistics.median(m / o for m, o in zip(mine, other, strict=True))
                print(
                    f"  {what}: from a .pty {statistics.median(mine):.2f} s, "
                    f"by hand {statistics.median(other):.2f} s, ratio {ratio:.3f}"
                )


def measured(flow: Any) -> tuple[float, float]:
    """The seconds and the processor seconds of one run in this process, without the server."""
    gc.collect()
    begun, used = time.perf_counter(), time.process_time()
    flow(return_state=True)
    return time.perf_counter() - begun, time.process_time() - used


if __name__ == "__main__":
    main()
