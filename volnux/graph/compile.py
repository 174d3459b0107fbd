"""Syntax tree to graph (`docs/graph.md`): nodes, edges with their descriptors, joins, values.

One walk over the tree, without recursion on its depth. Each part of the tree hands up the value
that it pipes on, and fills two lists that it is given: its heads (the nodes that start it) and its
exits (the nodes that end it, with the descriptors that end it well).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from volnux.errors import Span
from volnux.graph.model import (
    Edge,
    Entry,
    Graph,
    Group,
    InputSpec,
    Kind,
    Node,
    ScheduleSpec,
    Text,
    Value,
    ValueKind,
)
from volnux.pointy import tree
from volnux.pointy.tree import Arrow, Evaluation, OnFailure, Settings

if TYPE_CHECKING:
    from volnux.pointy.parser import PointyFile

__all__ = ["compile", "name_of"]


def compile(
    file: PointyFile,
    *,
    evaluations: Mapping[str, Evaluation] | None = None,
    on_failure: OnFailure | None = None,
) -> Graph:
    """The graph of a file.

    Args:
        file: the parsed file.
        evaluations: the evaluation state of events by name, as linking knows them. A parallel
            group without an option takes that of its last event; *all* where it is not given.
        on_failure: what the Pipeline class says; `@on-failure` in the text wins. *stop* where
            neither says anything.
    """
    settings = file.settings
    decided = settings.on_failure or on_failure
    builder = _Builder(evaluations, continue_=decided is OnFailure.CONTINUE)
    heads: list[int] = []
    exits: list[_Exit] = []
    context = _Context(retry=None, receives=None, widen=False, caught=False)
    result = _run(builder.flow(file.flow, context, heads, exits))
    nodes, values, result = builder.finish(result)
    return Graph(
        name=name_of(file),
        nodes=nodes,
        edges=builder.sorted_edges(),
        values=values,
        result=result,
        groups=tuple(builder.groups),
        on_failure=decided,
        source=Text(file.source.filename, file.source.text),
        **_settings(settings),
    )


def name_of(file: PointyFile) -> str:
    """The pipeline's name: `@name`, else the stem of the file's name."""
    return file.settings.name or PurePath(file.source.filename).stem


def _settings(settings: Settings) -> dict[str, Any]:
    return {
        "inputs": tuple(
            InputSpec(item.name, item.type, item.required, item.default, item.span)
            for item in settings.inputs
        ),
        "events": settings.events,
        "description": settings.description,
        "tags": settings.tags,
        "schedules": tuple(ScheduleSpec(s.expression, s.span) for s in settings.schedules),
        "timezone": settings.timezone,
        "start_date": settings.start_date.isoformat() if settings.start_date else None,
        "catchup": settings.catchup,
        "max_active_runs": settings.max_active_runs,
    }


_Step: TypeAlias = "Generator[_Step, int, int]"
"""A function of the walk: it yields the steps it calls and is sent what they return."""

_Exit = tuple[int, tuple[int, ...]]
"""A node that ends a part, and the descriptors with which the part is done."""


_ValueRow = tuple[ValueKind, str | None, tuple[int, ...], tuple[int, ...] | None]
"""The fields of a `Value`."""

_OF: Final = 2


def _run(step: _Step) -> int:
    """Run a step and all that it calls, on a stack of our own."""
    stack = [step]
    value: int | None = None
    while stack:
        try:
            # A step that has just begun is sent None, as generators want it.
            stack.append(stack[-1].send(cast(int, value)))
            value = None
        except StopIteration as stop:
            stack.pop()
            value = stop.value
    return cast(int, value)


class _Context(NamedTuple):
    """What a part inherits from around it.

    Attributes:
        retry: the nearest factor on a group around it.
        receives: the value piped to its heads.
        widen: under `continue`, whether something comes next that also starts when it failed.
        caught: whether a group around it has a `0` branch, which `continue` leaves alone.
    """

    retry: int | None
    receives: int | None
    widen: bool
    caught: bool


class _Builder:
    def __init__(self, evaluations: Mapping[str, Evaluation] | None, *, continue_: bool) -> None:
        self.nodes: list[Node] = []
        self.edges: list[tuple[int, int, tuple[int, ...]]] = []
        # As rows for now: most of them nothing refers to in the end.
        self.values: list[_ValueRow] = []
        self.groups: list[Group] = []
        self._evaluations = evaluations
        self._continue = continue_
        self._places: dict[str, int] = {}
        self._joins = 0
        self._catches = 0
        self._last_place = ""
        self._decided: dict[int, str] = {}

    def finish(self, result: int) -> tuple[tuple[Node, ...], tuple[Value, ...], int]:
        """The nodes and the values, those left out that nothing refers to, and `result` anew."""
        used = {node.receives for node in self.nodes if node.receives is not None} | {result}
        for index in range(len(self.values) - 1, -1, -1):
            if index in used:
                used.update(self.values[index][_OF])
        new = {old: index for index, old in enumerate(sorted(used))}
        values = tuple(
            Value(kind, node, tuple(new[i] for i in of) if of else of, when)
            for kind, node, of, when in map(self.values.__getitem__, new)
        )
        if len(new) == len(self.values):
            return tuple(self.nodes), values, result
        nodes = tuple(
            node if node.receives is None else replace(node, receives=new[node.receives])
            for node in self.nodes
        )
        return nodes, values, new[result]

    def sorted_edges(self) -> tuple[Edge, ...]:
        """The edges by source and target in reading order."""
        nodes = self.nodes
        return tuple(
            Edge(nodes[source].id, nodes[target].id, when)
            for source, target, when in sorted(self.edges)
        )

    # The walk. Each step returns the index of the value that its part pipes on.

    def flow(
        self, flow: tree.Flow, context: _Context, heads: list[int], exits: list[_Exit]
    ) -> _Step:
        last = len(flow.parts) - 1
        before: list[_Exit] = []
        value = -1
        for index, part in enumerate(flow.parts):
            receives = context.receives
            if index:
                receives = value if flow.arrows[index - 1] is Arrow.PIPE else None
            widen = self._continue and not context.caught if index < last else context.widen
            inner = _Context(context.retry, receives, widen, context.caught)
            if index and len(before) > 1 and _several_heads(part):
                before = [(self._join(before, Entry.ALL), (1,))]
            starts = [] if index else heads
            ends = exits if index == last else []
            if len(part.arms) == 1 and _is_plain(part.arms[0]):
                value = self._plain(part.arms[0], inner, starts, ends)
            else:
                value = yield self.parallel(part, inner, starts, ends)
            if index:
                self._connect(before, starts)
            before = ends
        return value

    def parallel(
        self, part: tree.Parallel, context: _Context, heads: list[int], exits: list[_Exit]
    ) -> _Step:
        if len(part.arms) == 1:
            return (yield self.unit(part.arms[0], context, heads, exits, None))
        return (yield self.group(part, None, context, heads, exits))

    def group(
        self,
        part: tree.Parallel,
        option: Evaluation | None,
        context: _Context,
        heads: list[int],
        exits: list[_Exit],
    ) -> _Step:
        """`a || b …`, with the evaluation of its option, or of its last event."""
        slot = len(self.groups)
        first = len(self.nodes)
        self.groups.append(Group("", "", ""))
        arms: list[int] = []
        ends: list[list[_Exit]] = []
        # Which event decides is known before the arms are walked: their closing depends on it.
        decided_by = self._decides(part)
        evaluation = option
        if evaluation is None and self._evaluations is not None:
            evaluation = self._evaluations.get(decided_by, _ALL)
        any_ = evaluation is not None and evaluation.any
        begins: list[str] = []
        for arm in part.arms:
            own: list[_Exit] = [] if any_ else exits
            begin = len(self.nodes)
            if _is_plain(arm):
                arms.append(self._plain(arm, context, heads, own))
            else:
                arms.append((yield self.unit(arm, context, heads, own, None)))
            begins.append(self.nodes[begin].id)
            if any_:
                if len(own) > 1:
                    own = [(self._join(own, Entry.ALL), (1,))]
                ends.append(own)
        self.groups[slot] = Group(
            self.nodes[first].id,
            self._last_place,
            decided_by,
            evaluation,
            part.span,
            tuple(begins),
        )
        if any_:
            exits.append((self._join([e for own in ends for e in own], Entry.ANY), (1,)))
        return self._value(ValueKind.ANY_OF if any_ else ValueKind.ALL_OF, of=tuple(arms))

    def unit(
        self,
        unit: tree.Unit,
        context: _Context,
        heads: list[int],
        exits: list[_Exit],
        evaluation: Evaluation | None,
    ) -> _Step:
        if _is_plain(unit):
            return self._plain(unit, context, heads, exits)
        retry = _factor(unit, context.retry)
        if isinstance(unit.primary, tree.Event):
            node = self._event(unit, unit.primary, retry, context.receives)
            heads.append(node)
            own = self._value(ValueKind.RESULT, node=self.nodes[node].id)
            return (yield self._branches(unit, context, exits, node, own, own))
        option = unit.option("evaluation")
        if option is not None:
            evaluation = Evaluation(str(option.value))
        if not unit.branches:
            inner = context._replace(retry=retry) if retry != context.retry else context
            return (yield self._body(unit.primary, inner, heads, exits, evaluation))
        inner = _Context(
            retry=retry,
            receives=context.receives,
            widen=False,
            caught=context.caught or any(b.descriptor == 0 for b in unit.branches),
        )
        first = len(self.nodes)
        ends: list[_Exit] = []
        body = yield self._body(unit.primary, inner, heads, ends, evaluation)
        catch = self._catch(first, ends, unit.primary.span)
        failure = self._value(ValueKind.FAILURE_OF, node=self.nodes[catch].id)
        return (yield self._branches(unit, context, exits, catch, body, failure))

    def _plain(
        self, unit: tree.Unit, context: _Context, heads: list[int], exits: list[_Exit]
    ) -> int:
        """The step of a unit that is plain, at once: most units are."""
        assert isinstance(unit.primary, tree.Event)
        retry = _factor(unit, context.retry)
        node = self._event(unit, unit.primary, retry, context.receives)
        heads.append(node)
        exits.append((node, (0, 1) if context.widen else (1,)))
        return self._value(ValueKind.RESULT, node=self.nodes[node].id)

    def _body(
        self,
        group: tree.Group,
        context: _Context,
        heads: list[int],
        exits: list[_Exit],
        evaluation: Evaluation | None,
    ) -> _Step:
        """The inside of braces; an evaluation goes to the `a || b …` that they hold."""
        body = group.body
        if evaluation is not None:
            part = body.parts[0]
            if len(part.arms) > 1:
                return (yield self.group(part, evaluation, context, heads, exits))
            return (yield self.unit(part.arms[0], context, heads, exits, evaluation))
        return (yield self.flow(body, context, heads, exits))

    def _branches(
        self,
        unit: tree.Unit,
        context: _Context,
        exits: list[_Exit],
        node: int,
        success: int,
        failure: int,
    ) -> _Step:
        """The branches of an event, or of a group's catch, and what of the node goes on itself.

        `success` and `failure` are the values that the node pipes on after 1 (and 3 to 9), and
        after 0.
        """
        found: list[int] = []
        taken = {branch.descriptor for branch in unit.branches}
        for branch in unit.branches:
            receives = None
            if branch.arrow is Arrow.PIPE:
                receives = failure if branch.descriptor == 0 else success
            inner = context._replace(receives=receives)
            starts: list[int] = []
            found.append((yield self.flow(branch.flow, inner, starts, exits)))
            self._connect([(node, (branch.descriptor,))], starts)
        direct = tuple(d for d in (0, 1) if d not in taken and (d == 1 or context.widen))
        if direct:
            exits.append((node, direct))
        place = self.nodes[node]
        if place.kind is Kind.EVENT:
            if direct:
                found.append(self._value(ValueKind.RESULT, node=place.id, when=direct))
        else:
            if 1 in direct:
                found.append(success)
            if 0 in direct:
                found.append(failure)
        return self._value(ValueKind.FIRST_DONE, of=tuple(found))

    # Nodes, edges, values.

    def _event(
        self, unit: tree.Unit, event: tree.Event, retry: int | None, receives: int | None
    ) -> int:
        number = self._places.get(event.name, 0) + 1
        self._places[event.name] = number
        place = event.name if number == 1 else f"{event.name}__{number}"
        options = _options(unit) if unit.options else _NO_OPTIONS
        self.nodes.append(
            Node(
                id=place,
                event=event.name,
                retry=retry,
                options=options,
                receives=receives,
                span=event.span,
            )
        )
        self._last_place = place
        return len(self.nodes) - 1

    def _join(self, exits: list[_Exit], entry: Entry) -> int:
        self._joins += 1
        self.nodes.append(Node(id=f"join-{self._joins}", kind=Kind.JOIN, entry=entry))
        node = len(self.nodes) - 1
        self._connect(exits, [node])
        return node

    def _catch(self, first: int, exits: list[_Exit], span: Span) -> int:
        self._catches += 1
        self.nodes.append(
            Node(
                id=f"catch-{self._catches}",
                kind=Kind.CATCH,
                first=self.nodes[first].id,
                span=span,
            )
        )
        node = len(self.nodes) - 1
        self._connect(exits, [node])
        return node

    def _decides(self, part: tree.Parallel) -> str:
        """The name of the part's last event in reading order, branches not counted."""
        # The parts on the way down have the same last event: each is walked through once.
        way = []
        while (name := self._decided.get(id(part))) is None:
            way.append(part)
            primary = part.arms[-1].primary
            if isinstance(primary, tree.Event):
                name = primary.name
                break
            part = primary.body.parts[-1]
        self._decided.update((id(passed), name) for passed in way)
        return name

    def _connect(self, exits: list[_Exit], heads: list[int]) -> None:
        for source, when in exits:
            for target in heads:
                self.edges.append((source, target, when))

    def _value(
        self,
        kind: ValueKind,
        *,
        node: str | None = None,
        of: tuple[int, ...] = (),
        when: tuple[int, ...] | None = None,
    ) -> int:
        self.values.append((kind, node, of, when))
        return len(self.values) - 1


_ALL = Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS
_NO_OPTIONS: dict[str, bool | int | float | str] = {}


def _is_plain(unit: tree.Unit) -> bool:
    """Whether the unit is one event without branches."""
    return not unit.branches and isinstance(unit.primary, tree.Event)


def _factor(unit: tree.Unit, around: int | None) -> int | None:
    """The unit's own retry factor, in either spelling; else the nearest one around."""
    if unit.retry is not None:
        return unit.retry.attempts
    attempts = unit.option("retry_attempts") if unit.options else None
    return around if attempts is None else int(attempts.value)


def _options(unit: tree.Unit) -> dict[str, bool | int | float | str]:
    """The options that an event's node carries, by name; the graph speaks the others itself."""
    return {
        option.name: option.value
        for option in sorted(unit.options, key=lambda option: option.name)
        if option.name not in ("retry_attempts", "evaluation")
    }


def _several_heads(part: tree.Parallel) -> bool:
    """Whether more than one node starts the part."""
    while len(part.arms) == 1:
        primary = part.arms[0].primary
        if isinstance(primary, tree.Event):
            return False
        part = primary.body.parts[0]
    return True
