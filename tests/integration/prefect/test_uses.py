"""Pipelines that use others, as flow runs and as generated flows on a real server."""

import asyncio
import datetime as dt
import importlib.util
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
from prefect.blocks.system import Secret
from prefect.variables import Variable
from volnux_prefect import load_flow, plain
from volnux_prefect.checks import check
from volnux_prefect.codegen import source_of

from tests.integration.prefect.states import (
    expected_task_runs,
    flow_run_of,
    letters,
    task_runs,
    wait_for_states,
)
from tests.integration.prefect.test_each import comparable
from volnux.backends import RunOptions, get_backend
from volnux.graph import Failure
from volnux.graph.places import template_of
from volnux.loading import load_plan

EVENTS = """
from concurrent.futures import ProcessPoolExecutor
from volnux import EventBase, event

@event
def Words():
    return True, ["a", "b"]

class Tells(EventBase):
    def process(self, previous_result=None, **given):
        return True, [self.task_id, previous_result, given, dict(self.inputs)]

class Takes(EventBase):
    def process(self, n, previous_result=None):
        return True, [n, previous_result]

@event(executor=ProcessPoolExecutor)
def Away(n, day=None, key=None, previous_result=None):
    return True, [n, str(day), len(key or ""), previous_result]

@event
def Boom():
    raise ValueError("boom")

@event
def Odd(word):
    return word == "a", word

class Round(EventBase):
    def process(self, previous_result=None):
        return self.task_id.endswith(".2"), previous_result

class Named(EventBase):
    prefect = {"task_run_name": "{place} of {word}"}
    def process(self, word):
        return True, word

class Shows(EventBase):
    def process(self, key, previous_result=None):
        print("the key is", key)
        raise ValueError(f"not {key}")
"""

STEP = """
@input: word: str = "none"
@input: n: int(1..9) = 3
@input: day: date = scheduled - 1d
@variable: use_region: str = "eu"
"""

PROGRAMS = {
    "a use": (
        '@use: step = "shared/step.pty"\nWords |-> step(word="x") |-> Tells |-> step (0 -> Boom)',
        f"{STEP}Tells(word=word, at=use_region) |-> Takes || Tells |-> Tells(n=[n, day])",
    ),
    "an input of the flow": (
        '@input: word: str = "w"\n@input: count: int = 5\n@use: step = "shared/step.pty"\n'
        "Tells -> step(n=count, word=word) |-> Tells",
        f"{STEP}Takes |-> Tells(word=word)",
    ),
    "items": (
        '@use: step = "shared/step.pty"\n'
        "Words |-> {step(word=x) |-> Tells}[each=x] |-> step[each=y, at_once=1] |-> Tells",
        f"{STEP}Odd (0 |-> Tells) |-> Words |-> {{Tells |-> Tells}}[each=z]",
    ),
    "a list of a use": (
        '@input: words: list = [[1], [2, 3]]\n@use: step = "shared/step.pty"\n'
        "step(list=w)[each=w, in=words] |-> Tells",
        "@input: list: list\n@variable: use_none: list = [7]\n"
        "Tells[each=i, in=list] || Tells[each=i, in=use_none]",
    ),
    "rounds": (
        '@use: step = "shared/step.pty"\nstep[again=2] (1 |-> step(n=4) -> Tells)',
        f"{STEP}Words |-> {{Round || Takes}} |-> Round",
    ),
    "branches": (
        '@use: step = "shared/step.pty"\n'
        '{step(word="a") (0 -> Tells)} || step * 2 (0 |-> Tells -> !, 1 -> Words) |-> Tells',
        f"{STEP}Odd -> Tells",
    ),
    "fails in a use": (
        '@use: step = "shared/step.pty"\nBoom (0 -> step (0 |-> Tells)) -> step',
        "Words (0 -> Words, 1 -> !)",
    ),
    "continue": (
        '@on-failure: continue\n@use: step = "shared/step.pty"\nstep -> Tells |-> step[each=x]',
        "@on-failure: continue\nBoom -> Odd[each=word] || Boom -> Tells",
    ),
    "any": (
        '@use: step = "shared/step.pty"\n'
        "step[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Tells || step (0 -> Tells)",
        f"{STEP}Boom || Odd || Tells",
    ),
    "a task": (
        '@use: step = "shared/step.pty"\nWords |-> step(n=2)[task=tidy] |-> Tells',
        f"{STEP}Takes |-> {{Tells || Takes}}[task=tidy] |-> Tells",
    ),
    "another process": (
        '@variable: use_number: int = 7\n@secret: use_token\n@use: step = "shared/step.pty"\n'
        "step(n=use_number, key=use_token) |-> step",
        f'{STEP}@input: key: str = ""\nAway |-> Takes',
    ),
    "a wrong value": (
        '@variable: use_number: int = 70\n@use: step = "shared/step.pty"\n'
        "Words |-> {step(n=x)}[each=x] (0 -> step(n=use_number) (0 |-> Tells))",
        f"{STEP}Tells * 3 -> Takes",
    ),
}

