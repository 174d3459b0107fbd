"""`shown` is the start of `repr`, whatever the value and wherever it is cut."""

import dataclasses
import typing
from array import array
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volnux.masking import remember
from volnux.shown import shown


@dataclasses.dataclass
class Row:
    value: typing.Any
    hidden: int = dataclasses.field(default=1, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    value: typing.Any


class Typed(typing.NamedTuple):
    value: typing.Any


Named = namedtuple("Named", "first second")


class Items(list):
    pass


class Names(set):
    pass


SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(alphabet="a'\"\\\n", max_size=60)
    | st.binary()
    | st.binary().map(bytearray)
    | st.lists(st.integers(0, 9)).map(lambda numbers: array("i", numbers))
)
HASHABLE = st.integers() | st.text(max_size=9)


def containers(inner):
    lists = st.lists(inner, max_size=6)
    keyed = st.dictionaries(HASHABLE, inner, max_size=6)
    return (
        lists
        | lists.map(tuple)
        | lists.map(Items)
        | lists.map(deque)
        | lists.map(lambda items: deque(items, maxlen=9))
        | lists.map(lambda items: ValueError(*items))
        | keyed
        | keyed.map(OrderedDict)
        | keyed.map(lambda pairs: defaultdict(list, pairs))
        | st.builds(Row, inner)
        | st.builds(Frozen, inner)
        | st.builds(Typed, inner)
        | st.builds(Named, inner, inner)
        | st.sets(HASHABLE)
        | st.sets(HASHABLE).map(Names)
        | st.frozensets(HASHABLE)
        | st.lists(HASHABLE).map(Counter)
    )


@given(st.recursive(SIMPLE, containers, max_leaves=12), st.integers(1, 300))
def test_shown_is_the_start_of_repr(value, most):
    whole = repr(value)
    assert shown(value, most) == (whole if len(whole) <= most else whole[:most] + "…")


class Endless(list):
    """Far more items than anybody could read. Only the first few thousand can be accessed."""

    def __iter__(self):
        yield from range(5_000)
        raise AssertionError("it was read on although nothing more is shown")


@pytest.mark.parametrize(
    ("value", "start"),
    [
        (Endless(), "[0, 1, 2, "),
        (Row(Endless()), "Row(value=[0, 1, "),
        (Typed(Endless()), "Typed(value=[0, 1, "),
        ({"key": Endless()}, "{'key': [0, 1, "),
        (ValueError(Endless()), "ValueError([0, 1, "),
        (deque([Endless()]), "deque([[0, 1, "),
    ],
)
def test_only_what_is_shown_is_read(value, start):
    text = shown(value)
    assert text.startswith(start)
    assert len(text) == 201


def test_containers_in_themselves():
    items: list[object] = [1]
    items.append(items)
    row = Row(None)
    row.value = [row]
    assert shown(items) == repr(items)
    assert shown(row) == repr(row)


class Counted:
    def __init__(self):
        self.asked = 0

    def __repr__(self):
        self.asked += 1
        return "long " * 1000


class Leaving:
    def __repr__(self):
        raise SystemExit(1)


def test_an_object_is_asked_once_and_never_raises():
    counted = Counted()
    assert shown([counted], 20) == "[long long long long…"
    assert counted.asked == 1
    assert shown([1, Leaving()]) == "[1, <Leaving whose repr raised SystemExit>]"


SECRET = "a secret that no other test has, " * 9


@given(st.text(max_size=250), st.text(max_size=250), st.integers(1, 400), st.booleans())
def test_no_part_of_a_secret_is_shown_where_it_is_cut(before, after, most, listed):
    remember((SECRET,))
    value = before + SECRET + SECRET + after
    assert "a secret" not in shown([before, value] if listed else value, most)
