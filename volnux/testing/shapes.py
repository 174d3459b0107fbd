"""Classes of values in cases. A case that uses them has a copy of this module beside its events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntFlag
from typing import NamedTuple

from pydantic import BaseModel

__all__ = ["Access", "Colour", "Customer", "Line", "Order", "Point"]


@dataclass
class Line:
    """A plain dataclass."""

    item: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Order:
    """A frozen dataclass with values of several kinds in it."""

    number: int
    customer: str
    total: Decimal = Decimal(0)
    lines: list[Line] = field(default_factory=list)


class Point(NamedTuple):
    """A named tuple."""

    x: int
    y: float


class Customer(BaseModel):
    """A pydantic model."""

    name: str
    since: dt.date | None = None


class Colour(Enum):
    """An enum whose values are the same as plain texts."""

    RED = "red"
    BLUE = "blue"


class Access(IntFlag):
    """Flags, which are also numbers."""

    READ = 1
    WRITE = 2
