"""A complete backend that only uses `asyncio`: the example in `docs/backends.md`."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

from volnux.backends import Backend, Capabilities, RunOptions
from volnux.events import Call, Outcome, Plan
from volnux.graph import Execution, RunReport
from volnux.kit import About, Notes, event_async, hooks_of
from volnux.kit.config import host_of
from volnux.kit.instants import instant_of


class TinyBackend(Backend):
    """Runs every event on one event loop, or in a thread or process that the loop waits for."""

    name = "tiny"
    capabilities = Capabilities()

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        self.refuse(plan)
        run = _Run(plan, inputs, options or RunOptions())
        return run.hooks.around(lambda: asyncio.run(run.execute()))


class _Run:
    def __init__(self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> None:
        self.plan, self.inputs, self.options = plan, inputs, options
        self.run_id = options.run_id or uuid.uuid4().hex
        self.scheduled_at = instant_of(plan.graph, self.options.scheduled_at)
        self.host = host_of(plan, self.options)
        self.about = About(plan.graph.name, "tiny", self.run_id, plan, options.context)
        self.hooks = hooks_of(self.about, observer=options.observer)
        self.execution = Execution(plan.graph)
        self.notes = Notes(len(plan.graph.nodes))

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
                if outcome.raised and self.plan.specs[index].stop_on_exception:
                    self.execution.stop(index, outcome.result)
                else:
                    ready = self.execution.finish(index, outcome.descriptor, outcome.result)
                    tasks |= self.start(ready)
        for task in tasks:
            task.cancel()
        return self.notes.report(
            self.about, self.execution, self.inputs, scheduled_at=self.scheduled_at
        )

    def start(self, ready: list[int]) -> set[asyncio.Task[tuple[int, Outcome]]]:
        """A task for each event that is ready."""
        for index in ready:
            self.notes.received[index] = self.execution.received(index)
        return {asyncio.create_task(self.event(index)) for index in ready}

    async def event(self, index: int) -> tuple[int, Outcome]:
        """All attempts of one event."""
        place, received = self.plan.graph.nodes[index].id, self.notes.received[index]
        call = Call(
            place,
            self.run_id,
            self.inputs,
            received,
            portable=self.options.portable,
            scheduled_at=self.scheduled_at,
            host=self.host,
        )

        def begins(attempt: int) -> None:
            self.notes.begins(index, attempt, time.time())

        taken = self.plan.graph.topology.taken[index]
        return index, await event_async(self.plan.specs[index], call, taken, self.hooks, begins)
