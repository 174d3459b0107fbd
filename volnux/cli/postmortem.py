"""`volnux run --pdb`: opens the debugger in the event whose failure ended the run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from volnux.cli import output
from volnux.errors import shortened
from volnux.graph.outcome import FAILURE, Failure

if TYPE_CHECKING:
    from volnux.graph.report import RunReport

__all__ = ["post_mortem"]


def post_mortem(report: RunReport) -> None:
    """Open the debugger in the first event with an unhandled failure, or print why that fails."""
    failed = (
        (place, item)
        for place, item in report.places.items()
        if item.descriptor == FAILURE and not item.handled
    )
    place, item = next(failed, (None, None))
    if item is None:
        return
    failure = item.failure
    if failure is None:
        _say(f"{place} returned a failure and raised no exception: put breakpoint() into it")
    elif not _has_frames(failure) and "  File " in failure.traceback:
        _say(
            f"{place} ran in another process, and its stack frames are gone: to debug it, write "
            f"{item.event}[executor=inline], which runs it in this process"
        )
    elif not _has_frames(failure):
        _say(f"{place} has no stack frames: {shortened(str(failure))}")
    else:
        import pdb

        _say(f"post mortem of {place}: {shortened(str(failure))} (q to quit)")
        error: Any = failure.exception
        # From Python 3.13, the debugger can also show the causes of an exception.
        pdb.post_mortem(error if sys.version_info >= (3, 13) else error.__traceback__)


def _has_frames(failure: Failure) -> bool:
    return failure.exception is not None and failure.exception.__traceback__ is not None


def _say(text: str) -> None:
    output.say(f"--pdb: {text}")
