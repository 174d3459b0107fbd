"""Signals of a run, emitted from the flow's body, or from Prefect's hooks if the run ends early."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volnux.events.link import Plan
from volnux.graph.report import RunReport
from volnux.hooks import signals_loaded

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline

__all__ = ["About", "announced", "hooks"]


@dataclass
class About:
    """The data about a run that listeners get.

    Attributes:
        inputs: the inputs of the run, including changes by listeners.
        context: the `execution_context`; None if there are no listeners.
        finish: a function to call with the report.
    """

    inputs: Mapping[str, Any]
    context: Any
    finish: Callable[[RunReport], object]


@contextlib.contextmanager
def announced(plan: Plan, inputs: Mapping[str, Any], cls: type[Pipeline] | None) -> Iterator[About]:
    """Emit the signals of a run: its start, its result if the block succeeds, and its shutdown."""
    if cls is None and not signals_loaded():
        yield About(inputs, None, lambda report: None)
        return
    from prefect.runtime import flow_run

    from volnux.pipeline.base import Pipeline
    from volnux.pipeline.context import ExecutionContext
    from volnux.signal import signals

    kind = cls if cls is not None else Pipeline.of_plan(plan)
    pipeline = kind(**inputs)
    context = ExecutionContext(pipeline, str(flow_run.id or ""), pipeline.inputs)
    pipeline.context = context
    signals.pipeline_execution_start.emit(kind, pipeline=pipeline)
    try:
        yield About(context.inputs, context, context.finish)
        signals.pipeline_execution_end.emit(kind, execution_context=context)
    finally:
        signals.pipeline_shutdown.emit(kind)


def hooks(name: str) -> dict[str, Callable[..., None]]:
    """Flow hooks that notify listeners of runs that Prefect ends: cancelled and crashed ones."""

    def stopped(flow: Any, flow_run: Any, state: Any) -> None:
        _emit("pipeline_stop", flow)

    def crashed(flow: Any, flow_run: Any, state: Any) -> None:
        _emit("pipeline_shutdown", flow)

    stopped.__name__, crashed.__name__ = "volnux_cancelled", "volnux_crashed"
    return {"on_cancellation": stopped, "on_crashed": crashed}


def _emit(signal: str, flow: Any) -> None:
    if not signals_loaded():
        return
    from volnux.signal import signals

    getattr(signals, signal).emit(flow)
