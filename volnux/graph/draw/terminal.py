"""A graph as a picture for a terminal: lanes, branches and frames, from the top down.

    Fetch → Check                       one event after another, → or ⇒ with the result
    ↓
    Charge [timeout=30]                 its options
    ├─0─▶ Refund                        after a failure
    ╞═3═▶ Review                        after descriptor 3, with the result
    ╰─1─▶ ·                             after a success the flow goes on at once
    ↓
    ┏━ Mail                             both at the same time
    ┗━ Ship → Track

A group with branches is drawn in a frame; its branches leave the frame at the bottom. A unit with
`each`, `task` or `again` is drawn once, in a frame with a title:

    ╭─ each url, at_once=8 ─╮
    │ Fetch ⇒ Save          │
    ╰───────────────────────╯

So is the use of another pipeline; a closed use is `[clean(day=day)]`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from volnux.graph.draw.canvas import PLAIN, UNICODE, Canvas, Signs
from volnux.graph.draw.errors import DrawError
from volnux.graph.draw.labels import argument_texts, each_text, option_texts, printable
from volnux.graph.draw.marks import Marks
from volnux.graph.draw.rounds import Rounds
from volnux.graph.draw.uses import UseNames, Uses, uses_of
from volnux.graph.outcome import State
from volnux.graph.parts import Kind
from volnux.graph.topology import ROOT
from volnux.pointy import tree
from volnux.pointy.tree import Arrow

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["ascii"]


def ascii(
    graph: Graph,
    *,
    charset: Literal["unicode", "ascii"] = "unicode",
    columns: int = 80,
    states: Mapping[str, State] | None = None,
    uses: Uses | str = Uses.OPEN,
) -> str:
    """The graph as lines of text.

    Args:
        graph: the graph; it includes the text it was compiled from.
        charset: `unicode` for box-drawing characters, `ascii` for a terminal without them.
        columns: the width at which rows of events are broken. Parts that are nested too deeply
            for it are drawn separately below.
        states: how places ended in a run, by place; each gets a mark for each round, and copies
            are counted.
        uses: how uses of other pipelines are shown.

    Raises:
        DrawError: the graph does not include its text, or uses cannot be shown in this way.
    """
    if graph.source is None or any(node.span is None for node in graph.places()):
        raise DrawError(
            f"the graph {graph.name!r} does not include the text that it was compiled from",
            hint="draw it as mermaid, dot or svg, or compile it from its file",
        )
    signs = UNICODE if charset == "unicode" else PLAIN
    drawing = _Drawing(graph, signs, columns, states, uses_of(uses))
    return drawing.whole(graph.source.file.flow)


_Step: TypeAlias = "Generator[_Step, None, None]"
"""A function of the walk: it yields the steps it calls, so that no recursion is needed."""


def _run(step: _Step) -> None:
    stack = [step]
    while stack:
        inner = next(stack[-1], None)
        if inner is None:
            stack.pop()
        else:
            stack.append(inner)


class _Drawing:
    def __init__(
        self,
        graph: Graph,
        signs: Signs,
        columns: int,
        states: Mapping[str, State] | None,
        uses: Uses,
    ) -> None:
        self._canvas = Canvas(signs, columns)
        self._signs = signs
        self._deepest = max(columns - 30, 20)
        self._later: deque[tuple[int, int, _Step]] = deque()
        """The parts to draw separately: the number, the use around it, and the step."""
        self._parts = 1
        self._graph = graph
        self._topology = graph.topology
        self._uses = uses
        self._names = UseNames(graph, uses)
        self._use = ROOT
        rounds = Rounds(graph)
        self._marks = Marks(graph, states, rounds)
        self._each_at = {
            (graph.topology.use_around(each.each), each.span): each
            for each in reversed(graph.eaches)
        }
        self._catch_at = {
            (graph.topology.use_around(node.id), node.span): index
            for index, node in reversed(list(enumerate(graph.nodes)))
            if node.kind is Kind.CATCH and index not in rounds.catches
        }

    def whole(self, flow: tree.Flow) -> str:
        _run(self.flow(flow))
        while self._later:
            number, self._use, step = self._later.popleft()
            self._canvas.row("")
            self._canvas.row(f"{self._signs.part} {number}")
            _run(step)
        return self._canvas.text()

    def flow(self, flow: tree.Flow) -> _Step:
        for index, part in enumerate(flow.parts):
            if index:
                self._canvas.arrow(pipe=flow.arrows[index - 1] is Arrow.PIPE)
            if len(part.arms) == 1:
                yield self.unit(part.arms[0])
            else:
                yield self.lanes(part)

    def lanes(self, part: tree.Parallel) -> _Step:
        """Draw `a || b …` as a heavy vertical line, with one lead for each arm."""
        canvas, signs = self._canvas, self._signs
        canvas.block()
        top = signs.first_arm
        group = self._topology.group_at[self._use, part.span]
        if group.evaluation is not None and group.evaluation.any:
            canvas.row(f"{signs.any_head} (any)")
            top = signs.arm
        last = len(part.arms) - 1
        for index, arm in enumerate(part.arms):
            first = signs.last_arm if index == last else signs.arm if index else top
            rest = " " * len(first) if index == last else signs.rail.ljust(len(first))
            yield self._inside(first, rest, self.unit(arm), flat=self._is_short(arm))

    def unit(self, unit: tree.Unit) -> _Step:
        canvas = self._canvas
        if isinstance(unit.primary, tree.Fail):
            canvas.event("!")
            return
        title = self._title(unit)
        if title or (unit.branches and self._is_whole(unit.primary)):
            canvas.block()
            canvas.open_frame(title)
            side = f"{self._signs.side} "
            yield self._inside(side, side, self.body(unit.primary), flat=False)
            canvas.close_frame(branches=bool(unit.branches))
            if unit.branches:
                yield self.branches(unit, self._catch_at[self._use, unit.primary.span])
        elif unit.branches and isinstance(unit.primary, tree.Used):
            canvas.block()
            canvas.row(self._box(unit.primary))
            yield self.branches(unit, self._catch_at[self._use, unit.primary.span])
        elif unit.branches:
            index = self._topology.index[self._topology.node_at[self._use, unit.primary.span].id]
            canvas.block()
            canvas.row(self._label(index))
            yield self.branches(unit, index)
        else:
            yield self.body(unit.primary)

    def body(self, primary: tree.Event | tree.Group | tree.Used) -> _Step:
        """The content of a unit, without its branches."""
        if isinstance(primary, tree.Group):
            yield self.flow(primary.body)
        elif isinstance(primary, tree.Event):
            node = self._topology.node_at[self._use, primary.span]
            self._canvas.event(self._label(self._topology.index[node.id]))
        elif self._uses is Uses.CLOSED:
            self._canvas.event(self._box(primary))
        else:
            around, self._use = self._use, self._topology.use_at[self._use, primary.span]
            text = self._graph.text(self._graph.uses[self._use].of)
            assert text is not None
            yield self.flow(text.file.flow)
            self._use = around

    def branches(self, unit: tree.Unit, node: int) -> _Step:
        """Draw the branches of a unit.

        Args:
            unit: the unit.
            node: the index of the node that they leave.
        """
        signs = self._signs
        taken = {branch.descriptor for branch in unit.branches}
        direct = sorted(self._topology.taken[node] - taken)
        last = len(unit.branches) - 1 if not direct else -1
        for index, branch in enumerate(unit.branches):
            pipe = branch.arrow is Arrow.PIPE
            first = signs.branch(str(branch.descriptor), last=index == last, pipe=pipe)
            rest = (" " if index == last else signs.side).ljust(len(first))
            yield self._inside(first, rest, self.flow(branch.flow), flat=self._is_row(branch.flow))
        if direct:
            label = ",".join(map(str, direct))
            self._canvas.row(signs.branch(label, last=True, pipe=False) + signs.nothing)

    def _inside(self, first: str, rest: str, step: _Step, *, flat: bool) -> _Step:
        """Draw a step after a lead, or in a separate part if there is no room."""
        canvas = self._canvas
        canvas.push(first, rest)
        if canvas.indent > self._deepest and not flat:
            self._parts += 1
            self._later.append((self._parts, self._use, step))
            canvas.row(f"{self._signs.part} {self._parts}")
        else:
            yield step
        canvas.pop()

    def _is_whole(self, primary: tree.Event | tree.Group | tree.Used) -> bool:
        """Whether a primary with branches has a frame, which its branches leave."""
        if isinstance(primary, tree.Used):
            return self._uses is not Uses.CLOSED
        return isinstance(primary, tree.Group)

    def _title(self, unit: tree.Unit) -> str:
        """The frame title of a use, or a unit with `each`, `task` or `again`; empty for others."""
        parts = []
        if isinstance(unit.primary, tree.Used) and self._uses is Uses.OPEN:
            parts.append(self._names.use(self._topology.use_at[self._use, unit.primary.span]))
        if unit.options and unit.option("each"):
            each = self._each_at[self._use, unit.primary.span]
            any_ = each.evaluation is not None and each.evaluation.any
            parts.append(each_text(each) + (" (any)" if any_ else ""))
        parts += [
            f"{name} {printable(str(option.value))}"
            for name in ("task", "again")
            if (option := unit.option(name))
        ]
        return self._readable("; ".join(parts))

    def _box(self, used: tree.Used) -> str:
        """A closed use."""
        use = self._topology.use_at[self._use, used.span]
        label = f"[{self._names.use(use)}]"
        return self._readable(
            self._marked(label, self._marks.use_states(use), self._marks.use_texts(use))
        )

    def _label(self, index: int) -> str:
        node = self._graph.nodes[index]
        label = printable(self._names.place(index))
        if node.arguments:
            label += f"({', '.join(argument_texts(node.arguments))})"
        if node.retry is not None:
            label += f" {self._signs.times}{node.retry}"
        if node.options:
            label += f" [{', '.join(option_texts(node))}]"
        return self._readable(
            self._marked(label, self._marks.states(index), self._marks.counts(index))
        )

    def _marked(self, label: str, states: Sequence[State], counts: Sequence[str]) -> str:
        """A label with the states of the rounds, and the numbers of places."""
        if states:
            label = f"{''.join(self._signs.states[state] for state in states)} {label}"
        return label + (f" ({'; '.join(counts)})" if counts else "")

    def _readable(self, text: str) -> str:
        if self._signs is PLAIN:
            return text.encode("ascii", "backslashreplace").decode()
        return text

    def _is_short(self, unit: tree.Unit) -> bool:
        """Whether a unit is drawn as one word, in the row of those around it."""
        if unit.branches or unit.option("each") is not None:
            return False
        if isinstance(unit.primary, tree.Used):
            return self._uses is Uses.CLOSED and not self._title(unit)
        return isinstance(unit.primary, tree.Event)

    def _is_row(self, flow: tree.Flow) -> bool:
        return all(len(part.arms) == 1 and self._is_short(part.arms[0]) for part in flow.parts)
