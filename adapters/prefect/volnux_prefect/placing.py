"""The places of a run: the event, the arguments and the outcome of each."""

from __future__ import annotations

import time
from typing import Any

from prefect.client.schemas.objects import State

from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.graph.execution import Execution
from volnux.kit.calls import Calls
from volnux.kit.notes import Notes
from volnux_prefect.states import EventState
from volnux_prefect.translate import Blueprint, RunnerKey
from volnux_prefect.work import outcome_of

__all__ = ["Places"]


class Places:
    """What belongs to each place of a run, by its instance: see `volnux.graph.copies`.

    Args:
        blueprint: the plan that runs.
        execution: the progress of the run.
        calls: the arguments of the run.
        notes: the records of the run.
    """

    def __init__(
        self, blueprint: Blueprint, execution: Execution, calls: Calls, notes: Notes
    ) -> None:
        self._blueprint = blueprint
        self._execution = execution
        self._calls = calls
        self._notes = notes

    def node(self, index: int) -> int:
        """The index in the graph of the node that an instance is a copy of."""
        return self._execution.copies.node(index)

    def spec(self, index: int) -> EventSpec:
        """The event of a place."""
        spec = self._blueprint.plan.specs[self.node(index)]
        assert spec is not None
        return spec

    def taken(self, index: int) -> frozenset[int]:
        """The descriptors that have a branch at a place."""
        return self._blueprint.taken[self.node(index)]

    def runner_key(self, index: int) -> RunnerKey:
        """The key of the task runner of a place."""
        return self._blueprint.runners[self.node(index)]

    def receive(self, index: int) -> None:
        """Note the piped value of a place that is ready."""
        if self._execution.nodes[index].receives is not None:
            self._notes.received[index] = self._execution.received(index)

    def call(self, index: int, attempt: int = 1) -> Call:
        """The arguments of an attempt."""
        received = self._notes.received[index]
        return self._calls.call(self._execution, index, attempt, received)

    def next_call(self, index: int) -> Call:
        """The arguments of the next call, which may go on with an attempt."""
        return self._notes.going_on(index, self.call(index, self._notes.next(index)))

    def outcome(self, index: int, ended: State[Any] | BaseException, *, is_away: bool) -> Outcome:
        """The outcome of a place, from the state of its task run.

        Args:
            index: the place.
            ended: the state, or the error if there is none.
            is_away: whether the event ran in another process.
        """
        notes = self._notes
        started = notes.first[index] or time.time()
        told = ended.outcome if isinstance(ended, EventState) else None
        notes.made[index] = max(notes.made[index], told.attempts if told else 1)
        if told and (not notes.first[index] or is_away):
            notes.first[index] = told.polls.since if told.polls else told.started_at
        call = notes.going_on(index, self.call(index, notes.made[index]))
        return outcome_of(self.spec(index), call, ended, started)
