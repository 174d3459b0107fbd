"""Arguments, `!`, variables, secrets, times and time limits in Airflow tasks, by `dag.test()`."""

import datetime as dt

import pytest
from airflow.sdk import Param
from volnux_airflow import AirflowBackend
from volnux_airflow.declared import (
    Name,
    arguments_of,
    input_specs,
    offered,
    shown_arguments,
    written,
)
from volnux_airflow.local import run_dag
from volnux_airflow.translate import build_dag

from tests.integration.airflow.test_cases import generated, serialized
from volnux.backends.port import RunOptions
from volnux.backends.registry import get_backend
from volnux.graph import State
from volnux.loading import load_plan

EVENTS = """
from volnux import *
@event
def A(): return True, "a"
@event
def B(): return True, "b"
@event
def Bad(): return False, {"rows": 3}
@event
def Boom(): raise ValueError("no way")
@event
def Three(): return 3, "three"
@event
def Got(previous_result): return True, str(previous_result)
"""

FAILING = {
    "alone": "A -> !",
    "first": "!",
    "handled_and_still_failed": "{A -> Boom -> B} (0 |-> Got -> !) -> A",
    "a_descriptor": "Three (3 -> B -> !)",
    "not_taken": "A (0 -> !, 1 |-> Got)",
    "of_a_result": "{Bad} (0 -> !)",
    "of_an_event": "Boom (0 -> B -> !)",
    "caught": "{A -> !} (0 |-> Got) -> B",
    "caught_with_its_origin": "{Boom (0 -> B -> !)} (0 |-> Got) -> B",
    "caught_first": "{!} (0 |-> Got)",
    "in_an_any_group": "{{A -> !} || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Got",
    "in_a_late_arm": (
        "{{{A || B} -> !} || {A (3 -> !)} || Boom}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Got"
    ),
    "continue": "@on-failure: continue\n{A -> !} -> B -> Boom (0 -> !) |-> Got",
    "in_two_branches": "{A -> Boom} (0 -> {B -> Bad} (0 -> {A || B (1 -> !)}))",
}


def plan_of(folder, text, name="flow", events=EVENTS):
    (folder / f"{name}.pty").write_text(text)
    (folder / f"{name}_events.py").write_text(events)
    return load_plan(folder / f"{name}.pty")


def shown(report):
    """What every backend must say alike."""
    data = report.to_json()
    places = data["places"].values()
    for times in (data, *places):
        for name in ("started_at", "ended_at", "run_id", "backend", "scheduled_at"):
            times.pop(name, None)
    for failure in [place["failure"] for place in places if place["failure"]]:
        failure.pop("traceback")
    return data


@pytest.mark.parametrize("name", FAILING)
def test_a_place_where_the_flow_fails(name, tmp_path, monkeypatch):
    plan = plan_of(tmp_path, FAILING[name], name)
    report = AirflowBackend().run(plan, {})
    expected = get_backend("standalone").run(plan, {}, RunOptions(portable=True))
    assert shown(report) == shown(expected)
    dag = generated(plan, tmp_path, monkeypatch)
    assert serialized(dag) == serialized(build_dag(plan))
    assert shown(run_dag(dag, plan, {})) == shown(expected)


GIVEN = """
import datetime as dt, logging, time
from volnux import *
@event
def Copy(table: str, limit: int, day: dt.date, **rest):
    return True, [table, limit, day.isoformat(), sorted(rest)]
@event
def Times(self, day, before):
    return True, [day.isoformat(), before.isoformat(), self.scheduled_at.isoformat()]
@event
def Takes(region: str, few: list, token, self=None): return True, [region, few, len(token)]
class Shows(EventBase):
    def process(self, key):
        logging.getLogger(__name__).warning("the key is %s", key)
        return True, {"key": key, "shown": sorted(self.arguments)}
@event
def Raises(key): raise ValueError(f"refused {key}")
@event
def Told(previous_result): return True, previous_result.message
"""

