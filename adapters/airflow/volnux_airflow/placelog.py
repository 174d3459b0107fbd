"""Log lines of the events inside one task, each with the place that wrote it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["places_in_log"]


@contextmanager
def places_in_log() -> Iterator[None]:
    """A context manager in which log lines of events begin with their place."""
    # Importing this lets runs that begin from now on say which event a thread runs.
    import volnux.telemetry.logs  # noqa: F401 - only the import itself is needed
    from volnux.here import CURRENT

    made = logging.getLogRecordFactory()

    def with_place(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = made(*args, **kwargs)
        here = CURRENT.get()
        if here is not None:
            # `msg` may be any object, and is formatted with the arguments later.
            record.msg = f"{here.place}: {record.msg}"
        return record

    logging.setLogRecordFactory(with_place)
    try:
        yield
    finally:
        logging.setLogRecordFactory(made)
