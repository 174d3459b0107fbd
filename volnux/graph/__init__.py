"""The graph of a pipeline, independent of any backend, and its meaning as a state machine."""

from __future__ import annotations

from volnux.graph.compile import compile
from volnux.graph.execution import Execution
from volnux.graph.model import Edge, Entry, Graph, GraphFormatError, Kind, Node, Value, ValueKind
from volnux.graph.outcome import Failure, RunStatus, State
from volnux.graph.report import PlaceReport, RunReport
from volnux.graph.simulate import simulate
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
