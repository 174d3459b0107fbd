"""Runs the events of a case; the generated modules of cases call this.

It needs only the script, so it works in the workers of every backend.
"""

from __future__ import annotations

import asyncio
import builtins
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from volnux.events.base import NotYet, not_yet
from volnux.graph.places import names_of
from volnux.testing.behaviour import listed

__all__ = ["play", "play_async", "typed"]


def typed(script: Any, *classes: type) -> Any:
    """A script whose values were written as tagged JSON.

    Args:
        script: the script as JSON.
        classes: the classes that its values are of.
    """
    from volnux.values import Known, from_json

    return from_json(script, classes=Known(classes))


def play(event: Any, script: Mapping[str, Any], **arguments: Any) -> Any:
    """Execute the script for this place and attempt, and return the value for `process`.

    Args:
        event: the event object, with its place and its attempt.
        script: the `PlaceScript` of each place as JSON, by place; that of `Fetch` is for every copy
            without an own one.
        **arguments: the arguments of `process`.
    """
    does = _script_of(event, script)
    if delay := _delay(event, does):
        time.sleep(delay)
    return _end(event, does, arguments)


async def play_async(event: Any, script: Mapping[str, Any], **arguments: Any) -> Any:
    """The same in a coroutine."""
    does = _script_of(event, script)
    if delay := _delay(event, does):
        await asyncio.sleep(delay)
    return _end(event, does, arguments)


def _script_of(event: Any, script: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Iterator[Mapping[str, Any]]
    found = (script[name] for name in names_of(event.task_id) if name in script)
    return next(found, {})


def _delay(event: Any, does: Mapping[str, Any]) -> float:
    """How long this call takes, in seconds."""
    delays = does.get("delay", 0)
    if not isinstance(delays, list):
        return float(delays)
    calls: int = event.attempt + event.polls
    return float(delays[calls - 1]) if calls <= len(delays) else 0


def _polls(event: Any, does: Mapping[str, Any]) -> int:
    """How many calls say "not yet" up to the end of this attempt."""
    polls = does.get("polls", 0)
    return sum(polls[: event.attempt]) if isinstance(polls, list) else polls


def _not_yet(event: Any, does: Mapping[str, Any], reason: str) -> NoReturn:
    says = does.get("says", "method")
    if says == "function":
        not_yet(reason)
    if says == "method":
        event.not_yet(reason)
    raise NotYet(reason)


def _end(event: Any, does: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    if event.polls < _polls(event, does):
        reason = does.get("reason", "poll {polls}")
        _not_yet(event, does, reason.format(polls=event.polls + 1, **arguments))
    if does.get("logs"):
        logging.getLogger("volnux.testing.case").warning(does["logs"].format(**arguments))
    raises = does.get("raises", [])
    if isinstance(raises, list):
        raises = raises[event.attempt - 1] if event.attempt <= len(raises) else None
    if raises is not None:
        raise getattr(builtins, raises)(does.get("message", "no way").format(**arguments))
    if "returns" in does:
        return does["returns"]
    descriptor = does.get("descriptor", 1)
    if isinstance(descriptor, list):
        descriptor = descriptor[min(event.attempt, len(descriptor)) - 1]
    result = does.get("result", listed(event.task_id, does.get("items", [])))
    if does.get("passes"):
        result = _value(event, does["passes"], arguments)
    elif does.get("reads"):
        result = {name: _read(event, name, arguments) for name in does["reads"]}
    match does.get("how", "number"):
        case "goto":
            event.goto(descriptor, result)
        case "bool":
            return bool(descriptor), result
    return descriptor, result


def _read(event: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    inner = name.removeprefix("type(").removesuffix(")")
    value = _value(event, inner, arguments)
    return _plain(value) if inner == name else type(value).__name__


def _value(event: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    return arguments[name] if name in arguments else getattr(event, name)


def _plain(value: Any) -> Any:
    """The value as JSON, as it is shown in a report."""
    from volnux.graph.jsonable import jsonable

    return jsonable(dict(value) if isinstance(value, Mapping) else value)
