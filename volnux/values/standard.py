"""The kinds of values of the standard library."""

from __future__ import annotations

import base64
import collections
import datetime as dt
import decimal
import json
import math
import pathlib
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from volnux.strictjson import FormatError
from volnux.values.kinds import Kind

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["STANDARD"]


# Numbers and texts that transports of JSON do not store.


def _write_int(value: int, _: Writer) -> str:
    return hex(value)


def _read_int(data: Any, _: Reader) -> int:
    return int(_text(data), 16)


def _write_float(value: float, _: Writer) -> str:
    return repr(value)


def _read_float(data: Any, _: Reader) -> float:
    value = float(_text(data))
    if math.isfinite(value):
        raise FormatError("expected nan, inf or -inf")
    return value


def _write_str(value: str, _: Writer) -> str:
    return base64.b64encode(value.encode(errors="surrogatepass")).decode()


def _read_str(data: Any, _: Reader) -> str:
    return base64.b64decode(_text(data), validate=True).decode(errors="surrogatepass")


def _write_complex(value: complex, writer: Writer) -> list[Any]:
    return [writer.json(value.real), writer.json(value.imag)]


def _read_complex(data: Any, reader: Reader) -> complex:
    real, imaginary = map(reader.value, _list(data))
    return complex(real, imaginary)


# Containers.


def _write_items(value: Any, writer: Writer) -> list[Any]:
    return [writer.json(each, index) for index, each in enumerate(value)]


def _write_set(value: Any, writer: Writer) -> list[Any]:
    return [writer.json(each, "{…}") for each in value]


def _read_items(make: Callable[[list[Any]], Any]) -> Callable[[Any, Reader], Any]:
    return lambda data, reader: make([reader.value(each) for each in _list(data)])


def _write_pairs(value: Mapping[Any, Any], writer: Writer) -> list[Any]:
    return [[writer.json(key, ".keys()"), writer.json(each, (key,))] for key, each in value.items()]


def _read_pairs(make: Callable[[dict[Any, Any]], Any]) -> Callable[[Any, Reader], Any]:
    def read(data: Any, reader: Reader) -> Any:
        return make(
            {reader.value(key): reader.value(each) for key, each in map(_list, _list(data))}
        )

    return read


def _write_deque(value: collections.deque[Any], writer: Writer) -> list[Any]:
    return [value.maxlen, _write_items(value, writer)]


def _read_deque(data: Any, reader: Reader) -> collections.deque[Any]:
    most, items = _list(data)
    return collections.deque(map(reader.value, _list(items)), most)


def _write_bytes(value: bytes | bytearray, writer: Writer) -> dict[str, Any]:
    return writer.blob(value)


def _read_json(data: Any, reader: Reader) -> Any:
    """A whole value that was too large for the host's database."""
    return reader.value(json.loads(reader.bytes(data)))


# Times.


def _write_zone(zone: dt.tzinfo | None, writer: Writer) -> Any:
    """A time zone: its name in the database of time zones, or seconds east of UTC and a name."""
    if zone is None:
        return None
    # Other packages, such as pytz and pendulum, have classes of their own for these zones.
    for name in (getattr(zone, "key", None), getattr(zone, "zone", None)):
        if isinstance(name, str) and _zone_named(name) is not None:
            return name
    if type(zone) is not dt.timezone:
        writer.refuse(
            f"has the time zone {zone!r}, which has no name",
            "use a zone of zoneinfo or datetime.timezone",
        )
    offset, name = zone.utcoffset(None), zone.tzname(None)
    written = _write_delta(offset, writer)
    is_named = name != dt.timezone(offset).tzname(None)
    return [written, writer.json(name)] if is_named else [written]


