"""Instances of a user's classes: dataclasses, named tuples, models and enums."""

import collections
import datetime as dt
import decimal
import enum
import typing
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

import pydantic
import pytest

from volnux.strictjson import FormatError
from volnux.values import Known, NotPortableError, dumps, loads, register, to_json

T = TypeVar("T")


class Color(enum.Enum):
    RED = 1
    BLUE = "b"
    CRIMSON = 1


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    FULL = "full"


class Right(enum.IntFlag):
    READ = 4
    WRITE = 2


class Mark(enum.Flag):
    A = enum.auto()
    B = enum.auto()


@dataclass
class Item:
    sku: str
    price: decimal.Decimal
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Frozen:
    when: dt.date
    tags: frozenset[str]


@dataclass
class Options:
    _: KW_ONLY
    a: int
    b: list[int] = field(default_factory=list)


@dataclass
class Made:
    parts: list[int]
    total: int = field(init=False)
    changes: int = field(default=0, init=False, repr=False)

    def __post_init__(self):
        self.total = sum(self.parts)


@dataclass
class Special(Item):
    note: str | None = None


@dataclass
class Box(Generic[T]):
    inner: T


@dataclass
class Tree:
    name: str
    children: "list[Tree]" = field(default_factory=list)


@dataclass
class Order:
    items: list[Item]
    color: Color
    more: Any = None

    @dataclass
    class Line:
        number: int


class Point(NamedTuple):
    x: int
    y: str = "a"


Pair = collections.namedtuple("Pair", "left right")


class Row(TypedDict):
    id: int


class Model(pydantic.BaseModel):
    a: int
    b: dict[str, Item] = {}
    c: str = pydantic.Field("x", alias="see")
    d: str = pydantic.Field("y", validation_alias=pydantic.AliasChoices("dee", "D"))

    @pydantic.field_validator("a")
    @classmethod
    def _is_small(cls, value):
        if value > 100:
            raise ValueError("a is too large")
        return value


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True)
    a: int
    _hidden: int = pydantic.PrivateAttr(3)


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Typed(pydantic.BaseModel, Generic[T]):
    inner: T


@pydantic.dataclasses.dataclass
class Checked:
    n: int


CLASSES = [
    *(Color, Level, Mode, Right, Mark, Item, Frozen, Options, Made, Special, Box, Tree, Order),
    *(Order.Line, Point, Pair, Model, Open, Numbers, Typed, Checked),
]
KNOWN = Known(CLASSES)


def changed(value, **fields):
    for name, each in fields.items():
        setattr(value, name, each)
    return value


def with_hidden():
    made = Open(a=1, zz=(1, 2))
    made._hidden = 9
    return made


VALUES = [
    Color.RED,
    Color.BLUE,
    Level.HIGH,
    Mode.FULL,
    Right.READ | Right.WRITE,
    Right(0),
    Mark.A | Mark.B,
    Item("a", decimal.Decimal("1.20")),
    Item("a", 3, 2),
    Frozen(dt.date(2026, 1, 1), frozenset("a")),
    Options(a=1),
    Options(a=1, b=[2]),
    Made([1, 2]),
    changed(Made([1, 2]), total=7, changes=3),
    Special("a", decimal.Decimal(1), note="n"),
    Box((1, {2})),
    Tree("a", [Tree("b"), Tree("c", [Tree("d")])]),
    Order([Item("a", decimal.Decimal(2))], Color.BLUE, more=(1, {Point(1)})),
    Order.Line(3),
    Point(1),
    Pair(None, (2,)),
    Model(a=1, see="q"),
    Model(a=1, dee="z", b={"i": Item("a", decimal.Decimal(1))}),
    Open(a=1),
    with_hidden(),
    Numbers([1, 2]),
    Typed(inner=1),
    Checked(3),
]


@pytest.mark.parametrize("value", VALUES)
def test_an_instance_comes_back_equal_and_of_its_class(value):
    for around in (value, [value], {"a": (value,)}, {value: 1} if value.__hash__ else [value]):
        back = loads(dumps(around), classes=KNOWN)
        assert back == around
        assert repr(back) == repr(around)


def test_a_member_is_the_same_object():
    assert loads(dumps([Color.CRIMSON, Mode.FULL]), classes=KNOWN) == [Color.RED, Mode.FULL]
    assert loads(dumps(Color.BLUE), classes=KNOWN) is Color.BLUE


def test_fields_keep_what_they_had_though_they_are_checked():
    item = loads(dumps(Item("a", 3, 2)), classes=KNOWN)
    assert (type(item.price), type(item.weight)) == (int, int)


