"""Values as tagged JSON: they come back equal and of the same type."""

import collections
import datetime as dt
import decimal
import json
import math
import pathlib
import uuid
import zoneinfo

import pytest

from volnux.graph import Failure
from volnux.strictjson import FormatError
from volnux.values import NotPortableError, dumps, from_json, loads, to_json
from volnux.values.codec import copied, in_store
from volnux.values.plain import is_plain

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

PLAIN = [
    None,
    True,
    0,
    2**64 - 1,
    -(2**63),
    1.5,
    -0.0,
    1e308,
    "",
    "ü😀",
    [],
    {},
    {"": [], "a": {"b": [1, "x", None, 2.5, False]}},
    [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    [1e308, 1e308],
    ["$volnux"],
]

TAGGED = {
    "int": [2**64, -(2**63) - 1, 10**4000],
    "float": [math.nan, math.inf, -math.inf],
    "str": ["\0", "a\ud800b", "\udce9.csv"],
    "complex": [1 + 2j, complex(math.nan, -math.inf)],
    "tuple": [(), (1, (2,)), ([1], {"a": (2,)})],
    "set": [set(), {1, "a", (2,)}],
    "frozenset": [frozenset(), frozenset({frozenset({1})})],
    "dict": [
        {1: "a", (1, 2): "b", None: 3, 2.5: 4},
        {"$volnux": "decimal", "value": "1"},
        {"\0": 1},
        {"\ud800": {"a": 1}},
    ],
    "ordered_dict": [collections.OrderedDict(b=1, a=2)],
    "counter": [collections.Counter("aab")],
    "deque": [collections.deque([1, (2,)]), collections.deque([1, 2], 3)],
    "bytes": [b"", b"\0\xff"],
    "bytearray": [bytearray(b"x")],
    "datetime": [
        dt.datetime.fromisoformat("2026-01-02T03:04:05.000006"),
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
        dt.datetime.fromisoformat("2026-10-25T02:30").replace(fold=1),
        dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2, minutes=30), "X")),
    ],
    "date": [dt.date.min, dt.date(2026, 2, 28)],
    "time": [dt.time(1, 2, 3, 4), dt.time(1, tzinfo=dt.UTC), dt.time(1, tzinfo=BERLIN)],
    "timedelta": [dt.timedelta.min, dt.timedelta(days=-3, microseconds=5)],
    "decimal": [decimal.Decimal("1.20"), decimal.Decimal("-0E+3"), decimal.Decimal("NaN")],
    "uuid": [uuid.UUID(int=7)],
    "path": [pathlib.Path("/a/b c"), pathlib.Path()],
    "posix_path": [pathlib.PurePosixPath("/a/../b")],
    "windows_path": [pathlib.PureWindowsPath("c:\\x\\y.txt")],
    "volnux.failure": [Failure("ValueError", "m", "trace", 2)],
}

ALL_TAGGED = [(kind, value) for kind, values in TAGGED.items() for value in values]


