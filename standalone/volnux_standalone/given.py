"""The arguments that one run passes to its events."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from volnux.backends.port import RunOptions
from volnux.events.link import Plan
from volnux.events.outcome import Call, Host
from volnux.kit.instants import instant_of
from volnux_standalone.attempt import Attempt

__all__ = ["Given"]


class Given:
    """Makes the arguments of every attempt of a run.

    Args:
        plan: the plan of the run.
        inputs: the values of all inputs, by name.
        options: the options of the run.
        received: for each place, by index, the value that is piped to it, or None.

    Attributes:
        run_id: the id of the run.
        inputs: the values of all inputs, by name.
        scheduled_at: the scheduled time of the run, aware, in the pipeline's time zone.
    """

    def __init__(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions, received: list[Any]
    ) -> None:
        self._nodes = plan.graph.nodes
        self._received = received
        self.run_id = options.run_id or uuid.uuid4().hex
        self.inputs = dict(inputs)
        self.scheduled_at = instant_of(plan.graph, options.scheduled_at)
        self._portable = options.portable
        self._host: Host | None = None
        if plan.graph.variables or plan.graph.secrets:
            from volnux.kit.config import host_of

            self._host = host_of(plan, options)

    def call(self, attempt: Attempt) -> Call:
        """The arguments of one attempt."""
        index = attempt.index
        return Call(
            self._nodes[index].id,
            self.run_id,
            self.inputs,
            self._received[index],
            attempt.number,
            self._portable,
            None,
            self.scheduled_at,
            self._host,
        )
