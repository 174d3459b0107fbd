"""A value of each kind: what every backend must pass on equal and of the same type.

Tests write this file as (the beginning of) the module of the events of a pipeline.
"""

import collections
import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
import zoneinfo
from dataclasses import dataclass
from typing import NamedTuple

import pydantic


class Side(enum.Enum):
    LEFT = 1


class Point(NamedTuple):
    x: float
    y: float


@dataclass(frozen=True)
class Order:
    number: int
    price: decimal.Decimal
    at: dt.datetime
    token: str = ""


class Model(pydantic.BaseModel):
    tags: set[str] = {"a"}


DEEP = 1
for _ in range(40):
    DEEP = (DEEP,)

NOON = dt.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1)
ORDER = Order(7, decimal.Decimal("1.20"), NOON)
MANY = [
    *(None, True, 5, 1.5, "text", [1, [2]], {"a": 1, "b": {"c": None}}),
    *(2**70, -(2**64), float("inf"), float("nan"), "fixed width\0", "caf\udce9"),
    *((1, (2, "x")), (), {1, 2}, frozenset({"a"}), {1: "one", (2, 3): [4]}),
    *(b"\0\xff", bytearray(b"more"), bytes(range(256))),
    {"$volnux": "decimal", "value": "1"},
    *({"__classname__": "x"}, [{"__type": "dict", "__var": {}}]),
    *(dt.date(2026, 1, 2), dt.time(4, 5), dt.timedelta(days=-1, microseconds=3)),
    *(NOON, dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
    *(decimal.Decimal("1.20"), uuid.UUID(int=5), pathlib.PurePosixPath("a/b"), complex(1, -2)),
    *(collections.deque([1], 3), collections.Counter("aab"), collections.OrderedDict(b=1, a=2)),
    *(Side.LEFT, Point(1.0, 2), ORDER, [ORDER, {"of": ORDER}], Model(tags={"x", "y"}), DEEP),
]


def alike(one, other):
    """Whether two values are equal and of the same types throughout."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    fields = None if isinstance(one, enum.Enum) else getattr(one, "__dict__", None)
    return one == other and (not fields or all(alike(v, vars(other)[k]) for k, v in fields.items()))