def same(one, other):
    """Whether two values are equal, and all of their parts of the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple | collections.deque):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return len(one) == len(other) and all(same(left, right) for left, right in pairs)
    return repr(one) == repr(other) or one == other


@pytest.mark.parametrize("value", PLAIN)
def test_plain_json_stays_the_same_object(value):
    assert to_json(value) is value
    assert from_json(value) is value
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize(("kind", "value"), ALL_TAGGED)
def test_everything_else_has_a_tag_with_its_kind(kind, value):
    data = to_json(value)
    assert data["$volnux"] == kind
    assert data.keys() == {"$volnux", "value"}
    json.dumps(data, allow_nan=False).encode()
    assert same(from_json(data), value)
    assert same(loads(dumps(value)), value)
    assert same(loads(dumps(value).encode()), value)


@pytest.mark.parametrize("value", [each for _, each in ALL_TAGGED])
def test_values_come_back_from_inside_of_others(value):
    for around in ([value, 1], {"a": {"b": value}}, (value,), {3: [value]}):
        data = json.loads(json.dumps(to_json(around)))
        assert same(from_json(data), around)


class ZoneOfPytz(dt.tzinfo):
    """A zone of pytz has one offset, and `localize` chooses the zone with the right one."""

    zone = "Europe/Berlin"

    def __init__(self, **offset):
        self._offset = dt.timedelta(**offset)

    def utcoffset(self, _):
        return self._offset

    def dst(self, _):
        return None


@pytest.mark.parametrize("offset", [{"hours": 1}, {"hours": 2}, {"minutes": 53}])
def test_a_moment_in_a_zone_of_pytz_stays_the_same_moment(offset):
    moment = dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZoneOfPytz(**offset))
    found = loads(dumps(moment))
    assert found.timestamp() == moment.timestamp()
    assert found.replace(tzinfo=None, fold=0) == moment.replace(tzinfo=None)


def test_a_moment_keeps_its_zone_by_name():
    back = loads(dumps(dt.datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)))
    assert back.tzinfo is BERLIN
    assert back.utcoffset() == dt.timedelta(hours=1)


def test_a_dict_with_reserved_keys_is_written_as_pairs():
    value = {"a": {"__classname__": "x"}, "b": {"__version__": 1}}
    data = to_json(value, reserved=("__classname__",))
    assert data == {
        "a": {"$volnux": "dict", "value": [["__classname__", "x"]]},
        "b": {"__version__": 1},
    }
    assert from_json(data) == value


@pytest.mark.parametrize("text", ["$volnux", '"$volnux":', r"\u0000", r"C:\u0000", '"__type__":'])
def test_a_text_that_only_looks_like_a_tag_is_plain_for_the_reader(text):
    value = [{"a": text}, {text * 2: 1}]
    assert to_json(value, reserved=("__type__",)) == value
    assert loads(dumps(value)) == value


class List(list):
    pass


class Text(str):
    pass


class Number(int):
    pass


class Table(dict):
    pass


@pytest.mark.parametrize("value", [List(), Text("a"), Number(3), Table(), 1, "a"])
def test_subclasses_of_json_types_are_not_json(value):
    expected = type(value) in (int, str)
    assert is_plain(value) is expected
    assert is_plain([1, "a", {"b": [value, value]}]) is expected
    if not expected:
        with pytest.raises(
            NotPortableError, match=rf"value\[0\] is of type .*{type(value).__name__}"
        ):
            to_json([value])


@pytest.mark.parametrize("key", [1, None, True, 1.5, (1,), Text("a")])
def test_other_keys_are_not_json(key):
    assert is_plain({key: 1}) is False
    assert is_plain([{"a": 1}, {key: 1}, {"b": 2}]) is False


class Order:
    def __init__(self):
        self.when = object()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "the result of A is of type object: "),
        (
            {"orders": [1, 2, {"b": object()}]},
            "the result of A['orders'][2]['b'] is of type object",
        ),
        ({object()}, "the result of A{…} is of type object: "),
        ({(1, 2): {3: Order()}}, "the result of A[(1, 2)][3] is of type tests.unit"),
        ({".a": {"{…}": object()}}, "the result of A['.a']['{…}'] is of type object: "),
        ({(1, object()): 1}, "the result of A.keys()[1] is of type object: "),
        ([lambda: 1], "the result of A[0] is of type function: "),
        (int, "the result of A is of type type: "),
        ((collections.defaultdict(list),), "A[0] is of type collections.defaultdict: "),
        (dt.datetime(2026, 1, 1, tzinfo=type("Odd", (dt.tzinfo,), {})()), "which has no name: use"),
    ],
)
def test_an_error_names_the_path_and_the_type(value, message):
    with pytest.raises(NotPortableError) as caught:
        to_json(value, what="the result of A")
    assert message in str(caught.value)


def test_an_error_says_how_to_make_a_class_known():
    with pytest.raises(
        NotPortableError, match=r"make its class known with volnux\.values\.register"
    ):
        dumps(object())


# Depth.


def nested(levels, wrap):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("wrap", "most"),
    [(lambda inner: [inner], 200), (lambda inner: {"a": inner}, 200), (lambda inner: (inner,), 67)],
    ids=["list", "dict", "tuple"],
)
def test_values_are_at_most_200_levels_of_json_deep(wrap, most):
    value = nested(most, wrap)
    assert loads(dumps(value)) == value
    for levels in (most + 1, 100_000):
        with pytest.raises(NotPortableError, match="nested more than 200 levels deep"):
            dumps(nested(levels, wrap))


def circle(ways):
    value = []
    value += [value] * ways
    return value


@pytest.mark.parametrize("ways", [1, 2, 1000])
def test_a_value_that_contains_itself_is_refused_at_once(ways):
    with pytest.raises(NotPortableError, match="nested more than 200 levels deep") as caught:
        to_json({"a": circle(ways)})
    assert len(str(caught.value)) < 500


def test_a_part_that_occurs_often_is_no_circle():
    row = {"a": [1, 2]}
    value = [row] * 300_000
    assert to_json(value) is value


# Reading what something else wrote.


@pytest.mark.parametrize(
    "text",
    [
        '{"$volnux": 1}',
        '{"$volnux": "decimal"}',
        '{"$volnux": "decimal", "value": "1", "more": 2}',
        '{"$volnux": "nope", "value": 1}',
        '{"$volnux": "decimal", "value": "1e9999999999999999999999"}',
        '{"$volnux": "decimal", "value": 1}',
        '{"$volnux": "int", "value": "x"}',
        '{"$volnux": "float", "value": "1.5"}',
        '{"$volnux": "tuple", "value": {}}',
        '{"$volnux": "set", "value": [[]]}',
        '{"$volnux": "dict", "value": [[{"$volnux": "dict", "value": []}, 1]]}',
        '{"$volnux": "dict", "value": [[1, 2, 3]]}',
        '{"$volnux": "timedelta", "value": [1e300, 0, 0]}',
        '{"$volnux": "date", "value": 3}',
        '{"$volnux": "datetime", "value": ["2026-01-01", "../../etc/passwd", 0]}',
        '{"$volnux": "datetime", "value": "2026-01-01T00:00:00+02:00"}',
        '{"$volnux": "bytes", "value": {"base64": "?"}}',
        '{"$volnux": "bytes", "value": "eA=="}',
        '{"$volnux": "uuid", "value": "7"}',
        '{"$volnux": "enum", "value": {"class": "signal:Signals", "fields": "SIGINT"}}',
        '{"$volnux": "dataclass", "value": {"class": "subprocess:Popen", "fields": {}}}',
        '{"$volnux": "model", "value": 3}',
        '{"$volnux": "volnux.failure", "value": {}}',
        '{"$volnux": "json", "value": {"file": {"path": "../../etc/passwd"}}}',
        "[" * 100_000,
        '{"a":' * 5_000 + '{"$volnux": "tuple", "value": []}' + "}" * 5_000,
        "no json",
    ],
)
def test_wrong_data_is_a_format_error(text):
    with pytest.raises(FormatError):
        loads(text)


def test_wrong_bytes_are_a_format_error():
    with pytest.raises(FormatError, match="is not JSON"):
        loads(b"\xff")


# For a host.


def test_a_copy_shares_nothing():
    data = [{"a": [1]}]
    assert copied(data) == data
    assert copied(data)[0]["a"] is not data[0]["a"]


@pytest.mark.parametrize("value", [[None] * 9, ["\x01é😀" * 3], [True, False, {"a": []}], [10**18]])
def test_what_stays_in_the_database_is_within_the_limit(value):
    """The fast estimate never says that a longer text is short."""

    class Shelf:
        inline = len(json.dumps(value)) - 1

        def put(self, data, suffix):
            return {"path": f"x{suffix}"}

    stored = in_store(value, what="x", shelf=Shelf())
    assert stored == value or stored == {"$volnux": "json", "value": {"file": {"path": "x.json"}}}
    assert in_store(value * 100, what="x", shelf=Shelf())["$volnux"] == "json"
