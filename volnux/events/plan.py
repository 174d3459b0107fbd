"""The plan of a pipeline: its graph with all that linking found out about its events."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from volnux.errors import Diagnostic
from volnux.events.inputs import bind_inputs
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph, InputSpec
from volnux.graph.topology import ROOT
from volnux.graph.walk import EventName

if TYPE_CHECKING:
    from volnux.events.scope import Scope
    from volnux.events.visible import Visible

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """The linked graph, which a backend runs.

    Attributes:
        graph: the graph with its final evaluations and `on_failure`.
        specs: the spec of each node's event; None for joins and catches.
        warnings: warnings found by linking.
        readers: the check of each input that is a field of a pipeline class, by name.
        kinds: the names that errors use for the types of these fields, by name.
        found: the module and the global name of each event of each text.
        scopes: the scope of each use, as `Graph.uses`.
        owner: the pipeline class that has the fields, or None.
    """

    graph: Graph
    specs: tuple[EventSpec | None, ...]
    warnings: tuple[Diagnostic, ...] = ()
    readers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    owner: type | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[EventName, tuple[str, str]] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the graph and of the settings of its events, in hex."""
        events = [
            spec
            and [
                f"{spec.event_class.__module__}.{spec.event_class.__qualname__}",
                spec.retry.max_attempts,
                spec.retry.backoff_factor,
                spec.retry.max_backoff,
                [kind.__qualname__ for kind in spec.retry.retry_on_exceptions],
                [kind.__qualname__ for kind in spec.retry.exclude_exceptions],
                spec.retry.retry_on_failure,
                spec.executor.describe(),
                spec.timeout,
                spec.every,
                spec.within,
                spec.stop_on_exception,
                [number for number, _ in spec.conditions],
            ]
            for spec in self.specs
        ]
        text = json.dumps([self.graph.fingerprint, events])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def home(self) -> str | None:
        """The folder of the events' modules, or None; see `volnux.events.modules.at_home`."""
        return next((spec.home for spec in self.specs if spec is not None), None)

    def bind(
        self,
        given: Mapping[str, Any],
        *,
        without: Container[str] = (),
        scheduled_at: dt.datetime | None = None,
    ) -> dict[str, Any]:
        """Return a value for every input, in the order of declaration; see `bind_inputs`.

        Args:
            given: values by name.
            without: names of inputs to leave out.
            scheduled_at: the scheduled time of the run, aware; now if None.

        Raises:
            InputError: inputs are missing, unknown or of a wrong type; it lists all faults.
        """
        specs = [spec for spec in self.graph.inputs if spec.name not in without]
        clock = None
        if any(spec.moment is not None for spec in specs):
            from volnux.schedules.moments import Clock

            clock = Clock.of(self.graph, scheduled_at)
        return bind_inputs(specs, given, self.readers, self.kinds, clock)

    @property
    def timed(self) -> tuple[InputSpec, ...]:
        """The inputs whose default is a time of the run."""
        return tuple(spec for spec in self.graph.inputs if spec.moment is not None)

    def times(
        self, scheduled_at: dt.datetime | None = None, *, without: Container[str] = ()
    ) -> dict[str, Any]:
        """The values of the inputs whose default is a time of the run.

        Args:
            scheduled_at: the scheduled time of the run, aware; now if None.
            without: names of inputs that are left out.

        Raises:
            InputError: the schedule has no instant before that one.
        """
        timed = [spec for spec in self.timed if spec.name not in without]
        if not timed:
            return {}
        from volnux.schedules.moments import Clock

        return bind_inputs(timed, {}, clock=Clock.of(self.graph, scheduled_at))

    @property
    def visible(self) -> Visible:
        """The classes that values of the pipeline may be of."""
        from volnux.events.visible import Visible

        return next((spec.visible for spec in self.specs if spec is not None), Visible())

    def scope_around(self, node: str) -> Scope | None:
        """The uses around a node, by its id; None if there is none."""
        use = self.graph.topology.use_around(node) if self.scopes else ROOT
        return None if use == ROOT else self.scopes[use]

    def spec(self, place: str) -> EventSpec:
        """The spec of the event at a place.

        Raises:
            KeyError: there is no such place.
        """
        spec = self.specs[self.graph.topology.index[place]]
        if spec is None:
            raise KeyError(place)
        return spec
