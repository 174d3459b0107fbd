"""Piped values and the arguments of events, as written in the Python source of a DAG."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from volnux.graph.model import Argument, Graph, ValueKind
from volnux.pysource import Expression, Names, call, list_of, literal, mapping_of

__all__ = ["arguments_of", "values_of"]


def values_of(
    graph: Graph, own: Callable[[str], str], names: Names
) -> tuple[dict[int, Expression], list[tuple[str, Expression]]]:
    """Each value as an expression. Values that are used more than once become variables.

    Args:
        graph: the graph.
        own: imports a name that the file itself needs, and returns its name in the file.
        names: the names that the file already uses.
    """
    values = graph.values
    wanted = [
        index
        for node in graph.nodes
        for index in (node.receives, node.failure)
        if index is not None
    ]
    used: dict[int, int] = {}
    for index in wanted:
        used[index] = used.get(index, 0) + 1
    for index in range(len(values) - 1, -1, -1):
        if index in used:
            for part in values[index].of:
                used[part] = used.get(part, 0) + 1
    made: dict[int, Expression] = {}
    variables: list[tuple[str, Expression]] = []
    for index in sorted(used):
        value = values[index]
        if value.kind is ValueKind.RESULT and value.when is None:
            made[index] = literal(value.node)
            continue
        name = own(value.kind.value)
        if value.node is not None:
            when = None if value.when is None else literal(list(value.when))
            made[index] = call(name, literal(value.node), when=when)
        else:
            made[index] = call(name, *(made[part] for part in value.of))
        if used[index] > 1:
            variable = names.fresh(f"value_{len(variables) + 1}")
            variables.append((variable, made[index]))
            made[index] = variable
    return made, variables


def arguments_of(arguments: Iterable[Argument], own: Callable[[str], str]) -> Expression:
    """The arguments of an event or a use. A name in a value is written as `Name("day")`."""

    def named(name: str) -> _Named:
        return _Named(call(own("Name"), literal(name)))

    return mapping_of(
        (argument.name, _with_names(argument.filled(named))) for argument in arguments
    )


class _Named(NamedTuple):
    """An expression within the value of an argument."""

    expression: Expression


def _with_names(value: Any) -> Expression:
    """The Python source of an argument's value, which may contain expressions."""
    match value:
        case _Named(expression):
            return expression
        case list():
            return list_of(map(_with_names, value))
        case dict():
            return mapping_of((key, _with_names(item)) for key, item in value.items())
        case _:
            return literal(value)
