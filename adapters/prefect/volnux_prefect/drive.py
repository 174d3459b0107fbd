"""One run: the core's state machine, driven from the body of a Prefect flow."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed

from volnux.backends.port import RunOptions
from volnux.events.base import NotSentError, WorkerLost
from volnux.events.executors import ExecutorKind
from volnux.events.run import Call, Outcome, raised
from volnux.graph.execution import Execution
from volnux.graph.model import Kind
from volnux.graph.outcome import RunStatus
from volnux.graph.outcome import State as PlaceState
from volnux.graph.report import PlaceReport, RunReport, places_of
from volnux.telemetry.watch import watch
from volnux_prefect import compat
from volnux_prefect.translate import Blueprint, RunnerKey, runner_of
from volnux_prefect.work import EventState, Work, took_too_long

__all__ = ["Drive", "final_state"]

log = logging.getLogger("volnux.prefect")

SKIPPED = "Skipped"
"""The name of the state of a place that was not reached because another branch was taken."""


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
        self._ended: SimpleQueue[tuple[int, State[Any] | BaseException] | None] = SimpleQueue()
        self._outstanding = 0
        self._cancelled = False
        self._given_up: set[int] = set()
        self._lock = threading.RLock()
        self._ids: list[uuid.UUID | None] = [None] * size
        self._edges: dict[int, set[Any]] = {}
        self._attempts = [0] * size
        self._earlier = [0] * size
        self._first: list[float | None] = [None] * size
        self._last: list[Outcome | None] = [None] * size
        self._received: list[Any] = [None] * size
        self._runners: dict[RunnerKey, Any] = {}
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
        self._make_limits()
        with self._stack:
            self._submit(self._execution.start())
            while self._outstanding:
                try:
                    self._next()
                except KeyboardInterrupt:
                    if self._cancelled:
                        raise
                    self._cancel()
        if self._cancelled or not self._execution.ended:
            self._execution.abandon()
        self._show_skipped()
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
            attempt += self._earlier[node]
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
        work: Any = Work(node, spec, call, self._blueprint.taken[node], self)
        self._outstanding += 1
        if _leaves_process(spec.executor):
            self.began(node, 1)
            try:
                work = work.sealed()
            except Exception as error:  # noqa: BLE001 - inputs and results of the user may raise anything here
                fault = f"{spec.name} cannot be sent to a worker process: {error}"
                self._ended.put((node, NotSentError(fault)))
                return
        try:
            runner = self._runner(self._blueprint.runners[node])
            future = runner.submit(
                task, {"upstream": work}, dependencies={"upstream": self._edges_to(node)}
            )
        except Exception as error:  # noqa: BLE001 - a task runner's cluster may fail in any way
            self._ended.put((node, error))
            return
        self._ids[node] = future.task_run_id
        future.add_done_callback(lambda done: self._ended.put((node, _state_of(done))))

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
        outcome = self._outcome(node, ended)
        if outcome.retry_after is not None:
            # Its retry was given up: the run is being cancelled.
            return
        spec = self._plan.specs[node]
        assert spec is not None
        self._last[node] = outcome
        if _leaves_process(spec.executor):
            self._note(node, outcome)
        if spec.stop_on_exception and outcome.raised:
            self._execution.stop(node, outcome.result)
            ready: list[int] = []
            self._outstanding = 0
        else:
            ready = self._execution.finish(node, outcome.descriptor, outcome.result)
        self._observe(lambda o: o.place_ended(self._nodes[node], outcome))
        self._submit(ready)

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
            if self._first[node] is None or _leaves_process(spec.executor):
                self._first[node] = told.started_at
            return told._replace(result=compat.result_of(ended))
        attempts = max(1, self._attempts[node])
        self._attempts[node] = attempts
        if isinstance(ended, BaseException):
            error = ended
        elif ended.name == "TimedOut":
            error = TimeoutError(took_too_long(spec))
            attempts = self._attempts[node] = max(attempts, _attempts_until_late(spec))
        else:
            error = WorkerLost(f"the task run of {spec.name} ended as {ended.name}")
        call = Call(self._nodes[node].id, attempt=attempts)
        return raised(spec, call, error, started)._replace(retry_after=None)

    def _cancel(self) -> None:
        """Start nothing more; what runs may finish."""
        if self._cancelled or self._execution.ended:
            return
        self._cancelled = True
        self._execution.cancel()
        running = self._outstanding
        self._observe(lambda o: o.cancelling(running))

    # What Prefect is told besides its task runs.

    def _runner(self, key: RunnerKey) -> Any:
        if key == self._blueprint.main and self._main is not None:
            return self._main
        if key not in self._runners:
            self._runners[key] = self._stack.enter_context(runner_of(key))
        return self._runners[key]

    def _make_limits(self) -> None:
        """See that the limits of `[concurrency=…]` exist."""
        if not self._blueprint.limits:
            return
        with get_client(sync_client=True) as client:
            for tag, limit in self._blueprint.limits.items():
                client.create_concurrency_limit(tag=tag, concurrency_limit=limit)

    def _show_skipped(self) -> None:
        """A task run for each place that another branch was taken instead of; nothing runs."""
        skipped = [
            node
            for node, model in enumerate(self._nodes)
            if model.kind is Kind.EVENT and self._skipped(node)
        ]
        if not skipped or self._flow_run_id is None:
            return
        try:
            with get_client(sync_client=True) as client:
                for node in skipped:
                    self._show(client, node)
        except httpx.HTTPError:
            # The run has ended as it has, whether or not the server has time to hear of it.
            log.exception("the server could not be told which places were skipped")

    def _show(self, client: Any, node: int) -> None:
        task = self._blueprint.tasks[node]
        assert task is not None
        place = self._nodes[node].id
        client.create_task_run(
            task,
            flow_run_id=self._flow_run_id,
            dynamic_key=f"skipped-{place}",
            id=self._id_of(node),
            name=place,
            state=Completed(name=SKIPPED, message="another branch was taken"),
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


def final_state(report: RunReport, result: Any) -> State[Any]:
    """The state that a flow returns, always in so many words."""
    if report.status is RunStatus.CANCELLED:
        return Cancelled(message="the run was cancelled")
    if report.status is RunStatus.SUCCESS:
        return Completed(message=_counts(report), data=result)
    return Failed(message="; ".join(_failures(report)))


def _counts(report: RunReport) -> str:
    states = [place.state for place in report.places.values()]
    shown = [f"{states.count(state)} {state.value}" for state in PlaceState if states.count(state)]
    return ", ".join(shown)


def _failures(report: RunReport) -> Iterator[str]:
    for name, place in report.places.items():
        if place.state is PlaceState.FAILED and place.attempts:
            yield f"{name} failed: {_reason(place)}"


def _reason(place: PlaceReport) -> str:
    said = str(place.failure) if place.failure else f"it returned {place.result!r}"
    return said if len(said) <= 300 else said[:300] + "…"


def _state_of(future: Any) -> State[Any] | BaseException:
    """The final state of a future that is done, or what kept it from having one."""
    try:
        future.wait()
        wrapped = getattr(future, "wrapped_future", None)
        final = getattr(future, "_final_state", None)
        if final is None and wrapped is not None:
            result = wrapped.result()
            final = result if isinstance(result, State) else None
    except BaseException as error:  # noqa: BLE001 - a worker that died, or whatever its cluster says
        return WorkerLost(f"the worker process was lost: {type(error).__name__}: {error}")
    if final is None:
        return WorkerLost("the task run came back without a state")
    state: State[Any] = final
    return state


def _attempts_until_late(spec: Any) -> int:
    """Attempts of an event in another process that took too long each time it was tried."""
    if not _leaves_process(spec.executor):
        return 1
    most: int = spec.retry.max_attempts
    return most if spec.retry.covers(TimeoutError()) else 1


def _leaves_process(executor: Any) -> bool:
    """Whether events of this executor run in other processes."""
    if executor.kind is ExecutorKind.URL:
        return True
    from concurrent.futures import ProcessPoolExecutor

    return executor.pool is not None and issubclass(executor.pool, ProcessPoolExecutor)


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
