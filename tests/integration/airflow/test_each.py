"""`each`, `again` and `task` as Airflow tasks, by `dag.test()`."""

import copy
import logging

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select
from volnux_airflow import AirflowBackend, retries
from volnux_airflow.local import run_dag
from volnux_airflow.translate import build_dag

from tests.integration.airflow.test_cases import generated, serialized
from tests.integration.airflow.test_words import plan_of, shown
from volnux.backends.port import RefusedError, RunOptions
from volnux.backends.registry import get_backend
from volnux.graph import RunStatus, State

EVENTS = """
import logging, os, time
from volnux import *
@event
def List(): return True, [1, 2, 3]
@event
def Empty(): return True, []
@event
def Five(): return True, 5
@event
def Tenfold(url): return True, url * 10
@event
def Odd(url):
    if url % 2: raise ValueError(f"odd {url}")
    return True, url
@event
def NotTwo(url): return url != 2, {"url": url}
@event
def Pair(previous_result): return True, [previous_result, previous_result + 1]
@event
def Same(previous_result): return True, previous_result
@event
def Shown(previous_result): return True, str(getattr(previous_result, "message", previous_result))
@event
def Wraps(previous_result): return True, [{"of": [previous_result]}, {"of": [previous_result]}]
@event
def Told(x): return True, x["of"][0].message
@event
def Ok(): return True, "ok"
@event
def Boom(): raise ValueError("no way")
class Where(EventBase):
    def process(self, url): return True, [self.task_id, list(self.index), url]
class Third(EventBase):
    retry_policy = {"backoff_factor": 0.0}
    tries = {}
    def process(self):
        self.tries[self.task_id] = self.tries.get(self.task_id, 0) + 1
        if self.tries[self.task_id] % 3: raise ValueError("not yet")
        return True, None
class Stops(EventBase):
    stop_on_exception = True
    def process(self, url):
        if url == 2: raise ValueError("stop")
        return True, url
@event
def Logs(url):
    logging.getLogger("shop").warning("fetching %s", url)
    return True, None
@event(airflow={"owner": "shop"})
def Owned(): return True, None
@event
def Taken(region, token): return True, [region, len(token), os.getpid()]
@event
def Slow(): time.sleep(60)
@event
def Naps(url): time.sleep(1.2); return True, url
"""

