"""The meaning of a flow without its layout, to compare flows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from volnux.pointy.tree import Event, Fail, Flow, Group, Name, Parallel, Unit, Used

__all__ = ["shape"]


def shape(flow: Flow) -> Iterator[object]:
    """The flow as plain tokens without positions; equal flows have equal tokens.

    A loop with its own stack, since a flow may be nested deeper than Python recurses.
    """
    stack: list[object] = [flow]
    while stack:
        item = stack.pop()
        match item:
            case Flow(parts=parts, arrows=arrows):
                stack.append("end")
                for index in range(len(parts) - 1, -1, -1):
                    stack.append(parts[index])
                    if index:
                        stack.append(arrows[index - 1].value)
                stack.append("flow")
            case Parallel(arms=arms):
                for index in range(len(arms) - 1, -1, -1):
                    stack.append(arms[index])
                    if index:
                        stack.append("||")
            case Unit():
                for branch in reversed(item.branches):
                    stack.append(branch.flow)
                    stack.append((branch.descriptor, branch.arrow.value))
                for option in reversed(item.options):
                    stack.append((option.name, option.value, type(option.value)))
                stack.append(item.retry and item.retry.attempts)
                stack.append(item.primary)
            case Event(name=name, arguments=arguments):
                yield ("event", name)
                for argument in arguments:
                    yield ("argument", argument.name, _plain(argument.value))
            case Used(name=name, arguments=arguments):
                yield ("use", name)
                for argument in arguments:
                    yield ("argument", argument.name, _plain(argument.value))
            case Fail():
                yield "!"
            case Group(body=body):
                stack.append(body)
            case _:
                yield item


def _plain(value: Any) -> object:
    """An argument's value without positions; unlike in Python, `1`, `1.0` and `true` differ."""
    match value:
        case Name(name=name):
            return ("name", name)
        case list():
            return tuple(map(_plain, value))
        case dict():
            return frozenset((key, _plain(each)) for key, each in value.items())
        case _:
            return (type(value).__name__, value)
