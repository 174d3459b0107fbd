"""One run: the core's state machine, driven from the body of a Prefect flow."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext

from volnux.backends.port import RunOptions
from volnux.events.base import NotSentError, WorkerLost
from volnux.events.run import Call, Outcome, raised
from volnux.graph.execution import Execution
from volnux.graph.model import Kind
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import RunReport, places_of
from volnux.telemetry.watch import watch
from volnux_prefect import compat
from volnux_prefect.endings import show_skipped, state_of
from volnux_prefect.limits import make_limits
from volnux_prefect.translate import (
    Blueprint,
    RunnerKey,
    attempts_until_late,
    leaves_process,
    runner_of,
)
from volnux_prefect.work import EventState, Work, took_too_long

__all__ = ["Drive"]

log = logging.getLogger("volnux.prefect")


class Drive:
    """Everything that belongs to one run; `execute` is called once, in the body of a flow.

    Attributes:
        context: what listeners to signals are given as `execution_context`.
    """

    def __init__(
        self, blueprint: Blueprint, inputs: Mapping[str, Any], options: RunOptions
    ) -> None:
        self._blueprint = blueprint
        self._plan = blueprint.plan
        self._nodes = self._plan.graph.nodes
        self._inputs = dict(inputs)
        self._control = options.control
        self._observer = options.observer
        self._portable = options.portable
        self.context = options.context
        flow_run = FlowRunContext.get()
        self._flow_run_id = flow_run.flow_run.id if flow_run and flow_run.flow_run else None
        self._main = flow_run.task_runner if flow_run else None
        self._run_id = options.run_id or str(self._flow_run_id or uuid.uuid4())

        size = len(self._nodes)
        self._execution = Execution(self._plan.graph)
        self._ended: SimpleQueue[tuple[int, State[Any] | BaseException | None] | None] = (
            SimpleQueue()
        )
        self._outstanding = 0
        self._cancelled = False
        self._seen: set[int] = set()
        self._shower: ThreadPoolExecutor | None = None
        self._lock = threading.RLock()
        self._ids: list[uuid.UUID | None] = [None] * size
        self._edges: dict[int, set[Any]] = {}
        self._attempts = [0] * size
        self._earlier = [0] * size
        self._first: list[float | None] = [None] * size
        self._last: list[Outcome | None] = [None] * size
        self._received: list[Any] = [None] * size
        self._runners: dict[RunnerKey, Any] = {}
        self._sent_to: dict[int, Any] = {}
        self._stack = contextlib.ExitStack()
        self._watch = watch(self._plan, self._run_id, "prefect")

    def execute(self) -> RunReport:
        """Run to the end and report."""
        if self._watch is None:
            return self._execute()
        with self._watch:
            return self._watch.ended(self._execute())

    def _execute(self) -> RunReport:
        started = time.time()
        self._observe(lambda o: o.run_started(self._plan, self._run_id))
        self._control.on_cancel(lambda: self._ended.put(None))
        make_limits(self._blueprint.limits)
        with self._stack:
            self._submit(self._execution.start())
            while self._outstanding:
                try:
                    self._next()
                except KeyboardInterrupt:
                    self._control.interrupted = True
                    if self._cancelled:
                        raise
                    self._cancel()
        if self._cancelled or not self._execution.ended:
            self._execution.abandon()
        report = self._report(started)
        self._observe(lambda o: o.run_ended(report))
        return report

    @property
    def result(self) -> Any:
        """What the whole flow pipes on, after a success."""
        return self._execution.value(self._plan.graph.result)

    # Called from the threads of tasks (`work.Listener`).

    def began(self, node: int, attempt: int) -> None:
        """An attempt begins."""
        with self._lock:
            self._attempts[node] = attempt
            if self._first[node] is None:
                self._first[node] = time.time()
        self._observe(lambda o: o.place_started(self._nodes[node], attempt))

    def repeats(self, node: int, outcome: Outcome) -> bool:
        """An attempt is to be repeated; not any more when the run is to end."""
        if self._control.cancelled or self._cancelled:
            return False
        self._observe(lambda o: o.place_retries(self._nodes[node], outcome))
        return True

    # The way of one place, from ready to ended.

    def _submit(self, ready: list[int]) -> None:
        for node in ready:
            if self._nodes[node].receives is not None:
                self._received[node] = self._execution.received(node)
            self._send(node)

    def _send(self, node: int) -> None:
        spec = self._plan.specs[node]
        task = self._blueprint.tasks[node]
        assert spec is not None
        assert task is not None
        call = Call(
            self._nodes[node].id,
            self._run_id,
            self._inputs,
            self._received[node],
            portable=self._portable,
        )
        if self._watch is not None:
            call = self._watch.call(spec.name, call)
        earlier = self._earlier[node]
        work: Any = Work(node, spec, call, self._blueprint.taken[node], self, earlier=earlier)
        self._outstanding += 1
        if leaves_process(spec.executor):
            self.began(node, earlier + 1)
            try:
                work = work.sealed()
            except Exception as error:  # noqa: BLE001 - inputs and results of the user may raise anything here
                fault = f"{spec.name} cannot be sent to a worker process: {error}"
                self._ended.put((node, NotSentError(fault)))
                return
        try:
            runner = self._sent_to[node] = self._runner(self._blueprint.runners[node])
            future = runner.submit(
                task, {"upstream": work}, dependencies={"upstream": self._edges_to(node)}
            )
        except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
            self._ended.put((node, error))
            return
        self._ids[node] = future.task_run_id
        future.add_done_callback(lambda done: self._ended.put((node, state_of(done))))

    def _edges_to(self, node: int) -> set[Any]:
        """The task runs right before a place; made once for all that share them."""
        before = self._blueprint.before[node]
        known = self._edges.get(id(before))
        if known is None:
            known = self._edges[id(before)] = set()
            seen: set[int] = set()
            stack = list(before)
            while stack:
                source = stack.pop()
                if source in seen:
                    continue
                seen.add(source)
                if self._ids[source] is not None or self._skipped(source):
                    known.add(compat.edge(self._id_of(source)))
                else:
                    # It has no task run, for something before it failed: that comes before us.
                    stack += self._blueprint.before[source]
        return known

    def _id_of(self, node: int) -> uuid.UUID:
        """The id of a place's task run; a skipped place gets its own here."""
        known = self._ids[node]
        if known is None:
            known = self._ids[node] = uuid.uuid4()
        return known

    def _skipped(self, node: int) -> bool:
        return self._execution.states[node] is PlaceState.SKIPPED

    def _next(self) -> None:
        """Take in the next thing that happened."""
        item = self._ended.get()
        if item is None:
            self._cancel()
            return
        node, ended = item
        self._outstanding -= 1
        if self._execution.ended:
            return
        if ended is None:
            if not self._cancelled:
                self._send(node)
            return
        outcome = self._outcome(node, ended)
        if isinstance(ended, WorkerLost):
            self._replace_runner(node)
        if outcome.retry_after is not None:
            # Prefect repeats attempts itself, but for those whose process is gone.
            if isinstance(ended, WorkerLost) and not self._cancelled:
                self._again(node, outcome)
            return
        spec = self._plan.specs[node]
        assert spec is not None
        self._last[node] = outcome
        if leaves_process(spec.executor):
            self._note(node, outcome)
        if spec.stop_on_exception and outcome.raised:
            self._execution.stop(node, outcome.result)
            self._tell_stop()
            ready: list[int] = []
            self._outstanding = 0
        else:
            ready = self._execution.finish(node, outcome.descriptor, outcome.result)
        self._observe(lambda o: o.place_ended(self._nodes[node], outcome))
        self._submit(ready)
        self._show_skipped(node)

    def _note(self, node: int, outcome: Outcome) -> None:
        """Tell telemetry here of an event that another process ran."""
        if "volnux.telemetry.records" in sys.modules:
            from volnux.telemetry.records import attempt_ended, record_of

            if attempt_ended.has_listeners:
                spec = self._plan.specs[node]
                assert spec is not None
                call = Call(self._nodes[node].id, self._run_id, attempt=outcome.attempts)
                record = record_of(spec, call, outcome, self.context)
                attempt_ended.emit(record=record)

    def _outcome(self, node: int, ended: State[Any] | BaseException) -> Outcome:
        """How a place ended, from the state of its task run."""
        spec = self._plan.specs[node]
        assert spec is not None
        started = self._first[node] or time.time()
        if isinstance(ended, EventState) and ended.outcome is not None:
            told = ended.outcome
            self._attempts[node] = max(self._attempts[node], told.attempts)
            if self._first[node] is None or leaves_process(spec.executor):
                self._first[node] = told.started_at
            return told._replace(result=compat.result_of(ended))
        attempts = max(1, self._attempts[node])
        self._attempts[node] = attempts
        if isinstance(ended, BaseException):
            error = ended
        elif ended.name == "TimedOut":
            error = TimeoutError(took_too_long(spec))
            attempts = self._attempts[node] = max(attempts, attempts_until_late(spec))
        else:
            error = WorkerLost(f"the task run of {spec.name} ended as {ended.name}")
        outcome = raised(spec, Call(self._nodes[node].id, attempt=attempts), error, started)
        return outcome if isinstance(ended, WorkerLost) else outcome._replace(retry_after=None)

    def _again(self, node: int, outcome: Outcome) -> None:
        """Run a place once more, in a task run of its own, after the wait of its policy."""
        self._observe(lambda o: o.place_retries(self._nodes[node], outcome))
        self._earlier[node] = outcome.attempts
        self._outstanding += 1
        timer = threading.Timer(outcome.retry_after or 0, lambda: self._ended.put((node, None)))
        timer.daemon = True
        timer.start()

    def _cancel(self) -> None:
        """Start nothing more; what runs may finish."""
        if self._cancelled or self._execution.ended:
            return
        self._cancelled = True
        self._execution.cancel()
        running = self._outstanding
        self._observe(lambda o: o.cancelling(running))
        self._tell_stop()

    def _tell_stop(self) -> None:
        if "volnux.signal.soft" in sys.modules:
            from volnux.events.announce import announce_stop

            announce_stop(self.context)

    # What Prefect is told besides its task runs.

    def _runner(self, key: RunnerKey) -> Any:
        if key == self._blueprint.main and self._main is not None:
            return self._main
        if key not in self._runners:
            self._runners[key] = self._stack.enter_context(runner_of(key))
        return self._runners[key]

    def _replace_runner(self, node: int) -> None:
        """Have the next task go to a new task runner: the worker of this one's is gone."""
        key, broken = self._blueprint.runners[node], self._sent_to.get(node)
        if self._main is broken:
            self._main = None
        elif self._runners.get(key) is broken:
            del self._runners[key]

    def _show_skipped(self, after: int) -> None:
        """A task run for each place that is skipped since `after` ended; nothing runs in it."""
        stack = [after]
        while stack:
            for node in self._blueprint.behind[stack.pop()]:
                ended = self._execution.states[node] is not None
                if not ended or node in self._seen or self._last[node] is not None:
                    continue
                # It ended without running, and so may what comes next.
                self._seen.add(node)
                stack.append(node)
                event = self._nodes[node].kind is Kind.EVENT
                if event and self._skipped(node) and self._flow_run_id is not None:
                    self._show(node)

    def _show(self, node: int) -> None:
        task = self._blueprint.tasks[node]
        assert task is not None
        if self._shower is None:
            # A request takes its time, in which others may end: they do not wait for it.
            self._shower = self._stack.enter_context(ThreadPoolExecutor(max_workers=1))
        place = self._nodes[node].id
        self._shower.submit(
            contextvars.copy_context().run,
            show_skipped,
            task,
            flow_run_id=self._flow_run_id,
            dynamic_key=f"skipped-{place}",
            id=self._id_of(node),
            name=place,
            task_inputs={"upstream": list(self._edges_to(node))},
        )

    def _report(self, started: float) -> RunReport:
        def details(node: int) -> dict[str, Any]:
            last = self._last[node]
            return {
                "attempts": self._attempts[node],
                "received": self._received[node],
                "started_at": _moment(self._first[node]),
                "ended_at": _moment(last.ended_at) if last else None,
                "bypassed": last.bypassed if last else False,
            }

        return RunReport(
            pipeline=self._plan.graph.name,
            backend="prefect",
            run_id=self._run_id,
            status=self._execution.status,
            places=places_of(self._execution, details),
            inputs=self._inputs,
            started_at=_moment(started),
            ended_at=_moment(time.time()),
        )

    def _observe(self, tell: Callable[[Any], object]) -> None:
        if self._observer is None:
            return
        with self._lock:
            try:
                tell(self._observer)
            except Exception:
                log.exception("an observer of the run failed")


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
