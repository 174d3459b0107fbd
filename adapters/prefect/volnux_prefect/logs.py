"""Logs of events on the page of their run, without duplicates."""

from __future__ import annotations

import contextvars
import copy
import logging
from collections.abc import Iterable

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from volnux.events.spec import EventSpec
from volnux_prefect.compat import OwnKey
from volnux_prefect.endings import ASKS, NOT_YET

__all__ = ["PLACE", "send_from"]

PLACE: contextvars.ContextVar[str | None] = contextvars.ContextVar("volnux_place", default=None)
"""The place whose attempt runs here, if it is one of several in the same task run."""


def send_from(specs: Iterable[EventSpec | None]) -> None:
    """Send the logs of event modules to Prefect, like those of its `extra_loggers` setting."""
    modules = {spec.event_class.__module__.partition(".")[0] for spec in specs if spec is not None}
    for name in sorted({*modules, "volnux"} - {"__main__"}):
        found = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in found.handlers):
            found.addHandler(_RunLogHandler())
            if found.level == logging.NOTSET:
                found.setLevel(logging.INFO)
    own = logging.getLogger("prefect.task_runs")
    own.addFilter(_said_otherwise)
    own.addFilter(_name_place)


class _RunLogHandler(APILogHandler):
    """Sends records only during a run. Prefect's own handler would warn about all others."""

    def emit(self, record: logging.LogRecord) -> None:
        if TaskRunContext.get() is not None or FlowRunContext.get() is not None:
            told = copy.copy(record)
            _name_place(told)
            super().emit(told)


def _name_place(record: logging.LogRecord) -> bool:
    """Name the place that a record comes from, if its task run has another name. Keeps all."""
    place = PLACE.get()
    # Our own loggers name the place themselves.
    if place is not None and record.name.partition(".")[0] != "volnux":
        record.msg, record.args = f"{place}: {record.getMessage()}", ()
    return True


def _said_otherwise(record: logging.LogRecord) -> bool:
    """Whether to keep one of Prefect's log records about a task run.

    When a task returns a failed state, Prefect logs two records. The first has all data of the
    state and "NoneType: None" as traceback, and the second says how the task ended. The first is
    dropped, because the event's own traceback has already been logged.

    For an event that said "not yet", Prefect logs as an error that the task run has finished.
    """
    if record.levelno < logging.ERROR:
        return True
    if str(record.msg).startswith(_WAITS):
        return False
    if record.exc_info != (None, None, None):
        return True
    context = TaskRunContext.get()
    return context is None or not isinstance(context.task.cache_policy, OwnKey)


_WAITS = tuple(f"Finished in state {name}(" for name in (NOT_YET, ASKS))
"""How Prefect's log records about a task run that waits begin."""
