"""Turn the task instances of a DAG run into the run report that every backend returns."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from volnux.events.link import Plan
from volnux.graph.execution import Execution
from volnux.graph.outcome import FAILURE, RunStatus, State
from volnux.graph.places import index_of, template_of
from volnux.graph.report import Details, PlaceReport, RunReport, failure_of_run, places_of
from volnux_airflow.instances import Instances, Places

__all__ = ["report_of"]


def report_of(
    plan: Plan,
    instances: Instances,
    *,
    run_id: str,
    succeeded: bool,
    cancelled: bool = False,
    inputs: Mapping[str, Any],
    started_at: dt.datetime | None,
    ended_at: dt.datetime | None,
    scheduled_at: dt.datetime | None = None,
) -> RunReport:
    """The report of a DAG run that has ended.

    Args:
        plan: the plan that the DAG was built from.
        instances: the task instances of the run.
        run_id: the DAG run's id.
        succeeded: whether the DAG run is a success in Airflow.
        cancelled: whether somebody ended the run, so that places that never began are cancelled.
        inputs: the inputs of the run.
        started_at: when the run began.
        ended_at: when it ended.
        scheduled_at: the scheduled time of the run, in the pipeline's time zone.
    """
    places = Places(plan, instances, inputs, scheduled_at=scheduled_at, cancelled=cancelled)
    status = _status(succeeded=succeeded, cancelled=cancelled)
    limit = plan.graph.run_timeout
    timed_out = False
    if status is RunStatus.FAILED and limit is not None and started_at and ended_at:
        timed_out = (ended_at - started_at).total_seconds() >= limit
    replayed = _replayed(plan, places, status, timed_out=timed_out)
    return RunReport(
        pipeline=plan.graph.name,
        backend="airflow",
        run_id=run_id,
        status=status,
        places=_merged(plan, places.known, replayed),
        inputs=inputs,
        started_at=started_at,
        ended_at=ended_at,
        failure=failure_of_run(replayed),
        scheduled_at=scheduled_at,
    )


def _replayed(plan: Plan, places: Places, status: RunStatus, *, timed_out: bool) -> Execution:
    """Run the state machine of a run with the known outcomes of its places."""
    execution = Execution(plan.graph, items=places.items)
    copies, known = execution.copies, places.known
    stopped_by: list[int] = []
    ready = deque(execution.start())
    while ready:
        index = ready.popleft()
        name = copies.place(index)
        place = known.get(name)
        if place is None or place.descriptor is None:
            continue
        if name in places.stopping and place.state is State.FAILED:
            # Handle this place last, because a stopped run accepts no more results.
            stopped_by.append(index)
            continue
        ready.extend(execution.finish(index, place.descriptor, place.failure or place.result))
    if status is RunStatus.CANCELLED:
        execution.cancel()
        execution.abandon()
    elif stopped_by:
        first, *others = stopped_by
        for index in others:
            execution.finish(index, FAILURE, known[copies.place(index)].failure)
        execution.stop(first, known[copies.place(first)].failure)
    elif timed_out:
        execution.expire()
    return execution


def _merged(
    plan: Plan, known: Mapping[str, PlaceReport], execution: Execution
) -> dict[str, PlaceReport]:
    """The places in reading order.

    The tasks stored how they ended. What was piped to them, and which failures were handled, is
    known from the replay.
    """
    copies = execution.copies

    def details(index: int) -> Details:
        place = known.get(copies.place(index))
        if place is None or not place.attempts:
            return Details()
        received = place.received
        return Details(place.attempts, execution.received(index) if received is None else received)

    found = dict(known)
    for name, place in places_of(execution, details).items():
        item = known.get(name)
        if item is None:
            found[name] = place
            continue
        found[name] = replace(
            item,
            received=place.received,
            received_from=place.received_from,
            handled=place.handled,
        )
    order = plan.graph.topology.index
    return {
        name: found[name]
        for name in sorted(found, key=lambda name: (order[template_of(name)], index_of(name)))
    }


def _status(*, succeeded: bool, cancelled: bool) -> RunStatus:
    if cancelled:
        return RunStatus.CANCELLED
    return RunStatus.SUCCESS if succeeded else RunStatus.FAILED
