"""What an event returns with each descriptor, as the annotation of its `process` says."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from types import CodeType
from typing import Any, Final

from volnux.events.annotated import returned_by
from volnux.events.base import EventBase
from volnux.events.shapes import AnyOf, members_of
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS

__all__ = ["result_type"]

_ALL: Final = frozenset(range(10))


def result_type(spec: EventSpec, descriptor: int) -> Any:
    """The annotation of what an event pipes on after a descriptor; `Any` if it is not known.

    After 0, it is what the event returned, or a `Failure`.
    """
    returned = returned_by(spec.function)
    if returned is None or descriptor == FAILURE:
        return Any
    if descriptor != SUCCESS and _may_go_to(spec):
        return Any
    # A condition changes the descriptor of a success.
    is_condition = any(number == descriptor for number, _ in spec.conditions)
    wanted = {descriptor, SUCCESS} if is_condition else {descriptor}
    found = []
    for member in members_of(returned):
        arguments = typing.get_args(member)
        if member is typing.NoReturn or member is typing.Never:
            continue
        if typing.get_origin(member) is not tuple or len(arguments) != 2:
            return Any
        descriptors = _descriptors(arguments[0])
        if descriptors is None or arguments[1] is Ellipsis:
            return Any
        if descriptors & wanted:
            found.append(arguments[1])
    return AnyOf(tuple(found)) if found else Any


def _descriptors(annotation: Any) -> frozenset[int] | None:
    """The descriptors that an annotation allows; None if it is not one of a descriptor."""
    found: set[int] = set()
    for member in members_of(annotation):
        if member is bool:
            found |= {FAILURE, SUCCESS}
        elif typing.get_origin(member) is typing.Literal:
            found |= {int(value) for value in typing.get_args(member) if isinstance(value, int)}
        elif isinstance(member, type) and issubclass(member, int):
            found |= _ALL
        else:
            return None
    return frozenset(found)


def _may_go_to(spec: EventSpec) -> bool:
    """Whether the code of an event mentions `goto`, which may end it with any result."""
    classes = spec.event_class.__mro__[: spec.event_class.__mro__.index(EventBase)]
    members = [spec.function, *(each for base in classes for each in vars(base).values())]
    return any("goto" in code.co_names for each in members for code in _code_of(each))


def _code_of(member: Any) -> Iterator[CodeType]:
    """The code of a function or method, and of the functions in it."""
    function = getattr(member, "__func__", getattr(member, "fget", None) or member)
    waiting = [getattr(function, "__code__", None)]
    while waiting:
        code = waiting.pop()
        if isinstance(code, CodeType):
            yield code
            waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
