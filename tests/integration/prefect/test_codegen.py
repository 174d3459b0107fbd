"""The export to Python: flows that `volnux prefect flow` prints do the same as the `.pty`."""

import datetime as dt
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.blocks.system import Secret
from volnux_prefect.codegen import source_of

from tests.conformance.cases import CASES, EVENTS
from tests.integration.prefect.states import (
    flow_run_of,
    task_runs,
    wait_for_flow_run,
    wait_for_states,
)
from volnux.backends import RunOptions
from volnux.loading import load_graph
from volnux.pysource import PythonSourceError

MORE_EVENTS = (
    EVENTS
    + """
from volnux import EventBase
import asyncio
import os
import threading
from concurrent.futures import ProcessPoolExecutor


class Flaky(EventBase):
    retry_policy = {"max_attempts": 3, "backoff_factor": 0.01, "exclude_exceptions": [KeyError]}

    def process(self, n, label=None):
        if self.attempt < n:
            raise ValueError("not yet")
        return True, [self.task_id, self.attempt, label]


class Stops(EventBase):
    stop_on_exception = True

    def process(self):
        raise RuntimeError("the end")


BEGUN, CANCELLED = threading.Event(), threading.Event()


class StopsOthers(EventBase):
    stop_on_exception = True

    def process(self):
        BEGUN.wait(60)
        raise RuntimeError("the end")


@event
async def Endless():
    BEGUN.set()
    try:
        await asyncio.Event().wait()
    finally:
        CANCELLED.set()


class FailsAfterwards(EventBase):
    retry_policy = {"max_attempts": 3, "backoff_factor": 0.01}

    def process(self):
        CANCELLED.wait(60)
        raise ValueError("nobody hears this")


class DiesOnce(EventBase):
    executor = ProcessPoolExecutor
    retry_policy = {"max_attempts": 2, "backoff_factor": 0.01}

    def process(self):
        if self.attempt == 1:
            os._exit(1)
        return True, self.attempt


@event(prefect={"task_run_name": "{place} of {label}"})
def Named():
    return True, None


@event
def Large():
    return False, "x" * 10_000


@event
def Told(self, region, token, what: list, day=None):
    return True, [region, len(token), what, day, self.scheduled_at.isoformat(), dict(self.inputs)]


@event
def Tells(token):
    print(f"the token is {token}")
    return False, [token]


@event
def Sleeps():
    while not os.path.exists("over.txt"):
        threading.Event().wait(0.02)
    return True, None


@event
async def Waits():
    await asyncio.Event().wait()


@event
def Slow():
    import time

    time.sleep(0.4)
    return True, "late"
"""
)


@pytest.fixture
def plain(printed):
    """Run the Python text of a flow, and return the final state of the flow run."""
    return lambda text, **inputs: printed(text, MORE_EVENTS, **inputs)


def shown(state, expected):
    return wait_for_states(state.state_details.flow_run_id, expected)


def test_retries_inputs_and_results_are_those_of_the_pty(plain, run):
    text = "@input: n: int = 2\n@input: label: str\nFlaky |-> B"
    state = plain(text, label="x")
    assert state.result() == ["Flaky", 2, "x"]
    found = task_runs(state.state_details.flow_run_id, ["Flaky", "B"])
    assert found["Flaky"].run_count == 2
    report = run(text, MORE_EVENTS, label="x")
    assert report.places["B"].result == ["Flaky", 2, "x"]
    assert report.places["Flaky"].attempts == 2


def test_attempts_end_where_the_policy_says(plain):
    state = plain("@input: n: int = 9\nFlaky * 2 (0 |-> H)")
    failure = state.result()
    assert (failure.type, failure.attempts) == ("ValueError", 2)


def test_an_event_stops_the_run_and_another_runs_in_a_process(plain):
    state = plain('@input: label: str = "{x}"\nDiesOnce |-> C -> Named -> Stops (0 -> A) -> B')
    assert state.is_failed()
    assert state.message == "Stops failed: RuntimeError: the end"
    found = task_runs(state.state_details.flow_run_id, ["C", "Named of {x}", "Stops"])
    assert found["C"].state.is_completed()
    assert found["Named of {x}"].state.is_completed()
    assert found["Stops"].state.name == "Failed"


@pytest.mark.parametrize("way", ["generated", "pty"])
def test_an_event_stops_what_runs_beside_it(plain, run, way):
    text = "Endless || FailsAfterwards || StopsOthers"
    if way == "generated":
        id = plain(text).state_details.flow_run_id
    else:
        id = flow_run_of(run(text, MORE_EVENTS))
    state = wait_for_flow_run(id).state
    assert state.message == "StopsOthers failed: RuntimeError: the end"
    assert task_runs(id, ["FailsAfterwards"])["FailsAfterwards"].run_count == 1