FIRST = '@use: inner = "inner.pty"\n'
INNER = "@input: n: int = 1\n@input: m: list = []\nTakes |-> Tells(m=m)"

NESTED = {
    "flow.pty": '@input: n: int = 5\n@use: outer = "shared/step.pty"\n'
    "{outer(n=n) || outer}[again=2] |-> outer(n=2)[each=i] |-> Tells",
    "shared/step.pty": f"@input: n: int = 4\n@variable: use_many: list = [8]\n{FIRST}"
    "Words |-> inner(n=n, m=use_many)[each=x] |-> inner(m=[n])",
    "shared/inner.pty": INNER,
}

AT = dt.datetime(2026, 3, 29, 4, tzinfo=dt.UTC)
TOKEN = "hunter2-Zürich/42"


@pytest.fixture
def files(write):
    """Write the files of a program, each with the events beside it, and return its plan."""

    def files(*texts, more="", **named):
        own = zip(("flow.pty", "shared/step.pty"), texts, strict=False)
        for name, text in {**dict(own), **named}.items():
            write(name, text)
            write(f"{name.removesuffix('.pty')}_events.py", EVENTS + more)
        return load_plan("flow.pty")

    return files


class Recorded(plain.Run):
    """A run that can be looked at after its end."""

    async def __aenter__(self):
        Recorded.last = self
        return await super().__aenter__()


@pytest.fixture
def generated(write, monkeypatch):
    """Run the generated flow of `flow.pty`, and return its final state."""
    monkeypatch.setattr(plain, "Run", Recorded)

    def generated(**inputs):
        module = write("plain_flow.py", source_of("flow.pty"))
        monkeypatch.syspath_prepend(str(module.parent))
        monkeypatch.delitem(sys.modules, "flow_events", raising=False)
        spec = importlib.util.spec_from_file_location("plain_flow", module)
        made = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "plain_flow", made)
        spec.loader.exec_module(made)
        return asyncio.run(made.flow_flow(return_state=True, **inputs))

    return generated


PROGRAM_FILES = {
    **{
        name: {"flow.pty": flow, "shared/step.pty": step} for name, (flow, step) in PROGRAMS.items()
    },
    "nested": NESTED,
}


