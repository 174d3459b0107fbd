"""From text to a plan, and the state machine alone: events per second in each step."""

import types
from collections.abc import Callable
from typing import Any

from measure import arguments, interleaved, show

from volnux import EventBase
from volnux.events import Lookup, link
from volnux.graph import Execution, Graph, compile
from volnux.pointy import parse

SHAPES: dict[str, Callable[[int], str]] = {
    "chain": lambda count: " -> ".join(["Nothing"] * count),
    "group": lambda count: " || ".join(["Nothing"] * count),
    "branches": lambda count: " -> ".join(["Nothing (0 -> Nothing, 1 -> Nothing)"] * (count // 3)),
}


class Nothing(EventBase):
    def process(self) -> tuple[bool, Any]:
        return True, None


def drive(graph: Graph) -> None:
    """Drive the state machine as a backend does, without a backend."""
    execution = Execution(graph)
    ready = execution.start()
    finish = execution.finish
    while ready:
        ready.extend(finish(ready.pop(), 1))


def main() -> None:
    options = arguments(__doc__)
    module = types.ModuleType("events")
    vars(module)["Nothing"] = Nothing
    rows: list[list[object]] = []
    for shape, text_of in SHAPES.items():
        rates: dict[tuple[str, int], float] = {}
        sizes = (2_500, 25_000)
        for size in sizes:
            text = text_of(size)
            file = parse(text)
            graph = compile(file)
            steps = {
                "parse": lambda text=text: parse(text),
                "compile": lambda file=file: compile(file),
                "link": lambda graph=graph: link(graph, Lookup(extra=[module])),
                "state machine": lambda graph=graph: drive(graph),
            }
            for step, took in interleaved(steps, options.rounds).items():
                rates[step, size] = size / took
        for step in ("parse", "compile", "link", "state machine"):
            small, large = (rates[step, size] for size in sizes)
            rows.append([f"{shape}: {step}", int(large), small / large])
    head = ["step", "events per second", "time per event, 25,000 against 2,500"]
    show("From text to a plan, and the state machine", head, rows, as_json=options.json)


if __name__ == "__main__":
    main()