GIVEN_FLOW = """
@timezone: Europe/Berlin
@schedule: "0 6 * * *"
@start-date: 2026-06-01
@input: day: date = scheduled - 1d, "the day to load"
@input: before: datetime = previous
@input: mode: "full" | "delta" = "full"
@input: many: int(1..100) = 10, "rows"
@variable: region: str
@variable: few: list = [1]
@variable: size: int = 3
@secret: token

Copy(table="{{ x }}", limit=many, day="2026-02-03", deep=[1, {"mode": mode}])
  -> Copy(table=region, limit=size, day=day) -> Times -> Takes
  -> Shows(key=token) [executor=process] -> Raises(key=token) * 2 (0 |-> Told)
"""


def test_what_events_are_given(tmp_path, monkeypatch, caplog):
    secret = "hush-4711-hush"
    for prefix in ("AIRFLOW_VAR_", "VOLNUX_VAR_"):
        monkeypatch.setenv(f"{prefix}REGION", "eu")
        monkeypatch.setenv(f"{prefix}FEW", "[2, 3]")
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", secret)
    monkeypatch.setenv("VOLNUX_SECRET_TOKEN", secret)
    plan = plan_of(tmp_path, GIVEN_FLOW, "given", GIVEN)
    # Before the start date, and after the clocks went forward.
    instant = dt.datetime(2026, 3, 29, 4, tzinfo=dt.UTC)
    options = RunOptions(portable=True, scheduled_at=instant, variables={"size": "7"})
    inputs = plan.bind({}, scheduled_at=instant)
    report = AirflowBackend().run(plan, inputs, options)
    assert report.places["Copy"].result == ["{{ x }}", 10, "2026-02-03", RESTS]
    assert report.places["Copy__2"].result == ["eu", 7, "2026-03-28", [*RESTS[:1], *RESTS[2:]]]
    assert report.places["Times"].result == [
        "2026-03-28",
        "2026-03-28T06:00:00+01:00",
        "2026-03-29T06:00:00+02:00",
    ]
    assert report.places["Takes"].result == ["eu", [2, 3], len(secret)]
    assert report.places["Shows"].result == {"key": "***", "shown": ["key"]}
    assert report.places["Told"].result == "refused ***"
    assert report.scheduled_at == instant
    assert report.scheduled_at.utcoffset() == dt.timedelta(hours=2)
    expected = get_backend("standalone").run(plan, inputs, options)
    assert shown(report) == shown(expected)
    assert secret not in report.dumps()
    assert secret not in caplog.text


def test_what_a_generated_dag_gives_events(tmp_path, monkeypatch):
    for name, value in {"REGION": "eu", "FEW": "[2, 3]", "SIZE": "7"}.items():
        monkeypatch.setenv(f"AIRFLOW_VAR_{name}", value)
        monkeypatch.setenv(f"VOLNUX_VAR_{name}", value)
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", "hush-4711-hush")
    monkeypatch.setenv("VOLNUX_SECRET_TOKEN", "hush-4711-hush")
    # The tests have the events in two modules of one name, of which a process finds one.
    text = GIVEN_FLOW.replace(" [executor=process]", "")
    plan = plan_of(tmp_path, text, "exported", GIVEN)
    dag, ours = generated(plan, tmp_path, monkeypatch), build_dag(plan)
    assert serialized(dag) == serialized(ours)
    first = 'table="{{ x }}", limit=many, day="2026-02-03", deep=[1, {"mode": mode}]'
    assert ours.task_dict["Copy"].arguments == dag.task_dict["Copy"].arguments == first
    assert ours.task_dict["Shows"].arguments == "key=token"
    # The times are computed in the tasks.
    instant = dt.datetime(2026, 10, 25, 5, tzinfo=dt.UTC)
    report = run_dag(dag, plan, {}, instant=instant)
    inputs = plan.bind({}, scheduled_at=instant)
    options = RunOptions(portable=True, scheduled_at=instant)
    expected = get_backend("standalone").run(plan, inputs, options)
    assert shown(report)["places"] == shown(expected)["places"]


RESTS = ["before", "deep", "many", "mode"]


def test_what_the_trigger_form_is_told(tmp_path):
    plan = plan_of(tmp_path, GIVEN_FLOW, "form", GIVEN)
    params = build_dag(plan).params
    assert {name: params.get_param(name).dump()["schema"] for name in params} == {
        "day": {"type": ["null", "string"], "format": "date"},
        "before": {"type": ["null", "string"], "format": "date-time"},
        "mode": {"type": "string", "enum": ["full", "delta"]},
        "many": {"type": "integer", "minimum": 1, "maximum": 100},
    }
    assert [params.get_param(name).description for name in params] == [
        "the day to load (left empty: scheduled - 1d)",
        "Left empty: previous",
        None,
        "rows",
    ]
    assert params["day"] is None


