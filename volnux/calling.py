"""`volnux.run` and `volnux.arun`: run a pipeline with one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volnux.loading import load_plan
from volnux.pipeline.base import Pipeline

if TYPE_CHECKING:
    import datetime as dt

    from volnux.backends.port import Backend, RunControl, RunObserver
    from volnux.graph.report import RunReport
    from volnux.kit.resume import Resume
    from volnux.runs.store import StoreLike

__all__ = ["Flow", "arun", "pipeline_of", "run"]

Flow = str | os.PathLike[str] | type[Pipeline] | None
"""The path of a file, or a pipeline class; None if the text of a flow is given."""


def run(
    flow: Flow = None,
    inputs: Mapping[str, Any] | None = None,
    /,
    *,
    text: str | None = None,
    events: Any = (),
    backend: str | Backend = "standalone",
    workers: int | None = None,
    portable: bool = False,
    observer: RunObserver | None = None,
    control: RunControl | None = None,
    results: bool = True,
    run_id: str | None = None,
    scheduled_at: dt.datetime | None = None,
    variables: Mapping[str, Any] | None = None,
    store: StoreLike | None = None,
    resume: Resume | None = None,
    **more: Any,
) -> RunReport:
    """Run a pipeline to its end: `volnux.run("orders.pty", day="2026-01-01")`.

    Args:
        flow: the path of a `.pty` file, or a pipeline class.
        inputs: inputs of the run by name; required for inputs that have the same name as an
            argument of this function.
        text: the text of a flow, in place of a file. Its events are those of `events` and of the
            main program.
        events: dotted modules to look events up in; they replace `@events`. With `text`,
            also modules and event classes or functions.
        backend: a backend, or the name of an installed one.
        workers: the maximum number of events that run at once, if the backend has such a setting.
        portable: whether results must be JSON and are passed on as JSON, as on orchestrators.
        observer: an object whose methods are called when something happens in the run.
        control: a handle for other code to stop the run.
        results: whether to keep every result to the end; see `Pipeline.start`.
        run_id: the run's id; a new one if None.
        scheduled_at: the scheduled time of the run, aware; now if None.
        variables: values of variables for this run, in place of the host's.
        store: where the run is kept, as a `volnux.runs.Store` or a path; None if it is not.
        resume: the id of a run in the store whose outcomes are kept; see `Pipeline.start`.
        more: further inputs of the run.

    Returns:
        The report of the run, even if the run failed; its `raise_for_status` then raises an error.

    Raises:
        FileError: the file cannot be read.
        PointyError: the flow has errors, or does not fit the events.
        InputError: inputs are missing, unknown or have a wrong type; the error lists all faults.
        BackendError: there is no such backend, or it does not support the flow.
    """
    context = pipeline_of(flow, text, events)(**_together(inputs, more)).start(
        backend=backend,
        workers=workers,
        portable=portable,
        observer=observer,
        control=control,
        results=results,
        run_id=run_id,
        scheduled_at=scheduled_at,
        variables=variables,
        store=store,
        resume=resume,
    )
    return context.report


async def arun(
    flow: Flow = None,
    inputs: Mapping[str, Any] | None = None,
    /,
    *,
    text: str | None = None,
    events: Any = (),
    backend: str | Backend = "standalone",
    workers: int | None = None,
    portable: bool = False,
    observer: RunObserver | None = None,
    control: RunControl | None = None,
    results: bool = True,
    scheduled_at: dt.datetime | None = None,
    variables: Mapping[str, Any] | None = None,
    store: StoreLike | None = None,
    resume: Resume | None = None,
    **more: Any,
) -> RunReport:
    """Run a pipeline to its end without blocking the event loop: see `run`.

    Cancelling the awaiting task cancels the run: see `Pipeline.astart`.
    """
    context = await pipeline_of(flow, text, events)(**_together(inputs, more)).astart(
        backend=backend,
        workers=workers,
        portable=portable,
        observer=observer,
        control=control,
        results=results,
        scheduled_at=scheduled_at,
        variables=variables,
        store=store,
        resume=resume,
    )
    return context.report


def pipeline_of(flow: Flow, text: str | None = None, events: Any = ()) -> type[Pipeline]:
    """The pipeline class for what `run` was given.

    Raises:
        TypeError: it is neither a file, nor a pipeline class, nor a text, or more than one of them.
        FileError: the file cannot be read.
        PointyError: the flow is wrong, or does not fit the events.
    """
    if (flow is None) is (text is None):
        raise TypeError("give the path of a file, a pipeline class, or text=…: exactly one of them")
    listed = (events,) if isinstance(events, str) else events
    if text is not None:
        meta = {"pointy": text, "events": listed}
        return type("Flow", (Pipeline,), {"meta": meta, "__module__": "__main__"})
    if isinstance(flow, type):
        if not issubclass(flow, Pipeline):
            raise TypeError(f"a pipeline class was expected, found {flow.__name__}")
        return flow
    if not isinstance(flow, str | os.PathLike):
        raise TypeError(f"a path or a pipeline class was expected, found {type(flow).__name__}")
    return Pipeline.of_plan(load_plan(Path(flow), events=listed))


def _together(inputs: Mapping[str, Any] | None, more: dict[str, Any]) -> dict[str, Any]:
    twice = [name for name in inputs or () if name in more]
    if twice:
        raise TypeError(f"the input '{twice[0]}' is given twice")
    return {**(inputs or {}), **more}
