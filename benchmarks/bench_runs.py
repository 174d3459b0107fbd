"""The cost of keeping a run, the size of a store, and the time to list its runs.

`volnux run` is measured as a whole process. The embedded backend alone is measured too: there, an
event that does nothing takes so little time that keeping it takes about as long. Results are ratios
to the same run unkept.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import arguments, interleaved, show
from volnux_standalone import StandaloneBackend

from volnux.backends import RunObserver, RunOptions
from volnux.loading import load_plan
from volnux.runs import Store

EVENTS = 10_000
MANY = 100_000
RUNS = 1_000

MODULE = """
from volnux import event

@event
def Nothing():
    return True, None

@event
def Rows(previous_result=None):
    return True, [{"id": n, "name": f"row {n}"} for n in range(20)]
"""


def written(folder: Path, event: str, count: int) -> Path:
    """A chain of events in a file, with their module beside it."""
    (folder / "events.py").write_text(MODULE)
    path = folder / f"{event.lower()}{count}.pty"
    path.write_text(" ->\n".join([event] * count) + "\n")
    return path


def tool(*arguments: str) -> None:
    """Run the tool in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "volnux", *arguments], check=True, stdout=subprocess.DEVNULL
    )


def commands(folder: Path, rounds: int) -> list[list[object]]:
    """`volnux run` of a file, unkept and kept."""
    path, store = written(folder, "Nothing", EVENTS), folder / "command.db"
    taken = interleaved(
        {
            "unkept": lambda: tool("run", str(path), "--plain", "--no-store"),
            "kept": lambda: tool("run", str(path), "--plain", "--store", str(store)),
        },
        rounds,
    )
    return [
        [f"volnux run, {EVENTS:,} events", kind, time, time / taken["unkept"]]
        for kind, time in taken.items()
    ]


def backend(folder: Path, event: str, count: int, rounds: int) -> list[list[object]]:
    """A run on the embedded backend, unkept and kept."""
    plan = load_plan(written(folder, event, count))
    store = Store(folder / f"{event}{count}.db")

    def run(options: RunOptions) -> None:
        assert StandaloneBackend().run(plan, {}, options).status == "success"

    taken = interleaved(
        {
            "unkept": lambda: run(RunOptions()),
            "with an observer": lambda: run(RunOptions(observer=RunObserver())),
            "kept": lambda: run(RunOptions(store=store)),
        },
        rounds,
    )
    size = sum(path.stat().st_size for path in folder.glob(f"{event}{count}.db*"))
    rows: list[list[object]] = [
        [f"backend, {count:,} times {event}", kind, time, time / taken["unkept"]]
        for kind, time in taken.items()
    ]
    print(f"{event}: {size / rounds / count:,.0f} bytes for an event")
    return rows


def lists(folder: Path, rounds: int) -> list[list[object]]:
    """`volnux runs` with many runs."""
    plan = load_plan(written(folder, "Nothing", 10))
    path = folder / "runs.db"
    store = Store(path)
    for _ in range(RUNS):
        StandaloneBackend().run(plan, {}, RunOptions(store=store))
    taken = interleaved(
        {
            "the query": lambda: Store(path).list(),
            "volnux runs": lambda: tool("runs", "--store", str(path)),
            "volnux --version": lambda: tool("--version"),
        },
        rounds,
    )
    return [[f"{RUNS:,} runs", kind, time * 1000, ""] for kind, time in taken.items()]


def main() -> None:
    chosen = arguments(__doc__)
    os.environ.pop("VOLNUX_STORE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        rows = commands(folder, chosen.rounds)
        rows += backend(folder, "Nothing", EVENTS, chosen.rounds)
        rows += backend(folder, "Rows", 2_000, chosen.rounds)
        if chosen.full:
            rows += backend(folder, "Nothing", MANY, 1)
        show("keeping a run", ("what", "how", "seconds", "ratio"), rows, as_json=chosen.json)
        listed = lists(folder, chosen.rounds)
        show("listing runs", ("what", "how", "ms", ""), listed, as_json=chosen.json)
        print(f"in {time.perf_counter() - began:,.0f} s")


if __name__ == "__main__":
    main()