WORDS = """
@timezone: Europe/Paris
@schedule: "0 6 * * *"
@input: day: date = scheduled - 1d, "the day to load"
@input: since: datetime = previous + 1h
@input: mode: "full" | "delta" = "full"
@input: limit: int(1..100) = 10
@variable: region: str = "eu"
@variable: Sizes: list = [1, 2]
@secret: Shop_Token
@run-timeout: 1h
{Told(what=["x", {"a": limit, "b": Sizes}], token=Shop_Token, day=day) -> Bad -> A}
  (0 |-> H -> !) || {! || B} [evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]
"""
"""A flow with all that a run brings."""


def test_what_a_run_brings_is_that_of_the_pty(plain, run):
    Secret(value="hunter2/42").save("shop-token", overwrite=True)
    night = dt.datetime(2026, 3, 29, 4, tzinfo=dt.UTC)
    report = run(WORDS, MORE_EVENTS, options=RunOptions(scheduled_at=night), **timed(night))
    state = plain(WORDS, hides="hunter2", scheduled_at=night)
    message = "the flow fails here: flow.pty:13, after Bad failed: "
    assert state.message.startswith(message)
    assert wait_for_flow_run(flow_run_of(report)).state.message == state.message
    found = task_runs(state.state_details.flow_run_id, ["Told", "Bad", "H", "B"])
    assert {name: each.state.name for name, each in found.items()} == {
        "Told": "Completed",
        "Bad": "Failed",
        "H": "Completed",
        "B": "Completed",
    }
    theirs = task_runs(flow_run_of(report), ["Told"])["Told"].task_inputs
    ours = found["Told"].task_inputs
    assert {name: list(shown) for name, shown in ours.items()} == {
        name: list(shown) for name, shown in theirs.items()
    }
    told = "Told(what=[limit], token=Shop_Token)"
    words = WORDS.partition("{")[0]
    assert plain(words + told, scheduled_at=night).result() == [
        "eu",
        10,
        [10],
        dt.date(2026, 3, 28),
        "2026-03-29T06:00:00+02:00",
        {**timed(night), "mode": "full", "limit": 10},
    ]


def timed(night):
    """The inputs of `WORDS` that depend on the time of a run."""
    paris = ZoneInfo("Europe/Paris")
    since = dt.datetime(2026, 3, 28, 7, tzinfo=paris)
    return {"day": dt.date(2026, 3, 28), "since": since}


def test_a_printed_flow_keeps_secrets_and_tells_what_is_missing(plain):
    Secret(value="hunter2/42").save("shop-token", overwrite=True)
    state = plain("@secret: shop_token\nTells(token=shop_token)", hides="hunter2")
    assert state.message == "Tells failed: it returned ['***']"
    state = plain("@secret: nowhere\nTells(token=nowhere)")
    assert "the secret 'nowhere' is not set: prefect's server at http" in state.message
    state = plain("@variable: Nothing: int\nTold(region=Nothing, token=1, what=[])")
    assert "has no variable 'nothing'" in state.message


@pytest.mark.parametrize("event", ["Sleeps", "Waits"])
def test_a_printed_flow_ends_in_time(plain, event):
    try:
        state = plain(f"@run-timeout: 5s\nA -> {event} (0 -> B) -> C")
    finally:
        Path("over.txt").touch()
    assert (state.name, state.type.value) == ("TimedOut", "FAILED")
    assert state.message == "the run took longer than 5 s, its @run-timeout"
    found = task_runs(state.state_details.flow_run_id, ["A", event])
    assert set(found) == {"A", event}
    assert found[event].state.is_failed()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A -> Bad (0 -> B, 1 -> C)", "2 done, 1 handled, 1 skipped"),
        ("{Large || A || Bad} -> B", f"Large failed: it returned '{'x' * 299}…; Bad failed: "),
    ],
)
def test_the_state_of_the_run_says_why_in_few_words(plain, text, message):
    assert plain(text).message.startswith(message)


def test_a_timeout_is_a_failure_of_that_name(plain):
    state = plain("Slow [timeout=0.2] (0 |-> H)")
    assert state.result().type == "TimeoutError"


EACHES = [
    "A |-> {B |-> C (0 -> D)}[each=item, at_once=2] (0 |-> F)",
    "@input: words: list = [1]\n{A || B[each=word, in=words]} |-> {C || D}[each=page, task=both]",
    "@variable: pages: list\n{A -> B[each=page, in=pages]}[again=3] (1 |-> C)",
    "@on-failure: continue\nA |-> {{B}[again=2] -> C}[each=x, evaluation="
    "SUCCESS_FOR_PARTIAL_SUCCESS] -> D",
    "{A}[again=6] || B",
]


