"""Checks the names in a graph: each is declared only once, and each bare name is declared."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from volnux.errors import Diagnostic, Span, did_you_mean, nearest
from volnux.graph.model import Graph
from volnux.graph.parts import Argument, Each, Node
from volnux.pointy.tree import Flow, Group, Parallel, Unit

__all__ = ["check_names"]


def check_names(graph: Graph) -> list[Diagnostic]:
    """What is wrong with the names of a graph whose inputs are complete, in reading order.

    It finds bare names in arguments and after `in=` that are not declared, inputs of the Pipeline
    class that are also variables or secrets of the text or names of an `each`, and `previous`
    without a schedule.
    """
    names = _Names(graph)
    found = [*_doubles(graph), *_without_schedule(graph), *names.sources()]
    for index, node in enumerate(graph.nodes):
        for argument in node.arguments:
            found += names.unknown(argument, index)
    # The rounds of an `again` have the same names at the same positions.
    return list(dict.fromkeys(found))


def _doubles(graph: Graph) -> Iterator[Diagnostic]:
    # Inputs with a position are those of the text, which the parser has checked.
    fields = {item.name for item in graph.inputs if item.span is None}
    declared = [("variable", item.name, item.span) for item in graph.variables]
    declared += [("secret", item.name, item.span) for item in graph.secrets]
    declared += [("item", each.name, _node(graph, each).span) for each in graph.eaches]
    for what, name, span in declared:
        if name in fields:
            message = f"the {what} '{name}' is also an input of the pipeline class"
            hint = "a name is declared only once: rename one of the two"
            yield graph.diagnostic("double-name", message, hint=hint, span=span)


def _without_schedule(graph: Graph) -> Iterator[Diagnostic]:
    for item in graph.inputs:
        if item.moment and item.moment.base == "previous" and not graph.schedules:
            message = f"the default of '{item.name}' is 'previous', but there is no schedule"
            hint = 'add @schedule: "0 6 * * *", or write scheduled - 1d'
            yield graph.diagnostic("no-schedule", message, hint=hint, span=item.span)


class _Names:
    """The names that a graph declares."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._lists = {item.name: item.type for item in graph.inputs}
        self._lists.update((item.name, item.type) for item in graph.variables)
        """The names that may be the list of an `each`, with their types."""
        self._declared = {*self._lists, *(item.name for item in graph.secrets)}
        self._items = {each.name for each in graph.eaches}

    def unknown(self, argument: Argument, index: int) -> Iterator[Diagnostic]:
        """An error for each unknown bare name in the arguments of a node."""
        names = dict.fromkeys(at.name for at in argument.names if at.name not in self._declared)
        items = self._items_around(index) if names else set()
        for name in names:
            if name in items:
                continue
            close = nearest(name, self._declared | items)
            meant = f"did you mean '{close[0]}'? " if close else ""
            if name in self._items:
                meant = f"'{name}' stands for an item only inside its 'each'. "
            what = "an input, a variable or a secret of this file"
            yield self._graph.diagnostic(
                "unknown-name",
                f"'{name}' is not {what}, nor an 'each' around it"
                if items
                else f"'{name}' is not {what}",
                hint=f'{meant}A text is written in quotes: {argument.name}="{name}"',
                span=argument.span,
            )

    def sources(self) -> Iterator[Diagnostic]:
        """An error for each `in=` whose name is unknown or cannot be a list."""
        graph = self._graph
        for each in graph.eaches:
            name = each.source
            if name is None or self._lists.get(name) in ("list", "any"):
                continue
            items = self._items_around(graph.topology.index[each.each])
            if name in items:
                continue
            type_ = self._lists.get(name)
            if type_ is not None:
                message = f"'in' takes a list, but '{name}' is of the type {type_}"
                hint = "name an input or a variable of the type list"
            else:
                message = f"'{name}' is not an input or a variable of this file"
                if items:
                    message += ", nor an 'each' around it"
                declare = f"declare it with @input: {name}: list"
                hint = did_you_mean(name, {*self._lists, *items}, declare)
            yield graph.diagnostic(
                "unknown-name", message, hint=hint, span=self._source_spans.get(each.span)
            )

    def _items_around(self, index: int) -> set[str]:
        """The names of the `each`es around a node."""
        return {each.name for each in self._graph.topology.around[index]} if self._items else set()

    @functools.cached_property
    def _source_spans(self) -> dict[Span | None, Span]:
        """The position of the name after `in=`, by that of the event or group with the `each`."""
        text = self._graph.source
        found = _units(text.file.flow) if text else ()
        return {
            unit.primary.span: source.value_span
            for unit in found
            if (source := unit.option("in")) is not None
        }


def _node(graph: Graph, each: Each) -> Node:
    """The node that begins an `each`; its position is that of the option."""
    return graph.nodes[graph.topology.index[each.each]]


def _units(flow: Flow) -> Iterator[Unit]:
    """Every unit of a flow, in reading order."""
    stack: list[Flow | Parallel | Unit] = [flow]
    while stack:
        match stack.pop():
            case Flow(parts=parts):
                stack += reversed(parts)
            case Parallel(arms=arms):
                stack += reversed(arms)
            case Unit() as unit:
                yield unit
                stack += [branch.flow for branch in reversed(unit.branches)]
                if isinstance(unit.primary, Group):
                    stack.append(unit.primary.body)
