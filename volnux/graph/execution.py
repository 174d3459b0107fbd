"""The meaning of a graph as a state machine: pure, no clock, no thread, no I/O.

A backend asks `start()` for the events that are ready, runs them however it likes, and tells
`finish()` how each one ended; the answer is the events that became ready. Nodes are named by their
index in `graph.nodes`. One `Execution` is one run; it is not thread-safe: a backend that finishes
events from several threads holds a lock around the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from volnux.graph.model import Entry, Graph, Kind, Value, ValueKind
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, RunStatus, State

__all__ = ["Execution"]

_DONE: Final = 1
_SKIPPED: Final = 2
_FAILED: Final = 3

_MISSING: Final = object()


class Execution:
    """One run of a graph.

    Attributes:
        states: of each node, its `State`, or None while it has not ended.
        descriptors: of each node, the descriptor it ended with, or None where it did not run.
        results: of each node, the result of its event (a `Failure` after an exception), or None.
    """

    def __init__(self, graph: Graph) -> None:
        nodes = graph.nodes
        size = len(nodes)
        index = {node.id: number for number, node in enumerate(nodes)}
        self.graph = graph
        self.states: list[State | None] = [None] * size
        self.descriptors: list[int | None] = [None] * size
        self.results: list[Any] = [None] * size
        self._index = index
        # Outgoing edges as (target, descriptors as bits); which nodes have an edge that takes 0.
        self._edges: list[list[tuple[int, int]]] = [[] for _ in range(size)]
        self._takes: list[int] = [0] * size
        self._waiting: list[int] = [0] * size
        self._any_done: list[bool] = [False] * size
        # The failure that a failed edge carries, by the place it is from; of several the first.
        self._origin: list[int] = [size] * size
        self._running: set[int] = set()
        self._failed = False
        self._cancelled = False
        self._stopped = False
        self._values: dict[int, Any] = {}
        for edge in graph.edges:
            source, target = index[edge.source], index[edge.target]
            bits = 0
            for descriptor in edge.when:
                bits |= 1 << descriptor
            self._edges[source].append((target, bits))
            self._takes[source] |= bits
            self._waiting[target] += 1

    # What a backend calls.

    def start(self) -> list[int]:
        """The events that are ready at once, in reading order."""
        ready = [node for node, waiting in enumerate(self._waiting) if waiting == 0]
        self._running.update(ready)
        return ready

    def finish(self, node: int, descriptor: int, result: Any = None) -> list[int]:
        """Say how a running event ended; the events that are ready now, in reading order.

        Args:
            node: the event's node, which `start` or `finish` gave.
            descriptor: 0 to 9.
            result: what the event returned, or the `Failure` of its last attempt.

        Raises:
            ValueError: the event is not running.
        """
        if node not in self._running:
            raise ValueError(f"{self.graph.nodes[node].id} is not running")
        self._running.discard(node)
        if descriptor > SUCCESS and not self._takes[node] >> descriptor & 1:
            result = self._no_branch(node, descriptor)
            descriptor = FAILURE
        self.results[node] = result
        ready = self._conclude(node, descriptor)
        if self._cancelled or self._stopped:
            return []
        self._running.update(ready)
        return ready

    def stop(self, node: int, result: Any = None) -> None:
        """End the run because of `node`, which raised and has `stop_on_exception`.

        Every node that has not ended is failed; of those that are running nothing is expected.
        """
        self._running.discard(node)
        self.states[node] = State.FAILED
        self.descriptors[node] = FAILURE
        self.results[node] = result
        self._stopped = self._failed = True
        self._end_the_rest(State.FAILED)

    def cancel(self) -> None:
        """Start nothing more; what runs may still be finished, or be given up with `abandon`."""
        self._cancelled = True

    def abandon(self) -> None:
        """After `cancel`: expect nothing more; every place that has not ended is cancelled."""
        self._cancelled = True
        self._end_the_rest(State.CANCELLED)

    @property
    def running(self) -> frozenset[int]:
        """The events that were handed out and have not finished."""
        return frozenset(self._running)

    @property
    def ended(self) -> bool:
        """True when nothing runs and nothing can start."""
        return not self._running

    @property
    def status(self) -> RunStatus:
        """How the run ended, once `ended` is true."""
        if self._cancelled and not self._stopped:
            return RunStatus.CANCELLED
        return RunStatus.FAILED if self._failed else RunStatus.SUCCESS

    def received(self, node: int) -> Any:
        """What is piped to a node that is ready, or None."""
        value = self.graph.nodes[node].receives
        return None if value is None else self.value(value)

    def value(self, index: int) -> Any:
        """The entry of `graph.values`, once all that it names has ended; None if not done."""
        value = self._evaluate(index)
        return None if value is _MISSING else value

    # How the end of a node goes through the graph.

    def _conclude(self, node: int, descriptor: int) -> list[int]:
        """End a node that ran, and all that ends with it; the events that are ready."""
        ready: list[int] = []
        ended = [(node, descriptor)]
        # Each turn ends one node and its edges; what ends without running joins the list.
        while ended:
            node, descriptor = ended.pop()
            if descriptor == _AS_SKIPPED:
                self.states[node] = State.SKIPPED
            elif descriptor == _AS_FAILED:
                self.states[node] = State.FAILED
            else:
                self.descriptors[node] = descriptor
                if descriptor == FAILURE and not self._takes[node] & 1:
                    self.states[node] = State.FAILED
                    if self.graph.nodes[node].kind is Kind.EVENT:
                        self._origin[node] = node
                    descriptor = _AS_FAILED
                else:
                    self.states[node] = State.DONE
            edges = self._edges[node]
            if not edges:
                if descriptor == _AS_FAILED:
                    self._failed = True
                continue
            for target, bits in edges:
                if descriptor == _AS_SKIPPED:
                    pass
                elif descriptor == _AS_FAILED:
                    if self._origin[node] < self._origin[target]:
                        self._origin[target] = self._origin[node]
                elif bits >> descriptor & 1:
                    self._any_done[target] = True
                self._waiting[target] -= 1
                if self._waiting[target] == 0:
                    self._decide(target, ready, ended)
        if len(ready) > 1:
            ready.sort()
        return ready

    def _decide(self, node: int, ready: list[int], ended: list[tuple[int, int]]) -> None:
        """All incoming edges of a node have ended: it runs, is skipped, or is failed."""
        model = self.graph.nodes[node]
        failed = self._origin[node] < len(self.states)
        if failed and (model.entry is Entry.ALL or not self._any_done[node]):
            started = False
            if model.kind is Kind.CATCH:
                assert model.first is not None
                started = self.descriptors[self._index[model.first]] is not None
            ended.append((node, FAILURE if started else _AS_FAILED))
        elif not self._any_done[node]:
            ended.append((node, _AS_SKIPPED))
        elif model.kind is Kind.EVENT:
            ready.append(node)
        else:
            ended.append((node, SUCCESS))

    def _end_the_rest(self, state: State) -> None:
        for node, known in enumerate(self.states):
            if known is None:
                self.states[node] = state
        self._running.clear()

    def _no_branch(self, node: int, descriptor: int) -> Failure:
        taken = [d for d in range(10) if self._takes[node] >> d & 1]
        name = self.graph.nodes[node].event
        known = ", ".join(map(str, taken)) if taken else "none"
        return Failure(
            "UnhandledDescriptor",
            f"{name} finished with descriptor {descriptor}, which has no branch "
            f"(descriptors with a branch: {known})",
        )

    # Values.

    def _evaluate(self, index: int) -> Any:
        """The value, or `_MISSING` where it is not done; each is made once."""
        known = self._values
        values: Sequence[Value] = self.graph.values
        stack = [index]
        while stack:
            current = stack[-1]
            if current in known:
                stack.pop()
                continue
            value = values[current]
            missing = [i for i in value.of if i not in known]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            known[current] = self._make(value)
        return known[index]

    def _make(self, value: Value) -> Any:
        parts = [self._values[i] for i in value.of]
        match value.kind:
            case ValueKind.RESULT | ValueKind.FAILURE_OF:
                assert value.node is not None
                node = self._index[value.node]
                if self.states[node] is not State.DONE:
                    return _MISSING
                if value.kind is ValueKind.FAILURE_OF:
                    if self.descriptors[node] != FAILURE:
                        return _MISSING
                    return self.results[self._origin[node]]
                if value.when is not None and self.descriptors[node] not in value.when:
                    return _MISSING
                return self.results[node]
            case ValueKind.FIRST_DONE:
                return next((part for part in parts if part is not _MISSING), _MISSING)
            case ValueKind.ALL_OF:
                return _MISSING if any(part is _MISSING for part in parts) else parts
            case ValueKind.ANY_OF:
                if all(part is _MISSING for part in parts):
                    return _MISSING
                return [None if part is _MISSING else part for part in parts]


_AS_SKIPPED: Final = -1
_AS_FAILED: Final = -2
