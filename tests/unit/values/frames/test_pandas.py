"""Frames, series, indexes and scalars of pandas as values."""

import datetime as dt
import decimal
import zoneinfo

import dateutil.tz
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

from volnux import NotPortableError
from volnux.strictjson import FormatError
from volnux.values import from_json, to_json
from volnux.values.store import Store

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
ROWS = 4


def objects(*items):
    return pd.Series(items, dtype=object)


COLUMNS = {
    "int64": np.arange(ROWS),
    "int8": np.arange(ROWS, dtype="i1"),
    "uint64": np.array([2**64 - 1, 0, 1, 2], "u8"),
    "float64": [1.5, np.nan, -0.0, np.inf],
    "float32": np.arange(ROWS, dtype="f4"),
    "float16": np.arange(ROWS, dtype="f2"),
    "bool": [True, False, True, True],
    "complex": np.arange(ROWS) * 1j,
    "texts": ["a", None, "", "ä"],
    "texts as objects": objects("a", "b", "", "ä"),
    "texts and None": objects("a", None, "", "ä"),
    "texts and NaN": objects("a", np.nan, "", "ä"),
    "texts and all that is missing": objects("a", np.nan, None, pd.NA),
    "half of a surrogate pair": objects("\ud800", "a", "b\0", "c"),
    "texts with NUL": objects("\0", "a\0", "b", "c"),
    "bytes": objects(b"a", None, b"", b"\xff"),
    "values of many types": objects(1, 2.5, decimal.Decimal("1.20"), {"a": (1, 2)}),
    "ints as objects": objects(1, 2, 3, 2**70),
    "flags and None": objects(True, False, True, None),
    "lists": objects([1], [2, 3], [], [4]),
    "lists of one length": objects([1], [2], [3], [4]),
    "dates": objects(*[dt.date(2026, 1, 31)] * 3, None),
    "moments as objects": objects(
        pd.Timestamp("2026", tz=BERLIN), pd.NaT, pd.Timedelta("1s"), None
    ),
    "moments": pd.date_range("2026", periods=ROWS),
    "moments in seconds": pd.date_range("2026", periods=ROWS).as_unit("s"),
    "moments in nanoseconds": pd.date_range("2026", periods=ROWS).as_unit("ns"),
    "moments and NaT": pd.to_datetime(["2026-01-31", "NaT"] * 2),
    "moments in Berlin": pd.date_range("2026-10-25", periods=ROWS, freq="h", tz=BERLIN),
    "moments in Tokyo": pd.date_range("2026", periods=ROWS, tz="Asia/Tokyo"),
    "moments in UTC": pd.date_range("2026", periods=ROWS, tz="UTC"),
    "moments with an offset": pd.date_range(
        "2026", periods=ROWS, tz=dt.timezone(dt.timedelta(hours=-1.5))
    ),
    "durations": pd.to_timedelta([1, 2, 3, None], unit="s"),
    "categories": pd.Categorical(["a", "b", None, "a"], categories=["b", "a", "c"], ordered=True),
    "numbers as categories": pd.Categorical([1, 2, 1, 2]),
    "intervals as categories": pd.Categorical(pd.interval_range(0, ROWS)),
    "Int64": pd.array([1, None, 3, 4], dtype="Int64"),
    "UInt8": pd.array([1, None, 3, 4], dtype="UInt8"),
    "Float64": pd.array([1.5, None, np.inf, 4], dtype="Float64"),
    "boolean": pd.array([True, None, False, True], dtype="boolean"),
    "string[python]": pd.array(["a", None, "", "ä"], dtype="string[python]"),
    "string[pyarrow]": pd.array(["a", None, "", "ä"], dtype="string[pyarrow]"),
    "periods": pd.period_range("2026-01", periods=ROWS, freq="M"),
    "weeks": pd.period_range("2026-01", periods=ROWS, freq="W-THU"),
    "intervals": pd.interval_range(0, ROWS, closed="left"),
    "intervals of moments": pd.interval_range(pd.Timestamp("2026", tz=BERLIN), periods=ROWS),
    "ints of Arrow": pd.array([1, None, 3, 4], dtype="int64[pyarrow]"),
    "lists of Arrow": pd.array(
        [[1], None, [], [4]], dtype=pd.ArrowDtype(pa.list_(pa.int8()))
    ),
    "moments of Arrow": pd.array(
        [pd.Timestamp("2026-01-31", tz="UTC"), None] * 2,
        dtype=pd.ArrowDtype(pa.timestamp("ms", "UTC")),
    ),
}  # fmt: skip