@pytest.mark.parametrize("name", PROGRAM_FILES)
def test_a_program_does_the_same_on_every_way(server, files, generated, name):
    Secret(value=TOKEN).save("use-token", overwrite=True)
    plan = files(**PROGRAM_FILES[name])
    inputs, options = plan.bind({}, scheduled_at=AT), RunOptions(scheduled_at=AT)
    expected = get_backend("standalone").run(
        plan, inputs, RunOptions(scheduled_at=AT, secrets={"use_token": TOKEN})
    )
    report = get_backend("prefect").run(plan, inputs, options)
    assert comparable(report) == comparable(expected)
    assert (report.status, report.failure) == (expected.status, expected.failure)
    assert list(report.places) == list(expected.places)
    handled = [place for place, item in expected.places.items() if item.handled]
    wanted = expected_task_runs(letters(expected), handled)
    if "task=" not in PROGRAM_FILES[name]["flow.pty"]:
        assert wait_for_states(flow_run_of(report), wanted) == wanted

    timed = {"scheduled_at": AT} if "scheduled" in PROGRAM_FILES[name]["shared/step.pty"] else {}
    state = generated(**timed)
    if state.is_failed():
        # A generated flow does not know then which of its failures a group handled.
        caught = [
            place
            for place in handled
            if 0 not in plan.graph.topology.taken[plan.graph.topology.index[template_of(place)]]
        ]
        wanted |= dict.fromkeys(caught, ("FAILED", "Failed"))
    assert wait_for_states(state.state_details.flow_run_id, wanted) == wanted
    assert state.is_completed() is (expected.status == "success")
    ended = Recorded.last.ended_places
    for place, item in expected.places.items():
        if place in ended:
            told = ended[place].result
            shown = (told.type, told.message) if isinstance(told, Failure) else told
            failure = item.failure and (item.failure.type, item.failure.message)
            assert shown == (failure or item.result), place


def shown_inputs(flow_run_id, places):
    """What the server shows for the parameters of task runs: their kind and text."""
    found = task_runs(flow_run_id, places)
    return {
        place: {
            name: [(each.input_type, getattr(each, "name", None) or each.type) for each in shown]
            for name, shown in found[place].task_inputs.items()
            if name != "upstream"
        }
        for place in places
    }


def test_a_task_run_shows_what_the_flow_gives_it(server, files, generated):
    Secret(value=TOKEN).save("use-token", overwrite=True)
    text = (
        '@input: n: int = 5\n@input: region: str = "eu"\n@secret: use_token\n'
        '@use: step = "shared/step.pty"\nstep(n=n, key=use_token)'
    )
    step = (
        "@input: n: int\n@input: key: str\n@input: day: date = scheduled - 1d\n"
        '@variable: region: str = "a"\n@use: inner = "inner.pty"\n'
        "Away || Tells(n=[n, region]) || inner(n=n) || Tells(at=region)"
    )
    names = ["step.Away", "step.Tells", "step.inner.Takes", "step.Tells__2"]
    wanted = {
        "step.Away": {
            "n": [("parameter", "n")],
            "key": [("constant", "use_token")],
            "day": [("constant", "scheduled - 1d")],
        },
        "step.Tells": {"n": [("constant", "[n, region]")]},
        "step.inner.Takes": {"n": [("parameter", "n")]},
        "step.Tells__2": {"at": [("constant", "region")]},
    }
    plan = files(text, step, **{"shared/inner.pty": INNER})
    report = get_backend("prefect").run(plan, plan.bind({}))
    assert report.status == "success"
    assert shown_inputs(flow_run_of(report), names) == wanted
    state = generated()
    assert shown_inputs(state.state_details.flow_run_id, names) == wanted


def test_a_secret_in_a_use_is_shown_nowhere(server, files, generated, capfd):
    Secret(value=TOKEN).save("use-token", overwrite=True)
    text = '@secret: use_token\n@use: step = "shared/step.pty"\nstep(key=use_token)'
    plan = files(text, "@input: key: str\nShows (0 |-> Tells)")
    report = get_backend("prefect").run(plan, plan.bind({}))
    assert report.places["step.Shows"].failure.message == "not ***"
    seen = report.places["step.Tells"].result[3]
    assert seen == {}
    id = flow_run_of(report)
    wanted = {"step.Shows": ("COMPLETED", "Handled"), "step.Tells": ("COMPLETED", "Completed")}
    assert wait_for_states(id, wanted) == wanted
    state = generated()
    assert wait_for_states(state.state_details.flow_run_id, wanted) == wanted
    for flow_run in (id, state.state_details.flow_run_id):
        for task_run in task_runs(flow_run, wanted).values():
            assert TOKEN not in task_run.model_dump_json()
    assert TOKEN not in capfd.readouterr().err