FLOWS = {
    "an_event": "List |-> Tenfold[each=url] |-> Same",
    "no_items": "Empty |-> Tenfold[each=url] |-> Same",
    "no_list": "Five |-> Tenfold[each=url] |-> Same",
    "no_list_caught": "Five |-> Tenfold[each=url] (0 |-> Shown) -> Ok",
    "no_list_continued": "@on-failure: continue\nFive |-> Tenfold[each=url] |-> Shown",
    "failures": "List |-> Odd[each=url] |-> Same",
    "failures_caught": "{List |-> NotTwo[each=url] |-> Same} (0 |-> Shown)",
    "failures_continued": "@on-failure: continue\nList |-> Odd[each=url] |-> Same",
    "failures_as_items": "@on-failure: continue\n{Boom || List} |-> Shown[each=x] |-> Same",
    "failures_in_items": "@on-failure: continue\nBoom |-> Wraps |-> Told[each=x] |-> Same",
    "one_is_enough": "List |-> Odd[each=url, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same",
    "not_taken": "Ok (1 -> Same, 0 -> List |-> Tenfold[each=url])",
    "never_started": "{Boom -> List |-> Tenfold[each=url] |-> Same} (0 |-> Shown)",
    "an_input": "@input: xs: list = [4, 5]\nTenfold[each=url, in=xs] |-> Same",
    "a_variable": "@variable: xs: list = [4, 5]\nTenfold[each=url, in=xs] |-> Same",
    "own_place": "List |-> Where[each=url, at_once=2] |-> Same",
    "retries": "List |-> {Third}[each=url] * 3 -> Ok",
    "an_arm": "{{List |-> Odd[each=url]} || Ok}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same",
    "a_late_arm": (
        "{{{Ok || Boom} -> List |-> Odd[each=url]} || Ok}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"
    ),
    "again": "{Ok -> Boom}[again=2] (0 |-> Shown)",
    "a_group": "List |-> {Tenfold |-> Same}[each=url] |-> Same",
    "a_group_fails": "List |-> {Ok -> {NotTwo |-> Same}}[each=url] (0 |-> Shown)",
    "a_group_continues": "@on-failure: continue\nList |-> {Ok || Odd}[each=url] |-> Shown",
    "any": "List |-> {Odd |-> Same}[each=url, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same",
    "a_group_no_list": "Five |-> {Ok -> {Tenfold || Same}}[each=url] (0 |-> Shown)",
    "a_group_no_items": "Empty |-> {Ok -> {Tenfold || Same}}[each=url] |-> Same",
    "nested": "List |-> {Pair |-> Where[each=x] |-> Same}[each=url] |-> Same",
    "nested_without_items": "List |-> {Empty |-> Where[each=x] || Where}[each=url] |-> Same",
    "nested_without_list": "List |-> {Five |-> Where[each=x]}[each=url] |-> Same",
    "nested_source": "@input: x: list = [[4], [5, 6]]\n{Tenfold[each=url, in=y]}[each=y, in=x]",
    "nested_variable": "@variable: x: list = [4]\nList |-> {Ok -> Where[each=url, in=x]}[each=y]",
    "a_group_again": "List |-> {Odd -> Ok}[each=url, again=2] |-> Same",
    "own_branches": "List |-> {NotTwo (0 |-> Shown, 1 -> Ok)}[each=url] |-> Same",
    "fails_here": "List |-> {NotTwo (0 -> !)}[each=url] |-> Same",
    "batches": "List |-> Tenfold[each=url, batch=2] |-> Same",
    "batches_fail": "List |-> {NotTwo |-> Same}[each=url, batch=2, at_once=1] (0 |-> Shown)",
    "no_list_is_no_stop": "Ok -> {Five |-> Stops[each=url]}[task=tidy] (0 -> Ok)",
    "no_list_is_no_stop_in_a_copy": "List |-> {Five |-> Stops[each=url]}[each=x] (0 -> Ok)",
    "task": "{Ok -> Ok}[task=tidy] |-> Same",
    "task_receives": "List |-> {Same |-> Shown}[task=tidy] |-> Same",
    "task_fails": "{{Ok -> Boom}[task=tidy] (0 |-> Shown)} -> Ok",
    "task_handles": "{Ok -> {Boom} (0 |-> Shown)}[task=tidy] |-> Same",
    "task_with_each": "Ok -> {List |-> {Tenfold |-> Same}[each=url]}[task=tidy] |-> Same",
    "task_in_each": "List |-> {Tenfold |-> Same}[each=url, task=tidy] |-> Same",
    "task_again": "{{Ok -> Boom}[task=tidy]}[again=2] (0 |-> Shown)",
    "task_fails_here": "{Boom (0 -> {!}[task=tidy])} (0 |-> Shown)",
    "task_stops": "@input: url: int = 2\n{{Ok -> Stops}[task=tidy] -> Ok} (0 -> Ok)",
    "task_in_an_arm": "{{Boom}[task=tidy] || Ok}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same",
}


@pytest.fixture
def plan(tmp_path):
    """Links a flow with the events of this module."""
    return lambda text, name="flow", events=EVENTS: plan_of(tmp_path, text, name, events)


@pytest.mark.parametrize(("number", "name"), enumerate(FLOWS), ids=FLOWS)
def test_a_flow(number, name, plan, tmp_path, monkeypatch):
    """The generated source is the same DAG. Every second flow runs from it, the others do not."""
    ours = plan(FLOWS[name], name)
    expected = get_backend("standalone").run(ours, ours.bind({}), RunOptions(portable=True))
    dag = generated(ours, tmp_path, monkeypatch)
    assert serialized(dag) == serialized(build_dag(ours))
    if number % 2:
        report = run_dag(dag, ours, ours.bind({}))
    else:
        report = AirflowBackend().run(ours, ours.bind({}))
    assert shown(report) == shown(expected)


