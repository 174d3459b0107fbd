"""Arms of a flow that run concurrently."""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import Coroutine, Iterable
from typing import Any

from volnux_prefect.plain.places import EventFailed

__all__ = ["LATEST", "all_of", "any_of"]

LATEST: contextvars.ContextVar[tuple[uuid.UUID, ...]] = contextvars.ContextVar(
    "volnux_latest", default=()
)
"""The task runs that ended last in this arm. The page of the flow run connects them with the next
task runs."""


async def all_of(*arms: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run arms concurrently, and wait until each has ended. All of them must succeed.

    Raises:
        EventFailed: the failure of the first failed place in reading order.
    """
    ended = await _each(arms)
    failures = [each for each in ended if isinstance(each, EventFailed)]
    if failures:
        raise _first(failures)
    return ended


async def any_of(*arms: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run arms concurrently, and wait until each has ended. At least one must succeed.

    The result of a failed arm is None.

    Raises:
        EventFailed: all arms failed. It is the failure of the first place in reading order.
    """
    ended = await _each(arms)
    failures = [each for each in ended if isinstance(each, EventFailed)]
    if len(failures) == len(arms):
        raise _first(failures)
    return [None if isinstance(each, EventFailed) else each for each in ended]


async def _each(arms: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """What each arm returned, or the `EventFailed` that it raised. Other exceptions are raised."""
    latest: list[uuid.UUID] = []

    async def run(arm: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await arm
        finally:
            latest.extend(LATEST.get())

    ended = await asyncio.gather(*map(run, arms), return_exceptions=True)
    LATEST.set(tuple(dict.fromkeys(latest)))
    for each in ended:
        if isinstance(each, BaseException) and not isinstance(each, EventFailed):
            raise each
    return ended


def _first(failures: Iterable[EventFailed]) -> EventFailed:
    """Return the failure of the first place in reading order, with the others attached to it."""
    every = [single for each in failures for single in (each, *each.others)]
    first, *others = sorted(every, key=lambda each: each.order)
    for each in every:
        each.others = []
    first.others = others
    return first
