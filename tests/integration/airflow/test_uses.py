"""Pipelines in pipelines as Airflow tasks, by `dag.test()`."""

import datetime as dt

import pytest
from volnux_airflow import AirflowBackend
from volnux_airflow.declared import shown_arguments, written
from volnux_airflow.local import run_dag
from volnux_airflow.source import source_of
from volnux_airflow.translate import build_dag

from tests.integration.airflow.test_cases import assert_formatted, generated, serialized
from tests.integration.airflow.test_words import shown
from volnux.backends.port import RefusedError, RunOptions
from volnux.backends.registry import get_backend
from volnux.graph import RunStatus
from volnux.loading import load_plan
from volnux.testing import all_cases, write_case

EVENTS = """
from volnux import *
@event
def List(): return True, [1, 2, 3]
@event
def Empty(): return True, []
@event
def Ok(): return True, "ok"
@event
def Same(previous_result): return True, previous_result
@event
def Boom(): raise ValueError("no way")
@event
def Told(previous_result): return True, previous_result.message
"""

SHARED = """
import datetime as dt
from volnux import *
class Parse(EventBase):
    def process(self, previous_result, table: str, **rest):
        shown = {name: str(value) for name, value in sorted(rest.items())}
        return True, [self.task_id, previous_result, table, shown, sorted(self.inputs)]
@event
def Check(previous_result, table): return table != "bad", previous_result
@event
def Repair(): return True, "repaired"
@event
def Look(self, day: dt.date): return True, [str(day), str(self.scheduled_at)]
@event
def Save(where, key): return True, [where, len(key)]
@event
def Takes(limit): return True, limit
@event
def Ten(n): return True, [n * 10]
@event
def Only(x): return x != 2, x
@event
def Items(items): return True, items
@event
def Same(previous_result): return True, ["the same of the used file", previous_result]
@event
def Boom(): raise ValueError("boom of the used file")
"""

FILES = {
    "clean": """
        @input: table: str = "orders"
        @input: day: date = scheduled - 1d
        @input: limit: int(1..100) = 10
        @input: mode: "full" | "delta" = "delta"
        Parse(table=table) |-> Check (0 -> Repair) || Look |-> Same
    """,
    "one": "@input: x: int\nOnly",
    "plain": 'Look(day="2026-01-02") -> Repair',
    "fails": "Repair -> Boom -> Repair",
    "stops": "Repair -> !",
    "both": 'Look(day="2026-01-02") || Repair',
    "late": """
        @input: where: str
        @input: key: str = "none"
        @input: others: list = []
        @variable: size: int = 3
        @secret: token
        Save -> Save(where=size, key=token) -> Same[each=x, in=others] -> {Save}[task=tidy]
    """,
    "outer": """
        @use: clean = "clean.pty"
        @use: late = "late.pty"
        @variable: region: str
        @input: t: str
        @input: n: int = 2
        clean(table=t, limit=n) -> late(where=region, key=t, others=[region, "x"]) -> clean
    """,
    "each": "@input: xs: list = [1, 2]\nOnly(x=1)[each=y, in=xs] |-> Same",
    "limited": "@input: limit: int(1..9)\nTakes",
    "many": "@input: n: int(1..9)\n@input: xs: list = [1]\nOnly(x=1)[each=y, in=xs]",
    "again": "{Repair -> Boom}[again=2]",
    "task": "{Repair -> Ten(n=3)}[task=tidy]",
    "pipes": "Same |-> Same",
}

