"""`volnux.run` and `volnux.arun`: run a `.pty` file with one call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volnux.loading import load_plan
from volnux.pipeline.base import Pipeline
from volnux.pipeline.context import ExecutionContext

if TYPE_CHECKING:
    from volnux.backends.port import Backend, RunControl, RunObserver

__all__ = ["arun", "run"]


def run(
    file: str | os.PathLike[str],
    inputs: Mapping[str, Any] | None = None,
    /,
    *,
    events: Sequence[str] = (),
    backend: str | Backend = "standalone",
    workers: int | None = None,
    portable: bool = False,
    observer: RunObserver | None = None,
    control: RunControl | None = None,
    results: bool = True,
) -> ExecutionContext:
    """Run a `.pty` file to its end.

    Args:
        file: the path of the file.
        inputs: the inputs of the run, by name.
        events: dotted modules to look events up in; they replace `@events`.
        backend: a backend, or the name of an installed one.
        workers: the maximum number of events that run at once, if the backend has such a setting.
        portable: whether results must be JSON and are passed on as JSON, as on orchestrators.
        observer: an object whose methods are called when something happens in the run.
        control: a handle for other code to stop the run.
        results: whether to keep every result to the end; see `Pipeline.start`.

    Returns:
        The context of the run, even if the run failed; its `raise_for_status` then raises an error.

    Raises:
        FileError: the file cannot be read.
        PointyError: the flow has errors, or does not fit the events.
        InputError: inputs are missing, unknown or have a wrong type; the error lists all faults.
        BackendError: there is no such backend, or it does not support the flow.
    """
    return _pipeline(file, inputs, events).start(
        backend=backend,
        workers=workers,
        portable=portable,
        observer=observer,
        control=control,
        results=results,
    )


async def arun(
    file: str | os.PathLike[str],
    inputs: Mapping[str, Any] | None = None,
    /,
    *,
    events: Sequence[str] = (),
    backend: str | Backend = "standalone",
    workers: int | None = None,
    portable: bool = False,
    observer: RunObserver | None = None,
    control: RunControl | None = None,
    results: bool = True,
) -> ExecutionContext:
    """Run a `.pty` file to its end without blocking the event loop: see `run`.

    Cancelling the awaiting task cancels the run: see `Pipeline.astart`.
    """
    return await _pipeline(file, inputs, events).astart(
        backend=backend,
        workers=workers,
        portable=portable,
        observer=observer,
        control=control,
        results=results,
    )


def _pipeline(
    file: str | os.PathLike[str], inputs: Mapping[str, Any] | None, events: Sequence[str]
) -> Pipeline:
    modules = (events,) if isinstance(events, str) else events
    plan = load_plan(Path(file), events=modules)
    return Pipeline.of_plan(plan)(**(inputs or {}))