def assert_same(found, expected):
    """Not only equal: of the same types, also those of the single objects."""
    assert type(found) is type(expected)
    if isinstance(expected, pd.DataFrame):
        assert_frame_equal(
            found, expected, check_exact=True, check_column_type="exact", check_index_type="exact"
        )
        for position in range(expected.shape[1]):
            assert_same_objects(found.iloc[:, position], expected.iloc[:, position])
    elif isinstance(expected, pd.Series):
        assert_series_equal(found, expected, check_exact=True, check_index_type="exact")
        assert_same_objects(found, expected)
    else:
        assert_index_equal(found, expected, exact=True)
        assert found.names == expected.names
        assert getattr(found, "freq", None) == getattr(expected, "freq", None)


def assert_same_objects(found, expected):
    assert found.dtype == expected.dtype
    if expected.dtype == object:
        assert [*map(type, found)] == [*map(type, expected)]
        assert [*map(repr, found)] == [*map(repr, expected)]


# Columns.


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back(back, name):
    frame = pd.DataFrame({name: COLUMNS[name]})
    assert_same(back(frame), frame)
    assert_same(back(frame[name]), frame[name])


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "float16"])
def test_an_index_comes_back(back, name):
    index = pd.Index(COLUMNS[name], name=("a", 1))
    assert_same(back(index), index)
    frame = pd.DataFrame({"x": range(ROWS)}, index=index)
    assert_same(back(frame), frame)


def test_a_frame_with_all_of_them(back):
    frame = pd.DataFrame(COLUMNS)
    for each in (frame, frame[::2], frame[1:3], frame[:0], frame[["int64", "float64"]].T):
        assert_same(back({"frame": each})["frame"], each)


@pytest.mark.parametrize("name", COLUMNS)
def test_what_was_read_can_be_changed(back, name):
    frame = pd.DataFrame({name: COLUMNS[name]})
    series = frame[name]
    for found in (back(frame)[name], back(series), back(pd.DataFrame(COLUMNS))[name]):
        found.array[0] = series.array[1]
        assert_same(found.iloc[:1], pd.concat([series.iloc[1:2]]).set_axis(found.index[:1]))


# Frames.

FRAMES = {
    "nothing": pd.DataFrame(),
    "only an index": pd.DataFrame(index=[1, 2]),
    "only labels": pd.DataFrame(columns=["a", "b"]),
    "equal labels": pd.DataFrame([[1, 2.5, "x"]], columns=["a", "a", "a"]),
    "labels of many types": pd.DataFrame([[1, 2, 3]], columns=["a", 1, ("b", 2)]),
    "labels that are numbers": pd.DataFrame([[1, 2]], columns=[10, 5]),
    "labels that are moments": pd.DataFrame([[1, 2]], columns=pd.date_range("2026", periods=2)),
    "labels with a name": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="which")),
    "labels on two levels": pd.DataFrame(
        [[1, 2, 3]], columns=pd.MultiIndex.from_product([["a"], [1, 2, 3]], names=["x", None])
    ),
    "an index on two levels": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", None)], names=["k", ("t",)])
    ),
    "an index that steps": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(10, 0, -5, name="i")),
    "an index with a frequency": pd.DataFrame(
        {"a": range(5)}, index=pd.date_range("2026", periods=5, freq="B")
    ),
    "an index of tuples": pd.DataFrame(
        {"a": [1, 2]}, index=pd.Index([(1, 2), (3, 4)], tupleize_cols=False)
    ),
    "equal rows in the index": pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["r", "r"]),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back(back, name):
    assert_same(back(FRAMES[name]), FRAMES[name])