FLOWS = {
    "a_use": "clean |-> Same",
    "arguments": '@input: n: int = 7\n@input: t: str = "x"\nclean(table=t, limit=n) -> clean',
    "outer_names_are_not_seen": '@input: limit: int = 7\n@input: more: str = "x"\nOk -> clean',
    "branches": '{clean(table="bad")} (0 -> Ok) -> fails (0 |-> Told, 1 -> Ok)',
    "a_failure": "fails (0 |-> Told -> stops)",
    "stops": "{stops} (0 |-> Told)",
    "a_handled_stop": "Ok -> stops (0 |-> Told)",
    "attempts": "fails * 3 (0 -> Ok)",
    "nested": '@input: a: str = "t"\nouter(t=a) |-> Same -> outer(t="u", n=5)',
    "late": "@variable: region: str\n@secret: token\nlate(where=region, key=token)",
    "late_text": "@variable: region: str\nlate(where=region, others=[region])",
    "one_for_each": "List |-> one(x=y)[each=y] |-> Same",
    "one_for_each_one_is_enough": (
        "List |-> one(x=y)[each=y, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same"
    ),
    "batch": "List |-> one(x=y)[each=y, batch=2] (0 -> Ok)",
    "for_each": "List |-> clean(limit=y)[each=y, at_once=2] |-> Same",
    "for_each_group": "List |-> {clean(limit=y) |-> Same}[each=y] |-> Same",
    "for_each_no_items": "Empty |-> clean(limit=y)[each=y] |-> Same",
    "an_input": "@input: ys: list = [3, 4]\nclean(limit=y)[each=y, in=ys] |-> Same",
    "inside": "each -> each(xs=[4, 5, 6]) |-> Same",
    "inside_for_each": "List |-> each(xs=[y, 5])[each=y] |-> Same",
    "inside_a_variable": "@variable: few: list = [7]\neach(xs=few) |-> Same",
    "inside_a_variable_in_a_task": "@variable: few: list = [7]\neach(xs=few)[task=tidy] |-> Same",
    "wrong_value": "@variable: much: int\nclean(limit=much) (0 -> Ok)",
    "wrong_value_for_an_event": "@variable: much: int\nlimited(limit=much) (0 |-> Told)",
    "wrong_input": "@input: n: int = 700\nclean(limit=n) (0 |-> Told)",
    "wrong_input_of_a_list": "@input: n: int = 700\nmany(n=n) (0 |-> Told)",
    "again": "clean[again=2] -> fails[again=2] (0 -> again (0 -> Ok))",
    "again_of_again": "again[again=2] (0 -> Ok)",
    "task": "Ok |-> clean[task=tidy] |-> Same",
    "task_inside": "task |-> Same -> task",
    "task_in_task": "task[task=tidy] |-> Same",
    "arms": "{clean || both || Boom}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same",
    "any": "both[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Same",
    "pipes": "Ok |-> pipes |-> pipes |-> Same",
    "first": "pipes -> plain",
}

USES = [case for case in all_cases() if case.files and case.expected.status is not None]
"""The cases of the conformance suite that have used files and run."""


def plan_of(folder, name, text, events=EVENTS):
    """The plan of a flow, which may use every file of this module."""
    (folder / "shared").mkdir(exist_ok=True)
    for used, body in FILES.items():
        (folder / f"shared/{used}.pty").write_text(
            "\n".join(line.strip() for line in body.strip().splitlines())
        )
    (folder / "shared/events.py").write_text(SHARED)
    uses = [f'@use: {used} = "shared/{used}.pty"\n' for used in FILES if used in text]
    (folder / f"{name}.pty").write_text("".join(uses) + text)
    (folder / f"{name}_events.py").write_text(events)
    return load_plan(folder / f"{name}.pty")


@pytest.fixture
def hosted(monkeypatch):
    """Sets variables and secrets for Airflow and for plain Python."""
    for name, value in {"REGION": "eu", "FEW": "[8, 9]", "SIZE": "4", "MUCH": "700"}.items():
        monkeypatch.setenv(f"AIRFLOW_VAR_{name}", value)
        monkeypatch.setenv(f"VOLNUX_VAR_{name}", value)
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", "hush-4711-hush")
    monkeypatch.setenv("VOLNUX_SECRET_TOKEN", "hush-4711-hush")


@pytest.mark.usefixtures("hosted")
@pytest.mark.parametrize(("number", "name"), enumerate(FLOWS), ids=FLOWS)
def test_a_flow(number, name, tmp_path, monkeypatch):
    """The generated source is the same DAG. Every second flow runs from it, the others do not."""
    plan = plan_of(tmp_path, name, FLOWS[name])
    instant = dt.datetime(2026, 3, 29, 4, tzinfo=dt.UTC)
    options = RunOptions(portable=True, scheduled_at=instant)
    inputs = plan.bind({})
    expected = get_backend("standalone").run(plan, inputs, options)
    dag = generated(plan, tmp_path, monkeypatch)
    assert serialized(dag) == serialized(build_dag(plan))
    if number % 2:
        report = run_dag(dag, plan, inputs, instant=instant)
    else:
        report = AirflowBackend().run(plan, inputs, options)
    assert shown(report) == shown(expected)
    assert "hush" not in report.dumps()


