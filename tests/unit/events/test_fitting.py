"""Whether values of one annotation can be read as another, as far as that is certain."""

import abc
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import pathlib
import types
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NoReturn,
    Protocol,
    TypeVar,
    runtime_checkable,
)

import pydantic
import pytest
from typing_extensions import TypeAliasType, TypedDict

from volnux import Outcome
from volnux.events.fitting import Refusal
from volnux.events.shapes import AnyOf, Parts, item_of, shapes_of, shown_type
from volnux.values.adapters import make_adapter

T = TypeVar("T")


@dataclasses.dataclass
class Order:
    number: int = 1


@dataclasses.dataclass
class Urgent(Order):
    reason: str = ""


@dataclasses.dataclass
class Invoice:
    number: int = 1


class Bill(pydantic.BaseModel):
    number: int = 1


class Receipt(pydantic.BaseModel):
    number: int = 1


class Copied(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(from_attributes=True)
    number: int = 1


class Parsed(pydantic.BaseModel):
    number: int = 1

    @pydantic.model_validator(mode="before")
    @classmethod
    def parse(cls, value: Any) -> Any:
        return {"number": int(value)} if isinstance(value, str) else value


class Checked(pydantic.BaseModel):
    number: int = 1

    @pydantic.model_validator(mode="after")
    def check(self) -> "Checked":
        return self


class Own(pydantic.BaseModel):
    number: int = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(number=len(args), **kwargs)


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Late(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(defer_build=True)
    number: int = 1


class Tree(pydantic.BaseModel):
    below: "list[Tree]" = []


class Box(pydantic.BaseModel, Generic[T]):
    content: T


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"


class Row(NamedTuple):
    name: str
    size: int


class Options(TypedDict, total=False):
    size: int


class Plain:
    pass


class Other:
    pass


class Sized:
    """Its schema is that of an int."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(int)


class Anything:
    """Its schema has a function."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(lambda value: cls())


class Lenient:
    """It has a default for what cannot be read."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.with_default_schema(handler(int), default=0, on_error="default")


class Duck(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return True


class Ducks(metaclass=Duck):
    pass


class Quacks(Protocol):
    number: int


@runtime_checkable
class Sees(Protocol):
    def see(self) -> int: ...


class Base(abc.ABC):  # noqa: B024 - a base class of the user without abstract methods
    pass


class Abstract(abc.ABC):
    @abc.abstractmethod
    def work(self) -> None: ...


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.StrEnum):
    FAST = "fast"


class Named(enum.Enum):
    ONE = "one"

    @classmethod
    def _missing_(cls, value: object) -> "Named":
        return cls.ONE


class Iterates:
    def __iter__(self) -> Iterator[int]:
        return iter(())


class Measures:
    def __float__(self) -> float:
        return 1.0


OrderId = NewType("OrderId", int)
Text = TypeAliasType("Text", str)
Nested = TypeAliasType("Nested", "dict[str, Nested] | list[Nested] | int")
Before = Annotated[int, pydantic.BeforeValidator(len)]
After = Annotated[int, pydantic.AfterValidator(abs)]
Pet = Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


def refused(sent: Any, wanted: Any) -> bool:
    return Refusal(make_adapter(wanted).core_schema).of(shapes_of(sent))


REFUSED = [
    # Scalars.
    (int, str), (float, str), (bool, str), (dt.date, str), (uuid.UUID, str), (complex, str),
    (pathlib.Path, str), (decimal.Decimal, str), (int, bytes), (dt.date, int), (uuid.UUID, int),
    (int, uuid.UUID), (dt.timedelta, dt.date), (dt.date, dt.timedelta), (int, None),
    (None, int), (None, str), (None, Order), (None, list[int]), (int, pathlib.Path),
    (Order, pathlib.Path), (OrderId, str), (Text, list[int]), (Order, bool),
    (Order, dt.datetime), (dict, float), (list[int], int), (int, pydantic.SecretStr),
    # Containers.
    (int, list[int]), (str, list[str]), (bytes, list[int]), (str, set[str]),
    (str, tuple[str, ...]), (dict[str, int], list[int]), (dict, tuple), (list[str], dict),
    (list[str], dict[str, str]), (set[int], dict), (int, dict), (int, Iterable[int]),
    (list[Order], list[Invoice]), (list[int], list[str]), (list[int], set[str]),
    (set[int], list[str]), (tuple[int, ...], list[str]), (tuple[int, int], tuple[int]),
    (tuple[int, int], tuple[int, str]), (tuple[int, ...], tuple[int, str]),
    (list[Order], tuple[Order, Invoice]), (dict[str, Order], dict[str, Invoice]),
    (tuple[int], tuple[int, int]), (tuple[int], tuple[int, int, *tuple[str, ...]]),
    (dict[int, int], dict[str, int]), (list[list[int]], list[list[str]]),
    (list[int | float], list[str]), (Plain, list[int]),
    (type[Colour], list[str]), (Colour, list[str]), (int, Sequence[int]), (str, dict[str, Nested]),
    (Order, Mapping[str, int]), (list[dict], Numbers), (list[int], Hashable),
    # Classes.
    (Order, Invoice), (Order, Bill), (Bill, Receipt), (Bill, Order), (str, Order), (str, Bill),
    (int, Bill), (list[Order], Bill), (tuple[int, int], Order), (Order, dict), (Bill, dict),
    (str, Checked), (str, Late), (str, Tree), (Order, Tree), (Box[int], Order), (Order, Box[int]),
    (Bill, Cat | Dog), (Bill, Pet), (Order, Row), (int, Row), (int, Options), (Plain, Other),
    (Base, Plain), (list[int], Options), (Order, Options), (int, Plain), (Order, Base),
    (Order, Numbers), (str, Numbers), (Plain, Sized), (Order, After), (list[int], After),
    (Order, list[int]), (Row, Order), (Row, dict), (Options, Plain),
    # Enums and literals.
    (Order, Colour), (list[str], Colour), (Order, Level), (Order, Mode), (int, Mode), (int, Colour),
    (int, Literal["a"]), (str, Literal[1]), (Order, Literal["a", 1]), (Colour, Order),
    (Literal["a"], Literal["b", "c"]), (Literal[1, 2], str), (Literal["a"], list[str]),
    (Order, Colour | None),
    # Unions.
    (Order | None, Invoice), (int | float, str), (Order | Invoice, Bill), (int, str | Order),
    (str | None, Order), (Order, str | list[int]), (Annotated[Order, "of today"], Invoice),
    (Order, Annotated[Invoice, "of today"]),
    # What parallel groups pipe.
    (Parts((int, str)), dict), (Parts((int, str)), Order), (Parts((int, Order)), list[int]),
    (Parts((int, str)), tuple[int]), (Parts((str, Order)), tuple[str, Invoice]),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "wanted"), REFUSED, ids=shown_type)
def test_what_is_refused(sent, wanted):
    assert refused(sent, wanted)


MAY_FIT = [
    # Nothing is known of what is sent, or everything is read.
    (Any, Order), (object, Order), (T, Order), (Quacks, Order), (Sequence[int], str),
    (Iterable[str], int), (Mapping[str, int], Order), (Abstract, Order), (Hashable, Order),
    (Order, Any), (Order, object), (Order, T), (Order, Ducks), (Order, Anything),
    (str, Before), (Order, Before), (str, Parsed), (Order, Own), (Order, Copied), (int, Sized),
    (Order, Lenient),
    (Order, Callable), (Order, Callable[[int], int]), (NoReturn, Order),
    # Scalars.
    (str, int), (str, dt.date), (str, pathlib.Path), (str, Colour), (str, uuid.UUID), (str, bool),
    (str, decimal.Decimal), (str, dt.timedelta), (bytes, str), (str, bytes), (int, float),
    (float, int), (int, bool), (bool, int), (int, dt.datetime), (dt.datetime, dt.date),
    (dt.date, dt.datetime), (decimal.Decimal, int), (fractions.Fraction, float),
    (Measures, int), (int, Level), (str, Literal["a"]), (str, pydantic.AnyUrl),
    (str, pydantic.SecretStr), (str, pydantic.Json[Order]), (str, After), (OrderId, float),
    (float, list[int] | float), (int, NewType("Id", str) | int),
    # Containers.
    (list[int], set[int]), (set[int], list[int]), (tuple[int, ...], list[int]), (Iterates, list),
    (list[int], tuple[int, int]), (list[str], list[int]), (list, list[Order]),
    (list[Any], set[int]), (dict, Order), (dict[str, int], Bill), (dict, Options), (dict, Row),
    (list[int], Row), (Options, dict[str, int]), (Options, Order), (str, Iterable[str]),
    (str, Sequence[str]), (dict[str, str], Mapping[str, int]), (types.MappingProxyType, dict),
    (list[int], Numbers),
    (tuple[int, *tuple[str, ...]], tuple[int, int]), (tuple[()], list[Order]),
    (tuple[int, int], tuple[int, ...]), (list[Order | Bill], list[Bill]), (Row, list[int]),
    (Row, tuple[str, int]), (collections.deque[int], list[int]), (Bill, list[Any]),
    (collections.Counter[str], dict[str, int]), (dict[str, int], collections.Counter[str]),
    (int, Nested), (dict[str, Nested], Nested),
    # Classes.
    (Order, Order), (Urgent, Order), (Order, Urgent), (Box, Box[int]),
    (Box[str], Box[int]), (Numbers, Numbers), (dict, Pet), (Cat, Pet), (dict, Tree), (Late, Late),
    (type[Order], type[Order]), (type[Order], type), (Order, Sees),
    # Enums and literals.
    (Colour, Colour), (Colour, str), (Mode, str), (Level, str), (Level, int), (Colour, Mode),
    (Order, Named), (Literal["a", "b"], Literal["b", "c"]), (Literal["a"], str), (Literal[1], int),
    (Literal[Colour.RED], Colour), (Literal[Colour.RED], Literal["red"]), (enum.Flag, int),
    # Unions.
    (Order | Invoice, Invoice), (Order | None, Invoice | None), (Order | None, Order),
    (Order, Order | None), (Order, Invoice | Order), (None, Order | None),
    # What parallel groups pipe.
    (Parts((int, str)), list), (Parts((int, str)), tuple[int, str]), (Parts((Any, str)), list[str]),
    (Parts((AnyOf((Order, None)), int)), list[int | None]), (Parts(()), list[int]),
    (Parts((Order, Urgent)), list[Order]),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "wanted"), MAY_FIT, ids=shown_type)
def test_what_may_fit(sent, wanted):
    assert not refused(sent, wanted)


VALUES: list[tuple[Any, Any]] = [
    (None, None), (bool, True), (int, 1), (float, 1.0), (float, 1), (str, "1"),
    (str, "red"), (str, "2026-01-01"), (str, Mode.FAST), (bytes, b"1"), (complex, 1j),
    (decimal.Decimal, decimal.Decimal(1)), (fractions.Fraction, fractions.Fraction(1)),
    (dt.date, dt.date(2026, 1, 1)), (dt.datetime, dt.datetime(2026, 1, 1)), (dt.time, dt.time(1)),  # noqa: DTZ001 - without a zone, so that it may also be a date
    (dt.timedelta, dt.timedelta(1)), (uuid.UUID, uuid.UUID(int=1)),
    (pathlib.Path, pathlib.PurePath("a")), (pathlib.Path, pathlib.Path("a")),
    (list[int], [1]), (list[str], ["1"]), (list[Any], [1, "a"]), (set[int], {1}),
    (frozenset[str], frozenset("1")), (tuple[int, str], (1, "1")), (tuple[int, ...], (1, 2)),
    (collections.deque[int], collections.deque([1])), (dict[str, int], {"number": 1}),
    (dict[int, int], {1: 1}), (list[Order], [Order()]), (list[Bill], [Bill()]),
    (list[dict[str, int]], [{"number": 1}]), (Order, Order()), (Urgent, Urgent()),
    (Invoice, Invoice()), (Bill, Bill()), (Receipt, Receipt()), (Copied, Copied()),
    (Checked, Checked()), (Numbers, Numbers([1])), (Tree, Tree()), (Box[int], Box[int](content=1)),
    (Cat, Cat()), (Row, Row("a", 1)), (Options, {"size": 1}), (Plain, Plain()),
    (Iterates, Iterates()), (Measures, Measures()), (Colour, Colour.RED), (Level, Level.LOW),
    (Mode, Mode.FAST), (Literal["red"], "red"), (Literal[1], 1), (type[Order], Order),
    (types.MappingProxyType, types.MappingProxyType({"number": 1})), (memoryview, memoryview(b"1")),
    (Parts((int, str)), [1, "1"]), (Parts((Order, Bill)), [Order(), Bill()]),
]  # fmt: skip
WANTED = list(dict.fromkeys(wanted for _, wanted in [*REFUSED, *MAY_FIT] if wanted is not T))


@pytest.mark.parametrize("wanted", WANTED, ids=shown_type)
def test_nothing_that_pydantic_reads_is_refused(wanted):
    adapter = make_adapter(wanted)
    wrong = []
    for sent, value in VALUES:
        try:
            adapter.validate_python(value)
        except Exception:
            continue
        if refused(sent, wanted):
            wrong.append((sent, value))
    assert wrong == []


@pytest.mark.parametrize(
    ("annotation", "item"),
    [
        (list[int], int), (tuple[int, ...], int), (tuple[int, int], int), (list, Any), (str, Any),
        (set[int], Any), (list[int] | None, int), (list[int] | dict, Any), (Any, Any),
        (tuple[int, str], AnyOf((int, str))), (list[int] | list[str], AnyOf((int, str))),
        (Annotated[list[int], 1], int), (Parts((int, str, int)), AnyOf((int, str))),
        (Parts((int, Any)), Any), (tuple[()], Any),
    ],
    ids=shown_type,
)  # fmt: skip
def test_the_annotation_of_an_item(annotation, item):
    assert item_of(annotation) == item


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Order, "Order"), (None, "None"), (list[Order], "list[Order]"), (Any, "Any"),
        (Outcome[Order], "tuple[bool | int, Order]"), (Order | None, "Order | None"),
        (dict[str, list[Order]], "dict[str, list[Order]]"), (tuple[int, ...], "tuple[int, ...]"),
        (Annotated[Order, 1], "Order"), (Literal["a", 1], "Literal['a', 1]"), (OrderId, "OrderId"),
        (Callable[[int], str], "Callable[[int], str]"), (Parts((Order, int)), "[Order, int]"),
        (AnyOf((Order, None)), "Order | None"), (T, "T"), (Box[int], "Box[int]"), (Text, "Text"),
    ],
    ids=shown_type,
)  # fmt: skip
def test_an_annotation_as_text(annotation, text):
    assert shown_type(annotation) == text


def test_classes_of_the_same_name_are_shown_with_their_modules():
    assert shown_type(list[Order], modules=True) == f"list[{__name__}.Order]"
    assert shown_type(int | None, modules=True) == "int | None"
