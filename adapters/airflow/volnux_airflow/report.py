"""Turn the task instances of a DAG run into the run report that every backend returns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from volnux.events.link import Plan
from volnux.graph.execution import Execution
from volnux.graph.handling import unhandled
from volnux.graph.model import Kind
from volnux.graph.outcome import FAILURE, Failure, RunStatus, State
from volnux.graph.report import PlaceReport, RunReport, failure_of_run
from volnux.graph.simulate import play
from volnux.kit.notes import moment
from volnux_airflow.outcomes import Piped, TaskOutcome

__all__ = ["report_of"]


def report_of(
    plan: Plan,
    *,
    run_id: str,
    states: Mapping[str, str | None],
    succeeded: bool,
    cancelled: bool = False,
    tries: Mapping[str, int],
    first_tries: Mapping[str, dt.datetime],
    outcome_of: Callable[[str], TaskOutcome | None],
    result_of: Callable[[str], Any],
    inputs: Mapping[str, Any],
    started_at: dt.datetime | None,
    ended_at: dt.datetime | None,
    scheduled_at: dt.datetime | None = None,
) -> RunReport:
    """The report of a DAG run that has ended.

    Args:
        plan: the plan that the DAG was built from.
        run_id: the DAG run's id.
        states: Airflow's state of each task.
        succeeded: whether the DAG run is a success in Airflow.
        cancelled: whether somebody ended the run, so that places that never began are cancelled.
        tries: the number of tries that Airflow counted, for tasks that stored no outcome.
        first_tries: the start of the first try of each task that was tried again.
        outcome_of: the outcome that a task stored, or None.
        result_of: what a task returned, or a `Failure` after an exception.
        inputs: the inputs of the run.
        started_at: when the run began.
        ended_at: when it ended.
        scheduled_at: the scheduled time of the run, in the pipeline's time zone.
    """
    places: dict[str, PlaceReport] = {}
    for node in plan.graph.nodes:
        if node.kind is not Kind.EVENT:
            continue
        state, outcome = states.get(node.id), outcome_of(node.id)
        ran = outcome is not None and outcome.descriptor is not None
        result = result_of(node.id) if ran else None
        failure = result if isinstance(result, Failure) else None
        attempts = outcome.attempts if outcome is not None else 0
        descriptor = outcome.descriptor if outcome is not None else None
        if outcome is None and state == "failed":
            # The worker was killed before it could store an outcome.
            failure = Failure("volnux.WorkerLost", f"the worker that ran {node.id} died")
            attempts, descriptor, ran = tries.get(node.id, 1), 0, True
        received = None
        if ran and node.receives is not None:
            received = Piped(plan.graph.values, node.receives).make(outcome_of, result_of)
        ended = _state(state, never_ran=not attempts, cancelled=cancelled)
        places[node.id] = PlaceReport(
            event=node.event or "",
            state=ended,
            descriptor=descriptor,
            attempts=attempts,
            result=None if failure is not None else result,
            received=received,
            failure=failure,
            started_at=first_tries.get(node.id) or moment(outcome.started_at if outcome else None),
            ended_at=moment(outcome.ended_at if outcome else None),
            bypassed=outcome.bypassed if outcome else False,
        )
    status = _status(succeeded=succeeded, cancelled=cancelled)
    limit = plan.graph.run_timeout
    timed_out = False
    if status is RunStatus.FAILED and limit is not None and started_at and ended_at:
        timed_out = (ended_at - started_at).total_seconds() >= limit
    replayed = _replayed(plan, places, status, timed_out=timed_out)
    lost = _lost(replayed) if status is not RunStatus.SUCCESS else set()
    for index, node in enumerate(plan.graph.nodes):
        if node.id in places and places[node.id].attempts:
            places[node.id] = replace(
                places[node.id],
                received_from=replayed.received_from(index),
                handled=places[node.id].descriptor == FAILURE and node.id not in lost,
            )
    return RunReport(
        pipeline=plan.graph.name,
        backend="airflow",
        run_id=run_id,
        status=status,
        places=places,
        inputs=inputs,
        started_at=started_at,
        ended_at=ended_at,
        failure=failure_of_run(replayed),
        scheduled_at=scheduled_at,
    )


def _replayed(
    plan: Plan, places: Mapping[str, PlaceReport], status: RunStatus, *, timed_out: bool
) -> Execution:
    """Run the state machine of a run with the known outcomes of its places."""
    stopped_by: list[int] = []

    def end_of(index: int) -> tuple[int, Any] | None:
        place, spec = places[plan.graph.nodes[index].id], plan.specs[index]
        if place.descriptor is None:
            return None
        stops = spec is not None and spec.stop_on_exception
        if stops and place.failure and place.state is State.FAILED:
            # Handle this place last, because a stopped run accepts no more results.
            stopped_by.append(index)
            return None
        return place.descriptor, place.failure or place.result

    execution = play(plan.graph, end_of)
    if status is RunStatus.CANCELLED:
        execution.cancel()
        execution.abandon()
    elif stopped_by:
        first, *others = stopped_by
        for index in others:
            execution.finish(index, FAILURE, places[plan.graph.nodes[index].id].failure)
        execution.stop(first, places[plan.graph.nodes[first].id].failure)
    elif timed_out:
        execution.expire()
    return execution


def _lost(execution: Execution) -> set[str]:
    """The places and `!` whose failure was not handled."""
    graph = execution.graph
    states = zip(graph.nodes, execution.states, strict=True)
    failed = [
        node.id
        for node, descriptor in zip(graph.nodes, execution.descriptors, strict=True)
        if descriptor == FAILURE and node.kind is not Kind.CATCH
    ]
    return unhandled(graph, {node.id: s for node, s in states if s is not None}, failed)


_STATES = {
    "success": State.DONE,
    "skipped": State.SKIPPED,
    "failed": State.FAILED,
    "upstream_failed": State.FAILED,
}


def _state(state: str | None, *, never_ran: bool, cancelled: bool) -> State:
    if cancelled and never_ran and state != "skipped":
        return State.CANCELLED
    return _STATES.get(state or "", State.CANCELLED)


def _status(*, succeeded: bool, cancelled: bool) -> RunStatus:
    if cancelled:
        return RunStatus.CANCELLED
    return RunStatus.SUCCESS if succeeded else RunStatus.FAILED
