"""What one run gives to its events."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from volnux.backends.port import RunOptions
from volnux.events.link import Plan
from volnux.events.outcome import Call, Host
from volnux.kit.instants import instant_of

__all__ = ["Given"]


class Given:
    """What is the same for every attempt of a run.

    Attributes:
        run_id: the id of the run.
        inputs: the values of all inputs, by name.
        scheduled_at: the instant that the run stands for, aware, in the pipeline's time zone.
    """

    def __init__(self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> None:
        self.run_id = options.run_id or uuid.uuid4().hex
        self.inputs = dict(inputs)
        self.scheduled_at = instant_of(plan.graph, options.scheduled_at)
        self._portable = options.portable
        self._host: Host | None = None
        if plan.graph.variables or plan.graph.secrets:
            from volnux.kit.config import host_of

            self._host = host_of(plan, options)

    def call(self, place: str, received: Any, attempt: int) -> Call:
        """What one attempt is given.

        Args:
            place: the place in the flow.
            received: the piped value, or None.
            attempt: the number of the attempt, from 1.
        """
        return Call(
            place,
            self.run_id,
            self.inputs,
            received,
            attempt,
            self._portable,
            None,
            self.scheduled_at,
            self._host,
        )
