"""Reports whose values keep their types."""

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal

import pytest

from volnux import RunReport, event
from volnux.graph import Failure, PlaceReport, RunStatus, State
from volnux.masking import remember
from volnux.strictjson import FormatError
from volnux.testing import run
from volnux.values import Known

START = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


@dataclass
class Order:
    number: int
    price: Decimal


ORDER = Order(3, Decimal("1.20"))


def report_of(result, received=None):
    place = PlaceReport("Load", State.DONE, 1, 1, result, received, None, START, START)
    return RunReport(
        "shop", "standalone", "r", RunStatus.SUCCESS, {"Load": place}, {"day": START}, START, START
    )


@pytest.mark.parametrize(
    "result",
    [
        None,
        {"a": [1, "x"]},
        (1, {2, 3}),
        {1: float("inf")},
        [ORDER, Failure("E", "m", "t", 1)],
        {"$volnux": "x", "b": [{"$volnux": 3}]},
        START,
    ],
)
@pytest.mark.parametrize("classes", [[Order], Known([Order])])
def test_values_keep_their_types(result, classes):
    report = report_of(result, received=(1, ORDER))
    text = report.dumps(values=True)
    assert json.loads(text)["values"] is True
    back = RunReport.from_json(text, classes=classes)
    assert back == report
    assert repr(back) == repr(report)
    assert RunReport.from_json(report.to_json(values=True), classes=classes) == report


def test_without_the_option_nothing_changes():
    data = report_of((1, ORDER, START)).to_json()
    assert "values" not in data
    assert data["inputs"] == {"day": "2026-01-31T00:00:00+00:00"}
    number, order, moment = data["places"]["Load"]["result"]
    assert (number, moment) == (1, "2026-01-31T00:00:00+00:00")
    assert order.keys() == {"type", "repr"}
    assert RunReport.from_json(data).places["Load"].result == data["places"]["Load"]["result"]


def test_a_value_that_cannot_be_stored_is_shown_as_without_the_option():
    report = report_of([(1, object()), {"$volnux": "x"}])
    expected = report.to_json()["places"]["Load"]["result"]
    assert expected[0][1]["type"] == "object"
    assert RunReport.from_json(report.dumps(values=True)).places["Load"].result == expected


def test_a_class_that_is_not_given_is_named_with_its_place():
    text = report_of(ORDER).dumps(values=True)
    with pytest.raises(
        FormatError, match=r"places\.Load\.result: it names the class .*:Order'"
    ) as e:
        RunReport.from_json(text)
    assert e.value.path == "places.Load.result"


def test_secrets_are_hidden_in_fields_too():
    remember(["hunter22"])

    @dataclass
    class Account:
        token: str

    report = report_of([Order("hunter22", 1), {"hunter22": b"", "a": Account("hunter22")}])
    assert "hunter22" not in report.dumps(values=True)
    assert "hunter22" not in report_of([Order("hunter22", 1)]).dumps(values=True)


@event
def load():
    return True, [ORDER]


@event
def fails(previous_result):
    raise ValueError("no")


@event
def show(previous_result):
    return True, len(str(previous_result))


def test_what_a_place_received_is_read_from_its_source():
    report = run(text="Load |-> Fails (0 |-> Show)", events=[load, fails, show])
    back = RunReport.from_json(report.dumps(values=True), classes=[Order])
    assert back.places["Fails"].received == [ORDER]
    failure = back.places["Show"].received
    assert (type(failure), failure.type, failure.message) == (Failure, "ValueError", "no")
    assert RunReport.from_json(back.dumps(values=True), classes=[Order]) == back
