"""Tables and record batches of pyarrow as Arrow IPC streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyarrow as pa
from pyarrow import ipc

from volnux.values.kinds import Kind

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["KINDS", "as_stream", "of_stream", "size_of"]


def as_stream(table: pa.Table) -> Callable[[BinaryIO], None]:
    """A function that writes a table to a stream."""

    def write(stream: BinaryIO) -> None:
        with ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)

    return write


def size_of(table: pa.Table) -> int:
    """About how many bytes the stream of a table has."""
    try:
        size: int = table.nbytes
    except pa.ArrowTypeError:  # older versions do not know it for views of texts
        size = table.get_total_buffer_size()
    return size


def of_stream(data: bytes) -> pa.Table:
    """The table of a stream, after a check of all its parts; it shares the memory of the data.

    Raises:
        ValueError: it is not such a stream.
    """
    try:
        with ipc.open_stream(pa.py_buffer(data)) as stream:
            table = stream.read_all()
        # Arrow itself trusts its input: an offset that is wrong would read any memory.
        table.validate(full=True)
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise ValueError(f"it is not a table of Arrow: {error}") from None
    return table


def _write_table(value: pa.Table, writer: Writer) -> dict[str, Any]:
    return writer.blob(as_stream(value), ".arrow", size=size_of(value))


def _read_table(data: Any, reader: Reader) -> pa.Table:
    table = of_stream(reader.bytes(data))
    str(table.schema)  # names that are not UTF-8 are an error here, and not where they are used
    for field in table.schema:
        name = (field.metadata or {}).get(b"ARROW:extension:name")
        if name is not None:
            raise ValueError(
                f"the column {field.name!r} has the type {name.decode(errors='replace')!r}, "
                "which is not registered here"
            )
    return table


def _write_batch(value: pa.RecordBatch, writer: Writer) -> dict[str, Any]:
    return _write_table(pa.Table.from_batches([value]), writer)


def _read_batch(data: Any, reader: Reader) -> pa.RecordBatch:
    table = _read_table(data, reader)
    batches = table.to_batches()
    if len(batches) > 1:
        raise ValueError("it has several batches")
    # A table without rows has none.
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


KINDS: Final[dict[type, Kind]] = {
    pa.Table: Kind("pyarrow.Table", _write_table, _read_table),
    pa.RecordBatch: Kind("pyarrow.RecordBatch", _write_batch, _read_batch),
}
"""The kinds by class."""
