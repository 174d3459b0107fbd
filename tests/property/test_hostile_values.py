"""JSON of any shape is read as values or refused with a `FormatError`; nothing else happens."""

import base64
import json
import sys
from dataclasses import dataclass

import numpy  # noqa: F401 - a tag of an array may import it
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.property import values as events
from tests.property.values import CLASSES
from volnux.events import Lookup, link
from volnux.graph import FormatError, compile
from volnux.pointy import parse
from volnux.values import from_json, loads
from volnux.values.classes import CLASS_KINDS
from volnux.values.standard import STANDARD

VISIBLE = link(compile(parse("A |-> B")), Lookup(extra=[events])).visible
"""The classes that a host knows which runs these events."""

OURS = {"volnux", "pydantic", "importlib", "tzdata"}
"""The packages of which the reader itself may import parts, late."""

KINDS = sorted(kind.name for kind in (*STANDARD.values(), *CLASS_KINDS))
STRANGE_KINDS = ("volnux.failure", "os.system", "eval", "numpy.ndarray", "antigravity.x", "", "\0")
STRANGE_CLASSES = (
    *("os:system", "os:_Environ", "subprocess:Popen", "builtins:eval", "builtins:object", ":", ""),
    *("decimal:Decimal", "pathlib:Path", "antigravity:x", "tests.property.values:A", "x" * 1000),
    *("tests.property.values:B.process", "tests.property.values:Box.__class__", "a:b:c", "a.b"),
    "tests.property.test_hostile_values:Canary",
)


@dataclass
class Canary:
    """A dataclass that no module of events knows: nothing may make an instance of it."""

    content: object = None

    def __post_init__(self):
        raise AssertionError("data has made an instance")


names = st.sampled_from(
    [*(f"{cls.__module__}:{cls.__qualname__}" for cls in CLASSES), *STRANGE_CLASSES]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.text(max_size=5),
    names,
    st.sampled_from(
        [
            *("0x10", "nan", "-inf", "1e999", "1.20", "2026-01-01", "2026-01-01T00:00:00+00:00"),
            *("12:00", "Europe/Berlin", "../../etc/passwd", "UkVE", "UkVE=", "a/b", "\0", "LOW"),
            *("00000000-0000-0000-0000-000000000007", "READ", "1e999999999999999999", "9" * 5000),
        ]
    ),
)
FIELDS = ("content", "number", "first", "second", "own", "many", "root", "items", "name", "count")
fields = st.sampled_from([*FIELDS, "_hidden", "__class__", "__dict__", "__pydantic_extra__"])
keys = st.sampled_from(["$volnux", "value", "class", "fields", "set", "private", "base64", "file"])


def _tagged(kind, value):
    return {"$volnux": kind, "value": value}


def _more(inner):
    classes = st.fixed_dictionaries(
        {"class": names, "fields": inner | st.dictionaries(fields, inner, max_size=4)},
        optional={"set": inner, "private": inner | st.dictionaries(fields, inner, max_size=2)},
    )
    return st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys | st.text(max_size=3), inner, max_size=3),
        st.builds(_tagged, st.sampled_from([*KINDS, *STRANGE_KINDS]), inner),
        st.builds(_tagged, st.sampled_from(["dict", "counter"]), st.lists(st.tuples(inner, inner))),
        st.builds(_tagged, st.sampled_from([kind.name for kind in CLASS_KINDS]), classes),
    )


hostile = st.recursive(scalars, _more, max_leaves=10).map(json.dumps)


def refused(data):
    """Whether data is refused, with the right error; nothing may be imported meanwhile."""
    before = set(sys.modules)
    try:
        if isinstance(data, str):
            loads(data, classes=VISIBLE)
        else:
            from_json(data, classes=VISIBLE)
    except FormatError as error:
        assert len(str(error)) < 700
        return True
    finally:
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        assert new <= OURS
    return False


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(hostile)
@example(json.dumps(_tagged("date", "2026-01-01")))
def test_any_json_is_read_or_refused(text):
    refused(text)
    refused(json.loads(text))


def deep(wrap, levels):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


def contains_itself():
    """Python data in which every level has twice as many parts as the one above."""
    data = []
    data += [data, {"a": data}]
    return data


