"""The parts of a flow that run in one task each."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from volnux.backends.parts import Part
from volnux.events.link import Plan, link
from volnux.events.lookup import FoundEvent, Lookup
from volnux.events.spec import EventSpec
from volnux.graph.compiling import compile
from volnux.graph.model import Each, Graph, TaskGroup
from volnux.graph.report import RunReport
from volnux.pointy.parser import parse
from volnux.pointy.program import Program
from volnux_airflow.declared import home_of_event
from volnux_airflow.outcomes import Piped
from volnux_airflow.reduced import inside, reduced

__all__ = ["FlowPart", "VolnuxFlow", "VolnuxText"]


class VolnuxText:
    """The text of a used file with its events, for a `VolnuxFlow`.

    Args:
        text: the text of the `.pty` file.
        events: the events by their names in the text.
        filename: the name of the file, for messages.
        uses: the texts of the files that it uses, by their names in its `@use`s.

    Raises:
        PointyError: the text is wrong.
    """

    def __init__(
        self,
        text: str,
        *,
        events: Mapping[str, Any],
        filename: str,
        uses: Mapping[str, VolnuxText] | None = None,
    ) -> None:
        self.file = parse(text, filename=filename)
        self.events = _Events(events)
        self.uses = uses or {}


class VolnuxFlow:
    """A flow as text with its events, for the parts of it that a `VolnuxPartOperator` runs.

    `flow["tidy"]` is the group with `task=tidy`, and `flow["each-1"]` is the unit with the first
    `each` of the flow.

    Args:
        text: the text of the `.pty` file.
        events: the events by their names in the text.
        filename: the name of the file, for messages.
        uses: the texts of the files that it uses, by their names in its `@use`s.

    Raises:
        PointyError: a text is wrong, or does not match its events.
    """

    def __init__(
        self,
        text: str,
        *,
        events: Mapping[str, Any],
        filename: str = "flow.pty",
        uses: Mapping[str, VolnuxText] | None = None,
    ) -> None:
        texts = [VolnuxText(text, events=events, filename=filename, uses=uses)]
        for each in texts:  # the list grows
            texts += (used for used in dict.fromkeys(each.uses.values()) if used not in texts)
        program = Program(
            tuple(each.file for each in texts),
            tuple({n: texts.index(used) for n, used in each.uses.items()} for each in texts),
        )
        own, *others = (each.events for each in texts)
        self._plan = link(compile(program), own, used=others)
        self._graph = reduced(self._plan).graph

    def __getitem__(self, name: str) -> FlowPart:
        graph = self._plan.graph
        parts: dict[str, Each | TaskGroup] = {each.each: each for each in graph.eaches}
        parts.update((task.name, task) for task in graph.tasks)
        return FlowPart(self._plan, parts[name], self._graph)


class _Events(Lookup):
    """Finds events among given ones."""

    def __init__(self, events: Mapping[str, Any]) -> None:
        super().__init__()
        self._events = events

    @property
    def home(self) -> str | None:
        """See `Lookup`."""
        return next((home for each in self._events.values() if (home := home_of_event(each))), None)

    def find(self, name: str) -> FoundEvent:
        """See `Lookup`."""
        target = self._events[name]
        return FoundEvent(target, target.__module__, target.__qualname__)


class FlowPart:
    """A group that runs as one task, or the event or group that runs for each item of an `each`.

    Args:
        plan: the whole plan.
        part: the part.
        graph: the graph of the tasks, with the values that tasks can read.

    Attributes:
        plan: the whole plan.
        each: the `each` whose items it runs for; None if it runs once.
        batch: how many items one task runs; None if the task gets a single item, not a list.
    """

    def __init__(self, plan: Plan, part: Each | TaskGroup, graph: Graph) -> None:
        self.plan = plan
        self._part = part
        self._values = graph.values
        self.each = part if isinstance(part, Each) else None
        self.batch = part.batch if isinstance(part, Each) else None

    def __repr__(self) -> str:
        # Airflow stores this in the serialized DAG: it must be the same in every process.
        name = self.each.each if self.each is not None else getattr(self._part, "name", "")
        return f"<part {name} of {self.plan.graph.name}>"

    def cut(self) -> Part:
        """The part as a plan of its own."""
        return Part.of(self.plan, self._part)

    def value(self, row: int) -> Piped:
        """A value that the part takes from outside, by its index in the whole graph."""
        return Piped(self._values, row)

    @property
    def events(self) -> Iterable[EventSpec]:
        """The events of the part."""
        return self._specs.values()

    @property
    def may_stop_run(self) -> bool:
        """Whether an exception in the part may end the whole run."""
        return any(spec.stop_on_exception for spec in self._specs.values())

    def stopped(self, report: RunReport) -> bool:
        """Whether the run of the part was ended by an exception that ends the whole run."""
        return report.end is not None and report.end.stopped

    @functools.cached_property
    def _specs(self) -> dict[str, EventSpec]:
        """The events of the part, by their places."""
        graph, specs = self.plan.graph, self.plan.specs
        return {
            graph.nodes[i].id: spec
            for i in inside(graph, self._part)
            if (spec := specs[i]) is not None
        }
