"""How places ended in a run, for drawings: a state for each node, and its copies by state."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from volnux.graph.draw.rounds import Rounds, round_of
from volnux.graph.outcome import State
from volnux.graph.places import template_of

if TYPE_CHECKING:
    from volnux.graph.model import Graph
    from volnux.graph.parts import Use

__all__ = ["Marks"]

_WORST_FIRST = (State.FAILED, State.CANCELLED, State.DONE, State.SKIPPED)
_IN_ORDER = (State.DONE, State.FAILED, State.CANCELLED, State.SKIPPED)


class Marks:
    """How the places of a graph ended.

    Args:
        graph: the graph.
        states: the states by place; those of copies by the places of the copies.
        rounds: the rounds of the graph.
        unended: see `View`.
    """

    def __init__(
        self,
        graph: Graph,
        states: Mapping[str, State] | None,
        rounds: Rounds,
        unended: str | None = None,
    ) -> None:
        self._graph = graph
        self._nodes = graph.nodes
        self._rounds = rounds
        self._unended = unended
        self._counts: dict[str, Counter[State]] = {}
        self._copied: set[str] = set()
        for place, state in (states or {}).items():
            template = template_of(place)
            self._counts.setdefault(template, Counter())[state] += 1
            if template != place:
                self._copied.add(template)

    def states(self, index: int) -> tuple[State, ...]:
        """The state of each round of a place; a round that did not run is left out at the end.

        The state of several copies is the worst of them.
        """
        return tuple(_worst(self._counts[place]) for place in self._shown(index))

    def state(self, index: int) -> State | None:
        """The state of a place in its last round."""
        states = self.states(index)
        return states[-1] if states else None

    def texts(self, index: int) -> tuple[str, ...]:
        """Details that one state cannot show: the number of copies by state, and the rounds."""
        places = self._shown(index)
        if len(places) < 2:
            return self.counts(index)
        return tuple(f"round {round_of(place)}: {self._text(place)}" for place in places)

    def counts(self, index: int) -> tuple[str, ...]:
        """The number of copies by state, for each round; empty for a place without copies."""
        places = self._shown(index)
        return tuple(self._text(place) for place in places if place in self._copied)

    def use_states(self, use: int) -> tuple[State, ...]:
        """The state of each round of a use: the worst of its places."""
        return tuple(map(_worst, self._rounds_of_use(use)))

    def use_texts(self, use: int) -> tuple[str, ...]:
        """The number of places of a use by state, for each round."""
        rounds = self._rounds_of_use(use)
        if len(rounds) < 2:
            return tuple(map(self._numbers, rounds))
        texts = map(self._numbers, rounds)
        return tuple(f"round {number}: {text}" for number, text in enumerate(texts, 1))

    def together(self, indices: Iterable[int]) -> tuple[State | None, str]:
        """The worst state of some places, and the number of them in each state.

        They are None and `""` if none of the places has a state.
        """
        counts: Counter[State] = Counter()
        for index in indices:
            counts.update(self._counts.get(self._nodes[index].id, ()))
        return (_worst(counts), self._numbers(counts)) if counts else (None, "")

    def _rounds_of_use(self, use: int) -> list[Counter[State]]:
        """How many places of a use ended in each state, for each round."""
        index = self._graph.topology.index
        found = []
        for each in self._same_uses[self._graph.uses[use].place]:
            counts: Counter[State] = Counter()
            for node in self._nodes[index[each.first] : index[each.last] + 1]:
                counts.update(self._counts.get(node.id, ()))
            if counts:
                found.append(counts)
        while len(found) > 1 and set(found[-1]) == {State.SKIPPED}:
            found.pop()
        return found

    @functools.cached_property
    def _same_uses(self) -> dict[str, list[Use]]:
        """The uses with the same place: those of the rounds of a group."""
        found: dict[str, list[Use]] = {}
        for use in self._graph.uses:
            found.setdefault(use.place, []).append(use)
        return found

    def _text(self, place: str) -> str:
        counts = self._counts[place]
        return self._numbers(counts) if place in self._copied else self.said(next(iter(counts)))

    def said(self, state: State) -> str:
        """The word for a state."""
        return self._unended if self._unended and state is State.CANCELLED else state.value

    def _numbers(self, counts: Mapping[State, int]) -> str:
        """The number of places in each state, such as `198 done, 2 failed`."""
        return ", ".join(f"{counts[s]} {self.said(s)}" for s in _IN_ORDER if counts.get(s))

    def _shown(self, index: int) -> list[str]:
        places = [self._nodes[number].id for number in self._rounds.of.get(index, (index,))]
        places = [place for place in places if place in self._counts]
        while len(places) > 1 and set(self._counts[places[-1]]) == {State.SKIPPED}:
            places.pop()
        return places


def _worst(counts: Mapping[State, int]) -> State:
    return next(state for state in _WORST_FIRST if counts.get(state))