def test_attributes_and_flags(back):
    frame = pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False)
    frame.attrs = {"source": ("shop", decimal.Decimal("1.20"))}
    found = back(frame)
    assert_same(found, frame)
    assert found.attrs == frame.attrs
    assert not found.flags.allows_duplicate_labels
    assert back(frame["a"]).attrs == frame["a"].attrs


def test_the_json_of_a_small_frame_is_plain():
    data = to_json(pd.DataFrame({"a": [1]}))
    assert data["$volnux"] == "pandas.DataFrame"
    assert data["value"]["columns"] == [{"kind": "numpy", "dtype": "<i8"}]


# Scalars.


@pytest.mark.parametrize(
    "scalar",
    [
        pd.Timestamp("2026-01-31 06:00:00.123456789"),
        pd.Timestamp("2026-01-31").as_unit("s"),
        pd.Timestamp("2026-01-31", tz=BERLIN),
        pd.Timestamp("2026-10-25 01:30", tz="UTC").tz_convert(BERLIN),
        pd.Timedelta("1s"),
        pd.Timedelta(-5, unit="ns"),
    ],
)
def test_a_scalar_comes_back(back, scalar):
    found = back([scalar])[0]
    assert (type(found), found, found.unit) == (type(scalar), scalar, scalar.unit)
    assert repr(found) == repr(scalar)


def test_nothing_comes_back_as_itself(back):
    assert back(pd.NaT) is pd.NaT
    assert back(pd.NA) is pd.NA


# What is refused.


class Order:
    pass


NO_NAME = dateutil.tz.gettz("Europe/Berlin")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            pd.DataFrame({"a": [1, 2], "orders": [1, Order()]}),
            r"result\['day'\]\['orders'\]\[1\] is of type .*Order",
        ),
        (
            pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}),
            r"result\['day'\] is of type pandas\.DataFrame whose column 'a' cannot be stored: the "
            r"type Sparse\[int64, 0\] is not known: convert it with",
        ),
        (
            pd.DataFrame({"a": pd.date_range("2026", periods=2, tz=NO_NAME)}),
            r"whose column 'a' cannot be stored: the time zone tzfile\(.*\) has no name",
        ),
        (
            pd.DataFrame({"a": pd.array(["\ud800"], dtype="string[python]")}),
            r"whose column 'a' cannot be stored: .* surrogates not allowed",
        ),
        (pd.Series([Order()]), r"result\['day'\]\[0\] is of type .*Order"),
        (pd.Series([1], index=[Order()]), r"result\['day'\]\.index\[0\] is of type .*Order"),
        (pd.Series([1], name=Order()), r"result\['day'\]\.name is of type .*Order"),
        (
            pd.date_range("2026", periods=3, freq=pd.offsets.CustomBusinessDay(weekmask="Mon Tue")),
            r"with the frequency <CustomBusinessDay>, which has no name: set its freq to None",
        ),
        (pd.Timestamp("2026", tz=NO_NAME), r"has the time zone tzfile\(.*\), which has no name"),
    ],
)  # fmt: skip
def test_what_is_refused(value, message):
    with pytest.raises(NotPortableError, match=message):
        to_json({"day": value}, what="result")


# Files.


def test_a_large_frame_is_in_a_file():
    store = Store("kept", inline=10_000)
    frame = pd.DataFrame({"a": np.arange(2000.0), "b": ["x"] * 2000})
    data = to_json(frame, shelf=store.at("run", "Load"))
    path = data["value"]["arrow"]["file"]["path"]
    assert path.endswith(".arrow")
    assert_same(from_json(data, store=store), frame)
    # A user can read the file without volnux.
    with pa.ipc.open_stream(f"kept/{path}") as stream:
        assert stream.read_all().column(0).to_pylist() == list(frame["a"])


# Data that is not what was written.


