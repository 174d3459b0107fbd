"""Computes the piped values of a run, and releases results that are no longer needed."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from volnux.graph.copies import Block
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, State
from volnux.graph.parts import Kind, ValueKind
from volnux.graph.places import template_of
from volnux.graph.readers import Readers
from volnux.graph.values import MISSING, Values, ValuesOfCopies

if TYPE_CHECKING:
    from volnux.graph.progress import Progress

__all__ = ["Piped", "Source"]

Source = str | list["Source"] | None
"""Where a piped value came from: a place, or a list as a parallel group gives it."""

# Looked up once: in Python 3.11, reading an enum member takes as long as a call.
_DONE: Final = State.DONE
_RESULT: Final = ValueKind.RESULT
_ITEM: Final = ValueKind.ITEM
_GIVEN: Final = ValueKind.GIVEN
_OTHERS: Final = (Kind.FAIL, Kind.EACH)


class Piped:
    """The piped values of a run.

    Args:
        run: the state machine of the run.
        given: what the values of kind `given` stand for, by their index in `Graph.values`.
        keep_results: see `Execution`.

    Attributes:
        releases: whether results are released.
    """

    def __init__(self, run: Progress, given: Mapping[int, Any], *, keep_results: bool) -> None:
        graph = run.graph
        index = graph.topology.index
        self.releases = not keep_results
        # Whether a failure may come from a node that is not a place.
        self._others = any(node.kind in _OTHERS for node in graph.nodes)
        self._run = run
        self._copies = run.copies
        self._size = len(graph.nodes)
        self._given = given
        self._rows = graph.values
        self._node_of = array(
            "q", (-1 if value.node is None else index[value.node] for value in graph.values)
        )
        self._values = self._table(self._result_of)
        self._sources = self._table(self._source_of)
        self._readers = None if keep_results else Readers(graph, self._node_of)

    def _table(self, leaf: Callable[[int, int], Any]) -> Values:
        if not self._run.graph.eaches:
            return Values(self._rows, leaf)
        return ValuesOfCopies(self._rows, leaf, self._copies_of, self._size)

    def value(self, index: int, instance: int) -> Any:
        """The value at an index of `Graph.values`, as an instance sees it; None if not done."""
        value = self._values.get(index, instance)
        return None if value is MISSING else value

    def received_from(self, instance: int) -> Source:
        """See `Execution.received_from`."""
        value = self._run.nodes[instance].receives
        if value is None:
            return None
        row = self._rows[value]
        if row.kind is _RESULT and row.when is None and instance < self._size:
            # Most values are the result of one event, and a report asks for all of them.
            node = self._node_of[value]
            done = self._run.states[node] is _DONE and self._run.nodes[node].event is not None
            return row.node if done else None
        source = self._sources.get(value, instance)
        return None if source is MISSING or not self._only_places(source) else source

    def _only_places(self, source: Source) -> bool:
        """Whether a value came from places only, and not from a `!` or an `each`."""
        graph = self._run.graph
        parts: list[Source] = [source] if self._others else []
        while parts:
            part = parts.pop()
            if isinstance(part, list):
                parts += part
            elif part and graph.nodes[graph.topology.index[template_of(part)]].event is None:
                return False
        return True

    def _copies_of(self, value: int, instance: int) -> Sequence[int] | None:
        """An instance in each copy, for `ValuesOfCopies`."""
        each = self._copies.seen(self._node_of[value], instance)
        block = self._copies.blocks.get(each)
        if block is not None:
            return block.instances(block.start)
        return () if self._run.descriptors[each] == SUCCESS else None

    def _done(self, value: int, instance: int) -> int | None:
        """The instance whose result a `RESULT` or `FAILURE_OF` refers to; None if not done."""
        run, row, index = self._run, self._rows[value], self._node_of[value]
        if instance >= self._size:
            index = self._copies.seen(index, instance)
        if run.states[index] is not _DONE:
            return None
        if row.kind is _RESULT:
            taken = row.when is None or run.descriptors[index] in row.when
            return index if taken else None
        if run.descriptors[index] != FAILURE:
            return None
        origin = run.origin_of(index)
        assert origin is not None
        failed = run.results[origin]
        if isinstance(failed, Failure):
            run.results[origin] = failed.bare()
        return origin

    def _result_of(self, value: int, instance: int) -> Any:
        row = self._rows[value]
        kind = row.kind
        if kind is _RESULT and row.when is None and instance < self._size:
            # Most values are of this kind.
            index = self._node_of[value]
            return self._run.results[index] if self._run.states[index] is _DONE else MISSING
        if kind is _ITEM:
            try:
                return self._copies.item(self._node_of[value], instance)
            except LookupError:
                # In a graph from JSON, a place outside of the `each` may refer to its item.
                return MISSING
        if kind is _GIVEN:
            return self._given.get(value)
        done = self._done(value, instance)
        return MISSING if done is None else self._run.results[done]

    def _source_of(self, value: int, instance: int) -> Any:
        if self._rows[value].kind in (_ITEM, _GIVEN):
            return MISSING
        index = self._done(value, instance)
        return MISSING if index is None else self._copies.place(index)

    # Results that have no more readers.

    def has_read(self, instance: int, node: int) -> None:
        """After an instance has ended: release its piped value and its result, if not needed.

        Args:
            instance: the instance.
            node: the index of its node.
        """
        assert self._readers is not None
        if not self._readers.of_node[node]:
            self._let_go(instance)
        value = self._run.graph.nodes[node].receives
        if value is not None and instance < self._size:
            values, nodes = self._readers.leave(value)
            for unread in values:
                self._values.forget(unread)
            for released in nodes:
                for each in self._copies.instances(released):
                    self._let_go(each)

    def copy_ended(self, block: Block, number: int) -> None:
        """Release the results in a copy that has ended, except what the copy pipes on."""
        assert self._readers is not None
        needed = self._readers.piped_on(block.start - 1)
        for instance in self._copies.inside(block, number):
            if self._copies.node(instance) not in needed:
                self._let_go(instance)

    def _let_go(self, index: int) -> None:
        if self._run.descriptors[index] != FAILURE:
            self._run.results[index] = None