def _zone_named(name: str) -> zoneinfo.ZoneInfo | None:
    """The time zone with a name; None if there is none on this machine."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, LookupError, OSError):  # OSError: the name of a folder, or one too long
        return None


def _read_zone(data: Any, reader: Reader) -> dt.tzinfo | None:
    if data is None:
        return None
    if isinstance(data, str):
        zone = _zone_named(data)
        if zone is None:
            raise FormatError(f"there is no time zone {data[:100]!r} here")
        return zone
    offset, *name = map(reader.value, _list(data))
    return dt.timezone(_read_delta(offset, reader), *map(_text, name))


def _write_time(value: dt.datetime | dt.time, writer: Writer) -> Any:
    text = value.replace(tzinfo=None).isoformat()
    if value.tzinfo is None and not value.fold:
        return text
    zone, fold = _write_zone(value.tzinfo, writer), value.fold
    if isinstance(zone, str) and not isinstance(value.tzinfo, zoneinfo.ZoneInfo):
        # A zone of pytz has an offset of its own, whatever `fold` says.
        there, offset = value.replace(tzinfo=zoneinfo.ZoneInfo(zone)), value.utcoffset()
        folds = [way for way in (fold, 1 - fold) if there.replace(fold=way).utcoffset() == offset]
        if not folds and offset is not None:
            return [text, _write_zone(dt.timezone(offset), writer), fold]
        fold = next(iter(folds), fold)
    return [text, zone, fold]


def _read_time(cls: type[Any]) -> Callable[[Any, Reader], Any]:
    def read(data: Any, reader: Reader) -> Any:
        text, zone, fold = (data, None, 0) if isinstance(data, str) else _list(data)
        moment = cls.fromisoformat(_text(text))
        if moment.tzinfo is not None:
            raise FormatError("expected a time without a zone")
        return moment.replace(tzinfo=_read_zone(zone, reader), fold=fold)

    return read


def _write_delta(value: dt.timedelta, _: Writer) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _read_delta(data: Any, _: Reader) -> dt.timedelta:
    days, seconds, microseconds = _list(data)
    return dt.timedelta(days, seconds, microseconds)


# Texts of a special kind.


def _write_text(value: Any, _: Writer) -> str:
    return str(value)


def _write_path(value: pathlib.PurePath, writer: Writer) -> Any:
    return writer.json(str(value))


def _read_path(cls: type[Any]) -> Callable[[Any, Reader], Any]:
    return lambda data, reader: cls(_text(reader.value(data)))


def _read_decimal(data: Any, _: Reader) -> decimal.Decimal:
    try:
        return decimal.Decimal(_text(data))
    except decimal.InvalidOperation:
        raise FormatError(f"{data[:100]!r} is not a decimal number") from None


def _text(data: Any) -> str:
    if type(data) is not str:
        raise FormatError(f"expected text, found {type(data).__name__}")
    return data


def _list(data: Any) -> list[Any]:
    if type(data) is not list:
        raise FormatError(f"expected a list, found {type(data).__name__}")
    return data


def _kinds() -> dict[type, Kind]:
    kinds: dict[type, Kind] = {
        int: Kind("int", _write_int, _read_int),
        float: Kind("float", _write_float, _read_float),
        str: Kind("str", _write_str, _read_str),
        complex: Kind("complex", _write_complex, _read_complex),
        tuple: Kind("tuple", _write_items, _read_items(tuple)),
        set: Kind("set", _write_set, _read_items(set)),
        frozenset: Kind("frozenset", _write_set, _read_items(frozenset)),
        dict: Kind("dict", _write_pairs, _read_pairs(dict)),
        collections.OrderedDict: Kind(
            "ordered_dict", _write_pairs, _read_pairs(collections.OrderedDict)
        ),
        collections.Counter: Kind("counter", _write_pairs, _read_pairs(collections.Counter)),
        collections.deque: Kind("deque", _write_deque, _read_deque),
        bytes: Kind("bytes", _write_bytes, lambda data, reader: reader.bytes(data)),
        bytearray: Kind(
            "bytearray", _write_bytes, lambda data, reader: bytearray(reader.bytes(data))
        ),
        dt.datetime: Kind("datetime", _write_time, _read_time(dt.datetime)),
        dt.time: Kind("time", _write_time, _read_time(dt.time)),
        dt.date: Kind(
            "date", lambda value, _: value.isoformat(), lambda data, _: dt.date.fromisoformat(data)
        ),
        dt.timedelta: Kind("timedelta", _write_delta, _read_delta),
        decimal.Decimal: Kind("decimal", _write_text, _read_decimal),
        uuid.UUID: Kind("uuid", _write_text, lambda data, _: uuid.UUID(_text(data))),
        _Json: Kind("json", _write_text, _read_json),
    }
    # A concrete path is one of the machine where it is read.
    concrete = Kind("path", _write_path, _read_path(pathlib.Path))
    kinds[type(pathlib.Path())] = concrete
    for cls in (pathlib.PurePosixPath, pathlib.PureWindowsPath):
        name = "posix_path" if cls is pathlib.PurePosixPath else "windows_path"
        kinds[cls] = Kind(name, _write_path, _read_path(cls))
    return kinds


class _Json:
    """No value is of this class: see `codec.in_store`."""


STANDARD: Final = _kinds()
"""The kinds by class."""