def test_generated_source_is_formatted(tmp_path):
    text = (
        "@variable: region: str\n@variable: few: list\n@secret: token\n"
        'late(where=region, key=token, others=["a long text", "another", region]) '
        '-> clean(table="x")[each=y, in=few] -> each(xs=[1, 2])[task=tidy] -> task'
    )
    path = tmp_path / "flow_dag.py"
    path.write_text(source_of(plan_of(tmp_path, "flow", text)))
    # Long texts are on one line.
    assert_formatted(path, "F,W")


def test_generated_source_finds_events_of_one_name_in_two_folders(tmp_path, monkeypatch):
    """Also in worker processes, of tasks and of parts."""
    (tmp_path / "shared").mkdir()
    for file, said in {"events.py": "own", "shared/events.py": "used"}.items():
        (tmp_path / file).write_text(
            "import os\nfrom volnux import event\n"
            f"@event\ndef Same(): return True, [{said!r}, os.getpid()]\n"
        )
    used = "Same -> Same[executor=process] -> {Same -> Same[executor=process]}[task=tidy]"
    (tmp_path / "shared/clean.pty").write_text(used)
    (tmp_path / "flow.pty").write_text('@use: clean = "shared/clean.pty"\nSame -> clean')
    plan = load_plan(tmp_path / "flow.pty")
    report = run_dag(generated(plan, tmp_path, monkeypatch), plan, {})
    found = {place: item.result for place, item in report.places.items()}
    assert {place: result and result[0] for place, result in found.items()} == {
        "Same": "own",
        "clean.Same": "used",
        "clean.Same__2": "used",
        "clean.Same__3": "used",
        "clean.Same__4": "used",
    }
    assert found["clean.Same__2"][1] != found["clean.Same"][1]
    assert found["clean.Same__4"][1] != found["clean.Same__3"][1]


@pytest.mark.parametrize("case", USES, ids=str)
def test_generated_source_of_a_case(case, tmp_path, monkeypatch):
    path = write_case(case, tmp_path / case.name)
    plan = load_plan(path)
    dag, ours = generated(plan, path.parent, monkeypatch), build_dag(plan)
    assert serialized(dag) == serialized(ours)
    assert scopes_of(dag) == scopes_of(ours)


def scopes_of(dag):
    """The uses around each task, without positions in the text."""
    found = {}
    for name, task in dag.task_dict.items():
        kept = getattr(task, "partial_kwargs", None) or vars(task)
        given = kept["spec"].given if "spec" in kept else kept.get("given")
        if given is not None and given.scope is not None:
            scope = given.scope
            levels = [
                {
                    "inputs": [written(item, is_param=False) for item in level.inputs],
                    "arguments": shown_arguments(level.arguments.values()),
                    "variables": {n: written(item) for n, item in level.variables.items()},
                    "others": (level.place, level.known, level.late, level.items, level.secrets),
                }
                for level in scope.levels
            ]
            found[name] = levels, scope.schedules, scope.timezone or "UTC"
    return found


# Tasks and groups.


def groups_of(dag):
    """The task groups of a DAG, each with its display name and what is directly in it."""
    return {
        name: (group.group_display_name, list(group.children))
        for name, group in dag.task_group.get_task_group_dict().items()
        if name is not None
    }


TASKS = {
    "plain -> plain": {
        "plain": ("plain", ["plain.Look", "plain.Repair"]),
        "plain__2": ("plain__2", ["plain__2.Look", "plain__2.Repair"]),
    },
    "plain[task=tidy]": {},
    "List |-> plain[each=x]": {},
    "List |-> one(x=y)[each=y]": {"one": ("one", ["one.Only"])},
    "task": {"task": ("task", ["task.tidy"])},
    "each": {"each": ("each", ["each-1", "each.Only", "gather-1", "each.Same"])},
    "plain (0 -> Ok)": {
        "group-1": ("plain", ["plain", "catch-1"]),
        "plain": ("plain", ["plain.Look", "plain.Repair"]),
    },
    "again": {
        "again": ("again", ["group-1", "again.Repair.2", "again.Boom.2"]),
        "group-1": ("{Repair -> Boom}", ["again.Repair", "again.Boom", "catch-1"]),
    },
    "plain[again=2]": {
        "group-1": ("plain", ["plain", "catch-1"]),
        "plain": ("plain", ["plain.Look", "plain.Repair"]),
        "plain--2": ("plain.2", ["plain.Look.2", "plain.Repair.2"]),
    },
}


