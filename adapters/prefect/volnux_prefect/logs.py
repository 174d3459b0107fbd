"""Logs of events on the page of their run, without duplicates."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from volnux.events.spec import EventSpec
from volnux_prefect.compat import OwnKey

__all__ = ["send_from"]


def send_from(specs: Iterable[EventSpec | None]) -> None:
    """Send the logs of event modules in this process to Prefect, as its extra loggers do."""
    modules = {spec.event_class.__module__.partition(".")[0] for spec in specs if spec is not None}
    for name in sorted({*modules, "volnux"} - {"__main__"}):
        found = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in found.handlers):
            found.addHandler(_RunLogHandler())
            if found.level == logging.NOTSET:
                found.setLevel(logging.INFO)
    logging.getLogger("prefect.task_runs").addFilter(_said_otherwise)


class _RunLogHandler(APILogHandler):
    """Sends what is logged in a run. Prefect's own handler warns about records outside of a run."""

    def emit(self, record: logging.LogRecord) -> None:
        if TaskRunContext.get() is not None or FlowRunContext.get() is not None:
            super().emit(record)


def _said_otherwise(record: logging.LogRecord) -> bool:
    """Whether to log one of Prefect's records about a task run.

    When a task returns a failed state, Prefect first logs that state with all its data and
    "NoneType: None" as traceback, and then how the task ended. The second record is enough: the
    event's own traceback has already been logged.
    """
    if record.levelno < logging.ERROR or record.exc_info != (None, None, None):
        return True
    context = TaskRunContext.get()
    return context is None or not isinstance(context.task.cache_policy, OwnKey)
