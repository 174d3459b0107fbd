"""Reads the places of a run from the run report, and from Prefect's API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.client.schemas.sorting import TaskRunSort

__all__ = [
    "expected_task_runs",
    "flow_run_of",
    "letters",
    "task_runs",
    "wait_for_flow_run",
    "wait_for_states",
]


def letters(report: Any) -> dict[str, tuple[str, int | None]]:
    """The places of a report in the form of the table of cases."""
    marks = {"done": "d", "skipped": "s", "failed": "f"}
    return {
        place: ("x", None)
        if item.state == "failed" and not item.attempts
        else (marks[item.state.value], item.descriptor)
        for place, item in report.places.items()
    }


def expected_task_runs(
    places: dict[str, tuple[str, int | None]], handled: Collection[str] = ()
) -> dict[str, tuple[str, str]]:
    """The task runs, by name, that a case has on Prefect: type and name of their states.

    Args:
        places: the case's, as its table writes them.
        handled: the places whose failure is handled, but not by one of their own branches.
    """
    found = {}
    for place, (letter, descriptor) in places.items():
        if letter == "x":
            continue
        if letter == "s":
            found[place] = ("CANCELLED", "Skipped")
        elif descriptor == 0:
            failed = ("FAILED", "Failed")
            taken = letter == "d" or place in handled
            found[place] = ("COMPLETED", "Handled") if taken else failed
        elif descriptor == 1:
            found[place] = ("COMPLETED", "Completed")
        else:
            found[place] = ("COMPLETED", f"Outcome {descriptor}")
    return found


def wait_for_flow_run(flow_run_id: uuid.UUID, seconds: float = 240) -> Any:
    """The flow run, once it is final."""
    until = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while True:
            flow_run = client.read_flow_run(flow_run_id)
            if flow_run.state is not None and flow_run.state.is_final():
                return flow_run
            assert time.monotonic() < until, f"still {flow_run.state}"
            time.sleep(0.5)


def task_runs(flow_run_id: uuid.UUID, names: Any = (), seconds: float = 60) -> dict[str, Any]:
    """The task runs of a flow run by name, once all of these names are there and all final.

    States reach the API some seconds after the flow has ended.
    """
    until = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while True:
            found = {
                each.name: each
                for each in client.read_task_runs(
                    task_run_filter=TaskRunFilter(
                        flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run_id])
                    ),
                    sort=TaskRunSort.ID_DESC,
                    limit=200,
                )
            }
            final = all(each.state and each.state.is_final() for each in found.values())
            if (final and set(names) <= set(found)) or time.monotonic() > until:
                return found
            time.sleep(0.3)


def wait_for_states(
    flow_run_id: uuid.UUID, expected: dict[str, tuple[str, str]], seconds: float = 60
) -> dict[str, tuple[str, str]]:
    """Types and names of the states of task runs, once they are as expected or after a timeout."""
    until = time.monotonic() + seconds
    while True:
        found = {
            name: (each.state.type.value, each.state.name)
            for name, each in task_runs(flow_run_id, expected).items()
        }
        if found == expected or time.monotonic() > until:
            return found
        time.sleep(0.3)


def flow_run_of(report: Any) -> uuid.UUID:
    """The flow run of a report."""
    return uuid.UUID(report.run_id)
