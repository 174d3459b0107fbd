"""Every Python block of the texts that define the interface, rewritten as our own programs.

The programs are in `programs/`. `docs/reference-texts.md` says which heading they stand for.
"""

import dataclasses
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from volnux import EventBase, Pipeline
from volnux.graph.outcome import RunStatus
from volnux.pipeline import PipelineDefinitionError
from volnux.signal import SoftSignal, signals

PROGRAMS = Path(__file__).with_name("programs")
TABLE = Path(__file__).parents[2] / "docs" / "reference-texts.md"


@pytest.fixture
def load(monkeypatch):
    """Import a program again, as a user's module with that name."""

    def program(name):
        monkeypatch.syspath_prepend(PROGRAMS)
        spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return program


# Events


def test_class_based_events(load):
    assert load("class_event").Greeting().start().results == {"Greet": "Hello from a class"}


def test_function_based_events(load):
    program = load("function_event")
    assert program.Greeting().start().results == {"greet": "Hello from a function"}
    assert program.greet() == (True, "Hello from a function")


def test_arguments_of_the_decorator(load):
    program = load("function_event_settings")
    assert program.Where().start().results["where"].startswith("ours_")
    context = program.Explosion().start()
    assert context.status is RunStatus.FAILED
    assert context["explode"].attempts == 2
    assert context["after"].attempts == 0


def test_executors_and_their_configuration(load):
    results = load("executors").Everywhere().start().results
    assert results["Plain"].startswith("ThreadPoolExecutor")
    assert results["ByClass"].startswith("by_class_")
    assert results["ByDict"].startswith("by_dict_")
    assert results["ByDefaults"].startswith("ThreadPoolExecutor")
    assert results["InProcess"] != os.getpid()
    assert results["Unsaid"].startswith("volnux-")


@pytest.mark.parametrize(
    ("last", "one_fails"),
    [
        ("AllSucceed", "failed"),
        ("NoneFails", "failed"),
        ("OneSucceeds", "success"),
        ("NotAllFail", "success"),
    ],
)
def test_evaluation_states(load, last, one_fails):
    program = load("evaluation")
    event = getattr(program, last)
    assert program.group(event)().start().status.value == one_fails
    assert program.group(event, "good")().start().succeeded


def test_retry_policies(load):
    program = load("retries")
    names = [field.name for field in dataclasses.fields(program.RetryPolicy)]
    assert names[:4] == ["max_attempts", "backoff_factor", "max_backoff", "retry_on_exceptions"]
    context = program.Transfer().start()
    assert program.tries == ["Fetch"] * 3 + ["Store"] + ["Give"] * 5
    assert context["Fetch"].result == 3
    assert context["Store"].failure.type == "ValueError"
    assert context["Give"].failure.attempts == 5


# Pipelines


def test_defining_pipelines(load):
    program = load("pipelines")
    assert issubclass(program.Bare, Pipeline)
    with pytest.raises(PipelineDefinitionError, match="Bare has no flow"):
        program.Bare()


def test_input_fields_and_the_flow(load):
    program = load("pipelines")
    expected = dict.fromkeys("ABC", "value")
    for kind in (program.Fields, program.FromDict):
        pipeline = kind(input_field="value")
        assert pipeline.start().results == expected
    for kind in (program.FromFile, program.short):
        assert kind().start().results == dict.fromkeys("AB", "none")


def test_drawing(load, tmp_path, capsys):
    program = load("pipelines")
    assert program.draw(tmp_path, format="mermaid").is_file()
    shown = capsys.readouterr().out
    assert all(name in shown for name in "ABC")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    assert program.draw(tmp_path).read_text().lstrip().startswith("<")
    assert program.draw(tmp_path, format="png").read_bytes().startswith(b"\x89PNG")


def test_executing_a_pipeline(load):
    pipeline = load("pipelines").Fields(input_field="value")
    context = pipeline.start()
    assert context.status is RunStatus.SUCCESS


# Batches


def test_a_template_and_its_batches(load, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("line\n" * 300)
    program = load("batches")
    report = program.SimpleBatch(name=list(range(10)), book=book)()
    report.raise_for_status()
    counted = [batch.results["Count"] for batch in report]
    assert [len(name) for name, _ in counted] == [5, 5]
    assert [len(text) for _, text in counted] == [1025, 475]
    assert program.heard == ["Count", "Count"]


def test_the_full_example_of_batches(load):
    assert load("full_batch").run() == [["ADA", "BEA", "CLEO", "DORA", "EVA"], ["FAY"]]


# Signals


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pipeline_pre_init", "cls args kwargs"),
        ("pipeline_post_init", "pipeline"),
        ("pipeline_shutdown", ""),
        ("pipeline_stop", ""),
        ("pipeline_execution_start", "pipeline"),
        ("pipeline_execution_end", "execution_context"),
        ("event_execution_init", "event execution_context executor call_kwargs"),
        ("event_execution_start", "event execution_context"),
        ("event_execution_end", "event execution_context future"),
        (
            "event_execution_retry",
            "event execution_context task_id backoff retry_count max_attempts",
        ),
        ("event_execution_retry_done", "event execution_context task_id max_attempts"),
    ],
)
def test_default_signals(name, arguments):
    signal = getattr(signals, name)
    assert isinstance(signal, SoftSignal)
    assert signal.arguments == tuple(arguments.split())


def test_connecting_listeners(load):
    program = load("listeners")
    try:
        program.Working().start()
    finally:
        signals.pipeline_execution_start.disconnect(program.my_listener, sender=Pipeline)
        signals.pipeline_pre_init.disconnect(program.my_other_listener, sender=Pipeline)
    assert program.said == ["pipeline_pre_init of Working", "starting Working"]


# All of them together


def test_an_executor_of_ones_own_is_made_with_what_it_takes():
    made = []

    class Own(ThreadPoolExecutor):
        def __init__(self, max_workers=None):
            made.append(max_workers)
            super().__init__(max_workers)

    class Work(EventBase):
        executor = Own
        executor_config = {  # noqa: RUF012 - as a user writes it
            "max_workers": 3,
            "max_tasks_per_child": 2,
            "thread_name_prefix": "x",
        }

        def process(self):
            return True, None

    class Works(Pipeline):
        meta = {"pointy": "Work", "events": [Work]}  # noqa: RUF012 - as a user writes it

    assert Works().start().succeeded
    assert made == [3]


@pytest.mark.slow
def test_the_programs_pass_a_strict_type_checker(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            f"--cache-dir={tmp_path}",
            *PROGRAMS.glob("*.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_names_tests_and_guides_that_exist():
    text = TABLE.read_text("utf-8")
    tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(tests) > 30
    for path, name in tests:
        source = (TABLE.parents[1] / path).read_text("utf-8")
        assert not name or re.search(rf"^def {name}\(", source, re.M), f"{path}::{name}"
    for target in re.findall(r"\]\(([\w-]+\.md)(?:#[\w-]+)?\)", text):
        assert (TABLE.parent / target).is_file(), target
