"""A complete backend that only uses `asyncio`: the example in `docs/backends.md`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from volnux.backends import Backend, Capabilities, RunOptions
from volnux.events import EventSpec, Outcome, Plan
from volnux.graph import Execution, RunReport
from volnux.kit import About, Notes, event_async, hooks_of, keeper_of
from volnux.kit.calls import Calls
from volnux.kit.reuse import Reuse


class TinyBackend(Backend):
    """Runs every event on one event loop, or in a thread or process that the loop waits for."""

    name = "tiny"
    capabilities = Capabilities(resume=True)

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        self.refuse(plan)
        run = _Run(plan, inputs, options or RunOptions())
        return run.hooks.around(lambda: asyncio.run(run.execute()))


class _Run:
    def __init__(self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> None:
        self.plan, self.inputs = plan, inputs
        self.calls = Calls(plan, inputs, options)
        self.about = About(plan.graph.name, "tiny", self.calls.run_id, plan, options.context)
        keeper = keeper_of(self.about, options, inputs, self.calls.scheduled_at)
        self.hooks = hooks_of(self.about, observer=options.observer, keeper=keeper)
        self.notes = Notes(len(plan.graph.nodes))
        self.execution = Execution(plan.graph, items=self.calls.items, grows=self.grow)
        self.reuse = Reuse(plan, self.execution, self.calls, self.notes, options)

    def grow(self, start: int, stop: int, copies: int) -> None:
        """The state machine made copies of some nodes."""
        self.notes.grow((stop - start) * copies)

    async def execute(self) -> RunReport:
        tasks = self.start(self.execution.start())
        limit = self.plan.graph.run_timeout
        end = time.monotonic() + (limit or 0)
        while tasks and not self.execution.ended:
            left = None if limit is None else max(0, end - time.monotonic())
            done, tasks = await asyncio.wait(
                tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                self.execution.expire()
            for task in done:
                index, outcome = task.result()
                if self.execution.ended:
                    break
                self.notes.ends(index, outcome)
                if outcome.raised and self.spec(index).stop_on_exception:
                    self.execution.stop(index, outcome.result)
                else:
                    ready = self.execution.finish(index, outcome.descriptor, outcome.result)
                    tasks |= self.start(ready)
        for task in tasks:
            task.cancel()
        return self.notes.report(
            self.about, self.execution, self.inputs, scheduled_at=self.calls.scheduled_at
        )

    def spec(self, index: int) -> EventSpec:
        """The event of a place."""
        spec = self.plan.specs[self.execution.copies.node(index)]
        assert spec is not None
        return spec

    def start(self, ready: list[int]) -> set[asyncio.Task[tuple[int, Outcome]]]:
        """A task for each event that is ready, unless it keeps the outcome of an earlier run."""
        ready = self.reuse.settle(ready)
        self.reuse.tell(self.hooks)
        for index in ready:
            self.notes.received[index] = self.execution.received(index)
        return {asyncio.create_task(self.event(index)) for index in ready}

    async def event(self, index: int) -> tuple[int, Outcome]:
        """All attempts of one event."""
        call = self.calls.call(self.execution, index, 1, self.notes.received[index])

        def begins(attempt: int) -> None:
            self.notes.begins(index, attempt, time.time())

        taken = self.plan.graph.topology.taken[self.execution.copies.node(index)]
        return index, await event_async(self.spec(index), call, taken, self.hooks, begins)
