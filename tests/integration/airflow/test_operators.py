"""Operators and sensors of Airflow as events, and the checks of them when a file is loaded."""

import json

import pytest
from volnux_airflow import AirflowBackend, compat, to_dag
from volnux_airflow.source import source_of

from tests.integration.airflow.names import DagSerialization
from tests.integration.airflow.test_cases import generated
from volnux.backends.port import RefusedError
from volnux.backends.registry import get_backend
from volnux.loading import load_plan

OWN = f"""
from airflow.sdk import BaseOperator
from {compat.AirflowFailException.__module__} import AirflowFailException, AirflowSkipException
from volnux_airflow import operator
"""
OWN += """

STANDARD = "airflow.providers.standard."

class Counting(BaseOperator):
    template_fields = ("word",)
    ui_color = "#ffcc00"

    def __init__(self, *, word, times=1, inputs_of=None, **kwargs):
        super().__init__(**kwargs)
        self.word = word
        # The constructor makes something of its argument.
        self.many = int(times)

    def execute(self, context):
        return {"words": [self.word] * self.many}

class Picky(BaseOperator):
    def __init__(self, *, how, **kwargs):
        super().__init__(**kwargs)
        self.how = how

    def execute(self, context):
        if self.how == "skip":
            raise AirflowSkipException("nothing to do")
        if self.how == "fail":
            raise AirflowFailException("no use")
        if self.how == "late":
            import time
            time.sleep(20)
        if self.how == "object":
            return object()
        if self.how == "twice" and context["ti"].try_number == 1:
            raise ValueError("once")
        return self.how

    def on_kill(self):
        print("killed")

class Inputs(BaseOperator):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inputs = []

class Abstract:
    pass
"""

EVENTS = """
Bash = operator(
    STANDARD + "operators.bash:BashOperator",
    bash_command="echo {{ table }} {{ params.day }} {{ ds is defined }}",
    takes=("table",),
)
Exact = operator(STANDARD + "operators.bash:BashOperator", takes=("bash_command",))
Count = operator("events:Counting", word="{{ previous_result }}", takes=("times",))
Pick = operator("events:Picky", takes=("how",))
Empty = operator(STANDARD + "operators.empty:EmptyOperator", doc_md="Does nothing.")
Quick = operator(STANDARD + "sensors.time_delta:TimeDeltaSensor", delta=timedelta(0))
Later = operator(
    STANDARD + "sensors.filesystem:FileSensor", filepath="{{ path }}", takes=("path",),
    fs_conn_id="files", poke_interval=0.1, deferrable=True,
)
Never = operator(
    STANDARD + "sensors.filesystem:FileSensor", filepath="/nowhere", fs_conn_id="files",
    poke_interval=0.1, timeout=0.3,
)
class Careful(Pick):
    conditions = {3: lambda result: result == "three"}
    retry_policy = {"max_attempts": 3, "backoff_factor": 0}
@event
def Same(previous_result): return True, previous_result
@event
def Words(): return True, ["a", "b"]
@event
def Past(): return True, None
"""


