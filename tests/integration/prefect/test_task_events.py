"""Tasks and flows of Prefect as events."""

from pathlib import Path

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from volnux_prefect import load_flow

from tests.integration.prefect.states import flow_run_of, task_runs
from volnux.backends import RefusedError
from volnux.errors import VolnuxError

TASKS = """
import asyncio
import datetime as dt
import os
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.cache_policies import INPUTS
from prefect.states import Cancelled, Completed, Failed


def heard(name):
    def hook(task, task_run, state):
        with open("heard.txt", "a") as file:
            file.write(f"{task.name} {name} {state.name}\\n")

    return hook


@task(
    name="load a table",
    tags=["db"],
    task_run_name="load-{table}",
    log_prints=True,
    on_completion=[heard("completed")],
    on_failure=[heard("failed")],
)
def load(table: str, day: dt.date, limit: int = 5):
    print("loading")
    get_run_logger().info("%s of %s", table, day)
    return [table, day.isoformat(), limit]


@task(on_failure=[heard("failed")])
async def sends(previous_result, **kwargs):
    await asyncio.sleep(0)
    return {"sent": previous_result, "kwargs": sorted(kwargs)}


@task(cache_policy=INPUTS, persist_result=True)
def cached(table):
    with open("calls.txt", "a") as file:
        file.write("called\\n")
    return table


@task(retries=3)
def flaky():
    path = Path("attempts.txt")
    attempts = len(path.read_text()) + 1 if path.exists() else 1
    path.write_text("x" * attempts)
    if attempts < 2:
        raise OSError("disk is full")
    return True, attempts


@task(timeout_seconds=0.2)
def slow():
    import time

    time.sleep(1)


@task
def state(table):
    return {"bad": Failed, "gone": Cancelled, "good": Completed}[table](message="so it is")


@task
def pid():
    return os.getpid()


@task
def yields():
    yield 1


@task(result_storage_key="mine")
def stored():
    return 1


@flow(name="inner")
def inner(table: str):
    if table == "bad":
        raise ValueError("no such table")
    return inner_task(table)


@flow(name="inner-async")
async def inner_async(table: str):
    return table * 2


@task
def inner_task(table):
    return table


def function(table):
    return table
"""

EVENTS = """
from volnux import event
from volnux_prefect import task_event

Load = task_event("shop_tasks:load")
Sends = task_event("shop_tasks:sends")
Cached = task_event("shop_tasks:cached")
Flaky0 = task_event("shop_tasks:flaky")
Slow = task_event("shop_tasks:slow")
State = task_event("shop_tasks:state")
Inner = task_event("shop_tasks:inner")
InnerAsync = task_event("shop_tasks:inner_async")
Pid0 = task_event("shop_tasks:pid")


class Flaky(Flaky0):
    retry_policy = {"max_attempts": 3}
    conditions = {4: lambda result: result == (True, 2)}


class Pid(Pid0):
    executor = "process"


@event
def Note(previous_result=None):
    return True, previous_result


def here(table):
    return True, f"{table} here"


Local = task_event("shop_tasks:inner", local=here)
"""


@pytest.fixture
def tasks(write):
    return write("shop_tasks.py", TASKS)


ENDS = [
    ('Load(day="2026-01-02", table="orders")', 1, ["orders", "2026-01-02", 5], 1),
    ('@input: day: date = "2026-01-02"\n@input: limit: int = 7\nLoad(table="a")', 1, 7, 1),
    ('@input: day: date = "2026-01-02"\nNote |-> Sends', 1, {"sent": None, "kwargs": ["day"]}, 1),
    ("Flaky (4 -> Note)", 4, (True, 2), 2),
    ("Slow (0 -> Note)", 0, "TimeoutError: Slow took longer than 0.2 s", 1),
    ('State(table="bad") (0 -> Note)', 0, "prefect.exceptions.FailedRun: so it is", 1),
    ('State(table="gone") (0 -> Note)', 0, "prefect.exceptions.CancelledRun: so it is", 1),
    ('State(table="good")', 1, None, 1),
    ('Inner(table="orders")', 1, "orders", 1),
    ('Inner(table="bad") * 2 (0 -> Note)', 0, "ValueError: no such table", 2),
    ('InnerAsync(table="ab")', 1, "abab", 1),
    ('Local(table="orders")', 1, "orders", 1),
]


