"""Random values of every kind that the codec knows, their classes, and events that pass them on."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pydantic
from hypothesis import strategies as st

from volnux import EventBase
from volnux.graph import Failure
from volnux.values import Known


@dataclass
class Box:
    content: Any = None


@dataclass(frozen=True, slots=True)
class Parcel:
    number: int
    weight: float
    inside: Any
    label: str = field(default="", compare=False)


@dataclass(kw_only=True)
class Sum:
    """It computes a field, and changes another one."""

    items: list[Any]
    name: str
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.items)
        self.name = self.name.strip()


class Pair(NamedTuple):
    first: int
    second: Any


Loose = collections.namedtuple("Loose", "a b")


class Model(pydantic.BaseModel):
    number: float
    content: Any = None
    other: str | None = None
    _hidden: Any = pydantic.PrivateAttr(default=None)


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    own: Any = pydantic.Field(alias="theirOwn")
    many: Any = pydantic.Field(validation_alias=pydantic.AliasChoices("m", "many"))


class Root(pydantic.RootModel[list[Any]]):
    pass


@pydantic.dataclasses.dataclass
class Checked:
    number: int
    content: Any = None


class Level(enum.Enum):
    LOW = 1
    HIGH = (2, "b")


class Number(enum.IntEnum):
    ONE = 1


class Text(enum.StrEnum):
    A = "a"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Mode(enum.Flag):
    FAST = 1
    LOUD = 2


CLASSES = (
    *(Box, Parcel, Sum, Pair, Loose, Model, Aliased, Root, Checked),
    *(Level, Number, Text, Access, Mode),
)
KNOWN = Known(CLASSES)


class A(EventBase):
    def process(self):
        raise AssertionError("it has a stub")


class B(EventBase):
    def process(self, previous_result):
        return True, previous_result


class C(B):
    executor = "process"


# Strategies.

LETTERS = st.characters(exclude_categories=())
texts = st.text(LETTERS, max_size=8) | st.sampled_from(
    ["$volnux", "value", "__classname__", "a\0b", "\ud800", "\udc80x", "", "é\u2028"]
)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu")
offsets = st.integers(-86_399, 86_399).map(lambda n: dt.timedelta(seconds=n))
zones = st.one_of(
    st.none(),
    st.sampled_from(ZONES).map(zoneinfo.ZoneInfo),
    st.builds(dt.timezone, offsets),
    st.builds(dt.timezone, offsets, texts),
    st.just(dt.UTC),
)
folds = st.integers(0, 1)
moments = st.builds(
    lambda time, zone, fold: time.replace(tzinfo=zone, fold=fold),
    st.datetimes() | st.just(dt.datetime.fromisoformat("2026-10-25T02:30")),
    zones,
    folds,
)
times = st.builds(
    lambda time, zone, fold: time.replace(tzinfo=zone, fold=fold), st.times(), zones, folds
)
numbers = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.just(-(10**4000)),
    st.floats(),
    st.decimals(allow_nan=False),
    st.complex_numbers(),
)
paths = st.text("ab/.\\: é\ud800", max_size=6)


def _has_one_text(path: pathlib.PureWindowsPath) -> bool:
    """Python reads the text of some malformed network paths as another path."""
    return pathlib.PureWindowsPath(str(path)) == path


hashable_scalars = st.one_of(
    st.none(),
    numbers,
    texts,
    st.binary(max_size=9),
    st.uuids(),
    moments,
    times,
    st.dates(),
    st.timedeltas(),
    st.builds(pathlib.PurePosixPath, paths),
    # Python reads the text of some malformed network paths as another path.
    st.builds(pathlib.PureWindowsPath, paths).filter(
        lambda p: pathlib.PureWindowsPath(str(p)) == p
    ),
    st.builds(pathlib.Path, paths),
    st.sampled_from([*Level, *Number, *Text, *Access, *Mode]),
    st.sampled_from([Access(0), Access(3), Mode(0), Mode.FAST | Mode.LOUD]),
)
hashables = st.recursive(
    hashable_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Pair, st.integers(), inner),
        st.builds(Parcel, st.integers(), st.floats(), inner),
    ),
    max_leaves=4,
)
failures = st.builds(Failure, texts, texts, texts, st.integers(1, 9))


def _model(number: float, content: Any, other: str, given: bool, hidden: Any) -> Model:
    made = Model(number=number, content=content, **({"other": other} if given else {}))
    made._hidden = hidden
    return made


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(hashables, inner, max_size=3),
        st.dictionaries(texts, inner, max_size=3).map(collections.OrderedDict),
        st.builds(collections.deque, st.lists(inner, max_size=3), st.none() | st.integers(3, 9)),
        st.builds(Box, inner),
        st.builds(Parcel, st.integers(), st.integers() | st.floats(), inner, texts),
        st.builds(lambda items, name: Sum(items=items, name=name), st.lists(inner), texts),
        st.builds(Pair, st.integers(), inner),
        st.builds(Loose, inner, inner),
        st.builds(_model, st.floats(), inner, texts.filter(_is_text), st.booleans(), inner),
        st.builds(lambda a, b, c: Aliased(theirOwn=a, m=b, more=c), inner, inner, inner),
        st.lists(inner, max_size=3).map(Root),
        st.builds(Checked, st.integers(-(2**60), 2**60), inner),
    )


def _is_text(text: str) -> bool:
    """Whether pydantic takes it as a string."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


values = st.recursive(
    st.one_of(
        hashable_scalars,
        st.just(decimal.Decimal("sNaN")),
        st.decimals(),
        st.binary(max_size=9).map(bytearray),
        st.sets(hashables, max_size=3),
        st.frozensets(hashables, max_size=3),
        st.dictionaries(hashables, st.integers(), max_size=3).map(collections.Counter),
        failures,
    ),
    _containers,
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, with all their parts of the same types."""
    if type(one) is not type(other):
        return False
    match one:
        case float():
            return (math.isnan(one) and math.isnan(other)) or (repr(one) == repr(other))
        case complex():
            return same(one.real, other.real) and same(one.imag, other.imag)
        case decimal.Decimal():
            return one.as_tuple() == other.as_tuple()
        case enum.Enum():
            return one is other
        case dt.datetime() | dt.time():
            plain = one.replace(tzinfo=None) == other.replace(tzinfo=None)
            return plain and one.fold == other.fold and _same_zone(one.tzinfo, other.tzinfo)
        case collections.deque():
            return one.maxlen == other.maxlen and same(list(one), list(other))
        case collections.Counter() | dict():
            pairs = zip(one.items(), other.items(), strict=True)
            return len(one) == len(other) and all(same(a, b) for a, b in pairs)
        case list() | tuple():
            return len(one) == len(other) and all(map(same, one, other))
        case set() | frozenset():
            return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)
        case Failure():
            return one == other
        case pydantic.BaseModel():
            return (
                same(vars(one), vars(other))
                and same(one.__pydantic_extra__, other.__pydantic_extra__)
                and same(one.__pydantic_private__, other.__pydantic_private__)
                and one.model_fields_set == other.model_fields_set
            )
    if dataclasses.is_dataclass(one):
        names = [each.name for each in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)


def _same_zone(one: dt.tzinfo | None, other: dt.tzinfo | None) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, zoneinfo.ZoneInfo):
        return one.key == other.key
    return repr(one) == repr(other)


assert same({"a": (1, uuid.UUID(int=1))}, {"a": (1, uuid.UUID(int=1))})
assert not same([1], [True])
assert not same((0.0,), (-0.0,))