def test_how_operators_end(run, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("AIRFLOW_CONN_FILES", "file:///")
    report = run(
        f"""
        @input: day: date = "2026-01-31"
        Bash(table="orders") |-> Same -> Exact(bash_command="echo '{{{{ table }}}}'")
          -> Pick(how="skip") (2 |-> Same)
          -> Careful(how="fail") (0 -> Past)
          -> Careful(how="three") (3 -> Past)
          -> Careful(how="twice")
          -> Pick(how="late") [timeout=0.3] (0 -> Past)
          -> Pick(how="object") (0 -> Past)
          -> Later(path={json.dumps(str(tmp_path / "events.py"))})
          -> Never * 3 (0 -> Past)
          -> Quick -> Words |-> Count(times=2)[each=word] |-> Same
        """,
        "from datetime import timedelta\n" + OWN + EVENTS,
    )
    assert report.status == "success", report.failure
    found = {
        place: (item.descriptor, item.attempts, item.result)
        for place, item in report.places.items()
        if not place.startswith(("Past", "Same"))
    }
    assert found == {
        "Bash": (1, 1, "orders 2026-01-31 True"),
        # A value from the flow is not rendered as a template.
        "Exact": (1, 1, "{{ table }}"),
        "Pick": (2, 1, "nothing to do"),
        "Careful": (0, 1, None),
        "Careful__2": (3, 1, "three"),
        "Careful__3": (1, 2, "twice"),
        "Pick__2": (0, 1, None),
        "Pick__3": (0, 1, None),
        "Later": (1, 1, None),
        "Never": (0, 1, None),
        "Quick": (1, 1, None),
        "Words": (1, 1, ["a", "b"]),
        "Count[0]": (1, 1, {"words": ["a", "a"]}),
        "Count[1]": (1, 1, {"words": ["b", "b"]}),
    }
    assert {
        place: item.failure.type.rpartition(".")[2]
        for place, item in report.places.items()
        if item.failure
    } == {
        "Careful": "AirflowFailException",
        "Pick__2": "TimeoutError",
        "Pick__3": "NotPortableError",
        "Never": "AirflowSensorTimeout",
    }
    assert capsys.readouterr().out.count("killed") == 1


BASH = 'operator("airflow.providers.standard.operators.bash:BashOperator", '


@pytest.mark.parametrize(
    ("flow", "event", "said", "hint"),
    [
        (
            "A",
            BASH + 'bash_comand="x")',
            "BashOperator has no argument 'bash_comand'",
            "did you mean 'bash_command'?",
        ),
        ("A", BASH + ")", "missing keyword argument 'bash_command'", None),
        ("A", 'operator("no.such:Thing")', "there is no no.such:Thing: No module named 'no'", None),
        ("A", 'operator("events:Nothing")', "there is no events:Nothing", None),
        ("A", 'operator("events:Abstract")', "is not an operator of Airflow", None),
        ("A", 'operator("os:sep")', "os:sep is not an operator of Airflow, but '/'", None),
        ("A", BASH + 'bash_command="x", retries=3)', "'retries' cannot be set", "retry_policy"),
        ("A", BASH + 'bash_command="x", trigger_rule="all_done")', "'trigger_rule' cannot", None),
        ("A", BASH + 'bash_command="\\udce9")', "'bash_command' has", "cannot store"),
        (
            'A(pool="x")',
            BASH + 'bash_command="x", takes=("pool",))',
            "take 'pool'",
            "before the run",
        ),
        ("A", 'operator("events:Inputs")', "an attribute 'inputs'", "a DAG in Python"),
        (
            "A",
            'operator("airflow.providers.standard.operators.latest_only:LatestOnlyOperator")',
            "LatestOnlyOperator itself skips the tasks after it",
            "write branches",
        ),
        (
            "A",
            'operator("airflow.providers.standard.sensors.filesystem:FileSensor", filepath="x",'
            ' mode="sometimes")',
            "The mode must be one of",
            None,
        ),
        ("A [every=3]", BASH + 'bash_command="x")', "the option 'every'", "poke_interval"),
        ("A [executor=process]", BASH + 'bash_command="x")', "the option 'executor'", None),
        ("{A -> B}[task=one]", BASH + 'bash_command="x")', "a task of its own", "out of the group"),
        ("A -> {A -> B}[each=w]", BASH + 'bash_command="x")', "a task of its own", None),
        ("{A -> B}[task=one]", 'approval("Ship?")', "A asks a person, which is a task", None),
        (
            "A [each=w, at_once=2]",
            'operator("airflow.providers.standard.sensors.filesystem:FileSensor", filepath="x",'
            " deferrable=True)",
            "does not count such an item for 'at_once'",
            "remove at_once",
        ),
        (
            "A",
            'operator("airflow.providers.standard.sensors.date_time:DateTimeSensorAsync",'
            ' target_time="2026-01-31", start_from_trigger=True)',
            "without the inputs of the flow",
            "remove start_from_trigger",
        ),
        ("A [each=w, at_once=2]", 'approval("Ship?")', "count such an item for 'at_once'", None),
        ("A [every=3]", 'approval("Ship?")', "cannot have the option 'every'", None),
    ],
)
def test_what_is_refused_when_a_file_is_loaded(folder, flow, event, said, hint):
    files = {"flow.pty": f"B -> {flow}", "events.py": "from volnux import *\n" + OWN}
    files["events.py"] += f"A = {event}\n@event\ndef B(): return True, []\n"
    plan = load_plan(folder(**files) / "flow.pty")
    found = AirflowBackend().check(plan)
    assert [said in each.message for each in found] == [True], found
    assert found[0].span is not None
    assert found[0].span.line == 1
    assert hint is None or hint in (found[0].hint or "")


def test_the_task_is_that_operator_also_in_generated_code(folder, monkeypatch):
    plan = load_plan(
        folder(
            **{
                "made.pty": """
                    @secret: token
                    Words |-> Count(times=2)[each=word] -> Bash(table=token) -> Ask(table="x")
                      -> Empty -> Words |-> Empty[each=word]
                """,
                "made_events.py": "from volnux import *\nfrom datetime import timedelta\n"
                + OWN
                + EVENTS.replace("events:", "made_events:")
                + 'Ask = approval("Ship {table}?", options={"Ship": 1, "Hold": 0}, within=60)\n',
            }
        )
        / "made.pty"
    )
    AirflowBackend().refuse(plan)
    source = source_of(plan)
    assert "count = operator_class(Count).partial(" in source
    assert "bash = operator_class(Bash)(" in source
    for dag in (to_dag(folder() / "made.pty"), generated(plan, folder(), monkeypatch)):
        data = json.loads(json.dumps(DagSerialization.to_dict(dag)))
        tasks = {task["__var"]["task_id"]: task["__var"] for task in data["dag"]["tasks"]}
        shown = {name: task["task_type"] for name, task in tasks.items()}
        assert shown["Count"] == "Counting"
        assert shown["Bash"] == "BashOperator"
        assert shown["Ask"] == "HITLOperator"
        assert tasks["Count"]["ui_color"] == "#ffcc00"
        assert tasks["Bash"]["bash_command"].startswith("echo {{ table }} ")
        assert tasks["Ask"]["subject"] == "Ship {table}?"
        # Airflow does not start tasks that it takes for empty.
        assert not tasks["Empty"].get("_is_empty")
        for documented in (tasks["Empty"], tasks["Empty__2"]["partial_kwargs"]):
            assert documented["doc_md"] == "Does nothing."


def test_another_backend_runs_what_is_local_or_refuses_the_file(folder):
    made = BASH + 'bash_command="x", takes=("table",)'
    files = {
        "events.py": "from volnux import *\nfrom volnux_airflow import operator\n"
        "def here(table): return True, table\n"
        f"Here = {made}, local=here)\nThere = {made})\n",
        "here.pty": "Here(table=1)",
        "there.pty": "There(table=1)",
    }
    standalone = get_backend("standalone")
    report = standalone.run(load_plan(folder(**files) / "here.pty"), {})
    assert report.places["Here"].result == 1
    (found,) = standalone.check(load_plan(folder() / "there.pty"))
    assert "standalone cannot run it" in found.message
    assert found.hint == "give it local=…, an event that other backends run in its place"


def test_nobody_can_be_asked_by_dag_test(run):
    with pytest.raises(RefusedError, match=r"Ask asks a person: dag\.test"):
        run("Ask", 'Ask = approval("Ship?")')
