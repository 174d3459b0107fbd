"""Standalone with its events on two dask workers in containers, one of which is lost."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from tests.docker.pipelines import KEY, furnish
from tests.docker.stacks import engine, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

FAR = '[executor="dask://scheduler:8786"]'

PIPELINES = {
    "spread": f"{KEY}" + " || ".join(f"Nap{FAR}" for _ in range(8)),
    "lost_once": f"{KEY}Before -> Long{FAR} -> After",
    "lost_twice": f"{KEY}Before -> Long{FAR} * 2 -> After",
    "caught": f"{KEY}Long{FAR} (0 |-> Explain)",
}


@pytest.fixture
def dask(docker_engine):
    """The cluster. It is new for each test, because the tests break its workers."""

    def everything(folder: Path) -> None:
        furnish(folder, PIPELINES)

    with running("dask", everything) as stack:
        yield stack


def start(dask, name, **inputs):
    (caller,) = dask.containers("caller")
    given = [f"--input={name}={value}" for name, value in inputs.items()]
    command = ["docker", "exec", caller, "volnux", "run", "--json", f"/pipelines/{name}.pty"]
    return subprocess.Popen(
        [*command, *given], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def report(process):
    said, progress = process.communicate(timeout=300)
    assert said, progress
    return json.loads(said)


def test_events_run_on_both_workers(dask):
    key = uuid.uuid4().hex
    found = report(start(dask, "spread", key=key, seconds=1))
    assert found["status"] == "success", found
    hosts = [m["host"] for m in dask.marked(key) if m["what"] == "end"]
    assert len(hosts) == 8
    assert set(hosts) == {host[:12] for host in dask.containers("worker")}


def lose_a_worker(dask, container):
    engine.docker("kill", container)


def lose_the_scheduler(dask, container):
    (scheduler,) = dask.containers("scheduler")
    engine.docker("kill", scheduler)
    time.sleep(3)
    engine.docker("start", scheduler)


@pytest.mark.fault
@pytest.mark.parametrize("lose", [lose_a_worker, lose_the_scheduler])
@pytest.mark.parametrize(
    ("name", "status", "begun"), [("lost_twice", "success", 2), ("lost_once", "failed", 1)]
)
def test_what_is_lost_is_repeated_as_its_policy_says(dask, name, status, begun, lose):
    key = uuid.uuid4().hex
    process = start(dask, name, key=key, seconds=600)
    lose(dask, dask.host_of(key, "Long"))
    found = report(process)
    assert found["status"] == status, found
    assert found["places"]["Long"]["attempts"] == begun
    assert dask.count(key, "begin", "Before") == 1
    assert dask.count(key, "begin", "Long") == begun
    assert dask.count(key, "end", "After") == begun - 1
    if status == "failed":
        assert found["places"]["Long"]["failure"]["type"] == "volnux.WorkerLost"


@pytest.mark.fault
def test_a_worker_is_cut_off_for_a_while(dask):
    key = uuid.uuid4().hex
    process = start(dask, "lost_once", key=key, seconds=30)
    with dask.cut_off(dask.host_of(key, "Long")):
        time.sleep(20)
    found = report(process)
    assert found["status"] == "success", found
    for place in ("Before", "Long", "After"):
        assert dask.count(key, "begin", place) == dask.count(key, "end", place) == 1


@pytest.mark.fault
def test_a_lost_worker_is_a_failure_that_a_branch_takes(dask):
    key = uuid.uuid4().hex
    process = start(dask, "caught", key=key, seconds=600)
    engine.docker("kill", dask.host_of(key, "Long"))
    found = report(process)
    assert found["status"] == "success", found
    assert found["places"]["Explain"]["result"] == "volnux.WorkerLost"
