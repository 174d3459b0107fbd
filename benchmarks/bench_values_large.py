"""A frame between two events, in memory and as it leaves a process: time and peak memory.

Each run has its own process, because memory that was used once is not returned. Time and memory are
those of the run as a whole, which makes the frame and adds up one column. `--full` uses a frame of
200 MB instead of 40 MB.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import types

import numpy as np
import pandas as pd
from measure import arguments, show
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.pointy import parse

COLUMNS = 10
WAYS = ("in memory", "--portable", "--portable, VOLNUX_VALUES")


class Load(EventBase):
    def process(self, size: int) -> tuple[bool, pd.DataFrame]:
        numbers = np.random.default_rng(1).standard_normal((size // 8 // COLUMNS, COLUMNS))
        return True, pd.DataFrame(numbers, columns=[f"c{number}" for number in range(COLUMNS)])


class Total(EventBase):
    def process(self, previous_result: pd.DataFrame) -> tuple[bool, float]:
        return True, float(previous_result["c0"].sum())


def run(way: str, size: int) -> None:
    """Run once in this process, and print the seconds and the peak of memory in MB."""
    module = types.ModuleType("events")
    vars(module).update(Load=Load, Total=Total)
    text = f"Load(size={size}) |-> Total"
    plan = link(compile(parse(text)), Lookup(extra=[module]))
    began = time.perf_counter()
    report = StandaloneBackend().run(plan, {}, RunOptions(portable=way != WAYS[0], results=False))
    taken = time.perf_counter() - began
    assert report.status == "success", report.failure
    # In kilobytes, except on macOS, where it is in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    print(json.dumps([taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit]))


def measured(way: str, size: int, folder: str) -> list[float]:
    """The seconds and the peak of memory of a run in a new process."""
    settings = {**os.environ, "VOLNUX_VALUES": folder if way == WAYS[2] else ""}
    command = [sys.executable, __file__, "run", way, str(size)]
    done = subprocess.run(command, check=True, env=settings, stdout=subprocess.PIPE, text=True)
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    options = arguments(__doc__)
    size = 200_000_000 if options.full else 40_000_000
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        empty = measured(WAYS[0], 8 * COLUMNS, folder)[1]
        for _ in range(options.rounds):
            for way in WAYS:
                found[way].append(measured(way, size, folder))
    rows = []
    for way, runs in found.items():
        taken, peak = map(statistics.median, zip(*runs, strict=True))
        least = statistics.median(each[0] for each in found[WAYS[0]])
        rows.append((way, taken, taken / least, peak, (peak - empty) / (size / 1e6)))
    head = ("way", "seconds", "ratio", "peak MB", "peak in frames")
    show(
        f"a frame of {size // 1_000_000} MB from one event to the next",
        head,
        rows,
        as_json=options.json,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2], int(sys.argv[3]))
    else:
        main()
