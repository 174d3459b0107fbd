"""The scope of an attempt: makes its span the current one, and provides its ids to logs.

A scope is passed along with the attempt to threads, and pickled to other processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
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

    def entered(self, run_id: str, place: str, attempt: int) -> AbstractContextManager[None]:
        """Run a block within the scope; several attempts may use it at once."""
        here = Here(run_id, place, self.event, attempt)
        return self._traced(here) if self.headers else _Entered(here)

    @contextlib.contextmanager
    def _traced(self, here: Here) -> Iterator[None]:
        from opentelemetry import context, propagate

        # In other processes, only the ids are read: the span itself is ended where it was created.
        within = self._context
        if within is None:
            within = propagate.extract(self.headers)
        with _Entered(here):
            attached = context.attach(within)
            try:
                yield
            finally:
                context.detach(attached)


class _Entered(AbstractContextManager[None]):
    """Runs a block in an attempt. A class, because that is faster than a generator."""

    __slots__ = ("_here", "_token")

    def __init__(self, here: Here) -> None:
        self._here = here

    def __enter__(self) -> None:
        self._token = CURRENT.set(self._here)

    def __exit__(self, *_: object) -> None:
        CURRENT.reset(self._token)
