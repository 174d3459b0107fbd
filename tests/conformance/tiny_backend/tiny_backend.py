"""A whole backend on `asyncio` alone: the example of `docs/backends.md`, held to every case."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from volnux.backends import Backend, Capabilities, RunOptions
from volnux.events import Call, Outcome, Plan
from volnux.events.remote import read_outcome, remote_task
from volnux.events.run import raised, run_attempt, run_attempt_async
from volnux.graph import Execution, RunReport
from volnux.graph.report import places_of


class TinyBackend(Backend):
    """Runs every event in a thread, and waits for all of them on one event loop."""

    name = "tiny"
    capabilities = Capabilities()

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        self.refuse(plan)
        return asyncio.run(_Run(plan, inputs, options or RunOptions()).execute())


class _Run:
    def __init__(self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> None:
        self.plan = plan
        self.inputs = inputs
        self.options = options
        self.run_id = options.run_id or uuid.uuid4().hex
        self.execution = Execution(plan.graph)
        self.received: dict[int, Any] = {}
        self.attempts: dict[int, int] = {}
        self.started: dict[int, float] = {}
        self.ended: dict[int, Outcome] = {}

    async def execute(self) -> RunReport:
        started = time.time()
        tasks = self.start(self.execution.start())
        while tasks and not self.execution.ended:
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                node, outcome = task.result()
                if self.execution.ended:
                    break
                if outcome.raised and self.plan.specs[node].stop_on_exception:
                    self.execution.stop(node, outcome.result)
                else:
                    ready = self.execution.finish(node, outcome.descriptor, outcome.result)
                    tasks |= self.start(ready)
        for task in tasks:
            task.cancel()
        return self.report(started)

    def start(self, ready: list[int]) -> set[asyncio.Task[tuple[int, Outcome]]]:
        """A task for each event that is ready."""
        for node in ready:
            self.received[node] = self.execution.received(node)
        return {asyncio.create_task(self.event(node)) for node in ready}

    async def event(self, node: int) -> tuple[int, Outcome]:
        """All attempts of one event."""
        self.started[node] = time.time()
        while True:
            self.attempts[node] = self.attempts.get(node, 0) + 1
            outcome = await self.attempt(node, self.attempts[node])
            if outcome.retry_after is None:
                self.ended[node] = outcome
                return node, outcome
            await asyncio.sleep(outcome.retry_after)

    async def attempt(self, node: int, number: int) -> Outcome:
        spec = self.plan.specs[node]
        call = Call(
            task_id=self.plan.graph.nodes[node].id,
            run_id=self.run_id,
            inputs=self.inputs,
            previous_result=self.received[node],
            attempt=number,
            portable=self.options.portable,
        )
        started = time.time()
        try:
            return await asyncio.wait_for(self.work(spec, call), spec.timeout)
        except TimeoutError:
            late = TimeoutError(f"{spec.name} took longer than {spec.timeout:g} s")
            return raised(spec, call, late, started)

    async def work(self, spec: Any, call: Call) -> Outcome:
        """One attempt where its event wants to run."""
        if spec.executor.pool is not None and issubclass(spec.executor.pool, ProcessPoolExecutor):
            loop = asyncio.get_running_loop()
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                sent = await loop.run_in_executor(pool, remote_task(spec, call))
            ended = read_outcome(sent, spec)
            if isinstance(ended, BaseException):
                return raised(spec, call, ended, time.time())
            return ended
        if spec.is_async:
            return await run_attempt_async(spec, call)
        return await asyncio.to_thread(run_attempt, spec, call)

    def report(self, started: float) -> RunReport:
        def details(node: int) -> dict[str, Any]:
            ended = self.ended.get(node)
            return {
                "attempts": self.attempts.get(node, 0),
                "received": self.received.get(node),
                "started_at": _moment(self.started.get(node)),
                "ended_at": _moment(ended and ended.ended_at),
                "bypassed": ended is not None and ended.bypassed,
            }

        return RunReport(
            pipeline=self.plan.graph.name,
            backend="tiny",
            run_id=self.run_id,
            status=self.execution.status,
            places=places_of(self.execution, details),
            inputs=self.inputs,
            started_at=_moment(started),
            ended_at=_moment(time.time()),
        )


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
