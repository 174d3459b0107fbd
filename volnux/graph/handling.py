"""Which failures of a run were handled: by a branch, the branch of a group, or an *any* group."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from volnux.graph.model import Entry, Graph, Kind
from volnux.graph.outcome import State

__all__ = ["may_be_taken", "unhandled"]


def may_be_taken(graph: Graph) -> set[str]:
    """The nodes after which a catch or an *any* group may handle a failure that no branch handled.

    A failure anywhere else makes the run fail, whatever follows.
    """
    found = [n.id for n in graph.nodes if n.kind is Kind.CATCH or n.entry is Entry.ANY]
    topology = graph.topology
    taken: set[str] = set()
    while found:
        for source in (edge.source for edge in topology.before[topology.index[found.pop()]]):
            if source not in taken:
                taken.add(source)
                found.append(source)
    return taken


def unhandled(graph: Graph, states: Mapping[str, State], failed: Collection[str]) -> set[str]:
    """The events whose failure was not handled.

    Args:
        graph: the graph of a run that has ended.
        states: how each node ended, joins and catches included.
        failed: the events that ran and failed.
    """
    lost = {State.FAILED, State.CANCELLED}
    topology = graph.topology
    # Search from the failed ends of the flow back through places that failed without running.
    ends = (n for n, behind in zip(graph.nodes, topology.behind, strict=True) if not behind)
    way = [node.id for node in ends if states.get(node.id) in lost]
    seen = set(way)
    found = set()
    while way:
        place = way.pop()
        if place in failed:
            found.add(place)
            continue
        for source in (edge.source for edge in topology.before[topology.index[place]]):
            if source not in seen and states.get(source) in lost:
                seen.add(source)
                way.append(source)
    return found
