"""The task runs of the places of a printed flow."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

from prefect.client.schemas.objects import State, TaskRun, TaskRunResult

from volnux.backends.asking import Asking, question_of
from volnux.events.base import WorkerLost
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.hooks import About, hooks_of
from volnux_prefect.again import give_up
from volnux_prefect.endings import state_of
from volnux_prefect.limits import make_limits
from volnux_prefect.loop import RunLoop
from volnux_prefect.pausing import PauseAnswers
from volnux_prefect.plain.arms import LATEST
from volnux_prefect.plain.places import Place
from volnux_prefect.runners import Runners
from volnux_prefect.states import EventState
from volnux_prefect.timelimit import TimeLimit
from volnux_prefect.translate import at_place, runner_key
from volnux_prefect.work import Work, is_away, outcome_of, submit

__all__ = ["TaskRuns"]


class TaskRuns:
    """Runs the places of one run as task runs.

    Args:
        runners: the task runners of the run.
        loop: its event loop.
        stopped: set when the run ends.
        run_id: its id.
        inputs: its inputs.
        limit: its time limit, or None.

    Attributes:
        failed: the states of those task runs that failed.
        paused: those that wait for their next call, by id.
    """

    def __init__(
        self,
        runners: Runners,
        loop: RunLoop,
        stopped: asyncio.Event,
        run_id: str,
        inputs: Mapping[str, Any],
        limit: TimeLimit | None,
    ) -> None:
        self._runners = runners
        self._loop = loop
        self._stopped = stopped
        self._run_id = run_id
        self._inputs = inputs
        self._limit = limit
        self._limits: set[str] = set()
        self.failed: list[EventState] = []
        self.paused: dict[uuid.UUID, TaskRun] = {}
        self._asking: Asking | None = None

    async def outcome(self, place: Place, spec: EventSpec, call: Call) -> Outcome:
        """Run a place, and return its outcome. A lost worker counts as one attempt.

        If the run is stopped while the place waits for its next call, its last outcome is returned.
        """
        await self._make_limits(place)
        key = runner_key(place.spec)
        paused: TaskRun | None = None
        while True:
            listener = _Listener(self._loop, self._stopped, self._run_id)
            started = time.time()
            runner: Any = None
            try:
                runner = self._runners.of(key)
            except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
                ended: State[Any] | BaseException = error
            else:
                work = Work(
                    place.order,
                    spec,
                    call,
                    place.branches,
                    listener,
                    limit=self._limit,
                    task_run=paused,
                )
                ended = await self._task_run(place, work, runner)
            if isinstance(ended, KeyboardInterrupt):
                raise ended
            last = call._replace(attempt=max(call.attempt, listener.attempts))
            outcome = outcome_of(place.spec, last, ended, started)
            if isinstance(ended, WorkerLost):
                self._runners.replace(key, runner)
            paused = ended.task_run if isinstance(ended, EventState) else None
            if outcome.retry_after is None:
                if isinstance(ended, EventState) and paused is not None:
                    self.failed.append(ended)
                return outcome
            if paused is not None:
                self.paused[paused.id] = paused
            last = last._replace(attempt=outcome.attempts)
            answer = await self._answer(spec, last, outcome)
            if self._stopped.is_set():
                return outcome
            if paused is not None:
                del self.paused[paused.id]
            call = last.after(outcome)._replace(answer=answer)

    async def _answer(self, spec: EventSpec, call: Call, outcome: Outcome) -> str | None:
        """Wait for the next call, for the end of the run, or for an answer, which is returned."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str] = loop.create_future()
        if spec.asks and outcome.waits:
            if self._asking is None:
                answers = PauseAnswers.of(uuid.UUID(self._run_id), spec.name)
                self._asking = Asking(answers, lambda error: None)

            def answered(text: str) -> None:
                loop.call_soon_threadsafe(_answer_with, answer, text)

            self._asking.ask(question_of(spec, call, outcome), answered)
        stopped = asyncio.ensure_future(self._stopped.wait())
        either = asyncio.FIRST_COMPLETED
        await asyncio.wait((answer, stopped), timeout=outcome.retry_after, return_when=either)
        stopped.cancel()
        return answer.result() if answer.done() else None

    def give_up(self, why: str, *, timed_out: bool) -> None:
        """End the task runs that wait, and ask no more."""
        if self._asking is not None:
            self._asking.close()
        for task_run in self.paused.values():
            give_up(task_run, why, timed_out=timed_out)

    async def _task_run(self, place: Place, work: Work, runner: Any) -> State[Any] | BaseException:
        """Run a task run of a place. Returns its state, or the error if it has none."""
        call = work.call
        if is_away(runner) and work.listener is not None:
            work.listener.began(work.index, call)
        before = {TaskRunResult(id=task_run) for task_run in LATEST.get()}
        task = at_place(place.task, call.task_id) if call.numbers else place.task
        future = submit(work, task, runner, before, self._inputs)
        if isinstance(future, Exception):
            return future
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        await done.wait()
        LATEST.set((future.task_run_id,))
        return state_of(future)

    async def _make_limits(self, place: Place) -> None:
        missing = place.limits.keys() - self._limits
        self._limits |= missing
        if missing:
            await asyncio.to_thread(make_limits, place.limits)


class _Listener:
    """Counts the attempts of one task run, and has the run's event loop."""

    def __init__(self, loop: RunLoop, stopped: asyncio.Event, run_id: str) -> None:
        self.attempts = 0
        self.hooks = hooks_of(About("", "prefect", run_id))
        self.loop = loop
        self._stopped = stopped

    @property
    def ends(self) -> bool:
        return self._stopped.is_set()

    def began(self, index: int, call: Call) -> None:
        self.attempts = call.attempt

    def repeats(self, index: int, outcome: Outcome) -> None:
        pass


def _answer_with(answer: asyncio.Future[str], text: str) -> None:
    if not answer.done():
        answer.set_result(text)
