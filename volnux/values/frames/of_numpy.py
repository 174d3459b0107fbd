"""Arrays of numpy as `.npy`, the format of numpy itself, and its scalars, which keep their type."""

from __future__ import annotations

import io
import sys
import tokenize
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.lib import format as npy

from volnux.values.kinds import Kind

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["KINDS"]

_LONGEST_HEADER: Final = 100_000
"""The maximum length of the description of an array; Python evaluates it as a literal."""


def _write_array(value: np.ndarray[Any, Any], writer: Writer) -> dict[str, Any]:
    found = _problem_of(value.dtype)
    if found is not None:
        problem, how = found
        writer.refuse(f"is of type numpy.ndarray {problem}", how)
    # Version 1 has no names of fields beyond Latin-1; numpy warns if it has to choose another.
    version = (1, 0) if value.dtype.names is None else (3, 0)

    def write(stream: BinaryIO) -> None:
        npy.write_array(stream, value, version=version, allow_pickle=False)

    return writer.blob(write, ".npy", size=value.nbytes)


def _problem_of(dtype: np.dtype[Any]) -> tuple[str, str] | None:
    """What `.npy` does not hold exactly, and what to do about it; None if it holds all."""
    if dtype.hasobject:
        return (
            "with objects, which only pickle can store",
            "convert it with .astype(…), or return a list (.tolist())",
        )
    parts = [dtype]
    for part in parts:
        if part.subdtype is not None:
            parts.append(part.subdtype[0])
        parts += [part[name] for name in part.names or ()]
        if part.char in "gG":
            return (
                f"with numbers of type {part.name}, which other machines read differently",
                "convert it with .astype('float64') or .astype('complex128')",
            )
        if part.metadata:
            return "with metadata in its dtype", "remove the metadata"
    try:
        description = npy.dtype_to_descr(dtype)
        kept = npy.descr_to_dtype(description) == dtype
    except (TypeError, ValueError):
        kept = False
    if not kept:
        return f"with the dtype {dtype}, which .npy does not hold", "convert it with .astype(…)"
    if len(str(description)) > _LONGEST_HEADER // 2:
        return "with too many fields", "return a frame, or several arrays"
    return None


def _read_array(data: Any, reader: Reader) -> np.ndarray[Any, Any]:
    stream = io.BytesIO(reader.bytes(data))
    try:
        array = npy.read_array(stream, allow_pickle=False, max_header_size=_LONGEST_HEADER)
    except (MemoryError, RecursionError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"it is not an array: {error}") from None
    if stream.read(1):
        raise ValueError("there are bytes after the array")
    _check_texts(array)
    return array


def _check_texts(array: np.ndarray[Any, Any]) -> None:
    """Refuse texts with code points that do not exist: every use of them would fail."""
    for name in array.dtype.names or ():
        _check_texts(array[name])
    if array.dtype.kind == "U" and array.nbytes:
        code = np.dtype("u4").newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).view(code).max() > sys.maxunicode:
            raise ValueError("it has a text with code points that do not exist")


# Scalars.


def _scalar(cls: type[Any], plain: type[Any]) -> Kind:
    """The kind of a scalar with the values of a class of Python."""
    # `str(np.str_(…))` leaves out NUL characters at the end.
    convert = str.__str__ if plain is str else plain

    def write(value: Any, writer: Writer) -> Any:
        return writer.json(convert(value))

    def read(data: Any, reader: Reader) -> Any:
        found = reader.value(data)
        if type(found) is not plain:
            raise ValueError(f"expected {plain.__name__}, found {type(found).__name__}")
        value = cls(found)
        if value != found and found == found:
            raise ValueError(f"{found} is out of range")
        return value

    return Kind(f"numpy.{_NAMES[cls]}", write, read)


_NAMES: Final[dict[type, str]] = {
    # On some machines these two are other names of the classes with 64 bits.
    np.longlong: "longlong",
    np.ulonglong: "ulonglong",
    # Some names depend on the version of numpy.
    np.bool_: "bool",
    np.str_: "str",
    np.bytes_: "bytes",
    **{
        getattr(np, name): name
        for name in (
            *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
            *("float16", "float32", "float64", "complex64", "complex128"),
        )
    },
}


def _moment(cls: type[Any], name: str, code: str) -> Kind:
    """The kind of a moment or a duration: a number (of NaT too), and the unit of one step."""

    def write(value: Any, _: Writer) -> list[Any]:
        return [int(value.view("i8")), *np.datetime_data(value.dtype)]

    def read(data: Any, _: Reader) -> Any:
        number, unit, count = data
        if type(number) is not int or type(count) is not int or unit not in _UNITS:
            raise ValueError("expected a number, a unit and a count")
        dtype = np.dtype(code if unit == "generic" else f"{code}[{count}{unit}]")
        return np.array(number, "i8").view(dtype)[()]

    return Kind(f"numpy.{name}", write, read)


_UNITS: Final = frozenset(("generic", *"YMWDhms", "ms", "us", "ns", "ps", "fs", "as"))


def _write_void(value: np.void, writer: Writer) -> dict[str, Any]:
    return _write_array(np.asarray(value), writer)


def _read_void(data: Any, reader: Reader) -> Any:
    value = _read_array(data, reader)[()]
    if not isinstance(value, np.void):
        raise ValueError("it is not a structure")
    return value


_PLAIN: Final[tuple[tuple[type, type], ...]] = (
    (np.bool_, bool),
    (np.integer, int),
    (np.floating, float),
    (np.complexfloating, complex),
    (np.str_, str),
    (np.bytes_, bytes),
)

KINDS: Final[dict[type, Kind]] = {
    np.ndarray: Kind("numpy.ndarray", _write_array, _read_array),
    np.void: Kind("numpy.void", _write_void, _read_void),
    np.datetime64: _moment(np.datetime64, "datetime64", "M8"),
    np.timedelta64: _moment(np.timedelta64, "timedelta64", "m8"),
    **{
        cls: _scalar(cls, next(plain for base, plain in _PLAIN if issubclass(cls, base)))
        for cls in _NAMES
    },
}
"""The kinds by class."""
