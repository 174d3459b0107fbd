"""A Pipeline class among the events of a `.pty`: its fields are inputs on the command line too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from volnux import Pipeline, PointyError
from volnux.loading import load_plan
from volnux.pipeline import PipelineDefinitionError

EVENTS = """
from volnux import InputDataField, Pipeline
from volnux.decorators import event, listener
from volnux.signal.signals import pipeline_execution_start, task_completed

@event
def greet(who, times=1):
    return True, f"Hello {who} " * times

@event
def oops():
    return False, None

"""
CLASS = """
class Greeting(Pipeline):
    who = InputDataField(data_type=str, required=True)
    times = InputDataField(data_type=int, default=1)

    class Meta:
        file = "greeting.pty"
        on_failure = "continue"
"""


@pytest.fixture
def write(tmp_path):
    def written(more=CLASS, flow="oops -> greet"):
        (tmp_path / "greeting.pty").write_text(flow)
        (tmp_path / "greeting_events.py").write_text(EVENTS + more)
        return tmp_path / "greeting.pty"

    return written


def volnux(*arguments):
    return subprocess.run(
        [Path(sys.executable).with_name("volnux"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_fields_are_inputs(write):
    plan = load_plan(write())
    assert [item.name for item in plan.graph.inputs] == ["who", "times"]
    assert plan.bind({"who": "Ada", "times": "2"}) == {"who": "Ada", "times": 2}
    assert plan.graph.on_failure == "continue"
    made = Pipeline.of_plan(plan)
    assert made.__name__ == "Greeting"
    assert issubclass(made, plan.owner)
    assert made(who="Ada").start().results["greet"] == "Hello Ada "


def test_a_class_of_the_files_name_in_whatever_case(write):
    plan = load_plan(write("class greeting(Pipeline):\n    who = InputDataField(data_type=str)\n"))
    assert plan.owner.__name__ == "greeting"
    plan = load_plan(write("class GREETING(Pipeline):\n    who = InputDataField(data_type=str)\n"))
    assert plan.owner is not None


def test_a_class_with_another_flow_has_no_part_in_it(write):
    other = "class Greeting(Pipeline):\n    a = InputDataField()\n    meta = {'pointy': 'greet'}\n"
    plan = load_plan(write(other, "@input: who: str\ngreet"))
    assert plan.owner is None
    assert [item.name for item in plan.graph.inputs] == ["who"]


def test_a_name_is_declared_once(write):
    with pytest.raises(PointyError, match="the input 'who' is also a field of the pipeline class"):
        load_plan(write(flow="@input: who: str\ngreet"))


def test_a_file_has_one_class(write):
    with pytest.raises(PipelineDefinitionError, match=r"greeting_events\.Greeting and greeting_ev"):
        load_plan(write(CLASS + CLASS.replace("Greeting", "Other")))


def test_the_command_line_takes_the_fields(write):
    path = write(CLASS)
    done = volnux("run", path, "--input", "who=Ada", "--input", "times=2", "--json")
    report = json.loads(done.stdout)
    assert report["places"]["greet"]["result"] == "Hello Ada Hello Ada "
    done = volnux("run", path, "--input", "times=x")
    assert done.returncode == 2
    assert "the input 'who' (str) is required" in done.stderr
    assert "the input 'times' is of type int, given 'x'" in done.stderr


LISTENERS = """
@listener(pipeline_execution_start, sender=Greeting)
def start(pipeline):
    print("LISTENER", type(pipeline).__name__, pipeline.who)

@listener(task_completed)
def done(task_id, execution_context):
    print("LISTENER", task_id, execution_context.inputs["who"])
"""


def test_the_command_line_tells_listeners(write):
    done = volnux("run", write(CLASS + LISTENERS), "--input", "who=Ada")
    assert done.returncode == 0
    said = [line for line in done.stdout.splitlines() if line.startswith("LISTENER")]
    assert said == ["LISTENER Greeting Ada", "LISTENER greet Ada"]


def test_pipelines_are_not_imported_for_files_without_a_class(tmp_path):
    (tmp_path / "plain.pty").write_text("a")
    (tmp_path / "plain_events.py").write_text(
        "from volnux.decorators import event\n@event\ndef a():\n    return True, None\n"
    )
    code = (
        "import sys, volnux.loading\nvolnux.loading.load_plan('plain.pty')\n"
        "assert 'volnux.pipeline' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
