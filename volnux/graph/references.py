"""Checks that a graph that was read from JSON refers only to parts that it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from volnux.graph.parts import Argument, Kind, Node, Value, ValueKind

if TYPE_CHECKING:
    from volnux.graph.model import Graph, Located

__all__ = ["first_fault"]


def first_fault(graph: Graph) -> str | None:
    """The first wrong reference in a graph; None if all are right."""
    return next(_faults(graph), None)


def _faults(graph: Graph) -> Iterator[str]:
    if len(graph.topology.index) < len(graph.nodes):
        yield "two nodes have the same id"
    yield from _of_edges(graph)
    values = range(len(graph.values))
    for node in graph.nodes:
        yield from _of_node(graph, node)
    for number, row in enumerate(graph.values):
        if not _is_sound(graph, number, row):
            yield (
                f"the value {number} uses a node that does not exist, or a value that does not "
                "come before it"
            )
    for group in graph.groups:
        if not graph.topology.index.keys() >= {group.first, group.last, *group.arms}:
            yield "a group has nodes that do not exist"
    for task in graph.tasks:
        if not graph.topology.index.keys() >= {task.first, task.last} or task.value not in values:
            yield "a task has nodes or a value that do not exist"
        elif graph.topology.index[task.first] > graph.topology.index[task.last]:
            yield "a task ends before it begins"
    yield from _of_eaches(graph)
    yield from _of_uses(graph)
    if graph.result not in values:
        yield "its result is a value that does not exist"


def _of_uses(graph: Graph) -> Iterator[str]:
    """Each use has nodes and texts, and is inside of the use that it says."""
    index, texts = graph.topology.index, range(len(graph.files) + 1)
    named = [graph.names, *(used.uses for used in graph.files)]
    if any(number not in texts or not number for names in named for number in names.values()):
        yield "a name of a pipeline stands for a text that does not exist"
    elif _in_circle(named):
        yield "its texts use each other in a circle"
    placed: list[Located] = [*graph.nodes, *graph.groups, *graph.eaches, *graph.tasks, *graph.uses]
    if any(part.file not in texts for part in placed):
        yield "a part is in a text that does not exist"
    open_: list[int] = []
    for number, use in enumerate(graph.uses):
        if use.of not in texts or not use.of:
            yield f"the use {use.place!r} is of a text that does not exist"
        if not all(map(_has_names, use.arguments)):
            yield f"an argument of {use.place!r} has a name at a place that its value does not have"
        if not index.keys() >= {use.first, use.last} or index[use.first] > index[use.last]:
            yield f"the use {use.place!r} has no nodes"
            return
        while open_ and index[graph.uses[open_[-1]].last] < index[use.first]:
            open_.pop()
        around = open_[-1] if open_ else None
        if use.within != around or (
            around is not None and index[use.last] > index[graph.uses[around].last]
        ):
            yield f"the use {use.place!r} is not inside of the use that it says"
            return
        open_.append(number)


def _in_circle(named: Sequence[Mapping[str, int]]) -> bool:
    """Whether a text uses itself, directly or through others."""
    users = Counter(number for names in named for number in names.values())
    free = [number for number in range(len(named)) if not users[number]]
    for number in free:  # the list grows
        for used in named[number].values():
            users[used] -= 1
            if not users[used]:
                free.append(used)
    return len(free) < len(named)


def _of_edges(graph: Graph) -> Iterator[str]:
    index = graph.topology.index
    for edge in graph.edges:
        # This also rules out cycles.
        if not index.get(edge.source, len(index)) < index.get(edge.target, -1):
            yield f"the edge from {edge.source!r} to {edge.target!r} does not lead forward"
        if not all(0 <= descriptor <= 9 for descriptor in edge.when):
            yield (
                f"the edge from {edge.source!r} to {edge.target!r} has a descriptor that is not "
                "from 0 to 9"
            )


def _of_node(graph: Graph, node: Node) -> Iterator[str]:
    values = range(len(graph.values))
    if (node.kind is Kind.EVENT) is (node.event is None):
        yield f"the node {node.id!r} must have an event name if and only if it is an event"
    if (node.kind is Kind.CATCH) is (node.first is None) or not (
        node.first is None or node.first in graph.topology.index
    ):
        yield f"the node {node.id!r} must have a first node if and only if it is a catch"
    if node.receives is not None and node.receives not in values:
        yield f"the node {node.id!r} receives a value that does not exist"
    if node.failure is not None and node.failure not in values:
        yield f"the node {node.id!r} fails with a value that does not exist"
    for argument in node.arguments:
        if not _has_names(argument):
            yield (
                f"the argument {argument.name!r} of the node {node.id!r} has a name at a place "
                "that its value does not have"
            )


def _has_names(argument: Argument) -> bool:
    try:
        argument.filled(lambda name: name)
    except (LookupError, TypeError):
        return False
    return True


_OF_EACH = (ValueKind.ITEM, ValueKind.ALL_EACH, ValueKind.ANY_EACH)


def _is_sound(graph: Graph, number: int, row: Value) -> bool:
    index = graph.topology.index
    if not all(0 <= of < number for of in row.of):
        return False
    if row.kind in _OF_EACH:
        listed = row.kind is not ValueKind.ITEM
        is_each = row.node in index and graph.nodes[index[row.node]].kind is Kind.EACH
        return is_each and len(row.of) == listed
    return (row.node in index) is (row.kind in (ValueKind.RESULT, ValueKind.FAILURE_OF))


def _of_eaches(graph: Graph) -> Iterator[str]:
    """Each `each` is a pair of nodes, and only they connect what is between them to the rest."""
    index = graph.topology.index
    pairs = {each.each: each for each in graph.eaches}
    open_: list[str] = []
    inside: list[str | None] = []
    for node in graph.nodes:
        if node.kind is Kind.GATHER and (not open_ or pairs[open_.pop()].gather != node.id):
            yield f"the node {node.id!r} does not end an each"
            return
        inside.append(open_[-1] if open_ else None)
        if node.kind is Kind.EACH:
            if node.id not in pairs:
                yield f"the node {node.id!r} is not in the list of eaches"
                return
            open_.append(node.id)
    begun = sum(node.kind is Kind.EACH for node in graph.nodes)
    if open_ or begun != len(graph.eaches) or len(pairs) != begun:
        yield "an each has nodes that do not exist"
        return
    for each in graph.eaches:
        if any(number is not None and number < 1 for number in (each.at_once, each.batch)):
            yield f"at_once and batch of {each.each!r} must be at least 1"
        first, last = index[each.each], index[each.gather]
        if each.value not in range(len(graph.values)) or last - first < 2:
            yield f"{each.each!r} has no nodes, or a value that does not exist"
        sources = sorted(index[edge.source] for edge in graph.topology.before[last])
        if sources != [first, last - 1]:
            yield f"{each.gather!r} must have an edge from {each.each!r} and from its last node"
    for edge in graph.edges:
        source, target = inside[index[edge.source]], inside[index[edge.target]]
        begins = edge.source == target
        ends = source is not None and pairs[source].gather == edge.target
        if source != target and not begins and not ends:
            yield f"the edge from {edge.source!r} to {edge.target!r} crosses the border of an each"
