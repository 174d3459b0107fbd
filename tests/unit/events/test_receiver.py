"""What is piped is read as `previous_result` declares."""

import datetime as dt
import decimal
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

import pydantic
import pytest
from typing_extensions import TypedDict  # that of `typing` needs Python 3.12 for pydantic

from volnux import EventBase, InputTypeError, NotGivenError, RetryPolicy, event
from volnux.events import Call, run_attempt
from volnux.events.spec import spec_of
from volnux.graph import Failure
from volnux.testing import run

if TYPE_CHECKING:
    from shop import Order


@dataclass
class Invoice:
    number: int
    due: dt.date


class Point(NamedTuple):
    x: int
    y: int


class Row(TypedDict):
    id: int


class Model(pydantic.BaseModel):
    a: int


class Color(enum.Enum):
    RED = "red"


class Thing:
    pass


class Special(Invoice):
    pass


INVOICE = Invoice(1, dt.date(2026, 1, 31))
DATA = {"number": "1", "due": "2026-01-31"}
THING = Thing()


def received(annotation, value):
    """What an event with this annotation of `previous_result` gets."""

    class Receive(EventBase):
        def process(self, previous_result):
            assert self.previous_result is previous_result
            return True, previous_result

    if annotation is not None:
        Receive.process.__annotations__["previous_result"] = annotation
    spec = spec_of("Receive", Receive).receives_from("Send")
    return run_attempt(spec, Call("Receive", "run", previous_result=value))


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, "5", 5),
        (str, "a", "a"),
        (float, 1, 1.0),
        (decimal.Decimal, "1.20", decimal.Decimal("1.20")),
        (dt.date, "2026-01-31", dt.date(2026, 1, 31)),
        (Invoice, DATA, INVOICE),
        (list[Invoice], [DATA, INVOICE], [INVOICE, INVOICE]),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (tuple[int, str], ["1", "a"], (1, "a")),
        (set[int], [1, "1"], {1}),
        (Point, [1, "2"], Point(1, 2)),
        (Row, {"id": "1"}, {"id": 1}),
        (Model, {"a": "1"}, Model(a=1)),
        (Color, "red", Color.RED),
        (Invoice | None, None, None),
        (Invoice | Failure, Failure("E", "m"), Failure("E", "m")),
        (list[int | str], [1, "a"], [1, "a"]),
        (Annotated[int, pydantic.Field(ge=3)], "3", 3),
        (Thing, THING, THING),
        ("list[Invoice]", [DATA], [INVOICE]),
    ],
)
def test_what_arrives_is_read_as_the_annotation_says(annotation, value, expected):
    outcome = received(annotation, value)
    assert outcome.descriptor == 1, outcome.result
    assert outcome.result == expected
    assert type(outcome.result) is type(expected)


@pytest.mark.parametrize("annotation", [None, Any, object, "Any", Invoice, list, dict])
def test_an_object_of_the_class_is_passed_on_as_it_is(annotation):
    value = {list: [INVOICE], dict: {"a": INVOICE}}.get(annotation, INVOICE)
    assert received(annotation, value).result is value


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (int, "x", "received a str from Send, but previous_result must be int: Input should be a"),
        (Invoice, None, "received None from Send, but previous_result must be"),
        (Invoice, {"number": 1}, "received a dict from Send, but previous_result must be"),
        (list[Invoice], [DATA, {}], ": [1]['number']: Field required"),
        (Point, [1], "received a list from Send"),
        (Thing, 3, "received an int from Send, but previous_result must be tests.unit.events"),
        (Annotated[int, pydantic.Field(ge=3)], 2, "greater than or equal to 3"),
        (Invoice, Failure("E", "m"), "received a volnux.graph.outcome.Failure from Send"),
    ],
)
def test_what_cannot_be_read_is_a_failure_before_the_first_attempt(annotation, value, text):
    outcome = received(annotation, value)
    assert (outcome.descriptor, outcome.attempts, outcome.raised) == (0, 0, True)
    assert outcome.result.type == "volnux.InputTypeError"
    assert text in outcome.result.message
    assert outcome.result.message.startswith("Receive received ")


def test_the_error_is_one_of_a_value_that_is_not_given():
    assert issubclass(InputTypeError, NotGivenError)
    assert issubclass(InputTypeError, TypeError)


# In flows.


@event
def give(value):
    return True, value


