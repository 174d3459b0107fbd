"""Run and place in every line of a log."""

from __future__ import annotations

import logging

from volnux.telemetry.scope import CURRENT

__all__ = ["RunContextFilter"]


class RunContextFilter(logging.Filter):
    """Gives log records `run_id`, `place`, `event` and `attempt`, for the format of a handler.

    Outside of an event they are `-` (and 0). Add it to handlers, not to loggers: a logger's filter
    does not see what loggers below it log::

        handler.addFilter(RunContextFilter())
        handler.setFormatter(logging.Formatter("%(run_id)s %(place)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, with its ids."""
        here = CURRENT.get()
        if here is None:
            ids = {"run_id": "-", "place": "-", "event": "-", "attempt": 0}
        else:
            ids = here._asdict()
        for name, value in ids.items():
            # Values set with `extra` stay.
            record.__dict__.setdefault(name, value)
        return True