def blob(data):
    return {"base64": base64.b64encode(data).decode()}


REFUSED = {
    "a list of 100,000 levels": lambda: deep(lambda value: [value], 100_000),
    "objects of 100,000 levels": lambda: deep(lambda value: {"a": value}, 100_000),
    "tags of 100,000 levels": lambda: deep(lambda value: _tagged("tuple", [value]), 100_000),
    "a text of 100,000 levels": lambda: "[" * 100_000,
    "a tag of 100,000 levels": lambda: '{"$volnux": ' * 100_000,
    "a file of 100,000 levels": lambda: _tagged("json", blob(b"[" * 100_000)),
    "data that contains itself": lambda: [*contains_itself(), _tagged("no", 1)],
    "no JSON": lambda: _tagged("json", blob(b"\xff")),
    "a file without a store": lambda: _tagged("bytes", {"file": {"path": "../../etc/passwd"}}),
    "wrong base64": lambda: _tagged("bytes", {"base64": "#"}),
    "bytes without text": lambda: _tagged("bytes", {"base64": [1]}),
    "bytes that are a number": lambda: _tagged("bytes", 7),
    "more keys than a tag has": lambda: {**_tagged("tuple", []), "x": 1},
    "a tag without a value": lambda: {"$volnux": "tuple"},
    "a kind that is a list": lambda: _tagged(["tuple"], []),
    "a key that is a list": lambda: _tagged("dict", [[[], 1]]),
    "a pair of three": lambda: _tagged("dict", [[1, 2, 3]]),
    "a set of lists": lambda: _tagged("set", [[]]),
    "a finite float": lambda: _tagged("float", "1.5"),
    "an int of letters": lambda: _tagged("int", "0xz"),
    "a day too many": lambda: _tagged("timedelta", [10**12, 0, 0]),
    "a time with an offset": lambda: _tagged("datetime", "2026-01-01T00:00:00+01:00"),
    "a zone that is a path": lambda: _tagged("datetime", ["2026-01-01", "/etc/passwd", 0]),
    "a fold of 2": lambda: _tagged("time", ["12:00", None, 2]),
    "a negative length": lambda: _tagged("deque", [-1, []]),
    "no field of this name": lambda: named("Box", "dataclass", {"other": 1}),
    "a field of another type": lambda: named("Checked", "dataclass", {"number": "x"}),
    "too few fields": lambda: named("Pair", "namedtuple", [1]),
    "a field of a named tuple of another type": lambda: named("Pair", "namedtuple", ["x", 1]),
    "a model without a field": lambda: named("Model", "model", {}),
    "a private attribute of another name": lambda: {
        "$volnux": "model",
        "value": {**named("Model", "model", {"number": 1})["value"], "private": {"_x": 1}},
    },
    "no member of an enum": lambda: named("Level", "enum", "__class__"),
    "a flag that is a text": lambda: named("Access", "enum", "READ"),
    "a dataclass that is called a model": lambda: named("Box", "model", {"content": 1}),
    "an event": lambda: named("A", "dataclass", {}),
    "a method": lambda: named("B.process", "dataclass", {}),
    "a failure without a type": lambda: _tagged("volnux.failure", {"message": "x"}),
}


def named(cls, kind, content):
    return _tagged(kind, {"class": f"tests.property.values:{cls}", "fields": content})


@pytest.mark.parametrize("make", REFUSED.values(), ids=list(REFUSED))
def test_hostile_json_is_refused(make):
    assert refused(make())


@pytest.mark.parametrize("kind", [kind.name for kind in CLASS_KINDS])
@pytest.mark.parametrize("name", [*STRANGE_CLASSES, "antigravity:Level", "this:Box"])
@pytest.mark.parametrize("content", [{}, {"content": 1}, [], ["id"], "RED"], ids=repr)
def test_a_class_is_used_only_if_the_events_know_it(kind, name, content):
    assert refused(_tagged(kind, {"class": name, "fields": content}))


def test_the_content_of_an_unknown_tag_is_not_read():
    content = named("Box", "dataclass", {"content": 1})
    assert not refused(content)
    assert refused(_tagged("os.system", content))
