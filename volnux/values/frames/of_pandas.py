"""Frames, series and indexes of pandas as Arrow IPC, and its scalars, which keep their type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from volnux.extras import how_to_install
from volnux.strictjson import FormatError
from volnux.values.frames.zones import zone_name, zone_named
from volnux.values.kinds import Kind

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["KINDS"]


# Frames and series.


def _write_frame(value: pd.DataFrame, writer: Writer) -> dict[str, Any]:
    arrays = ((label, series.array) for label, series in value.items())
    return {
        **_write_columns(arrays, writer, "DataFrame"),
        "labels": writer.json(value.columns, ".columns"),
        **_write_rest(value, writer),
    }


def _read_frame(data: Any, reader: Reader) -> pd.DataFrame:
    arrays = _read_columns(data, reader)
    index = reader.value(data["index"])
    labels = reader.value(data["labels"])
    # A series keeps the type of its array.
    series = [
        _series(array if _is_gathered(array) else array.copy(), index=index) for array in arrays
    ]
    frame = pd.DataFrame(dict(enumerate(series)), index=index)
    frame.columns = labels
    return _with_rest(frame, data, reader)


def _is_gathered(array: Any) -> bool:
    """Whether a frame copies an array itself, because it gathers those of a type in one block.

    Arrays must be copied, because the memory of what was read cannot be changed.
    """
    return isinstance(array, np.ndarray) and array.dtype.kind not in "mM"


def _write_series(value: pd.Series, writer: Writer) -> dict[str, Any]:
    return {
        **_write_columns([(None, value.array)], writer, "Series"),
        "name": writer.json(value.name, ".name"),
        **_write_rest(value, writer),
    }


def _read_series(data: Any, reader: Reader) -> pd.Series:
    [array] = _read_columns(data, reader)
    index, name = reader.value(data["index"]), reader.value(data["name"])
    return _with_rest(_series(array.copy(), index=index, name=name), data, reader)


def _series(array: Any, **parts: Any) -> pd.Series:
    return pd.Series(array, dtype=array.dtype, copy=False, **parts)


def _write_rest(value: Any, writer: Writer) -> dict[str, Any]:
    content = {"index": writer.json(value.index, ".index")}
    if value.attrs:
        content["attrs"] = writer.json(dict(value.attrs), ".attrs")
    if not value.flags.allows_duplicate_labels:
        content["unique"] = True
    return content


def _with_rest(value: Any, data: Any, reader: Reader) -> Any:
    if "attrs" in data:
        value.attrs = reader.value(data["attrs"])
    return value.set_flags(allows_duplicate_labels=False) if "unique" in data else value


def _write_columns(arrays: Iterable[tuple[Any, Any]], writer: Writer, what: str) -> dict[str, Any]:
    try:
        from volnux.values.frames.columns import write_columns
    except ImportError:
        writer.refuse(f"is of type pandas.{what}, which needs pyarrow", how_to_install("arrow"))
    return write_columns(arrays, writer, what)


def _read_columns(data: Any, reader: Reader) -> list[Any]:
    try:
        from volnux.values.frames.columns import read_columns
    except ImportError:
        raise FormatError(f"a frame of pandas needs pyarrow: {how_to_install('arrow')}") from None
    return read_columns(data, reader)


# Indexes.


def _write_index(value: pd.Index, writer: Writer) -> dict[str, Any]:
    if isinstance(value, pd.MultiIndex):
        return {
            "levels": [writer.json(level, number) for number, level in enumerate(value.levels)],
            "codes": [writer.json(np.asarray(codes)) for codes in value.codes],
            "names": writer.json(list(value.names), ".names"),
        }
    name = writer.json(value.name, ".name")
    if isinstance(value, pd.RangeIndex):
        return {"range": [value.start, value.stop, value.step], "name": name}
    content = _write_columns([(None, value.array)], writer, "Index")
    freq = getattr(value, "freq", None)
    if isinstance(value, pd.DatetimeIndex | pd.TimedeltaIndex) and freq is not None:
        if pd.tseries.frequencies.to_offset(freq.freqstr) != freq:
            writer.refuse(
                f"is of type pandas.{type(value).__name__} with the frequency {freq!r}, which has "
                "no name",
                "set its freq to None",
            )
        content["freq"] = freq.freqstr
    return {**content, "name": name}


def _read_index(data: Any, reader: Reader) -> pd.Index:
    if "levels" in data:
        levels, codes = ([reader.value(each) for each in data[key]] for key in ("levels", "codes"))
        return pd.MultiIndex(levels, codes, names=reader.value(data["names"]))
    name = reader.value(data["name"])
    if "range" in data:
        start, stop, step = data["range"]
        return pd.RangeIndex(start, stop, step, name=name)
    [array] = _read_columns(data, reader)
    index = pd.Index(array, dtype=array.dtype, name=name, copy=False, tupleize_cols=False)
    if "freq" in data:
        index.freq = data["freq"]
    return index


# Scalars.


def _write_timestamp(value: pd.Timestamp, writer: Writer) -> list[Any]:
    number = int(value.asm8.view("i8"))
    if value.tz is None:
        return [number, value.unit]
    zone = zone_name(value.tz)
    if zone is None:
        writer.refuse(
            f"has the time zone {value.tz!r}, which has no name",
            "use a zone of zoneinfo or datetime.timezone",
        )
    return [number, value.unit, zone]


def _read_timestamp(data: Any, _: Reader) -> pd.Timestamp:
    number, unit, *zone = data
    moment = pd.Timestamp(np.datetime64(_int(number), unit))
    return moment.tz_localize("UTC").tz_convert(zone_named(*zone)) if zone else moment


def _write_timedelta(value: pd.Timedelta, _: Writer) -> list[Any]:
    return [int(value.asm8.view("i8")), value.unit]


def _read_timedelta(data: Any, _: Reader) -> pd.Timedelta:
    number, unit = data
    return pd.Timedelta(np.timedelta64(_int(number), unit))


def _int(data: Any) -> int:
    if type(data) is not int:
        raise ValueError(f"expected a number, found {type(data).__name__}")
    return data


def _single(name: str, value: Any) -> Kind:
    """The kind of a value that is the only one of its class."""
    return Kind(f"pandas.{name}", lambda _, __: None, lambda _, __: value)


_INDEX = Kind("pandas.Index", _write_index, _read_index)

KINDS: Final[dict[type, Kind]] = {
    pd.DataFrame: Kind("pandas.DataFrame", _write_frame, _read_frame),
    pd.Series: Kind("pandas.Series", _write_series, _read_series),
    **dict.fromkeys(
        (
            *(pd.Index, pd.RangeIndex, pd.MultiIndex, pd.DatetimeIndex, pd.TimedeltaIndex),
            *(pd.PeriodIndex, pd.IntervalIndex, pd.CategoricalIndex),
        ),
        _INDEX,
    ),
    pd.Timestamp: Kind("pandas.Timestamp", _write_timestamp, _read_timestamp),
    pd.Timedelta: Kind("pandas.Timedelta", _write_timedelta, _read_timedelta),
    type(pd.NaT): _single("NaT", pd.NaT),
    type(pd.NA): _single("NA", pd.NA),
}
"""The kinds by class."""
