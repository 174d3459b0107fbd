"""Batch pipelines as flows: a subflow run for each batch, on a real server."""

import datetime as dt
import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.sorting import FlowRunSort
from volnux_prefect import to_flow

from tests.integration.prefect.states import task_runs
from volnux import InputDataField, Pipeline, event
from volnux.pipeline.batch import BatchPipeline

RUNNING = []
MOST = []


@event
def Load(numbers):
    RUNNING.append(numbers)
    MOST.append(len(RUNNING))
    # Wait until a second batch has come this far, and see that a third one does not.
    until = time.monotonic() + 30
    while max(MOST) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.5)
    RUNNING.remove(numbers)
    return 0 not in numbers, numbers


@event
def Add(previous_result):
    if "bad" in previous_result:
        raise ValueError("no number")
    return True, sum(previous_result)


@event
def Zero(previous_result):
    return True, "has a zero"


class Sums(Pipeline):
    numbers = InputDataField(data_type=list, required=True, batch_size=2)

    class Meta:
        pointy = "Load (0 |-> Zero, 1 |-> Add)"


class AllSums(BatchPipeline):
    pipeline_template = Sums
    max_workers = 2


@event
def Stamp(self, day, limit):
    return True, [day.isoformat(), self.scheduled_at.isoformat(), limit]


class Day(Pipeline):
    numbers = InputDataField(data_type=list, required=True, batch_size=1)

    class Meta:
        pointy = """
            @timezone: Europe/Paris
            @input: day: date = scheduled - 1d
            @input: limit: int(1..100) = 10
            Stamp
            """


class Days(BatchPipeline):
    pipeline_template = Day
    max_workers = 1


def test_all_batches_stand_for_the_time_of_their_flow(server):
    night = dt.datetime(2026, 3, 29, 4, tzinfo=dt.UTC)
    stamp = ["2026-03-28", "2026-03-29T06:00:00+02:00", 10]
    assert to_flow(Days)(numbers=[1, 2], scheduled_at=night) == [stamp, stamp]
    stamp = ["2020-02-02", "2026-03-29T06:00:00+02:00", 5]
    day = dt.date(2020, 2, 2)
    assert to_flow(Days)(numbers=[1], day=day, limit=5, scheduled_at=night) == [stamp]


def subflow_runs(flow_run_id):
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[flow_run_id])
            ),
            sort=FlowRunSort.NAME_ASC,
            limit=50,
        )
    return {each.name: each for each in found}


def test_each_batch_is_a_subflow_run(server):
    flow = to_flow(AllSums)
    assert flow.name == "AllSums"
    state = flow(numbers=[1, 2, 0, 4, 5, "bad", 7], return_state=True)
    assert state.is_failed()
    assert state.message == "1 of 4 batches failed: 3"

    runs = subflow_runs(state.state_details.flow_run_id)
    assert {name: each.state.name for name, each in runs.items()} == {
        "Sums-1": "Completed",
        "Sums-2": "Completed",
        "Sums-3": "Failed",
        "Sums-4": "Completed",
    }
    shown = {}
    for name, each in runs.items():
        found = task_runs(each.id, ["Load", "Zero", "Add"])
        shown[name] = {place: run.state.name for place, run in found.items()}
    plain = {"Load": "Completed", "Zero": "Skipped", "Add": "Completed"}
    assert shown == {
        "Sums-1": plain,
        "Sums-2": {"Load": "Handled", "Zero": "Completed", "Add": "Skipped"},
        "Sums-3": {**plain, "Add": "Failed"},
        "Sums-4": plain,
    }
    assert max(MOST) == 2


def test_the_results_of_all_batches_are_the_flow_s(server):
    assert to_flow(AllSums)(numbers=[1, 2, 0, 4]) == [3, "has a zero"]


def test_no_data_is_no_batch(server):
    assert to_flow(AllSums)(numbers=[]) == []
