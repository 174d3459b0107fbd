"""Adds the run and the place to every line of a log."""

from __future__ import annotations

import logging

from volnux.here import CURRENT

__all__ = ["RunContextFilter"]


class RunContextFilter(logging.Filter):
    """Adds `run_id`, `place`, `event` and `attempt` to log records, for the format of a handler.

    Outside of an event, the texts are `-` and `attempt` is 0. Add it to handlers, not to loggers: a
    logger's filter does not see what loggers below it log::

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