def test_a_task_or_flow_is_an_event(run, tasks):
    lines = [text.rpartition("\n")[2] for text, *_ in ENDS if "@input" not in text]
    texts = ["{" + " || ".join(lines) + "}", *(text for text, *_ in ENDS if "@input" in text)]
    reports = [run(text, EVENTS) for text in texts]
    numbers = {"Inner": 0}
    left = list(reports[1:])
    for text, descriptor, result, attempts in ENDS:
        line = text.rpartition("\n")[2].replace("Note |-> ", "")
        name = line.partition("(")[0].partition(" ")[0]
        report = left.pop(0) if "@input" in text else reports[0]
        numbers[name] = number = numbers.get(name, 0) + 1 if report is reports[0] else 1
        place = report.places[name if number == 1 else f"{name}__{number}"]
        found = str(place.failure) if place.failure else place.result
        if result == 7:
            found = found[2]
        assert (place.descriptor, found, place.attempts) == (descriptor, result, attempts), text


def test_its_task_run_has_the_settings_of_the_task(run, tasks):
    Secret(value="hunter2/42").save("task-token", overwrite=True)
    report = run(
        '@secret: task_token\n@input: day: date = "2026-01-02"\n'
        'Load(table=task_token) -> Pid -> State(table="bad")',
        EVENTS,
    )
    found = task_runs(flow_run_of(report), ["load-***", "Pid", "State"])
    assert set(found["load-***"].tags) == {"db"}
    assert found["State"].state.message == "prefect.exceptions.FailedRun: so it is"
    assert Path("heard.txt").read_text().splitlines() == ["load a table completed Completed"]


def test_a_flow_is_a_flow_run_below(run, tasks):
    report = run('Inner(table="orders")', EVENTS)
    parent = FlowRunFilterParentFlowRunId(any_=[flow_run_of(report)])
    with get_client(sync_client=True) as client:
        below = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
    assert [each.state.name for each in below] == ["Completed"]


def test_a_cached_result_is_not_computed_again(run, tasks):
    report = run('Cached(table="once") -> Cached(table="once") -> Cached(table="x")', EVENTS)
    assert [each.result for each in report.places.values()] == ["once", "once", "x"]
    assert [each.bypassed for each in report.places.values()] == [False, True, False]
    assert Path("calls.txt").read_text() == "called\n" * 2
    found = task_runs(flow_run_of(report), ["Cached", "Cached__2", "Cached__3"])
    assert found["Cached__2"].state.name == "Cached"


def test_a_printed_flow_runs_the_same_task(printed, tasks):
    state = printed(
        '{Load(day="2026-01-02", table="orders") |-> Sends || InnerAsync(table="ab")}', EVENTS
    )
    assert state.result() == [{"sent": ["orders", "2026-01-02", 5], "kwargs": []}, "abab"]


@pytest.mark.parametrize(
    ("event", "place", "at", "said"),
    [
        ('task_event("shop_tasks:load")', 'E(tabel="a")', "2:3", "did you mean 'table'?"),
        ('task_event("shop_tasks:load")', 'E(table="a")', "2:1", "requires the argument 'day'"),
        ('task_event("shop_tasks:load")', 'E(table="a", day="x")', "2:14", "cannot take day"),
        ('task_event("shop_tasks:nothing")', "E", "2:1", "shop_tasks has no nothing"),
        ('task_event("nowhere:load")', "E", "2:1", "there is no nowhere:load"),
        ('task_event("shop_tasks:function")', 'E(table="a")', "2:1", "decorate it with `@task`"),
        ('task_event("shop_tasks:yields")', "E", "2:1", "shop_tasks:yields yields"),
        ('task_event("shop_tasks:stored")', "E", "2:1", "has a result_storage_key"),
        (
            'task_event("shop_tasks:inner")',
            "@secret: token\nE(table=token)",
            "3:1",
            "Prefect would show a secret among its parameters",
        ),
        ('task_event("shop_tasks:pid")', "{E}[task=t]", "2:2", "cannot be part of another task"),
        (
            'task_event("shop_tasks:load", local=lambda table: (True, 1))',
            'E(table="a")',
            "2:1",
            "shop_tasks:load requires the argument 'day', which E does not have",
        ),
        (
            'task_event("shop_tasks:pid", local=lambda table: (True, 1))',
            'E(table="a")',
            "2:3",
            "shop_tasks:pid has no argument 'table'",
        ),
    ],
)
def test_what_cannot_be_an_event_is_refused_with_its_place(write, tasks, event, place, at, said):
    write("flow_events.py", f"from volnux_prefect import task_event\n\nE = {event}\n")
    path = write("flow.pty", f"# a flow\n{place}")
    with pytest.raises((RefusedError, VolnuxError)) as caught:
        load_flow(path)
    assert f"flow.pty:{at}: error: " in str(caught.value)
    assert said in str(caught.value)


def test_retries_of_the_task_are_noted(write, tasks):
    from volnux.backends import get_backend
    from volnux.loading import load_plan

    write("flow_events.py", EVENTS)
    (note,) = get_backend("prefect").check(load_plan(write("flow.pty", "Flaky")))
    assert "the retries of shop_tasks:flaky are ignored" in str(note)
    assert note.hint == "write `Flaky * 4`, or set a retry_policy"
