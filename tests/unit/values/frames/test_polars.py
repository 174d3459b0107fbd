"""Frames and series of polars as values."""

import datetime as dt
import decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from volnux import NotPortableError
from volnux.strictjson import FormatError
from volnux.values import from_json, to_json
from volnux.values.store import Store

MOMENT = dt.datetime.fromisoformat("2026-01-31")
FRAME = pl.DataFrame(
    [
        pl.Series("ints", [1, 2, None]),
        pl.Series("small ints", [1, 2, None], dtype=pl.Int8),
        pl.Series("large ints", [2**64 - 1, 0, 1], dtype=pl.UInt64),
        pl.Series("floats", [1.5, float("nan"), None]),
        pl.Series("flags", [True, None, False]),
        pl.Series("texts", ["a", None, "a text of more than twelve characters"]),
        pl.Series("bytes", [b"a", None, b"\0"]),
        pl.Series("categories", ["a", "b", None], dtype=pl.Categorical),
        pl.Series("choices", ["a", "b", None], dtype=pl.Enum(["b", "a", "c"])),
        pl.Series("days", [dt.date(2026, 1, 31), None, dt.date(2026, 1, 31)]),
        pl.Series("times", [dt.time(1, 2, 3), None, dt.time(1)]),
        pl.Series("moments", [MOMENT, None, None]),
        pl.Series("in Tokyo", [MOMENT] * 3).dt.replace_time_zone("Asia/Tokyo"),
        pl.Series("durations", [1, 2, None], dtype=pl.Duration("ms")),
        pl.Series("decimals", [decimal.Decimal("1.20"), None, decimal.Decimal(3)]),
        pl.Series("lists", [[1], [], None]),
        pl.Series("arrays", [[1, 2], [3, 4], None], dtype=pl.Array(pl.Int64, 2)),
        pl.Series("structures", [{"a": 1, "b": "x"}, {"a": None, "b": None}, None]),
        pl.Series("nothing", [None, None, None]),
        pl.Series("lists of choices", [["a"], ["b"], None], dtype=pl.List(pl.Enum(["b", "a"]))),
    ]
)  # fmt: skip


@pytest.mark.parametrize("name", FRAME.columns)
def test_a_column_comes_back(back, name):
    found = back([FRAME[name]])[0]
    assert type(found) is pl.Series
    assert_series_equal(found, FRAME[name])


def test_a_series_without_a_name(back):
    assert_series_equal(back(pl.Series([1, 2])), pl.Series([1, 2]))


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME[1:],
        FRAME.clear(),
        pl.DataFrame(),
        pl.concat([FRAME, FRAME], rechunk=False),
        pl.DataFrame({"": [1], "column_0": [2]}),
    ],
    ids=["all", "sliced", "no rows", "nothing", "two chunks", "no name"],
)
def test_a_frame_comes_back(back, frame):
    found = back({"frame": frame})["frame"]
    assert type(found) is pl.DataFrame
    assert_frame_equal(found, frame)
    assert found.schema == frame.schema


def test_a_large_frame_is_in_a_file():
    store = Store("kept", inline=10_000)
    frame = pl.DataFrame({"a": range(2000)})
    data = to_json(frame, shelf=store.at("run", "Load"))
    path = data["value"]["file"]["path"]
    assert path.endswith(".arrow")
    assert_frame_equal(from_json(data, store=store), frame)
    # A user can read the file without volnux.
    assert_frame_equal(pl.read_ipc_stream(f"kept/{path}"), frame)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            pl.DataFrame({"a": [1], "b": [2**100]}, schema_overrides={"b": pl.Int128}),
            r"is of type polars\.DataFrame whose column 'b' cannot be stored: Arrow does not hold "
            r"the type Int128: convert it with",
        ),
        (
            pl.Series("objects", [object()], dtype=pl.Object),
            r"is of type polars\.Series whose column 'objects' cannot be stored: Arrow does not "
            r"hold the type Object",
        ),
        (FRAME.lazy(), r"is of type polars\.LazyFrame, which has no data yet: call \.collect\(\)"),
    ],
)
def test_what_is_refused(value, message):
    with pytest.raises(NotPortableError, match=rf"^result\['day'\] {message}"):
        to_json({"day": value}, what="result")


def test_damaged_bytes(damaged, capfd):
    # The text of a panic goes to standard error.
    assert damaged(FRAME) > 50
    capfd.readouterr()


@pytest.mark.parametrize("kind", ["DataFrame", "Series", "LazyFrame", "DataType"])
def test_content_that_is_no_frame(kind):
    with pytest.raises(FormatError):
        from_json({"$volnux": f"polars.{kind}", "value": {"base64": ""}})
