"""Arrays and scalars of numpy as values."""

import base64
import io

import numpy as np
import pytest

from volnux import NotPortableError
from volnux.strictjson import FormatError
from volnux.values import from_json, to_json
from volnux.values.store import Store

ARRAYS = {
    "numbers": np.arange(5),
    "two dimensions": np.arange(12.0).reshape(3, 4),
    "Fortran order": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "every second": np.arange(10)[::2],
    "no rows": np.zeros((0, 3)),
    "no dimension": np.array(3.5),
    "small floats": np.array([1.5, np.nan, -0.0, np.inf], "f2"),
    "complex numbers": np.array([1 + 2j], "c8"),
    "flags": np.array([True, False]),
    "big endian": np.arange(4, dtype=">i4"),
    "texts": np.array(["ä", "a longer text", ""]),
    "bytes": np.array([b"x", b""]),
    "raw bytes": np.array([b"\0\1\2"], "V3"),
    "days": np.array(["2026-01-31", "NaT"], "M8[D]"),
    "nanoseconds": np.array([1, -1], "m8[ns]"),
    "structures": np.array([(1, 2.5, "ä")], [("ünï", "i4"), ("b", "f8", (2,)), ("c", "U3")]),
    "aligned structures": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back(back, name):
    array = ARRAYS[name]
    found = back({"array": array})["array"]
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert repr(found.tolist()) == repr(array.tolist())
    assert found.flags.writeable


SCALARS = [
    *(np.int8(-3), np.uint64(2**64 - 1), np.int64(-(2**63)), np.longlong(5)),
    *(np.float16(0.1), np.float32(0.1), np.float64(0.1), np.float64("inf")),
    *(np.bool_(True), np.complex64(1 + 2j), np.complex128(1 - 2j)),
    *(np.str_("ä\0"), np.bytes_(b"a\0")),
    *(np.datetime64("2026-01-31"), np.datetime64(5, "25s"), np.timedelta64(-5, "ns")),
    np.array([(1, 2)], "i4, f8")[0],
]


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_a_scalar_keeps_its_type(back, scalar):
    found = back([scalar])[0]
    assert (type(found), found.dtype) == (type(scalar), scalar.dtype)
    assert found == scalar


NOT_A_TIME = np.array(-(2**63), "i8").view("M8")[()]
"""Without a unit. The constructor of `np.datetime64` warns about that since NumPy 2.5."""


@pytest.mark.parametrize("scalar", [np.float32("nan"), NOT_A_TIME, np.timedelta64("NaT", "s")])
def test_a_scalar_without_a_value(back, scalar):
    found = back(scalar)
    assert (type(found), found.dtype) == (type(scalar), scalar.dtype)
    assert found != found


def test_float64_is_no_float(back):
    """`np.float64` is a subclass of `float`, which JSON would turn into a `float`."""
    assert type(back({"mean": np.float64(0.5)})["mean"]) is np.float64


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}, None]), "with objects, which only pickle can store: convert it with "),
        (np.zeros(1, [("a", "i4"), ("b", "O")]), "with objects"),
        (np.zeros(2, np.longdouble), "which other machines read differently"),
        (np.zeros(2, [("a", "i4"), ("b", np.clongdouble)]), "other machines read differently"),
        (np.zeros(2, np.dtype("f8", metadata={"unit": "m"})), "with metadata in its dtype"),
        (np.zeros(1, [(f"field{number}", "i1") for number in range(5000)]), "with too many fields"),
    ],
)  # fmt: skip
def test_an_array_that_npy_does_not_hold(array, message):
    with pytest.raises(NotPortableError) as caught:
        to_json({"arrays": [array]}, what="result")
    assert str(caught.value).startswith("result['arrays'][0] is of type numpy.ndarray ")
    assert message in str(caught.value)


def test_a_masked_array_is_another_class():
    with pytest.raises(NotPortableError, match=r"is of type numpy\.ma\..*MaskedArray"):
        to_json(np.ma.array([1, 2], mask=[True, False]))


def test_a_large_array_is_in_a_file():
    store = Store("kept", inline=1000)
    shelf = store.at("run", "Load")
    array = np.arange(1000.0)
    data = to_json([array, array[:10]], shelf=shelf)
    large, small = (each["value"] for each in data)
    assert large["file"]["path"].endswith(".npy")
    assert small.keys() == {"base64"}
    for found, expected in zip(from_json(data, store=store), (array, array[:10]), strict=True):
        np.testing.assert_array_equal(found, expected)
    # A user can read the file without volnux.
    np.testing.assert_array_equal(np.load(f"kept/{large['file']['path']}"), array)


def test_objects_are_never_unpickled():
    stream = io.BytesIO()
    np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    blob = {"base64": base64.b64encode(stream.getvalue()).decode()}
    with pytest.raises(FormatError, match="allow_pickle=False"):
        from_json({"$volnux": "numpy.ndarray", "value": blob})


def npy(header, data=b""):
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\3\4",
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bytes(9)),
        npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", b"\xff" * 4),
        npy("__import__('os')"),
        npy("(" * 110),
    ],
)
def test_bytes_that_are_no_array(content):
    blob = {"base64": base64.b64encode(content).decode()}
    with pytest.raises(FormatError):
        from_json({"$volnux": "numpy.ndarray", "value": blob})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("numpy.int8", 1000),
        ("numpy.int8", 1.0),
        ("numpy.int8", "1"),
        ("numpy.bool", 1),
        ("numpy.float64", None),
        ("numpy.datetime64", [1, "parsecs", 1]),
        ("numpy.datetime64", [2**70, "s", 1]),
        ("numpy.datetime64", [1, "s"]),
        ("numpy.timedelta64", None),
        ("numpy.object", 1),
    ],
)
def test_content_that_is_no_scalar(kind, value):
    with pytest.raises(FormatError):
        from_json({"$volnux": kind, "value": value})


def test_damaged_bytes(damaged):
    array = ARRAYS["structures"]
    with np.errstate(all="ignore"):
        assert damaged(array) > 100
