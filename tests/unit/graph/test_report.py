"""The run report and its JSON."""

import datetime as dt
import decimal
import enum
import json
import math

import pytest

from tests.unit.graph.running import ANY, graph, run
from volnux import VolnuxError
from volnux.graph import Execution, Failure, PlaceReport, RunReport, RunStatus, State, simulate
from volnux.graph.report import Details, jsonable, places_of


class Broken:
    def __repr__(self):
        raise KeyError("no")


class NoText:
    def __repr__(self):
        return 3


class Colour(enum.StrEnum):
    RED = "red"


class Day(dt.date):
    def isoformat(self):
        raise RuntimeError("no")


def nested(depth, kind=list):
    value = kind()
    for _ in range(depth):
        value = [value] if kind is list else {"in": value}
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (1.5, 1.5),
        ("ü", "ü"),
        ((1, (2,)), [1, [2]]),
        ({"a": (1,)}, {"a": [1]}),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00+00:00"),
        (dt.time(3, 4), "03:04:00"),
        (math.nan, {"type": "float", "repr": "nan"}),
        (-math.inf, {"type": "float", "repr": "-inf"}),
        ({3}, {"type": "set", "repr": "{3}"}),
        (b"x", {"type": "bytes", "repr": "b'x'"}),
        ({1: 2}, {"type": "dict", "repr": "{1: 2}"}),
        ({"a": {1: 2}}, {"a": {"type": "dict", "repr": "{1: 2}"}}),
        (decimal.Decimal("1.5"), {"type": "decimal.Decimal", "repr": "Decimal('1.5')"}),
        (int, {"type": "type", "repr": "<class 'int'>"}),
        ("\udc80", {"type": "str", "repr": "'\\udc80'"}),
        ({"\ud800": 1}, {"type": "dict", "repr": "{'\\ud800': 1}"}),
        (
            Failure("ValueError", "no \udc80", "frames", 3),
            {"type": "ValueError", "message": "no \\udc80", "traceback": "frames"},
        ),
    ],
)
def test_jsonable(value, expected):
    shown = jsonable(value)
    assert shown == expected
    assert json.loads(json.dumps(shown, ensure_ascii=False).encode()) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Broken(), "<Broken whose repr raised KeyError>"),
        (NoText(), "<NoText whose repr raised TypeError>"),
        (10**5000, "<an int of 16610 bits>"),
        (nested(100_000), "[" * 100 + "…"),
        (Colour.RED, "<Colour.RED: 'red'>"),
    ],
    ids=["broken", "no text", "too long", "too deep", "an enum"],
)
def test_jsonable_shows_what_it_cannot_write(value, text):
    shown = jsonable(value)
    assert set(shown) == {"type", "repr"}
    assert shown["repr"] == text


def test_jsonable_shows_a_date_that_cannot_say_itself():
    assert jsonable(Day(2026, 1, 2))["repr"].endswith("Day(2026, 1, 2)")


def test_jsonable_knows_circles():
    value: list[object] = [1]
    value.append(value)
    assert jsonable(value) == {"type": "list", "repr": "[1, [...]]"}
    assert jsonable({"a": value})["type"] == "dict"


@pytest.mark.parametrize("kind", [list, dict])
def test_jsonable_goes_deep_enough(kind):
    assert jsonable(nested(99, kind)) == nested(99, kind)
    assert jsonable(nested(100, kind))["type"] == kind.__name__


def test_jsonable_cuts_a_long_repr():
    assert len(jsonable(set(range(100_000)))["repr"]) == 10_001


def test_a_report_is_json_there_and_back():
    moment = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    report = RunReport(
        pipeline="orders",
        backend="standalone",
        run_id="7",
        status=RunStatus.FAILED,
        inputs={"day": "2026-01-01"},
        started_at=moment,
        ended_at=moment,
        places={
            "A": PlaceReport("A", State.DONE, 1, 1, {"n": [1]}, None, None, moment, moment),
            "B": PlaceReport(
                "B", State.FAILED, 0, 3, None, "piped", Failure("E", "m", "t", 3), moment, moment
            ),
            "C": PlaceReport("C", State.CANCELLED),
            "D": PlaceReport("D", State.DONE, 1, 1, bypassed=True),
            "E": PlaceReport("E", State.DONE, 0, 1, failure=Failure("K", "k"), handled=True),
        },
    )
    text = report.dumps()
    assert json.loads(text)["places"]["B"]["received"] == {"value": "piped"}
    assert RunReport.from_json(json.loads(text)) == RunReport.from_json(text) == report
    assert json.loads(report.dumps(indent=2)) == json.loads(text) == report.to_json()
    assert list(report.to_json()["places"]) == ["A", "B", "C", "D", "E"]


