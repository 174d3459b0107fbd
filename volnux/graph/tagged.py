"""How a `Failure` is written as a value: it may be piped, or part of a result."""

from __future__ import annotations

from collections.abc import Mapping

from volnux.graph.outcome import Failure
from volnux.values.kinds import Kind

__all__ = ["kinds"]


def kinds(_: str) -> Mapping[type, Kind]:
    """The kinds of classes of volnux; see `volnux.values.registry`."""
    return {
        Failure: Kind(
            "volnux.failure",
            lambda failure, writer: writer.json(failure.to_json()),
            lambda data, reader: Failure.from_json(reader.value(data)),
        )
    }