STOPS = ["List |-> Stops[each=url] |-> Same", "List |-> {Ok -> Stops}[each=url] (0 -> Same)"]


@pytest.mark.parametrize("text", STOPS)
def test_an_exception_that_ends_the_run(text, plan):
    report = AirflowBackend().run(plan(text), {})
    assert report.status == RunStatus.FAILED
    assert report.places["Stops[1]"].failure.message == "stop"
    # The others have ended before it, or have not begun.
    assert {report.places[f"Stops[{number}]"].attempts for number in (0, 2)} <= {0, 1}
    assert (report.places["Same"].state, report.places["Same"].attempts) == (State.FAILED, 0)


TASKS = {
    "List |-> Tenfold[each=url]": ["List", "each-1", "Tenfold", "gather-1"],
    "List |-> {Tenfold |-> Same}[each=url]": ["List", "each-1", "body-1", "gather-1"],
    "List |-> {Tenfold |-> Same}[each=url, task=load]": ["List", "each-1", "load", "gather-1"],
    "List |-> {Pair |-> Tenfold[each=url]}[each=x]": ["List", "each-1", "body-1", "gather-1"],
    "{Ok -> {Ok || Ok} -> List |-> Tenfold[each=url]}[task=tidy]": ["tidy"],
    "{Ok -> Ok}[again=2]": ["Ok", "Ok__2", "catch-1", "Ok.2", "Ok__2.2"],
    "{Ok}[task=tidy, again=2]": ["tidy"],
    "{{Ok}[task=tidy]}[again=2]": ["tidy", "catch-1", "tidy.2"],
}


@pytest.mark.parametrize("text", TASKS)
def test_the_tasks(text, plan):
    assert list(build_dag(plan(text)).task_dict) == TASKS[text]


def test_the_mapped_task(plan):
    dag = build_dag(plan("List |-> Third[each=url, at_once=2, pool=shop, timeout=9] * 3 -> Ok"))
    task = dag.task_dict["Third"]
    assert (task.retries, task.pool, task.max_active_tis_per_dagrun) == (2, "shop", 2)
    assert task.execution_timeout.total_seconds() == 9
    if retries.EXACT is not None:
        assert type(task.retry_policy).__name__ == "ExactRetryPolicy"
    # Airflow stores a new version of the DAG when this changes.
    assert " at 0x" not in str(serialized(dag))


def test_the_name_of_an_instance(plan):
    text = """
        @input: x: list = ["a{{ 1 }}", 7]
        {Ok -> Ok}[each=y, in=x] -> Shown[each=y, in=x] -> Same[each=y, in=x, batch=2]
    """
    ours = plan(text, "named")
    AirflowBackend().run(ours, ours.bind({}))
    query = select(TaskInstance).where(TaskInstance.dag_id == "named", TaskInstance.map_index >= 0)
    with create_session() as session:
        names = {item.rendered_map_index for item in session.scalars(query)}
    assert names == {
        "body-1[0] 'a{{ 1 }}'",
        "body-1[1] 7",
        "Shown[0] 'a{{ 1 }}'",
        "Shown[1] 7",
        "Same[0…1] ['a{{ 1 }}', 7]",
    }