def test_the_report_of_a_flow():
    report = simulate(graph("Bad || A -> B"), outcomes={"Bad": 0})
    assert report.to_json() == {
        "format_version": 3,
        "pipeline": "flow",
        "backend": "simulate",
        "run_id": "simulate",
        "status": "failed",
        "started_at": None,
        "ended_at": None,
        "inputs": {},
        "places": {
            place: {
                "event": place,
                "state": state,
                "descriptor": descriptor,
                "attempts": attempts,
                "result": None,
                "received": None,
                "failure": None,
                "started_at": None,
                "ended_at": None,
            }
            for place, state, descriptor, attempts in [
                ("Bad", "failed", 0, 1),
                ("A", "done", 1, 1),
                ("B", "failed", None, 0),
            ]
        },
    }


def test_what_was_received_is_told_by_where_it_came_from():
    rows = [{"n": number} for number in range(5_000)]
    execution = Execution(graph("Rows |-> {" + " || ".join(["Arm"] * 20) + "} |-> All"))
    (node,) = execution.start()
    ready = execution.finish(node, 1, rows)
    while ready:
        ready = [
            after
            for node in ready
            for after in execution.finish(node, 1, execution.graph.nodes[node].id)
        ]
    report = RunReport(
        "flow", "b", "r", execution.status, places_of(execution, made_once(execution))
    )
    arms = ["Arm", *(f"Arm__{number}" for number in range(2, 21))]
    data = report.to_json()
    assert [data["places"][arm]["received"] for arm in arms] == [{"from": "Rows"}] * 20
    assert data["places"]["All"]["received"] == {"from": arms}
    assert len(report.dumps()) < 2 * len(json.dumps(rows))
    assert report.places["Arm__7"].received is rows
    again = RunReport.from_json(json.loads(report.dumps()))
    assert again == report
    assert again.to_json() == data


@pytest.mark.parametrize(
    "text",
    [
        "@on-failure: continue\n{A || !} |-> B",
        "@on-failure: continue\n{A -> !} |-> B",
        "A |-> {! || A[each=item]} (0 |-> B)",
        "@on-failure: continue\nA |-> {A || A[each=item]} |-> B",
        "@on-failure: continue\nA |-> A[each=item] |-> B",
    ],
)
def test_what_came_from_no_place_is_told_as_it_is(text):
    execution = Execution(graph(text))
    ready = execution.start()
    while ready:
        ready += execution.finish(ready.pop(), 1, "a")
    report = RunReport(
        "flow", "b", "r", execution.status, places_of(execution, made_once(execution))
    )
    data = report.to_json()
    assert data["places"]["B"]["received"].keys() == {"value"}
    again = RunReport.from_json(json.loads(report.dumps()))
    assert again.to_json() == data


def made_once(execution):
    def details(index):
        ran = execution.descriptors[index] is not None
        return Details(int(ran), execution.received(index) if ran else None)

    return details


@pytest.mark.parametrize(
    ("text", "place", "source", "value"),
    [
        ("A |-> B", "B", "A", "a"),
        (
            "Boom (0 |-> H)",
            "H",
            "Boom",
            {"type": "RuntimeError", "message": "boom", "traceback": ""},
        ),
        ("Bad (0 |-> H)", "H", "Bad", "bad"),
        (
            "{A || Boom} (0 |-> H)",
            "H",
            "Boom",
            {"type": "RuntimeError", "message": "boom", "traceback": ""},
        ),
        ("{A || B} |-> C", "C", ["A", "B"], ["a", "b"]),
        (f"{{A || Bad}}{ANY} |-> C", "C", ["A", None], ["a", None]),
        ("A (1 -> B, 0 -> C) |-> D", "D", "B", "b"),
        ("A -> B", "B", None, None),
    ],
)
def test_reports_of_both_formats_are_read_alike(text, place, source, value):
    execution = run(text).execution
    report = RunReport(
        "flow", "b", "r", execution.status, places_of(execution, made_once(execution))
    )
    data = json.loads(report.dumps())
    assert data["places"][place]["received"] == (source and {"from": source})
    earlier = {**data, "format_version": 1}
    earlier["places"] = {
        name: {
            **item,
            "received": value if name == place else jsonable(report.places[name].received),
        }
        for name, item in data["places"].items()
    }
    assert RunReport.from_json(data).places[place].received == value
    assert RunReport.from_json(earlier) == RunReport.from_json(data)


def test_a_report_of_a_later_format_is_refused():
    data = {**simulate(graph("A")).to_json(), "format_version": 4}
    with pytest.raises(VolnuxError, match="format version 1 to 3 was expected, found 4"):
        RunReport.from_json(data)


def test_a_failure_stands_in_its_own_field():
    execution = run("{Boom || A} (0 -> H)").execution
    places = places_of(execution, lambda index: Details(1))
    assert list(places) == ["Boom", "A", "H"]
    assert (places["Boom"].result, places["A"].result) == (None, "a")
    assert places["Boom"].failure == Failure("RuntimeError", "boom", attempts=3)
    assert places["A"].failure is None
