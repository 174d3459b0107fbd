"""One run: drives the core's state machine from the body of a Prefect flow."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from volnux.backends.port import RunOptions
from volnux.events.base import WorkerLost
from volnux.events.outcome import Call, Outcome
from volnux.graph.execution import Execution
from volnux.graph.report import RunReport
from volnux.hooks import About, Hooks, Observing, hooks_of
from volnux.kit.attempt import as_taken
from volnux.kit.calls import Calls
from volnux.kit.notes import Notes
from volnux.kit.reuse import Reuse
from volnux_prefect.again import Waiting
from volnux_prefect.attempts import Attempts, keepers_of
from volnux_prefect.endings import state_of
from volnux_prefect.groups import Groups
from volnux_prefect.host import PrefectHost
from volnux_prefect.instants import options_here
from volnux_prefect.limits import make_limits
from volnux_prefect.loop import RunLoop
from volnux_prefect.page import Page
from volnux_prefect.parts import PartRun
from volnux_prefect.pausing import answers_of
from volnux_prefect.placing import Places
from volnux_prefect.runners import Runners
from volnux_prefect.timelimit import TimeLimit
from volnux_prefect.translate import Blueprint
from volnux_prefect.work import Work, is_away, outcome_of, submit

__all__ = ["Drive"]


class Drive:
    """Everything that belongs to one run. `execute` is called once, in the body of a flow.

    Attributes:
        hooks: all listeners of the run except its observer and what keeps it.
        loop: the event loop that all coroutines of the run share.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        inputs: Mapping[str, Any],
        options: RunOptions,
        attempts: Attempts | None = None,
    ) -> None:
        self._blueprint = blueprint
        self._limit: TimeLimit | None = None
        flow_run = FlowRunContext.get()
        flow_run_id = flow_run.flow_run.id if flow_run and flow_run.flow_run else None
        plan = blueprint.plan
        answers = answers_of(plan, options.answers, flow_run_id)
        earlier = options.earlier if attempts is None else attempts.earlier
        self._options = options = replace(options, answers=answers, earlier=earlier)
        here = options_here(plan.graph, options, flow_run_id)
        self._calls = calls = Calls(plan, inputs, here, PrefectHost())
        self._about = About(plan.graph.name, "prefect", calls.run_id, plan, options.context)
        self.hooks = hooks_of(self._about)
        # The observer, and what keeps the run: told of the end of a place once `_next` has seen it.
        self._progress = Hooks()
        if options.observer is not None:
            self._progress.append(Observing(options.observer, self._about, self._end_by))
        self._progress += keepers_of(self._about, options, calls, attempts)
        self._execution = Execution(plan.graph, items=calls.items, grows=self._grow)
        # Filled by other threads, and read by `_next`.
        self._ended: SimpleQueue[
            tuple[int, State[Any] | BaseException | str] | BaseException | None
        ] = SimpleQueue()
        self._outstanding = 0
        self._waiting = Waiting(
            answers, lambda index, answer: self._ended.put((index, answer)), self._ended.put
        )
        self._cancelled = False
        self._fault: BaseException | None = None
        self._lock = threading.RLock()
        self._thread = threading.current_thread()
        self.loop = RunLoop()
        self._page = Page(blueprint, self._execution, flow_run_id, attempts)
        self._notes = Notes(len(plan.graph.nodes))
        self._reuse = Reuse(plan, self._execution, calls, self._notes, options)
        self._groups = Groups(blueprint, self._execution, calls, options, self._page, self._reuse)
        self._places = Places(blueprint, self._execution, calls, self._notes)
        main = flow_run.task_runner if flow_run else None
        self._runners = Runners(contextlib.ExitStack(), blueprint.main, main)
        self._sent_to: dict[int, Any] = {}

    def execute(self) -> RunReport:
        """Run to the end, and return the report."""
        return self.hooks.around(lambda: self._progress.around(self._execute))

    def _execute(self) -> RunReport:
        self._options.control.on_cancel(lambda: self._ended.put(None))
        self._limit = TimeLimit.of(self._blueprint.plan.graph.run_timeout)
        make_limits(self._blueprint.limits)
        with self._runners.stack:
            try:
                self._go()
            finally:
                # Groups still run, and places still wait, only if an error ends the run.
                self._groups.give_up()
                self._waiting.give_up("the run has ended")
                # Close the loop first: task runners wait for their threads, and those wait for
                # their coroutines.
                self.loop.close()
        if self._cancelled or not self._execution.ended:
            self._execution.abandon()
        calls = self._calls
        report = self._notes.report(
            self._about, self._execution, calls.inputs, scheduled_at=calls.scheduled_at
        )
        self._page.tell_handled(report)
        return report

    def _go(self) -> None:
        """Start the places that are ready, and process those that end, until none are left.

        Raises:
            KeyboardInterrupt: an event raised it, or Ctrl-C was pressed for the second time.
            BaseException: any other error, from any thread, that must end the run.
        """
        self._submit(self._execution.start())
        self._page.tell_skipped_at_start()
        while self._outstanding or self._waiting:
            try:
                self._next()
            except KeyboardInterrupt:
                self._options.control.interrupted = True
                if self._cancelled:
                    raise
                self._cancel()
            if self._fault is not None:
                raise self._fault

    @property
    def result(self) -> Any:
        """The value of the whole flow, if the run succeeded."""
        return self._execution.value(self._blueprint.plan.graph.result)

    # Called from the threads of tasks (`work.Listener`).

    def began(self, index: int, call: Call) -> None:
        """Called when a call begins."""
        with self._lock:
            self._notes.begins(index, call.attempt, time.time())
        self._progress.began(self._places.spec(index), call)

    @property
    def ends(self) -> bool:
        """Whether the run is ending. If so, failed attempts are not repeated."""
        return self._options.control.cancelled or self._cancelled or self._execution.ended

    def repeats(self, index: int, outcome: Outcome) -> None:
        """Called when an attempt will be repeated."""
        self._progress.retries(
            self._places.spec(index), self._places.call(index, outcome.attempts), outcome
        )

    # The steps of one place, from ready to ended.

    def _submit(self, ready: list[int]) -> None:
        ready = self._reuse.settle(ready)
        self._reuse.tell(Hooks((*self.hooks, *self._progress)))
        for index in ready:
            self._places.receive(index)
            unit = self._page.unit(index)
            if self._blueprint.grouped[self._places.node(unit)] is None:
                self._send(index)
            elif self._groups.add(unit, index):
                self._send_group(unit)

    def _send(self, index: int, answer: str | None = None) -> None:
        spec = self._places.spec(index)
        task = self._blueprint.task_at(self._execution.copies, index)
        call = self._places.next_call(index)._replace(answer=answer)
        call = self._progress.call(spec, self.hooks.call(spec, call))
        taken, limit = self._places.taken(index), self._limit
        paused = self._waiting.paused(index)
        work = Work(index, spec, call, taken, self, limit=limit, task_run=paused)
        self._outstanding += 1
        try:
            runner = self._sent_to[index] = self._runners.of(self._places.runner_key(index))
        except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
            self._ended.put((index, error))
            return
        if is_away(runner):
            self.began(index, call)
        inputs = self._calls.inputs
        future = submit(work, task, runner, self._page.edges_to(index), inputs)
        if isinstance(future, Exception):
            self._ended.put((index, future))
            return
        self._page.ran(index, future.task_run_id)
        future.add_done_callback(lambda done: self._ended.put((index, state_of(done))))

    def _send_group(self, unit: int) -> None:
        """Start the task run of a group with `task`, one of whose places is ready."""
        self._outstanding += 1
        try:
            runner = self._runners.of_threads()
            future = self._groups.submit(unit, runner, self._limit)
        except Exception as error:  # noqa: BLE001 - a task runner may fail in any way
            self._ended.put((unit, error))
            return
        self._page.ran(unit, future.task_run_id)
        future.add_done_callback(lambda done: self._ended.put((unit, state_of(done))))

    def _cut_groups(self) -> None:
        """Report what has ended in the groups that run, and stop waiting for them."""
        for unit, run in list(self._groups.running.items()):
            self._end_group(unit, None)
            run.control.give_up()

    def _end_group(self, unit: int, ended: State[Any] | BaseException | None) -> None:
        """Report what happened in a group to the state machine, as if its places had run here.

        Args:
            unit: the group.
            ended: the final state of its task run, or the error; None if it still runs.
        """
        run = self._groups.end(unit, ended)
        if run.interrupted and not self._cancelled:
            self._fault = KeyboardInterrupt()
            return
        execution = self._execution
        replayed: list[int] = []
        behind: list[int] = []
        stops: list[tuple[int, Outcome]] = []
        waiting = deque(run.waiting)
        # What ended in the group before the run was cancelled has ended for the run as well.
        execution.cancelled = False
        while waiting:
            index = waiting.popleft()
            outcome = self._outcome_inside(run, index, ended)
            if outcome is None:
                continue
            if outcome.raised and self._places.spec(index).stop_on_exception:
                stops.append((index, outcome))
                continue
            replayed.append(index)
            self._page.ended(index, None)
            for ready in self._finish(index, outcome):
                inside = self._page.unit(ready) == unit
                (waiting if inside else behind).append(ready)
                if inside:
                    self._places.receive(ready)
        execution.cancelled = self._cancelled
        if ended is None:
            return
        if stops:
            self._finish(*stops[0])
            return
        if not self._cancelled:
            self._submit(behind)
        for index in replayed:
            self._page.tell_skipped(index)

    def _outcome_inside(
        self, run: PartRun, index: int, ended: State[Any] | BaseException | None
    ) -> Outcome | None:
        """The outcome of a place in a group; None if it did not end."""
        spec = self._places.spec(index)
        if run.report is None and ended is not None:
            outcome = outcome_of(spec, self._places.call(index), ended, time.time())
            self._notes.begins(index, 1, outcome.started_at)
            return outcome._replace(retry_after=None)
        place = self._execution.copies.place(index)
        if place in run.started:
            attempts, first = run.started[place]
            self._notes.begins(index, attempts, first)
            self._progress.began(spec, self._places.call(index, attempts))
        return run.outcome(place)

    # The queue.

    def _next(self) -> None:
        """Wait for the next item in the queue, for a call that is due, or for the time limit."""
        waits = [self._waiting.left, None if self._limit is None else self._limit.left]
        item: Any = _NO_ITEM
        with contextlib.suppress(Empty):
            item = self._ended.get(timeout=min((w for w in waits if w is not None), default=None))
        if self._limit is not None and self._limit.is_over:
            self._run_out()
            return
        for index in self._waiting.due():
            self._send(index)
        if item is _NO_ITEM:
            return
        if item is None:
            self._cancel()
            return
        if isinstance(item, BaseException):
            self._fault = item
            return
        index, ended = item
        if isinstance(ended, str):
            if self._waiting.take(index):
                self._send(index, answer=ended)
            return
        self._outstanding -= 1
        if isinstance(ended, KeyboardInterrupt):
            self._fault = ended
            return
        if self._execution.ended:
            return
        if index in self._groups.running:
            self._end_group(index, ended)
            return
        outcome = self._places.outcome(index, ended, is_away=self._is_away(index))
        if isinstance(ended, WorkerLost):
            self._runners.replace(self._places.runner_key(index), self._sent_to[index])
        if outcome.retry_after is not None:
            self._again(index, outcome, ended)
            return
        self._page.ended(index, ended)
        if self._is_away(index):
            call = self._places.call(index, outcome.attempts)
            self.hooks.ended_elsewhere(self._places.spec(index), call, outcome)
        self._submit(self._finish(index, outcome))
        self._page.tell_skipped(index)

    def _finish(self, index: int, outcome: Outcome) -> list[int]:
        """Report the end of a place to the state machine, and return what is ready now."""
        spec = self._places.spec(index)
        self._notes.ends(index, outcome)
        if spec.stop_on_exception and outcome.raised:
            self._cut_groups()
            self._waiting.give_up(f"{self._execution.copies.place(index)} ended the run")
            self._execution.stop(index, outcome.result)
            self.hooks.stops(None)
            ready: list[int] = []
            self._outstanding = 0
        else:
            ready = self._execution.finish(index, outcome.descriptor, outcome.result)
        judged = as_taken(spec, outcome, self._places.taken(index))
        self._progress.ended(spec, self._places.call(index, outcome.attempts), judged)
        return ready

    def _again(self, index: int, outcome: Outcome, ended: State[Any] | BaseException) -> None:
        """Call a place again, after the delay that its outcome says."""
        if outcome.waits or (isinstance(ended, WorkerLost) and not self._cancelled):
            self._notes.ends(index, outcome)
            call, spec = self._places.call(index, outcome.attempts), self._places.spec(index)
            self._progress.attempt_ended(spec, call, outcome)
            self._waiting.add(index, spec, call, outcome, ended)
        if self._cancelled:
            self._waiting.give_up("the run was cancelled")

    def _run_out(self) -> None:
        """End the run because its time is over. Attempts check the limit themselves."""
        self._cut_groups()
        self._execution.expire()
        self._outstanding = 0
        assert self._limit is not None
        self._waiting.give_up(str(self._limit.error()), timed_out=True)
        self.hooks.stops(None)

    def _cancel(self) -> None:
        """Start no more places. Running ones may finish."""
        if self._cancelled or self._execution.ended:
            return
        self._cancelled = True
        self._execution.cancel()
        self._groups.cancel()
        self._waiting.give_up("the run was cancelled")
        running = self._outstanding
        self._progress.stops(running)
        self.hooks.stops(running)

    def _end_by(self, error: BaseException) -> None:
        """End the run with an error that its observer raised. Any thread may call this."""
        if threading.current_thread() is self._thread:
            raise error
        self._ended.put(error)

    def _is_away(self, index: int) -> bool:
        """Whether the event runs in another process."""
        return is_away(self._sent_to.get(index))

    def _grow(self, start: int, stop: int, copies: int) -> None:
        """Make room for the copies of an `each`."""
        self._notes.grow((stop - start) * copies)


_NO_ITEM: Any = object()
"""What `_next` processes if the queue is empty."""