def test_a_task_run_is_named_after_the_inputs_of_the_use(server, files):
    text = (
        '@use: step = "shared/step.pty"\n'
        "Words |-> {step(word=y) |-> step(n=y)}[each=y] (0 -> Words)"
    )
    plan = files(text, '@input: word: str = "none"\n@input: n: int(1..9) = 1\nNamed')
    report = get_backend("prefect").run(plan, plan.bind({}))
    wanted = {
        "Words": ("COMPLETED", "Completed"),
        "step.Named[0] of a": ("COMPLETED", "Completed"),
        "step.Named[1] of b": ("COMPLETED", "Completed"),
        # Its inputs cannot be read, so it has the name of its place.
        "step__2.Named[0]": ("COMPLETED", "Handled"),
        "step__2.Named[1]": ("COMPLETED", "Handled"),
        "Words__2": ("COMPLETED", "Completed"),
    }
    assert wait_for_states(flow_run_of(report), wanted) == wanted


def test_what_is_refused_is_shown_in_its_own_file(files):
    event = "class Other(Tells):\n    prefect = {'task_run_name': '{word} {region}'}\n"
    plan = files(
        '@variable: region: str\n@secret: a_B\n@use: step = "shared/step.pty"\n'
        "step |-> Tells(at=region, key=a_B)",
        '@input: word: str = "w"\n@variable: Region: int\n@secret: a_b\n'
        "Other || Tells(at=[Region, a_b])",
        more=event,
    )
    assert [(each.where, each.message) for each in check(plan)] == [
        (
            "shared/step.pty:2:1",
            "'region' and 'Region' are both the variable 'region' of prefect",
        ),
        ("shared/step.pty:3:1", "'a_B' and 'a_b' are both the Secret block 'a-b' of prefect"),
        (
            "shared/step.pty:4:1",
            "task_run_name of Other uses a name that the flow does not have: 'region'",
        ),
    ]


def test_the_server_is_asked_for_what_used_files_declare(server, files):
    Variable.set("use_known", 1, overwrite=True)
    plan = files(
        '@variable: use_asked: str = "eu"\n@use: step = "shared/step.pty"\n'
        "step |-> Tells(at=use_asked)",
        "@variable: use_asked: int\n@variable: use_known: int\n@secret: use_missing\n"
        "Tells(at=[use_asked, use_known, use_missing])",
    )
    found = get_backend("prefect").check_live(plan)
    assert [(each.where, each.severity.value, each.message) for each in found] == [
        ("shared/step.pty:1:1", "error", "the server has no variable 'use_asked'"),
        ("shared/step.pty:3:1", "error", "the server has no Secret block 'use-missing'"),
    ]


@pytest.mark.parametrize("name", PROGRAM_FILES)
def test_the_generated_text_is_formatted(files, write, name):
    files(**PROGRAM_FILES[name])
    target = write("plain_flow.py", source_of("flow.pty"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "format",
            "--isolated",
            "--line-length=88",
            "--diff",
            target,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_two_folders_have_a_module_of_the_same_name(server, write, generated, monkeypatch):
    monkeypatch.delitem(sys.modules, "events", raising=False)
    write("flow.pty", '@use: step = "shared/step.pty"\nSays || step')
    write("shared/step.pty", '@use: inner = "more/inner.pty"\nSays || inner')
    write("shared/more/inner.pty", "Says")
    for folder, word in (("", "a"), ("shared/", "b"), ("shared/more/", "c")):
        text = f"from volnux import event\n\n@event\ndef Says():\n    return True, {word!r}\n"
        write(f"{folder}events.py", text)
    assert generated().result() == ["a", ["b", "c"]]


def test_a_flow_in_another_process_finds_its_files(files, write, tmp_path, monkeypatch):
    files(**NESTED)
    write("real/flow.pty", NESTED["flow.pty"])
    (tmp_path / "link.pty").symlink_to("real/flow.pty")
    write("link_events.py", EVENTS)
    sent = cloudpickle.dumps(load_flow(tmp_path / "link.pty"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    flow = cloudpickle.loads(sent)
    assert [Path(name).name for name in flow.plan.graph.filenames] == [
        "link.pty",
        "step.pty",
        "inner.pty",
    ]
    assert flow.version == load_flow(tmp_path / "link.pty").version