@pytest.mark.parametrize("text", TASKS)
def test_the_task_groups(text, tmp_path):
    assert groups_of(build_dag(plan_of(tmp_path, "flow", text))) == TASKS[text]


def test_the_task_groups_of_uses_in_uses(tmp_path):
    dag = build_dag(plan_of(tmp_path, "flow", 'outer(t="x")'))
    found = groups_of(dag)
    assert list(found) == ["outer", "outer--clean", "outer--late", "outer--clean__2"]
    assert found["outer"] == ("outer", ["outer--clean", "outer--late", "outer--clean__2"])
    assert found["outer--late"][0] == "outer.late"
    tooltips = {
        name: group.tooltip for name, group in dag.task_group.get_task_group_dict().items() if name
    }
    assert tooltips["outer"] == 'outer(t="x") from shared/outer.pty'
    assert tooltips["outer--clean"] == "clean(table=t, limit=n) from shared/clean.pty"
    assert dag.task_dict["outer.clean.Parse"].arguments == "table=table"
    assert "`shared/late.pty`" in dag.doc_md
    assert "Save -> Save(where=size, key=token)" in dag.doc_md


def test_labels_are_from_the_right_file(tmp_path):
    plan = plan_of(tmp_path, "flow", "Ok -> stops -> Ok (0 -> !)")
    tasks = build_dag(plan).task_dict
    assert tasks["fail-1"].task_display_name == "! in line 1 of stops.pty"
    assert tasks["fail-2"].task_display_name == "! in line 2"
    assert tasks["fail-1"].message == "the flow fails here: stops.pty:1"


@pytest.mark.usefixtures("hosted")
def test_late_inputs_are_neither_shown_nor_stored(tmp_path, caplog):
    text = "@secret: token\n@variable: region: str\nlate(where=region, key=token) (0 -> Ok)"
    plan = plan_of(tmp_path, "hidden", text)
    with caplog.at_level("DEBUG"):
        report = AirflowBackend().run(plan, plan.bind({}))
    assert report.status == RunStatus.SUCCESS
    assert report.places["late.Save"].result == ["eu", len("hush-4711-hush")]
    assert "hush" not in report.dumps()
    assert "hush" not in caplog.text
    dag = build_dag(plan)
    assert "hush" not in str(serialized(dag))


@pytest.mark.usefixtures("hosted")
def test_late_inputs_in_a_process_of_a_part(tmp_path):
    plan_of(tmp_path, "flow", "Ok")
    used = "@input: where: str\n@secret: token\n{Save || Save[executor=process]}[task=tidy]"
    used = used.replace("Save", "Save(key=token)")
    (tmp_path / "shared/hosted.pty").write_text(used)
    (tmp_path / "flow.pty").write_text(
        '@use: hosted = "shared/hosted.pty"\n@variable: region: str\nhosted(where=region)'
    )
    report = AirflowBackend().run(load_plan(tmp_path / "flow.pty"), {})
    for place in ("hosted.Save", "hosted.Save__2"):
        assert report.places[place].result == ["eu", len("hush-4711-hush")]


def test_uses_200_deep_are_refused(tmp_path):
    (tmp_path / "events.py").write_text("from volnux import *\n@event\ndef Ok(): return True, 1\n")
    for number in range(200):
        (tmp_path / f"f{number}.pty").write_text(f'@use: u = "f{number + 1}.pty"\nu\n')
    (tmp_path / "f200.pty").write_text("Ok")
    with pytest.raises(RefusedError) as refused:
        AirflowBackend().refuse(load_plan(tmp_path / "f0.pty"))
    group, task = refused.value.diagnostics
    assert group.where == f"{tmp_path / 'f67.pty'}:2:1"
    assert "the id of a task group has at most 200 characters, this one has 202" in group.message
    assert task.where == f"{tmp_path / 'f200.pty'}:1:1"
    assert "a task id has at most 250 characters, this one has 402" in task.message


def test_a_task_of_a_used_file_with_a_long_name(tmp_path):
    name, task = "a" * 150, "t" * 120
    (tmp_path / "f_events.py").write_text(EVENTS)
    (tmp_path / "f.pty").write_text(f"Ok -> {{Ok}}[task={task}]")
    plan = plan_of(tmp_path, "flow", f'@use: {name} = "f.pty"\n{name}', EVENTS)
    with pytest.raises(RefusedError, match=r"f\.pty:1:7: .* a task id .* this one has 271"):
        AirflowBackend().refuse(plan)
