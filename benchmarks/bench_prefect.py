"""A flow of 200 no-op events from a `.pty`, against the same flow written by hand for Prefect.

The time is that of the client: from the call of the flow until it returns, against a temporary
server of its own (or the one that PREFECT_API_URL names). Both flows run in turn; the figure is the
ratio of the medians, and the aim is at most 1.05.

    python benchmarks/bench_prefect.py [EVENTS] [ROUNDS]
"""

from __future__ import annotations

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
    """The flow as somebody who writes for Prefect would: submit, wait for what comes before."""
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
            last = [nothing.submit(wait_for=last) for _ in range(min(wide, events - row))]
        for future in last:
            future.wait()
        return Completed(message="done")

    return by_hand


def main() -> None:
    """Run and print the ratios."""
    if importlib.util.find_spec("prefect") is None:
        print("Prefect is not installed: pip install 'volnux[prefect]'")
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
            times: dict[str, list[float]] = {"ours": [], "theirs": []}
            for number in range(rounds + 1):
                # In turn, and each first as often as the other.
                pair = [("ours", ours), ("theirs", theirs)]
                for name, flow in pair if number % 2 else reversed(pair):
                    begun = time.perf_counter()
                    flow(return_state=True)
                    if number:
                        times[name].append(time.perf_counter() - begun)
            mine, other = statistics.median(times["ours"]), statistics.median(times["theirs"])
            print(
                f"{events} events {shape}: from a .pty {mine:.2f} s, by hand {other:.2f} s, "
                f"ratio {mine / other:.3f} (aim: at most {AIM}); loading the .pty {loaded:.3f} s"
            )


if __name__ == "__main__":
    main()
