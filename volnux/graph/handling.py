"""Which failures of a run were handled: by a branch, the branch of a group, or an *any* group."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from volnux.graph.copies import Copies
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


def unhandled(
    copies: Copies, states: Sequence[State | None], failed: Callable[[int], bool]
) -> set[int]:
    """The instances of events and `!` whose failure was not handled.

    Args:
        copies: the copies of a run that has ended.
        states: how each instance ended, those of joins and catches included.
        failed: whether an instance ran and failed.
    """
    lost = (State.FAILED, State.CANCELLED)
    # Search from the failed ends of the flow back through places that failed without running.
    way = [node for node in copies.graph.topology.ends if states[node] in lost]
    seen = set(way)
    found = set()
    while way:
        instance = way.pop()
        if failed(instance):
            found.add(instance)
            continue
        for source in copies.before(instance):
            if source not in seen and states[source] in lost:
                seen.add(source)
                way.append(source)
    return found
