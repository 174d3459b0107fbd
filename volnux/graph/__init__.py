"""The graph of a pipeline, independent of any backend, and its meaning as a state machine."""

from __future__ import annotations

from volnux._lazy import lazy

TYPE_CHECKING = False  # as in `volnux`
if TYPE_CHECKING:
    from volnux.graph.compiling import compile
    from volnux.graph.execution import Execution
    from volnux.graph.model import (
        Edge,
        Entry,
        Graph,
        GraphFormatError,
        Kind,
        Node,
        Value,
        ValueKind,
    )
    from volnux.graph.outcome import Failure, RunStatus, State
    from volnux.graph.report import PlaceReport, RunReport
    from volnux.graph.simulating import simulate
    from volnux.strictjson import FormatError

__all__ = [
    "Edge",
    "Entry",
    "Execution",
    "Failure",
    "FormatError",
    "Graph",
    "GraphFormatError",
    "Kind",
    "Node",
    "PlaceReport",
    "RunReport",
    "RunStatus",
    "State",
    "Value",
    "ValueKind",
    "compile",
    "simulate",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.graph.compiling": ("compile",),
        "volnux.graph.execution": ("Execution",),
        "volnux.graph.model": (
            "Edge",
            "Entry",
            "Graph",
            "GraphFormatError",
            "Kind",
            "Node",
            "Value",
            "ValueKind",
        ),
        "volnux.graph.outcome": ("Failure", "RunStatus", "State"),
        "volnux.graph.report": ("PlaceReport", "RunReport"),
        "volnux.graph.simulating": ("simulate",),
        "volnux.strictjson": ("FormatError",),
    },
)
