"""The scope of an attempt: makes its span the current one, and provides its ids to logs.

A scope is passed along with the attempt to threads, and pickled to other processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

__all__ = ["CURRENT", "Here", "Scope"]


class Here(NamedTuple):
    """The attempt in which the current code runs."""

    run_id: str
    place: str
    event: str
    attempt: int


CURRENT: ContextVar[Here | None] = ContextVar("volnux_here", default=None)
"""The attempt that this thread or coroutine runs, for log records."""


class Scope:
    """Enter it around an attempt.

    Args:
        event: the event's name.
        headers: the trace context of the event's span, as W3C headers; empty without tracing.
        context: the trace context as an object, for this process only.
    """

    __slots__ = ("_context", "event", "headers")

    def __init__(
        self, event: str, headers: Mapping[str, str] | None = None, context: Any = None
    ) -> None:
        self.event = event
        self.headers = dict(headers or {})
        self._context = context

    def __reduce__(self) -> tuple[Any, ...]:
        return Scope, (self.event, self.headers)

    @contextlib.contextmanager
    def entered(self, run_id: str, place: str, attempt: int) -> Iterator[None]:
        """Run a block within the scope; several attempts may use it at once."""
        token = CURRENT.set(Here(run_id, place, self.event, attempt))
        try:
            if not self.headers:
                yield
                return
            from opentelemetry import context, propagate

            # In other processes, only the ids are read: the span itself is ended where it was
            # created.
            within = self._context
            if within is None:
                within = propagate.extract(self.headers)
            attached = context.attach(within)
            try:
                yield
            finally:
                context.detach(attached)
        finally:
            CURRENT.reset(token)
