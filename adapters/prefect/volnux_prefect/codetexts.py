"""The texts that the walk of `volnux_prefect.codeflow` goes through, and what is where in them."""

from __future__ import annotations

import contextlib
from collections import defaultdict, deque
from collections.abc import Iterator

from volnux.errors import Span
from volnux.graph.model import Each, Graph, Group, Kind, Node, Use
from volnux.graph.repeats import is_each
from volnux.graph.topology import ROOT
from volnux.pointy import tree

__all__ = ["Texts"]


class Texts:
    """The text of a pipeline and the texts that it uses.

    Each text has the same positions in every use and in every round. The walk visits them in the
    order of the graph, so what is at a position is taken from a queue.

    Args:
        graph: the graph of the pipeline.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._topology = graph.topology
        self._file, self._use = 0, ROOT
        self._nodes: dict[tuple[int, Span | None], deque[Node]] = defaultdict(deque)
        for node in graph.nodes:
            if node.kind in (Kind.EVENT, Kind.FAIL):
                self._nodes[node.file, node.span].append(node)
        self._eaches: dict[tuple[int, Span | None], deque[Each]] = defaultdict(deque)
        for each in graph.eaches:
            self._eaches[each.file, each.span].append(each)

    def node(self, unit: tree.Event | tree.Fail) -> Node:
        """The next node of an event or a `!`."""
        return self._nodes[self._file, unit.span].popleft()

    def each(self, unit: tree.Unit) -> Each:
        """The next `each` of a unit."""
        return self._eaches[self._file, unit.primary.span].popleft()

    def group(self, part: tree.Parallel) -> Group:
        """The group of a part with several arms."""
        return self._topology.group_at[self._use, part.span]

    def first(self, unit: tree.Unit) -> str:
        """The id of the first node of a unit with branches."""
        node = self._topology.node_at[self._use, unit.primary.span]
        return node.first or node.id

    @contextlib.contextmanager
    def inside(self, used: tree.Used) -> Iterator[tuple[Use, tree.Flow]]:
        """Go through the text of a used pipeline. Yields the use, and the flow of the text."""
        around = self._file, self._use
        self._use = self._topology.use_at[self._use, used.span]
        use = self._graph.uses[self._use]
        self._file = use.of
        try:
            yield use, self._flow(use.of)
        finally:
            self._file, self._use = around

    def file_of(self, use: Use) -> str:
        """The name of the file that is used."""
        return self._graph.file_name(use.of)

    def receives(self, part: tree.Parallel) -> bool:
        """Whether anything in a part may receive what is piped to it."""
        stack = [(part, self._file)]
        while stack:
            part, file = stack.pop()
            for arm in part.arms:
                if is_each(arm):
                    if arm.option("in") is None:
                        return True
                    continue
                match arm.primary:
                    case tree.Group(body=body):
                        stack.append((body.parts[0], file))
                    case tree.Used(name=name):
                        of = self._graph.names_in(file)[name]
                        stack.append((self._flow(of).parts[0], of))
                    case _:
                        return True
        return False

    def _flow(self, file: int) -> tree.Flow:
        text = self._graph.text(file)
        assert text is not None
        return text.file.flow
