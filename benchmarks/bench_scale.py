"""Large programs: time and memory of each step, and whether they grow linearly with the size.

Each row is measured in a separate process, so that the peak memory belongs to that row only.
"""

import json
import resource
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

from measure import arguments, seconds, show

STEPS = (
    *("parse", "check", "format", "compile", "to JSON", "from JSON"),
    *("ascii", "mermaid", "dot", "simulate", "link", "run", "report"),
)

SHAPES: dict[str, Callable[[int], str]] = {
    "chain": lambda size: " -> ".join(["E"] * size),
    "piped chain": lambda size: " |-> ".join(["E"] * size),
    "group": lambda size: " || ".join(["E"] * size),
    "fan |-> fan": lambda size: " |-> ".join(["{" + " || ".join(["E"] * size) + "}"] * 2),
    "nested": lambda size: "{" * size + "E || E" + "} -> E" * size,
    "branches": lambda size: " -> ".join(["E (0 -> E, 1 -> E)"] * (size // 3)),
}

SIZES = {
    "chain": (25_000, 100_000),
    "piped chain": (25_000, 100_000),
    "group": (25_000, 100_000),
    "fan |-> fan": (250, 1_000),
    "nested": (2_500, 10_000),
    "branches": (25_000, 100_000),
}


def measure(shape: str, size: int) -> dict[str, Any]:
    """Seconds of each step, and the peak memory in MiB before and after all of them."""
    from volnux_standalone import StandaloneBackend

    from volnux import EventBase
    from volnux.errors import Source
    from volnux.events import Lookup, link
    from volnux.graph import Graph, compile, simulate
    from volnux.graph.draw import draw
    from volnux.pointy import parse
    from volnux.pointy.formatter import format_text
    from volnux.pointy.parser import analyze

    class E(EventBase):
        def process(self) -> tuple[bool, Any]:
            return True, None

    module = types.ModuleType("events")
    vars(module)["E"] = E
    text = SHAPES[shape](size)
    kept: dict[str, Any] = {}

    def keep(name: str, work: Callable[[], object]) -> None:
        kept[name] = work()

    works: dict[str, Callable[[], object]] = {
        "parse": lambda: keep("file", lambda: parse(text)),
        "check": lambda: analyze(Source(text, "scale.pty")),
        "format": lambda: format_text(text),
        "compile": lambda: keep("graph", lambda: compile(kept["file"])),
        "to JSON": lambda: keep("json", lambda: kept["graph"].to_json()),
        "from JSON": lambda: Graph.from_json(kept["json"]),
        "ascii": lambda: draw(kept["graph"], "ascii"),
        "mermaid": lambda: draw(kept["graph"], "mermaid"),
        "dot": lambda: draw(kept["graph"], "dot"),
        "simulate": lambda: simulate(kept["graph"]),
        "link": lambda: keep("plan", lambda: link(kept["graph"], Lookup(extra=[module]))),
        "run": lambda: keep("report", lambda: StandaloneBackend().run(kept["plan"], {})),
        "report": lambda: kept["report"].dumps(),
    }
    took: dict[str, float | str] = {}
    before = _peak()
    for name in STEPS:
        try:
            took[name] = seconds(works[name])
        except Exception as error:  # noqa: BLE001 - one step that fails must not hide the others
            took[name] = f"{type(error).__name__}: {error}"[:60]
    return {"took": took, "memory": _peak() - before}


def _peak() -> float:
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def in_a_process(shape: str, size: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, "--one", shape, str(size)],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def main() -> None:
    if "--one" in sys.argv:
        print(json.dumps(measure(sys.argv[-2], int(sys.argv[-1]))))
        return
    options = arguments(__doc__)
    for shape, sizes in SIZES.items():
        small, large = (in_a_process(shape, size) for size in sizes)
        rows: list[list[object]] = []
        for step in STEPS:
            first, second = small["took"][step], large["took"][step]
            numbers = isinstance(first, float) and isinstance(second, float)
            rows.append([step, first, second, second / first if numbers else "-"])
        ratio = large["memory"] / max(small["memory"], 1)
        rows.append(["peak memory, MiB", small["memory"], large["memory"], ratio])
        head = [f"{shape}, seconds", f"{sizes[0]:,}", f"{sizes[1]:,}", "ratio (4 is linear)"]
        show(f"Scale: {shape}", head, rows, as_json=options.json)


if __name__ == "__main__":
    main()
