"""`volnux.run` and `volnux.arun`: a `.pty` file run by one call."""

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
        backend: an installed backend, or its name.
        workers: how many events run at once, if the backend has such a setting.
        portable: results must be JSON and are passed as JSON, as orchestrators do.
        observer: receives what happens in the run.
        control: lets other code stop the run.
        results: keep every result to the end; see `Pipeline.start`.

    Returns:
        The context of the run, even if it failed: `raise_for_status` then raises.

    Raises:
        FileError: the file cannot be read.
        PointyError: the flow is wrong, or does not fit the events.
        InputError: inputs are missing, unknown or of a wrong type; with every fault.
        BackendError: there is no such backend, or it refuses the flow.
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

    Cancelling the task that awaits this cancels the run: see `Pipeline.astart`.
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