def test_a_model_keeps_which_fields_were_set_and_what_is_private():
    model = loads(dumps(Model(a=1, see="x")), classes=KNOWN)
    assert model.model_fields_set == {"a", "c"}
    back = loads(dumps(with_hidden()), classes=KNOWN)
    assert (back._hidden, back.zz) == (9, (1, 2))


def test_a_typed_dict_is_a_dict():
    row = Row(id=1)
    assert to_json(row) is row


@pytest.mark.parametrize(
    ("value", "old", "new", "message"),
    [
        (Item("a", 1), '"sku":"a"', '"sku":3', "Item.sku: Input should be a valid string"),
        (Item("a", 1), '"sku":"a",', "", "Item.*sku: .*required"),
        (Item("a", 1), '"sku"', '"suk"', "Item has no field 'suk'"),
        (Point(1), '[1,"a"]', '["x","a"]', "Point.*valid integer"),
        (Point(1), '[1,"a"]', "[1]", "Point has 2 fields"),
        (Model(a=1), '"a":1', '"a":101', "Model.a: Value error, a is too large"),
        (Color.RED, '"RED"', '"GREEN"', "Color has no member 'GREEN'"),
        (Right.READ, "4", '"READ"', "a flag is a number"),
        (Order.Line(1), "Order.Line", "Order.Lime", "names the class .*Order.Lime"),
        (Order.Line(1), "dataclass", "namedtuple", "which is not a namedtuple that"),
        (Open(a=1), '"_hidden"', '"__class__"', "Open has no such private attribute"),
        (Item("a", 1), '"fields":{"sku":"a","price":1,"weight":1.0}', '"fields":3', "no fields"),
    ],
)
def test_data_that_does_not_fit_the_class_is_refused(value, old, new, message):
    text = dumps(value)
    assert old in text
    with pytest.raises(FormatError, match=message):
        loads(text.replace(old, new), classes=KNOWN)


def test_an_instance_that_its_annotations_do_not_allow_is_refused_by_the_reader():
    with pytest.raises(FormatError, match=r"Point\.0: Input should be a valid integer"):
        loads(dumps(Point("no int")), classes=KNOWN)


def test_a_class_that_is_not_known_is_refused():
    for classes in (None, Known(), Known([Frozen])):
        with pytest.raises(
            FormatError, match=r"names the class 'tests\.unit\.values\.test_classes:Item'"
        ):
            loads(dumps(Item("a", 1)), classes=classes)


@pytest.mark.parametrize(
    "value", [Item("a", object()), Model.model_construct(a=object()), Point(object())]
)
def test_the_path_of_an_error_names_the_field(value):
    with pytest.raises(NotPortableError, match=r"^value\[0\]\.(price|a|x) is of type object: "):
        dumps([value])


@dataclass
class WithInitVar:
    a: int
    scale: InitVar[int] = 1


@dataclass
class Unknown:
    a: "NoSuchName"  # noqa: F821 - it is about a name that does not exist


class Fancy(dict):
    pass


class Plain:
    pass


def local():
    @dataclass
    class Inner:
        a: int

    return Inner(1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (WithInitVar(1), "WithInitVar, a dataclass with an InitVar"),
        (local(), "<locals>.Inner, a class inside a function"),
        (Unknown(1), "Unknown, of whose annotations pydantic makes no schema"),
        (Fancy(a=1), "is of type tests.unit.values.test_classes.Fancy: "),
        (Plain(), "is of type tests.unit.values.test_classes.Plain: "),
        (ValueError("x"), "is of type ValueError: "),
    ],
)
def test_what_no_reader_could_make_is_refused(value, message):
    with pytest.raises(NotPortableError) as caught:
        dumps(value)
    assert message in str(caught.value)


def test_a_writer_refuses_classes_that_the_reader_will_not_know():
    with pytest.raises(NotPortableError, match="which no module of events defines or imports: imp"):
        to_json([Item("a", 1)], classes=Known([Frozen]))
    assert to_json(Color.RED, classes=KNOWN) == to_json(Color.RED)


def test_hints_are_not_needed_for_named_tuples_without_annotations():
    assert typing.get_type_hints(Pair) == {}
    assert loads(dumps(Pair(1, (2,))), classes=KNOWN) == Pair(1, (2,))


class Session:
    """A class that pydantic does not know."""


@dataclass
class Batch:
    session: Session
    following: "Batch | None" = None


def test_a_dataclass_may_have_fields_of_registered_classes():
    register(Session, lambda _: None, lambda _: Session(), name="tests.Session")
    found = loads(dumps(Batch(Session(), Batch(Session()))), classes=Known([Batch]))

    assert type(found.session) is type(found.following.session) is Session
    with pytest.raises(FormatError, match=r"Batch\.session: .* instance of Session"):
        loads(dumps(Batch(1)), classes=Known([Batch]))
