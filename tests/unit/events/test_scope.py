"""What the names in a used file mean: inputs, late inputs, items, and parts of flows with uses."""

import datetime as dt
import pickle
from pathlib import Path

import pytest

from volnux.backends import RunOptions, get_backend
from volnux.backends.parts import Part
from volnux.events import Call, run_attempt
from volnux.events.given import ArgumentError, VariableError
from volnux.kit.calls import given_by_name, list_of
from volnux.loading import load_plan

EVENTS = """
from volnux import event

@event
def Parse(self, previous_result=None, **given):
    return True, [given, dict(self.inputs), list(self.index)]

@event
def Named(n, previous_result=None):
    return True, n

@event
def Change(self, shops):
    shops.append("more")
    return True, shops

@event
def List():
    return True, ["a", "b"]
"""
TIMES = 500


class Given:
    """A host with these variables and secrets."""

    def __init__(self, **values):
        self.values = values
        self.asked = []

    def variable(self, name):
        self.asked.append(name)
        return self.values[name]

    secret = variable


def plan_of(files):
    """The plan of the first file; all files have the same events."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.with_name(f"{path.stem}_events.py").write_text(EVENTS)
    return load_plan(next(iter(files)))


def attempt(plan, place, host=None, **call):
    return run_attempt(plan.spec(place), Call(place, host=host, **call))


USE = '@use: clean = "clean.pty"\n'


def test_an_event_sees_the_inputs_of_the_use():
    plan = plan_of(
        {
            "flow.pty": "@input: size: int = 1\n" + USE + "Parse -> clean(n=size) -> clean",
            "clean.pty": "@input: n: int = 5\nParse",
        }
    )
    inputs = {"size": 3}
    results = [attempt(plan, place, inputs=inputs).result for place in ("Parse", "clean.Parse")]
    assert results == [[{"size": 3}, {"size": 3}, []], [{"n": 3}, {"n": 3}, []]]
    assert attempt(plan, "clean__2.Parse", inputs=inputs).result[0] == {"n": 5}


def test_items_inside_of_a_use_and_around_it():
    plan = plan_of(
        {
            "flow.pty": USE + "List |-> clean(shops=[x])[each=x]",
            "clean.pty": "@input: shops: list\nParse[each=y, in=shops]",
        }
    )
    found = attempt(plan, "clean.Parse", items=(("x", "outer"), ("y", "inner")), numbers=(1, 0))
    assert found.result == [{"shops": ["outer"], "y": "inner"}] * 2 + [[1, 0]]


def test_a_known_value_is_a_new_one_for_each_attempt():
    plan = plan_of(
        {
            "flow.pty": USE + 'clean(shops=["a"]) -> clean',
            "clean.pty": '@input: shops: list = ["b"]\nChange',
        }
    )
    for _ in range(2):
        assert attempt(plan, "clean.Change").result == ["a", "more"]
        assert attempt(plan, "clean__2.Change").result == ["b", "more"]


def test_a_late_input_is_read_only_for_events_that_name_it():
    plan = plan_of(
        {
            "flow.pty": "@variable: size: int\n" + USE + "clean(n=size)",
            "clean.pty": "@input: n: int\nParse -> Named -> Named(n=[n, n])",
        }
    )
    host = Given(size="4")
    assert attempt(plan, "clean.Parse", host).result[:2] == [{}, {}]
    assert host.asked == []
    assert attempt(plan, "clean.Named", host).result == 4
    assert attempt(plan, "clean.Named__2", host).result == [4, 4]
    assert host.asked == ["size", "size"]
    assert attempt(plan, "clean.Named", Given()).result.type == "volnux.VariableError"


def test_a_late_input_goes_through_uses_without_being_read_there():
    plan = plan_of(
        {
            "flow.pty": '@secret: token\n@use: outer = "outer.pty"\nouter(n=token)',
            "outer.pty": '@input: n: str\n@use: clean = "clean.pty"\nParse -> clean(n={"k": n})',
            "clean.pty": "@input: n: dict\n@input: m: int = 1\nParse |-> Named",
        }
    )
    host = Given(token="a-long-secret")
    for place in ("outer.Parse", "outer.clean.Parse"):
        attempt(plan, place, host)
    assert host.asked == []
    # Results are masked.
    assert attempt(plan, "outer.clean.Named", host).result == {"k": "***"}
    assert host.asked == ["token"]
    assert [sorted(scope.late) for scope in plan.scopes] == [["n"], ["n"]]


@pytest.mark.parametrize("token", ["a-long-secret", "a-long-secret, " * 20])
def test_a_failure_does_not_contain_a_secret(token):
    plan = plan_of(
        {
            "flow.pty": "@secret: token\n" + USE + "clean(n=token)",
            "clean.pty": '@input: n: "a" | "b"\nNamed',
        }
    )
    outcome = attempt(plan, "clean.Named", Given(token=token))
    assert outcome.result.type == "volnux.ArgumentError"
    assert outcome.result.message == (
        "clean is given n=token: the input 'n' is of type str, given '***': expected one of "
        "'a', 'b'"
    )
    assert outcome.retry_after is None


def test_a_value_of_another_type_is_an_error_of_every_event():
    plan = plan_of(
        {
            "flow.pty": "@input: size: int = 11\n" + USE + "clean(n=size)",
            "clean.pty": "@input: n: int(1..10)\nParse -> List -> Named(n=2)",
        }
    )
    for place in ("clean.Parse", "clean.List", "clean.Named"):
        outcome = attempt(plan, place, inputs={"size": 11})
        assert outcome.result.type == "volnux.ArgumentError"
        with pytest.raises(ArgumentError, match="given 11: expected from 1 to 10"):
            plan.spec(place).inputs(Call(place, inputs={"size": 11}))


def test_a_default_is_a_time_of_the_run_in_the_zone_of_the_pipeline():
    plan = plan_of(
        {
            "flow.pty": "@timezone: Asia/Tokyo\n" + USE + "clean",
            "clean.pty": "@timezone: America/New_York\n@input: day: date = scheduled\nParse",
        }
    )
    at = dt.datetime(2026, 1, 31, 20, tzinfo=dt.UTC)
    assert attempt(plan, "clean.Parse", scheduled_at=at).result[0] == {"day": dt.date(2026, 2, 1)}


def test_the_list_of_an_each_may_be_an_input_of_the_use():
    plan = plan_of(
        {
            "flow.pty": '@input: shops: list = ["o"]\n@variable: more: list\n'
            + USE
            + "Parse[each=x, in=shops] -> clean(shops=[1]) -> clean(shops=more)",
            "clean.pty": "@input: shops: list\nParse[each=x, in=shops]",
        }
    )
    index = plan.graph.topology.index
    first, second, third = (index[each.each] for each in plan.graph.eaches)
    call = Call(inputs={"shops": ["o"]}, host=Given(more='["late"]'))
    assert given_by_name(plan, first, "shops") is None
    assert list_of(None, "shops", call) == ["o"]
    assert list_of(given_by_name(plan, second, "shops"), "shops", call) == [1]
    assert list_of(given_by_name(plan, third, "shops"), "shops", call) == ["late"]
    with pytest.raises(VariableError):
        given_by_name(plan, third, "shops").value("shops", call._replace(host=Given()))


def test_specs_and_scopes_can_be_pickled():
    plan = plan_of(
        {
            "flow.pty": "@input: size: int = 1\n@secret: token\n"
            + USE
            + "clean(n=size, key=token)",
            "clean.pty": "@input: n: int\n@input: key: str\nParse",
        }
    )
    assert pickle.loads(pickle.dumps(plan.scopes)) == plan.scopes
    spec = pickle.loads(pickle.dumps(plan.spec("clean.Parse")))
    assert spec.inputs(Call(inputs={"size": 3})) == {"n": 3}


def test_a_late_input_goes_through_five_hundred_files():
    files = {"flow.pty": '@secret: token\n@use: next = "f0.pty"\nnext(n=token, m=1)'}
    head = "@input: n: str\n@input: m: int\n"
    for number in range(TIMES):
        text = f'@use: next = "f{number + 1}.pty"\nnext(n=n, m=m)'
        files[f"f{number}.pty"] = head + text
    files[f"f{TIMES}.pty"] = head + "Named -> Parse"
    plan = plan_of(files)
    prefix = "next." * (TIMES + 1)
    host = Given(token="a-long-secret")
    assert attempt(plan, f"{prefix}Parse", host).result[0] == {"m": 1}
    assert attempt(plan, f"{prefix}Named", host).result == "***"


def test_what_several_arguments_name_is_read_once():
    files = {"flow.pty": '@variable: size: list\n@use: next = "f0.pty"\nnext(n=[size, size])'}
    for number in range(20):
        files[f"f{number}.pty"] = (
            f'@input: n: list\n@use: next = "f{number + 1}.pty"\nnext(n=[n, n])'
        )
    files["f20.pty"] = "@input: n: list\nNamed"
    host = Given(size=[1])
    assert attempt(plan_of(files), "next." * 21 + "Named", host).descriptor == 1
    assert host.asked == ["size"]


def test_a_list_that_cannot_be_read_is_the_failure_whatever_is_around_the_use():
    plan = plan_of(
        {
            "flow.pty": "@variable: more: list\n" + USE + "List |-> clean(shops=more)[each=shops]",
            "clean.pty": "@input: shops: list\nParse[each=x, in=shops]",
        }
    )
    report = get_backend("standalone").run(plan, {}, RunOptions())
    failures = [place.failure for place in report.places.values() if place.failure]
    assert {failure.type for failure in failures} == {"volnux.VariableError"}


# Parts: an orchestrator runs a task, or an item, by itself.


@pytest.mark.parametrize("of", ["tasks", "eaches"])
def test_a_part_inside_of_a_use(of):
    plan = plan_of(
        {
            "flow.pty": "@input: size: int = 1\n"
            + USE
            + "List |-> clean(n=size, shops=[x])[each=x]",
            "clean.pty": "@input: n: int\n@input: shops: list\n"
            "{Parse |-> Named}[task=t] |-> Parse[each=y, in=shops]",
        }
    )
    options = RunOptions(index=(1,) if of == "tasks" else (1, 0))
    items = (("x", "b"),) if of == "tasks" else (("x", "b"), ("y", "b"))
    part = Part.of(plan, plan.graph.tasks[0] if of == "tasks" else plan.graph.eaches[1])
    taken = dict.fromkeys(part.takes, "piped")
    report = part.run({"size": 7}, options, taken=taken, items=items)
    inputs = {"n": 7, "shops": ["b"]}
    if of == "tasks":
        assert list(report.places) == ["clean.Parse[1]", "clean.Named[1]"]
        assert report.places["clean.Parse[1]"].result == [inputs, inputs, [1]]
        assert report.end.value == 7
    else:
        (place,) = report.places
        assert place == "clean.Parse__2[1][0]"
        inputs = {**inputs, "y": "b"}
        assert report.places[place].result == [inputs, inputs, [1, 0]]


@pytest.mark.parametrize("text", ["clean(n=size)[task=t]", "clean(n=size)[each=x, in=shops]"])
def test_a_part_around_a_use(text):
    plan = plan_of(
        {
            "flow.pty": '@input: size: int = 1\n@input: shops: list = ["s"]\n' + USE + text,
            "clean.pty": "@input: n: int\nParse -> Named",
        }
    )
    part = Part.of(plan, (plan.graph.tasks or plan.graph.eaches)[0])
    index = () if plan.graph.tasks else (0,)
    items = () if plan.graph.tasks else (("x", "s"),)
    inputs = {"size": 7, "shops": ["s"]}
    report = part.run(inputs, RunOptions(index=index), taken={}, items=items)
    first, second = report.places.values()
    assert first.result == [{"n": 7}, {"n": 7}, list(index)]
    assert (second.result, report.end.value) == (7, 7)
    whole = get_backend("standalone").run(plan, inputs)
    assert list(report.places) == list(whole.places)


def test_many_uses_have_few_specs_and_equal_ones_run():
    plan = plan_of(
        {
            "flow.pty": USE + " -> ".join(["clean"] * 300),
            "clean.pty": "@input: n: int = 2\nParse",
        }
    )
    report = get_backend("standalone").run(plan, {}, RunOptions())
    assert {place.result[0]["n"] for place in report.places.values()} == {2}
    assert len(report.places) == 300
