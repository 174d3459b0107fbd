"""Logs of events on the page of their run, each thing said once."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from volnux.events.spec import EventSpec
from volnux_prefect.compat import OwnKey

__all__ = ["send_from"]


def send_from(specs: Iterable[EventSpec | None]) -> None:
    """Send what the modules of events log, in this process, as Prefect's extra loggers do."""
    modules = {spec.event_class.__module__.partition(".")[0] for spec in specs if spec is not None}
    for name in sorted({*modules, "volnux"} - {"__main__"}):
        found = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in found.handlers):
            found.addHandler(_RunLogHandler())
            if found.level == logging.NOTSET:
                found.setLevel(logging.INFO)
    logging.getLogger("prefect.task_runs").addFilter(_said_otherwise)


class _RunLogHandler(APILogHandler):
    """Sends what is logged in a run. Prefect's own handler warns of every record outside of one."""

    def emit(self, record: logging.LogRecord) -> None:
        if TaskRunContext.get() is not None or FlowRunContext.get() is not None:
            super().emit(record)


def _said_otherwise(record: logging.LogRecord) -> bool:
    """Whether a record of Prefect's about a task run is to be logged.

    Of a task that returns a failed state Prefect logs first that state with all its data and
    "NoneType: None" for a traceback, then its end. The end is enough: the event's own traceback
    has been logged.
    """
    if record.levelno < logging.ERROR or record.exc_info != (None, None, None):
        return True
    context = TaskRunContext.get()
    return context is None or not isinstance(context.task.cache_policy, OwnKey)
