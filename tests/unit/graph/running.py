"""Runs flows with the state machine alone, and shows results in a few letters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from volnux.graph import Execution, Failure, Graph, Kind, State, compile
from volnux.graph.walk import EventName
from volnux.pointy import parse
from volnux.pointy.tree import Evaluation

BOOM = Failure("RuntimeError", "boom", attempts=3)

ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"

LETTERS = {State.DONE: "d", State.SKIPPED: "s", State.CANCELLED: "c"}


def graph(text: str, evaluations: Mapping[str, str] | None = None) -> Graph:
    """The graph of a text; `evaluations` are the states that the classes of events have."""
    states = None
    if evaluations is not None:
        states = {EventName(0, name): Evaluation(state) for name, state in evaluations.items()}
    return compile(parse(text, filename="flow.pty"), evaluations=states)


def ending(event: str) -> tuple[int, Any]:
    """`Bad` fails, `Boom` raises, `Three` and the like finish with their number."""
    match event:
        case "Bad":
            return 0, "bad"
        case "Boom":
            return 0, BOOM
        case "Two" | "Three" | "Nine":
            return {"Two": 2, "Three": 3, "Nine": 9}[event], event.lower()
        case _:
            return 1, None


@dataclass
class Ran:
    """A run that has ended."""

    execution: Execution
    received: dict[str, Any]

    @property
    def status(self) -> str:
        return str(self.execution.status)

    @property
    def result(self) -> Any:
        return self.execution.value(self.execution.graph.result)

    def __getitem__(self, place: str) -> str:
        """For a place: `d` done, `s` skipped, `f` failed, `x` failed without running. An unusual
        descriptor follows: `d0` is a failure that was handled.
        """
        node = [node.id for node in self.execution.graph.nodes].index(place)
        state, descriptor = self.execution.states[node], self.execution.descriptors[node]
        if state is State.FAILED:
            return "x" if place not in self.received else "f"
        assert state is not None
        return LETTERS[state] + ("" if descriptor in (None, 1) else str(descriptor))

    @property
    def places(self) -> str:
        """All places in reading order: `A d, B s`."""
        return ", ".join(f"{node.id} {self[node.id]}" for node in self.execution.graph.places())

    def result_of(self, place: str) -> Any:
        node = [node.id for node in self.execution.graph.nodes].index(place)
        return self.execution.results[node]


def run(
    text: str | Graph,
    *,
    evaluations: Mapping[str, str] | None = None,
    last_first: bool = False,
    stops: str | None = None,
) -> Ran:
    """Run a flow. A success returns the place's name in lower case.

    Args:
        text: the flow.
        evaluations: evaluation states by event name.
        last_first: whether the running event that started last ends first.
        stops: the event that has `stop_on_exception`.
    """
    flow = graph(text, evaluations) if isinstance(text, str) else text
    execution = Execution(flow)
    received: dict[str, Any] = {}
    running: deque[int] = deque()

    def begin(ready: list[int]) -> None:
        for node in ready:
            assert flow.nodes[node].kind is Kind.EVENT
            received[flow.nodes[node].id] = execution.received(node)
        running.extend(ready)

    begin(execution.start())
    while not execution.ended:
        index = running.pop() if last_first else running.popleft()
        node = flow.nodes[index]
        assert node.event is not None
        descriptor, result = ending(node.event)
        if node.event == stops:
            execution.stop(index, result)
        else:
            result = node.id.lower() if descriptor == 1 else result
            begin(execution.finish(index, descriptor, result))
    return Ran(execution, received)