def test_what_the_host_does_not_have(run):
    report = run(
        "@variable: region: str\n@variable: size: int\n@secret: token\n"
        "{A || B * 3 || C} (0 -> Last) -> !",
        """
        @event
        def A(region): return True, None
        @event
        def B(token): return True, None
        @event
        def C(region, size): return True, None
        @event
        def Last(): return True, None
        """,
    )
    where = "in its secrets backends, in AIRFLOW_VAR_"
    missing = {name: place.failure for name, place in report.places.items() if place.failure}
    assert {name: (each.type, each.attempts) for name, each in missing.items()} == {
        "A": ("volnux.VariableError", 1),
        "B": ("volnux.SecretError", 1),
        "C": ("volnux.VariableError", 1),
    }
    assert missing["A"].message == (
        "the variable 'region' is not set: Airflow has no Variable 'region' "
        f"{where}REGION or in its database"
    )
    assert f"the secret 'token' is not set: Airflow has no Variable 'token' {where}" in (
        missing["B"].message
    )


def test_a_run_that_takes_too_long(run):
    report = run(
        """
        @run-timeout: 6s
        {Quick -> {Slow (0 -> Never) || Again * 5}} (0 -> Never) -> Never
        """,
        """
        import time
        @event
        def Quick(): return True, "quick"
        @event
        def Slow():
            try: time.sleep(60)
            except BaseException: return True, "ignored"
        @event(retry_policy={"backoff_factor": 60})
        def Again(): raise ValueError("again")
        @event
        def Never(): return True, None
        """,
    )
    assert report.status == "failed"
    assert (report.failure.type, report.failure.message) == (
        "RunTimeout",
        "the run took longer than 6 s, its @run-timeout",
    )
    assert {p: (r.state, r.descriptor, r.attempts) for p, r in report.places.items()} == {
        "Quick": (State.DONE, 1, 1),
        "Slow": (State.FAILED, None, 1),
        "Again": (State.FAILED, None, report.places["Again"].attempts),
        "Never": (State.FAILED, None, 0),
        "Never__2": (State.FAILED, None, 0),
        "Never__3": (State.FAILED, None, 0),
    }


def test_inputs_are_checked_before_the_first_event(tmp_path):
    text = "@input: many: int(1..5) = 3\nTake (0 -> Last)"
    events = "from volnux import event\n"
    events += "@event\ndef Take(many): return True, many\n@event\ndef Last(): return True, None\n"
    plan = plan_of(tmp_path, text, "checked", events)
    # A param of somebody's own has no range.
    dag = build_dag(plan, params={"many": Param(9)})
    report = run_dag(dag, plan, {})
    assert report.status == "failed"
    assert {p: (r.state, r.attempts) for p, r in report.places.items()} == {
        "Take": (State.FAILED, 0),
        "Last": (State.FAILED, 0),
    }


INPUTS = (
    "str",
    "any",
    "int(1..)",
    "int(..5)",
    "float(0.5..1.5)",
    '"a" | "b \\" é"',
    "1 | 2",
    "date = scheduled",
    "datetime = previous + 2h - 1w",
)
VARIABLES = ("str", 'str = "eu"', 'list = [1, {"a": null}]', 'date = "2026-01-01"', "int = 3")


@pytest.mark.parametrize("text", INPUTS)
def test_an_input_as_a_dag_file_writes_it(text):
    specs, readers = input_specs({"x": text})
    assert ([written(spec) for spec in specs], readers) == ([text], {})


@pytest.mark.parametrize("text", VARIABLES)
def test_a_variable_as_a_dag_file_writes_it(text):
    assert written(offered({}, {"x": text}, ()).variables["x"]) == text


def test_arguments_as_a_dag_file_writes_them():
    arguments = arguments_of({"a": [1, {"b": Name("day")}], "c": Name("key"), "d": "day"})
    assert shown_arguments(arguments) == 'a=[1, {"b": day}], c=key, d="day"'
    assert arguments[0].filled(str.upper) == [1, {"b": "DAY"}]