def test_damaged_bytes(damaged):
    assert (
        damaged(pd.DataFrame(COLUMNS)[["int64", "texts", "bytes", "Int64", "lists of Arrow"]]) > 50
    )
    assert damaged(pd.DataFrame(COLUMNS)[["categories", "moments", "intervals"]]) > 50


def changed(value, **parts):
    data = to_json(value)
    data["value"].update(parts)
    return data


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
NUMBER = {"kind": "numpy", "dtype": "<i8"}
OBJECTS = {"kind": "objects", "items": [1, 2]}


def zoned(name):
    return {"kind": "zoned", "unit": "s", "zone": name}


def interval(depth):
    """Intervals of intervals, which would need a deep recursion."""
    sides = NUMBER
    for _ in range(depth):
        sides = {"kind": "interval", "closed": "left", "sides": [sides, NUMBER]}
    return sides


def category(categories):
    return {"kind": "category", "of": categories, "ordered": False}


@pytest.mark.parametrize(
    "data",
    [
        changed(FRAME, columns=[NUMBER]),
        changed(FRAME, columns=[NUMBER, NUMBER]),
        changed(FRAME, columns=[NUMBER, OBJECTS, OBJECTS]),
        changed(FRAME, columns=[{"kind": "numpy", "dtype": "|O"}, OBJECTS]),
        changed(FRAME, columns=[{"kind": "numpy", "dtype": "<M8[parsecs]"}, OBJECTS]),
        changed(FRAME, columns=[{"kind": "numpy", "dtype": "<i2"}, OBJECTS]),
        changed(FRAME, columns=[{"kind": "masked", "dtype": "__import__"}, OBJECTS]),
        changed(FRAME, columns=[{"kind": "masked", "dtype": "Float64"}, OBJECTS]),
        changed(FRAME, columns=[zoned("Nowhere"), OBJECTS]),
        changed(FRAME, columns=[zoned("zoneinfo:../../../etc/passwd"), OBJECTS]),
        changed(FRAME, columns=[zoned("dateutil//etc/passwd"), OBJECTS]),
        changed(FRAME, columns=[{"kind": "period", "freq": "parsec"}, OBJECTS]),
        changed(FRAME, columns=[{"kind": "text", "missing": "nan"}, OBJECTS]),
        changed(FRAME, columns=[category([1]), OBJECTS]),
        changed(FRAME, columns=[category(to_json(pd.Index([1]))), OBJECTS]),
        changed(FRAME, columns=[interval(900), OBJECTS]),
        changed(FRAME, columns=[{"kind": "none of these"}, OBJECTS]),
        changed(FRAME, columns=[{"kind": "objects", "items": {}}, OBJECTS]),
        changed(FRAME, columns=None),
        changed(FRAME, columns=[None]),
        changed(FRAME, columns=[]),
        changed(FRAME, arrow={"base64": ""}),
        changed(FRAME, labels=["a"]),
        changed(FRAME, labels=None),
        changed(FRAME, index=to_json(pd.RangeIndex(3))),
        changed(FRAME, index={"$volnux": "pandas.Index", "value": {"range": [0, 2], "name": None}}),
        changed(FRAME, attrs=1),
        changed(pd.RangeIndex(2), range=["0", "1", "2"]),
        changed(pd.date_range("2026", periods=3), freq="B"),
        changed(pd.date_range("2026", periods=3), freq="parsec"),
        changed(pd.MultiIndex.from_tuples([(1, 2)]), codes=[[5], [5]]),
        changed(pd.MultiIndex.from_tuples([(1, 2)]), levels=[]),
        {"$volnux": "pandas.Timestamp", "value": [1, "parsecs"]},
        {"$volnux": "pandas.Timestamp", "value": ["now", "s"]},
        {"$volnux": "pandas.Timestamp", "value": [1, "s", "dateutil//etc/passwd"]},
        {"$volnux": "pandas.Timedelta", "value": None},
        {"$volnux": "pandas.DataFrame", "value": {}},
        {"$volnux": "pandas.read_pickle", "value": "x"},
    ],
)  # fmt: skip
def test_content_that_is_no_frame(data):
    with pytest.raises(FormatError):
        from_json(data)
