"""Batch pipelines as flows: a subflow run for each batch, on a real server."""

import threading
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

AT_ONCE = []
LOCK = threading.Lock()


@event
def Load(numbers):
    with LOCK:
        AT_ONCE.append(1)
        running = sum(AT_ONCE)
    time.sleep(0.3)
    with LOCK:
        AT_ONCE.append(-1)
    assert running <= 2
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
        "Sums-2": {"Load": "Failed", "Zero": "Completed", "Add": "Skipped"},
        "Sums-3": {**plain, "Add": "Failed"},
        "Sums-4": plain,
    }
    assert max(sum(AT_ONCE[: n + 1]) for n in range(len(AT_ONCE))) == 2


def test_the_results_of_all_batches_are_the_flow_s(server):
    assert to_flow(AllSums)(numbers=[1, 2, 0, 4]) == [3, "has a zero"]


def test_no_data_is_no_batch(server):
    assert to_flow(AllSums)(numbers=[]) == []
