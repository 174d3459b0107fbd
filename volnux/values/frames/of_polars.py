"""Frames and series of polars as Arrow IPC.

polars writes the stream itself, but pyarrow reads it: the reader of polars ends the process if the
stream is damaged.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from volnux.extras import how_to_install
from volnux.strictjson import FormatError
from volnux.values.kinds import Kind

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["KINDS"]


def _write_frame(value: pl.DataFrame, writer: Writer) -> dict[str, Any]:
    return _write(value, writer, "DataFrame")


def _write_series(value: pl.Series, writer: Writer) -> dict[str, Any]:
    return _write(value.to_frame(), writer, "Series")


def _write(frame: pl.DataFrame, writer: Writer, what: str) -> dict[str, Any]:
    try:
        import pyarrow  # noqa: F401 - the reader needs it
    except ImportError:
        writer.refuse(f"is of type polars.{what}, which needs pyarrow", how_to_install("arrow"))
    empty = frame.clear()
    if not _is_kept(empty):
        for name, dtype in empty.schema.items():
            if not _is_kept(empty.select(name)):
                writer.refuse(
                    f"is of type polars.{what} whose column {name!r} cannot be stored: Arrow does "
                    f"not hold the type {dtype}",
                    "convert it with .cast(…), or drop it",
                )
    return writer.blob(frame.write_ipc_stream, ".arrow", size=int(frame.estimated_size()))


def _is_kept(frame: pl.DataFrame) -> bool:
    """Whether the columns of a frame come back with their types."""
    stream = io.BytesIO()
    try:
        frame.write_ipc_stream(stream)
        return _read(stream.getvalue()).schema == frame.schema
    except _ERRORS:
        return False


_ERRORS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError)


def _read(content: bytes) -> pl.DataFrame:
    """The frame of a stream.

    Raises:
        ValueError: it is not one.
    """
    try:
        from volnux.values.frames.of_pyarrow import of_stream
    except ImportError:
        raise FormatError(f"a frame of polars needs pyarrow: {how_to_install('arrow')}") from None
    table = of_stream(content)
    # polars would give a name to a column without one.
    numbers = [str(number) for number in range(table.num_columns)]
    frame = pl.from_arrow(table.rename_columns(numbers), rechunk=False)
    if not isinstance(frame, pl.DataFrame):
        raise ValueError("it is not a frame")
    frame.columns = table.column_names
    return frame


def _read_frame(data: Any, reader: Reader) -> pl.DataFrame:
    content = reader.bytes(data)
    try:
        return _read(content)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ValueError(f"it is not a frame of polars: {error}") from None


def _read_series(data: Any, reader: Reader) -> pl.Series:
    return _read_frame(data, reader).to_series()


def _write_lazy(_: pl.LazyFrame, writer: Writer) -> Any:
    writer.refuse("is of type polars.LazyFrame, which has no data yet", "call .collect()")


def _read_lazy(_: Any, __: Reader) -> Any:
    raise ValueError("no such value is ever stored")


KINDS: Final[dict[type, Kind]] = {
    pl.DataFrame: Kind("polars.DataFrame", _write_frame, _read_frame),
    pl.Series: Kind("polars.Series", _write_series, _read_series),
    pl.LazyFrame: Kind("polars.LazyFrame", _write_lazy, _read_lazy),
}
"""The kinds by class."""