@pytest.mark.parametrize(
    "text",
    [
        *[case.text for case in CASES],
        "@on-failure: continue\n{A || Bad -> B} (0 -> C) -> {Bad || Three (3 -> D)} -> F",
        "@on-failure: continue\n{A || Bad (0 -> !)} -> B",
        WORDS,
        *EACHES,
        '@description: "It\'s \\"quoted\\""\n' + " -> ".join(["A || B (0 -> C)"] * 40),
        " || ".join(["A"] * 60) + " |-> B",
        '@input: words: list = ["a very long text that fills a line", 2, "and another one"]\n'
        '@input: day: date = "2026-01-01"\n@input: no: dict = null\nA * 4 -> B',
    ],
)
def test_the_text_is_python_and_formatted(write, text):
    path = write("flow.pty", text)
    write("flow_events.py", MORE_EVENTS)
    source = source_of(path)
    compile(source, "flow.py", "exec")
    ruff = shutil.which("ruff")
    assert ruff is not None
    plain = write("plain.py", source)
    arguments = [ruff, "format", "--isolated", "--line-length", "88", "--diff", str(plain)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


ANY = r'"a\u0085b\u007fc\u2028d\re\n\tf\ufeff\uffff\ud83d\ude00 \\ \" \"\"\" {{x}} %s"'
"""Any character, as a string of the language."""


def test_the_text_has_any_character(write, monkeypatch):
    text = f"@description: {ANY}\n@input: x: str = {ANY}\n@input: y: dict = {{{ANY}: 1}}\nA"
    path = write("odd.pty", text)
    write("odd_events.py", MORE_EVENTS)
    inputs = load_graph(path).inputs
    monkeypatch.syspath_prepend(str(path.parent.resolve()))
    monkeypatch.delitem(sys.modules, "odd_events", raising=False)
    module = {"__name__": "any_character"}
    exec(compile(source_of(path).encode(), "any_character.py", "exec"), module)
    parameters = inspect.signature(module["odd"].fn).parameters
    assert [parameters[item.name].default for item in inputs] == [item.default for item in inputs]


def test_the_page_shows_what_the_command_prints(write):
    page = (Path(__file__).parents[3] / "docs/prefect.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w+\n(.*?)^```$", page, re.M | re.S)
    for name in ("orders.pty", "orders_events.py"):
        write(name, next(each for each in blocks if each.startswith(f"# {name}\n")))
    assert source_of(Path("orders.pty").absolute()) in blocks


def test_a_flow_that_python_cannot_nest_is_refused(write):
    path = write("flow.pty", "{" * 200 + "A" + "} (0 -> B)" * 200)
    write("flow_events.py", MORE_EVENTS)
    with pytest.raises(PythonSourceError, match="Python"):
        source_of(path)


def test_linters_and_type_checkers_find_nothing(write):
    text = """
        @tags: nightly
        @input: Run: str
        @input: day: date = "2026-01-01"
        @input: at: datetime = "2026-01-31T00:00:00+02:00"
        @input: words: list = ["x"]
        @input: mode: "full" | "delta" = "full"
        @input: share: float(0..) = null
        @input: since: datetime = scheduled - 2h, "from when"
        @variable: region: str
        @secret: token
        @run-timeout: 2d
        {Load (0 |-> Fix(by={"a": [day, region]}, key=token) -> !) -> Load} ->
        {Load || Label * 3 -> Store} (0 |-> Fix) |-> Load (3 |-> Fix [tags="a"]) |-> Store
        |-> {Load |-> Fix[each=word, in=words]}[each=item, at_once=2, again=2] |-> Store
        """
    path = write("typed.pty", text)
    events = "from typing import Any\n\nfrom volnux import EventBase\n"
    for name in ("Fix", "Label", "Load", "Store"):
        events += f"\n\nclass {name}(EventBase):\n"
        events += "    def process(self, **words: Any) -> tuple[bool, Any]:\n"
        events += "        return True, None\n"
    path.with_name("typed_events.py").write_text(events)
    path.with_name("typed_flow.py").write_text(source_of(path))
    for command in (["ruff", "check", "--isolated"], ["mypy", "--strict", "--cache-dir=/dev/null"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, "typed_flow.py"],
            capture_output=True,
            text=True,
            cwd=path.parent,
        )
        assert done.returncode == 0, done.stdout + done.stderr