@event
def broken():
    raise ValueError("broken")


@event
def total(previous_result: list[Invoice]):
    return True, [type(each).__name__ for each in previous_result]


@event
async def total_async(previous_result: list[Invoice]):
    return True, [type(each).__name__ for each in previous_result]


@event
def show(previous_result: Any):
    return True, previous_result


@event
def late(previous_result: "Order"):
    return True, previous_result


@event
def rest(**values):
    return True, values


@event
def same(previous_result: Invoice):
    return True, previous_result


class Bypassed(EventBase):
    def can_bypass(self):
        return True, type(self.previous_result).__name__

    def process(self, previous_result: Invoice):
        raise AssertionError


class Retried(EventBase):
    retry_policy = RetryPolicy(max_attempts=3)

    def process(self, previous_result: Invoice):
        return True, None


class Conditional(EventBase):
    conditions: ClassVar = {3: lambda invoice: invoice.number == 1}

    def process(self, previous_result: Invoice):
        return True, previous_result


EVENTS = [give, broken, total, total_async, show, late, rest, same, Bypassed, Retried, Conditional]


def report_of(text, value=None, **options):
    if value is not None:
        options["value"] = value
        text = f"@input: value: {'list' if isinstance(value, list) else 'dict'}\n{text}"
    return run(text=text, events=EVENTS, **options)


@pytest.mark.parametrize("name", ["total", "total_async"])
@pytest.mark.parametrize("portable", [True, False])
def test_functions_and_coroutines(name, portable):
    report = report_of(f"Give |-> {name}", [DATA, DATA], portable=portable)
    assert report.results[name] == ["Invoice", "Invoice"]


@pytest.mark.parametrize("name", ["total", "total_async"])
def test_a_branch_takes_the_failure(name):
    report = report_of(f"Give |-> {name} (0 |-> Show, 1 -> Broken)", [3])
    assert report.status == "success"
    place = report.places[name]
    assert (place.attempts, place.descriptor, place.handled) == (0, 0, True)
    message = f"{name} received a list from Give, but previous_result must be "
    assert place.failure.message.startswith(message)
    assert report.places["Show"].received.message == place.failure.message


def test_another_attempt_would_not_help():
    report = report_of("Give |-> Retried", [1])
    assert report.status == "failed"
    assert report.places["Retried"].attempts == 0


@pytest.mark.parametrize("text", ["total", "Give -> total"])
def test_nothing_is_read_where_nothing_is_piped(text):
    """`previous_result` is None then, and None is not a list."""
    report = report_of(text, [1])
    assert report.places["total"].failure.type == "TypeError"
    assert report.places["total"].attempts == 1


def test_can_bypass_sees_the_value_as_it_was_read():
    assert report_of("Give |-> Bypassed", DATA).results["Bypassed"] == "Invoice"
    assert report_of("Give |-> Bypassed", {"a": 1}).places["Bypassed"].failure.type == (
        "volnux.InputTypeError"
    )


def test_a_condition_sees_the_result():
    report = report_of("Give |-> Conditional (3 -> Show)", DATA)
    assert report.places["Conditional"].descriptor == 3
    assert report.results["Conditional"] == INVOICE


def test_an_annotation_of_type_checking_is_not_used():
    assert report_of("Give |-> Late", DATA).results["Late"] == DATA


def test_kwargs_do_not_get_the_piped_value():
    assert report_of("Give |-> Rest(n=1)", DATA).results["Rest"] == {"n": 1, "value": DATA}


def test_the_source_of_a_group_names_its_arms():
    report = report_of("Give || Show |-> Same", DATA)
    assert "Same received a list from Give and Show, but" in report.places["Same"].failure.message


def test_a_received_object_is_not_copied_in_memory():
    report = report_of("Give |-> Same |-> Show", DATA)
    assert report.results["Same"] is report.results["Show"]


# Alone.


def test_try_out_reads_what_it_is_given():
    class E(EventBase):
        def process(self, previous_result: Invoice):
            return True, previous_result

    assert E.try_out(previous_result=DATA).result == INVOICE
    outcome = E.try_out(previous_result="x")
    assert outcome.result.message.startswith("E received a str from try_out, but previous_result")
    assert E.try_out().result is None


def test_a_subclass_is_such_an_object():
    special = Special(1, dt.date(2026, 1, 31))
    assert received(Invoice, special).result is special
