"""No warning about a pipe is false: what pydantic reads is never refused, however types nest."""

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from typing import Any, Union

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from volnux.events.fitting import Refusal
from volnux.events.shapes import shapes_of
from volnux.values.adapters import make_adapter


@dataclasses.dataclass
class Order:
    number: int = 1


@dataclasses.dataclass
class Urgent(Order):
    pass


class Bill(BaseModel):
    number: int = 1


class Plain:
    pass


class Colour(enum.Enum):
    RED = "red"


VALUES: list[tuple[Any, Any]] = [
    (type(None), None), (bool, True), (int, 1), (float, 1.0), (str, "1"), (str, "red"),
    (str, "2026-01-01"), (bytes, b"1"), (decimal.Decimal, decimal.Decimal(1)),
    (dt.date, dt.date(2026, 1, 1)), (dt.timedelta, dt.timedelta(1)), (uuid.UUID, uuid.UUID(int=1)),
    (Order, Order()), (Urgent, Urgent()), (Bill, Bill()), (Plain, Plain()), (Colour, Colour.RED),
    (dict[str, int], {"number": 1}), (set[int], {1}), (Any, 1),
]  # fmt: skip


def nested(inner):
    """Annotations with one of their values, of which no list or dict is empty."""
    pairs = st.tuples(inner, inner)
    return st.one_of(
        inner.map(lambda each: (list[each[0]], [each[1]])),
        inner.map(lambda each: (tuple[each[0], ...], (each[1], each[1]))),
        inner.map(lambda each: (dict[str, each[0]], {"number": each[1]})),
        pairs.map(lambda both: (tuple[both[0][0], both[1][0]], (both[0][1], both[1][1]))),
        pairs.map(
            lambda both: (Union[both[0][0], both[1][0]], both[0][1])  # noqa: UP007 - both are computed
        ),
    )


SENT = st.recursive(st.sampled_from(VALUES), nested, max_leaves=6)
WANTED = SENT.map(lambda each: each[0])


@given(SENT, WANTED)
def test_what_pydantic_reads_is_not_refused(sent, wanted):
    annotation, value = sent
    adapter = make_adapter(wanted)
    if Refusal(adapter.core_schema).of(shapes_of(annotation)):
        try:
            read = adapter.validate_python(value)
        except ValueError:
            return
        raise AssertionError(f"{value!r} of {annotation} was read as {read!r} of {wanted}")


@given(SENT)
def test_a_value_of_the_same_annotation_is_not_refused(sent):
    annotation, _ = sent
    assert not Refusal(make_adapter(annotation).core_schema).of(shapes_of(annotation))
