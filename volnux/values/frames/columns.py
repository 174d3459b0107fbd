"""Columns of pandas as columns of Arrow.

Each column has a description beside its Arrow column, so that it comes back with exactly its type.
What Arrow does not hold, such as a column of objects, is written as a value of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from volnux.values.frames.of_pyarrow import as_stream, of_stream, size_of
from volnux.values.frames.zones import zone_name, zone_named

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["read_columns", "write_columns"]


def write_columns(columns: Iterable[tuple[Any, Any]], writer: Writer, what: str) -> dict[str, Any]:
    """The arrays of pandas as JSON.

    Args:
        columns: the label of each array, and the array.
        writer: the writer of the value.
        what: how errors call the whole.
    """
    arrow: list[Any] = []
    described = []
    for label, array in columns:
        try:
            described.append(_describe(array, label, arrow, writer))
        except (_NotHeldError, pa.ArrowException, UnicodeError) as error:
            name = "" if label is None else f" whose column {label!r}"
            writer.refuse(f"is of type pandas.{what}{name} cannot be stored: {error}", _HOW)
    content: dict[str, Any] = {"columns": described}
    if arrow:
        table = pa.Table.from_arrays(arrow, [str(number) for number in range(len(arrow))])
        content["arrow"] = writer.blob(as_stream(table), ".arrow", size=size_of(table))
    return content


_HOW: Final = "convert it with .astype(…), or drop it"


def read_columns(data: Any, reader: Reader) -> list[Any]:
    """The arrays that `write_columns` wrote; they may share memory that is read-only.

    Raises:
        ValueError: it is not what it wrote.
    """
    arrow = of_stream(reader.bytes(data["arrow"])).columns if "arrow" in data else []
    left = iter(arrow)
    arrays = [_read(description, left, reader) for description in data["columns"]]
    if next(left, None) is not None:
        raise ValueError("there are more columns than descriptions")
    return arrays


class _NotHeldError(Exception):
    """Arrow does not hold an array exactly."""


# Writing.


def _describe(array: Any, label: Any, arrow: list[Any], writer: Writer) -> dict[str, Any]:
    """The description of an array; appends its columns of Arrow, if it has any."""
    dtype = array.dtype
    # Arrays of texts are a subclass.
    if type(array) is pd.arrays.NumpyExtensionArray or isinstance(dtype, np.dtype):
        return _describe_numpy(array.to_numpy(), label, arrow, writer)
    match dtype:
        case pd.DatetimeTZDtype():
            zone = zone_name(dtype.tz)
            if zone is None:
                raise _NotHeldError(f"the time zone {dtype.tz!r} has no name")
            description = {"kind": "zoned", "unit": dtype.unit, "zone": zone}
            arrow.append(pa.array(array.asi8))
        case pd.PeriodDtype():
            freq = str(dtype).removeprefix("period[").removesuffix("]")
            if pd.PeriodDtype(freq) != dtype:
                raise _NotHeldError(f"the type {dtype} has a frequency without a name")
            description = {"kind": "period", "freq": freq}
            arrow.append(pa.array(array.asi8))
        case pd.IntervalDtype():
            sides = [
                _describe(each.array, label, arrow, writer) for each in (array.left, array.right)
            ]
            description = {"kind": "interval", "closed": dtype.closed, "sides": sides}
        case pd.CategoricalDtype():
            categories = writer.json(array.categories)
            description = {"kind": "category", "of": categories, "ordered": bool(array.ordered)}
            arrow.append(pa.array(np.asarray(array.codes)))
        case pd.StringDtype():
            missing = "NA" if dtype.na_value is pd.NA else "nan"
            description = {"kind": "string", "storage": dtype.storage, "missing": missing}
            arrow.append(pa.array(array, pa.large_string()))
        case pd.ArrowDtype():
            description = {"kind": "arrow"}
            arrow.append(array.__arrow_array__())
        case _ if str(dtype) in _MASKED and isinstance(dtype, _MASKED[str(dtype)]):
            description = {"kind": "masked", "dtype": str(dtype)}
            arrow.append(pa.array(array))
        case _:
            raise _NotHeldError(f"the type {dtype} is not known")
    return description


def _step(label: Any) -> tuple[Any] | None:
    return None if label is None else (label,)


def _describe_numpy(
    values: np.ndarray[Any, Any], label: Any, arrow: list[Any], writer: Writer
) -> dict[str, Any]:
    dtype = values.dtype
    if dtype.str in _NUMBERS:
        arrow.append(pa.array(values, from_pandas=False))
        return {"kind": "numpy", "dtype": dtype.str}
    if dtype.kind in "mM" and dtype.isnative:
        arrow.append(pa.array(values.view("i8")))
        return {"kind": "numpy", "dtype": dtype.str}
    if not dtype.hasobject:
        return {"kind": "value", "value": writer.json(values, _step(label))}
    items = values.tolist()
    text = _describe_texts(items, arrow)
    return text or {"kind": "objects", "items": writer.json(items, _step(label))}


def _describe_texts(items: list[Any], arrow: list[Any]) -> dict[str, Any] | None:
    """The description of texts or bytes, of which some may be missing; None if it is neither."""
    types = set(map(type, items))
    for kind, cls, type_ in _TEXTS:
        others = types - {cls}
        if cls not in types or others not in (set(), {_NONE}, {float}):
            continue
        if float in others and any(each == each for each in items if type(each) is float):
            continue
        try:
            arrow.append(pa.array(items, type_, from_pandas=True))
        except UnicodeError:  # half of a surrogate pair
            return None
        return {"kind": kind, "missing": "nan" if float in others else "None"}
    return None


_NONE: Final = type(None)

_NUMBERS: Final = {np.dtype(code).str for code in ("?", *"bhilqBHILQ", "e", "f", "d")}
"""The types whose arrays have the same form in Arrow."""

_MASKED: Final[dict[str, type]] = {
    "boolean": pd.BooleanDtype,
    **{
        cls.__name__.removesuffix("Dtype"): cls
        for cls in (
            *(pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype),
            *(pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype),
            *(pd.Float32Dtype, pd.Float64Dtype),
        )
    },
}
"""The types with a mask for missing values, by the text of each."""

_TEXTS: Final = (("text", str, pa.large_string()), ("bytes", bytes, pa.large_binary()))


# Reading.


def _read(data: Any, arrow: Any, reader: Reader) -> Any:
    kind = data["kind"]
    if kind not in _READERS:
        raise ValueError(f"there are no columns of the kind {kind!r}")
    return _READERS[kind](data, arrow, reader)


def _read_numpy(data: Any, arrow: Any, _: Reader) -> Any:
    dtype = np.dtype(data["dtype"])
    if dtype.kind in "mM":
        return _integers(next(arrow)).view(dtype)
    values = next(arrow).to_numpy(zero_copy_only=False)
    if values.dtype != dtype or dtype.str not in _NUMBERS:
        raise ValueError(f"expected a column of type {dtype}, found {values.dtype}")
    return values


def _integers(column: Any) -> np.ndarray[Any, Any]:
    if column.type != pa.int64() or column.null_count:
        raise ValueError(f"expected a column of type int64, found {column.type}")
    values: np.ndarray[Any, Any] = column.to_numpy()
    return values


def _read_text(data: Any, arrow: Any, _: Reader) -> Any:
    column = next(arrow)
    if column.type not in (pa.large_string(), pa.large_binary()):
        raise ValueError(f"expected a column of texts, found {column.type}")
    values = column.to_numpy(zero_copy_only=False)
    if data["missing"] == "nan":
        values[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return values


def _read_objects(data: Any, _: Any, reader: Reader) -> Any:
    items = reader.value(data["items"])
    if type(items) is not list:
        raise ValueError("expected a list")
    return np.fromiter(items, dtype=object, count=len(items))


def _read_value(data: Any, _: Any, reader: Reader) -> Any:
    return reader.value(data["value"])


def _read_zoned(data: Any, arrow: Any, _: Reader) -> Any:
    zone = zone_named(data["zone"])
    values = _integers(next(arrow)).view(f"M8[{data['unit']}]")
    return pd.DatetimeIndex(values, tz="UTC").tz_convert(zone).array


def _read_period(data: Any, arrow: Any, _: Reader) -> Any:
    return pd.arrays.PeriodArray(_integers(next(arrow)), dtype=pd.PeriodDtype(data["freq"]))


def _read_interval(data: Any, arrow: Any, reader: Reader) -> Any:
    if any(side["kind"] == "interval" for side in data["sides"]):
        raise ValueError("an interval has no intervals inside")
    left, right = (pd.Index(_read(side, arrow, reader)) for side in data["sides"])
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=data["closed"])


def _read_category(data: Any, arrow: Any, reader: Reader) -> Any:
    codes = next(arrow).to_numpy(zero_copy_only=False)
    categories = reader.value(data["of"])
    if not isinstance(categories, pd.Index) or type(data["ordered"]) is not bool:
        raise ValueError("expected an index of categories")
    return pd.Categorical.from_codes(codes, categories, data["ordered"])


def _read_string(data: Any, arrow: Any, _: Reader) -> Any:
    # Only pandas 2.3 and later has other missing values.
    missing = {} if data["missing"] == "NA" else {"na_value": np.nan}
    column = next(arrow)
    if column.type != pa.large_string():
        raise ValueError(f"expected a column of texts, found {column.type}")
    return pd.StringDtype(data["storage"], **missing).__from_arrow__(column)


def _read_arrow(_: Any, arrow: Any, __: Reader) -> Any:
    return pd.arrays.ArrowExtensionArray(next(arrow))


def _read_masked(data: Any, arrow: Any, _: Reader) -> Any:
    column = next(arrow)
    dtype = _MASKED[data["dtype"]]()
    return dtype.__from_arrow__(column)


_READERS: Final[dict[str, Callable[[Any, Any, Reader], Any]]] = {
    "numpy": _read_numpy,
    "text": _read_text,
    "bytes": _read_text,
    "objects": _read_objects,
    "value": _read_value,
    "zoned": _read_zoned,
    "period": _read_period,
    "interval": _read_interval,
    "category": _read_category,
    "string": _read_string,
    "arrow": _read_arrow,
    "masked": _read_masked,
}