def test_more_items_than_airflow_maps_a_task_over(plan, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    report = AirflowBackend().run(plan("List |-> Tenfold[each=url] (0 |-> Shown)"), {})
    assert report.status == RunStatus.SUCCESS
    failure = report.places["Tenfold"].failure
    assert failure.type == "EachError"
    assert failure.message == (
        "each=url has 3 items, but Airflow maps a task over at most 2 ([core] max_map_length): "
        "write batch=2, so that several items share a task"
    )
    assert report.places["Shown"].result == failure.message
    report = AirflowBackend().run(plan("List |-> Tenfold[each=url, batch=2] |-> Same", "fits"), {})
    assert report.places["Same"].result == [10, 20, 30]


def test_log_lines_have_their_place(plan, caplog):
    with caplog.at_level(logging.WARNING):
        report = AirflowBackend().run(plan("List |-> {Ok -> Logs}[each=url]"), {})
    assert report.status == RunStatus.SUCCESS
    lines = [record.getMessage() for record in caplog.records if record.name == "shop"]
    assert sorted(lines) == ["Logs[0]: fetching 1", "Logs[1]: fetching 2", "Logs[2]: fetching 3"]


def test_signals_of_events_in_a_part(plan):
    from volnux.signal import signals

    heard = []

    def listener(sender, *, task_id, execution_context, **_):
        heard.append((task_id, type(execution_context).__name__))

    signals.task_completed.connect(listener)
    try:
        ours = plan('@input: day: str = "mon"\nList |-> {Ok -> Same}[each=url]')
        AirflowBackend().run(ours, ours.bind({}))
    finally:
        signals.task_completed.disconnect(listener)
    places = ["List", *(f"{place}[{i}]" for place in ("Ok", "Same") for i in range(3))]
    assert sorted(heard) == sorted((place, "ExecutionContext") for place in places)


def test_variables_and_secrets_in_a_process_of_a_part(plan, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_REGION", "eu")
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", "hush-4711-hush")
    text = "@variable: region: str\n@secret: token\n{Taken || Taken[executor=process]}[task=tidy]"
    report = AirflowBackend().run(plan(text, "hosted"), {})
    here, there = report.places["Taken"].result, report.places["Taken__2"].result
    assert here[:2] == there[:2] == ["eu", len("hush-4711-hush")]
    assert here[2] != there[2]


def test_the_time_limit_of_a_run_ends_a_part(plan):
    report = AirflowBackend().run(plan("@run-timeout: 2s\n{Ok -> Slow}[task=tidy] (0 -> Ok)"), {})
    assert report.status == RunStatus.FAILED
    assert report.failure.type == "RunTimeout"
    assert report.places["Slow"].state is State.FAILED
    assert report.places["Ok__2"].state is State.FAILED


def test_the_time_limit_of_a_run_counts_for_each_item_of_a_batch(plan):
    text = "@run-timeout: 2s\nList |-> Naps[each=url, batch=3] -> Ok"
    report = AirflowBackend().run(plan(text), {})
    assert report.failure.type == "RunTimeout"
    assert report.places["Naps[2]"].state is State.FAILED
    assert report.places["Naps[2]"].attempts == 0
    assert report.places["Ok"].state is State.FAILED


def test_a_dag_with_a_part_can_be_copied(plan):
    dag = build_dag(plan("List |-> {Tenfold |-> Same}[each=url] |-> Same -> {Ok}[task=tidy]"))
    assert set(copy.deepcopy(dag).task_dict) == set(dag.task_dict)
    assert "tidy" in dag.partial_subset("tidy").task_dict


def test_what_is_ignored_in_a_part(plan):
    text = (
        "{Ok[pool=a] -> Ok[pool=b]}[task=tidy] -> Ok[pool=c]\n -> List |-> {Owned -> Ok}[each=url]"
    )
    found = AirflowBackend().check(plan(text))
    assert [(each.code, each.message, each.span.line, each.span.column) for each in found] == [
        (
            "ignored-hint",
            "airflow ignores the hint 'pool' here: several events share one task",
            1,
            2,
        ),
        (
            "ignored-hint",
            "airflow ignores the setting 'airflow' of Owned here: several events share one task",
            2,
            15,
        ),
    ]


def test_a_name_that_is_too_long(plan):
    with pytest.raises(RefusedError, match=r"flow.pty:1:7: .* at most 250 characters, this one"):
        AirflowBackend().refuse(plan(f"Ok -> {{Boom -> Ok}}[task={'x' * 251}]"))
