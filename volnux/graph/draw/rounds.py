"""Groups that run again: a drawing shows the group once, with the states of all rounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from volnux.graph.parts import Kind

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["Repeat", "Rounds", "round_of", "without_round"]

_ROUND = re.compile(r"(?:\.\d+)+\Z", re.ASCII)


def round_of(place: str) -> str:
    """The round of a place, without the dot before it: `1.2` of `A.1.2`, `1` of `A`."""
    found = _ROUND.search(place)
    return found[0][1:] if found else "1"


def without_round(place: str) -> str:
    """A place without its round: `A` of `A.1.2`."""
    return _ROUND.sub("", place)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A group that runs again. Its first round consists of the nodes from `start` to `catch`."""

    start: int
    catch: int
    count: int


class Rounds:
    """The rounds of the groups of a graph.

    Attributes:
        stands: for each node, the node of the first round that is drawn in its place; None for a
            node that only the last round has.
        repeats: the groups that run again, as they are in their first round.
        catches: the catches between two rounds of a group.
        of: the nodes that a node is drawn for, if there are several.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        size = len(graph.nodes)
        self.stands: list[int | None] = list(range(size))
        self.repeats: list[Repeat] = []
        self.catches: set[int] = set()
        self.of: dict[int, list[int]] = {}
        if any(_ROUND.search(node.id) for node in graph.nodes if node.kind is Kind.EVENT):
            self._find()

    def _find(self) -> None:
        nodes, stands = self._graph.nodes, self.stands
        index = self._graph.topology.index
        found = []
        for catch, node in enumerate(nodes):
            if node.first is None or catch in self.catches:
                continue
            start = index[node.first]
            if self._begins_again(start, catch):
                found.append(Repeat(start, catch, self._follow(start, catch)))
        for number, before in enumerate(stands):
            if before is not None and before != number:
                stands[number] = shown = stands[before]
                if shown is not None:
                    self.of.setdefault(shown, [shown]).append(number)
        self.repeats = [repeat for repeat in found if stands[repeat.catch] == repeat.catch]

    def _begins_again(self, start: int, catch: int) -> bool:
        """Whether the first event of a group occurs again at its position after the catch."""
        nodes = self._graph.nodes
        event = next((i for i in range(start, catch) if nodes[i].kind is Kind.EVENT), catch)
        again = catch + 1 + event - start
        if again >= len(nodes) or nodes[again].kind is not Kind.EVENT or event == catch:
            return False
        return nodes[event].id != nodes[again].id and without_round(
            nodes[event].id
        ) == without_round(nodes[again].id)

    def _follow(self, start: int, catch: int) -> int:
        """Assign the nodes of the later rounds to those of the first; return how many rounds."""
        nodes, stands = self._graph.nodes, self.stands
        self.catches.add(catch)
        count, end = 1, catch
        while True:
            count += 1
            begin = position = end + 1
            for shown in range(start, catch):
                # Under `continue`, more joins may be necessary in the last round.
                while nodes[position].kind is Kind.JOIN and nodes[shown].kind is not Kind.JOIN:
                    stands[position] = None
                    position += 1
                stands[position] = shown
                position += 1
            if position == len(nodes) or nodes[position].first != nodes[begin].id:
                return count
            self.catches.add(position)
            stands[position] = catch
            end = position
