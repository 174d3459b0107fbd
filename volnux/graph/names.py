"""Checks the names in a graph: each is declared only once, and each bare name is declared."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator

from volnux.errors import Diagnostic, Span, did_you_mean, nearest
from volnux.graph.model import At, Graph
from volnux.graph.parts import Argument, Each, Node
from volnux.graph.topology import ROOT
from volnux.pointy.tree import Flow, Group, Parallel, Unit

__all__ = ["check_names"]


def check_names(graph: Graph) -> list[Diagnostic]:
    """What is wrong with the names of a graph whose inputs are complete, in reading order.

    It finds bare names in arguments and after `in=` that are not declared, inputs of the Pipeline
    class that are also variables or secrets of the text or names of an `each`, and `previous`
    without a schedule.
    """
    found = [*_doubles(graph), *_without_schedule(graph)]
    parts = _Parts(graph)
    # The names in a text mean the same in each of its uses.
    read: set[int] = set()
    for use in (ROOT, *range(len(graph.uses))):
        file = graph.uses[use].of if use != ROOT else 0
        if file not in read:
            read.add(file)
            found += _Names(graph, use, file, parts).faults()
    # The rounds of an `again` have the same names at the same positions.
    return list(dict.fromkeys(found))


def _doubles(graph: Graph) -> Iterator[Diagnostic]:
    # Inputs with a position are those of the text, which the parser has checked.
    fields = {item.name for item in graph.inputs if item.span is None}
    declared: list[tuple[str, str, Span | None]] = []
    declared += [("variable", item.name, item.span) for item in graph.variables]
    declared += [("secret", item.name, item.span) for item in graph.secrets]
    declared += [
        ("item", each.name, _node(graph, each).span) for each in graph.eaches if not each.file
    ]
    for what, name, span in declared:
        if name in fields:
            message = f"the {what} '{name}' is also an input of the pipeline class"
            hint = "a name is declared only once: rename one of the two"
            yield graph.diagnostic("double-name", message, hint=hint, span=span)


def _without_schedule(graph: Graph) -> Iterator[Diagnostic]:
    if graph.schedules:
        return
    for item in graph.inputs:
        if item.moment and item.moment.base == "previous":
            message = f"the default of '{item.name}' is 'previous', but there is no schedule"
            hint = 'add @schedule: "0 6 * * *", or write scheduled - 1d'
            yield graph.diagnostic("no-schedule", message, hint=hint, span=item.span)
    for use in graph.uses:
        # A null counts as not given, as for the inputs of a run.
        given = {each.name for each in use.arguments if each.names or each.value is not None}
        for item in graph.declaring(use.of).inputs:
            if item.moment and item.moment.base == "previous" and item.name not in given:
                message = (
                    f"the default of '{item.name}' of {use.name} is 'previous', but "
                    f"{graph.name} has no schedule"
                )
                hint = f"add @schedule to {graph.name}, or write {use.name}({item.name}=…)"
                yield graph.diagnostic("no-schedule", message, at=use, hint=hint)


class _Names:
    """The names that can be used in a text, and in what its places are given.

    Args:
        graph: the graph.
        use: the use of the text, or `ROOT`.
        file: the number of the text.
        parts: where names are written in the graph.
    """

    def __init__(self, graph: Graph, use: int, file: int, parts: _Parts) -> None:
        declared = graph.declaring(file)
        self._graph = graph
        self._use = use
        self._file = file
        self._parts = parts
        self._lists = {item.name: item.type for item in declared.inputs}
        self._lists.update((item.name, item.type) for item in declared.variables)
        """The names that may be the list of an `each`, with their types."""
        self._declared = {*self._lists, *(item.name for item in declared.secrets)}
        self._items = {each.name for each in parts.eaches[file]}

    def faults(self) -> Iterator[Diagnostic]:
        """An error for each unknown name in the text, those after `in=` first."""
        yield from self._sources()
        for argument, number in self._parts.arguments[self._use]:
            yield from self._unknown(argument, number)

    def _unknown(self, argument: Argument, index: int) -> Iterator[Diagnostic]:
        """An error for each unknown bare name in an argument of a node, or of a use."""
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
                at=At(argument.span, self._file),
            )

    def _sources(self) -> Iterator[Diagnostic]:
        """An error for each `in=` whose name is unknown or cannot be a list."""
        graph = self._graph
        for each in self._parts.eaches[self._file]:
            name, begin = each.source, graph.topology.index[each.each]
            if name is None or self._lists.get(name) in ("list", "any"):
                continue
            items = self._items_around(begin)
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
            at = At(self._parts.source_of(each), self._file)
            yield graph.diagnostic("unknown-name", message, hint=hint, at=at)

    def _items_around(self, index: int) -> set[str]:
        """The names of the `each`es of this text around a node."""
        around = self._graph.topology.around[index]
        return {each.name for each in around if each.file == self._file}


class _Parts:
    """Where names are written in a graph, found in one pass over all of it.

    Attributes:
        arguments: the arguments in each use and in the root, those of events first, each with the
            index of its event, or of the first node of its use.
        eaches: the `each`es of each text.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.arguments: defaultdict[int, list[tuple[Argument, int]]] = defaultdict(list)
        self.eaches: defaultdict[int, list[Each]] = defaultdict(list)
        topology = graph.topology
        for number, (node, use) in enumerate(zip(graph.nodes, topology.use_of, strict=True)):
            self.arguments[use] += ((argument, number) for argument in node.arguments)
        for inner in graph.uses:
            around = ROOT if inner.within is None else inner.within
            first = topology.index[inner.first]
            self.arguments[around] += ((argument, first) for argument in inner.arguments)
        for each in graph.eaches:
            self.eaches[each.file].append(each)

    def source_of(self, each: Each) -> Span | None:
        """The position of the name after `in=`."""
        return self._sources.get((each.file, each.span))

    @functools.cached_property
    def _sources(self) -> dict[tuple[int, Span | None], Span]:
        # By text, and by the position of the unit with the `each`.
        graph = self._graph
        return {
            (file, unit.primary.span): source.value_span
            for file in range(len(graph.files) + 1)
            if (text := graph.text(file)) is not None
            for unit in _units(text.file.flow)
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
