"""The walk over a syntax tree that `compile` makes a graph with.

It uses no recursion. Each part of the tree returns the value that it pipes on, and adds to two
given lists: its heads (the nodes that start it) and its exits (the nodes that end it, with the
descriptors after which the flow continues).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

from volnux.graph.assembly import Assembly, Exit
from volnux.graph.parts import Entry, Group, Kind, ValueKind
from volnux.graph.repeats import is_each, whole
from volnux.pointy import tree
from volnux.pointy.tree import Arrow, Evaluation

if TYPE_CHECKING:
    from volnux.pointy.program import Program

__all__ = ["Context", "EventName", "Walk", "run_steps"]

Step: TypeAlias = "Generator[Step, int, int]"
"""A function of the walk: it yields the steps it calls and receives what they return."""


def run_steps(step: Step) -> int:
    """Run a step and all that it calls, on an explicit stack."""
    stack = [step]
    value: int | None = None
    while stack:
        try:
            # A step that has just begun is sent None, as generators require.
            stack.append(stack[-1].send(cast(int, value)))
            value = None
        except StopIteration as stop:
            stack.pop()
            value = stop.value
    return cast(int, value)


class Context(NamedTuple):
    """What a part inherits from the parts around it.

    Attributes:
        retry: the nearest factor on a group around it.
        receives: the value piped to its heads.
        widen: under `continue`, whether the next part also starts after a failure of this one.
        caught: whether a group around it has a `0` branch: then `continue` has no effect.
        failure: the value of the failure that the innermost `0` branch around it handles.
    """

    retry: int | None
    receives: int | None
    widen: bool
    caught: bool
    failure: int | None = None


class EventName(NamedTuple):
    """The name of an event in one of the texts of a program, by the number of the text."""

    file: int
    event: str


class Walk:
    """The walk over the trees. Each step returns the index of the value that its part pipes on.

    Attributes:
        graph: the graph under construction.
        groups: in reading order.
    """

    def __init__(
        self,
        graph: Assembly,
        program: Program,
        evaluations: Mapping[EventName, Evaluation] | None,
        *,
        continue_: bool,
    ) -> None:
        self.groups: list[Group] = []
        self.graph = graph
        self._program = program
        self._evaluations = evaluations
        self._continue = continue_
        self._decided: dict[int, EventName] = {}

    def flow(self, flow: tree.Flow, context: Context, heads: list[int], exits: list[Exit]) -> Step:
        last = len(flow.parts) - 1
        before: list[Exit] = []
        value = -1
        for index, part in enumerate(flow.parts):
            receives = context.receives
            if index:
                receives = value if flow.arrows[index - 1] is Arrow.PIPE else None
            widen = self._continue and not context.caught if index < last else context.widen
            inner = context
            if receives != context.receives or widen is not context.widen:
                inner = context._replace(receives=receives, widen=widen)
            if index and len(before) > 1 and self._several_heads(part):
                before = [(self.graph.join(before, Entry.ALL), (1,))]
            starts = [] if index else heads
            ends = exits if index == last else []
            if len(part.arms) == 1 and _is_plain(part.arms[0]):
                value = self.plain(part.arms[0], inner, starts, ends)
            else:
                value = yield self.parallel(part, inner, starts, ends)
            if index:
                self.graph.connect(before, starts)
            before = ends
        return value

    def parallel(
        self, part: tree.Parallel, context: Context, heads: list[int], exits: list[Exit]
    ) -> Step:
        if len(part.arms) == 1:
            return (yield self.unit(part.arms[0], context, heads, exits, None))
        return (yield self.group(part, None, context, heads, exits))

    def group(
        self,
        part: tree.Parallel,
        option: Evaluation | None,
        context: Context,
        heads: list[int],
        exits: list[Exit],
    ) -> Step:
        """`a || b …`, with the evaluation of its option, or of its last event."""
        slot = len(self.groups)
        first = len(self.graph.nodes)
        self.groups.append(Group("", "", ""))
        arms: list[int] = []
        ends: list[list[Exit]] = []
        # Find the deciding event before walking the arms, because their ends depend on it.
        decided_by = self._decides(part, self.graph.file)
        evaluation = option or self.evaluation_of(decided_by)
        any_ = evaluation is not None and evaluation.any
        begins: list[str] = []
        nodes = self.graph.nodes
        for arm in part.arms:
            own: list[Exit] = [] if any_ else exits
            begin = len(nodes)
            if _is_plain(arm):
                arms.append(self.plain(arm, context, heads, own))
            else:
                arms.append((yield self.unit(arm, context, heads, own, None)))
            begins.append(nodes[begin].id)
            if any_:
                if len(own) > 1:
                    own = [(self.graph.join(own, Entry.ALL), (1,))]
                ends.append(own)
        self.groups[slot] = Group(
            self.graph.nodes[first].id,
            self.graph.last_place,
            decided_by.event,
            evaluation,
            part.span,
            tuple(begins),
            self.graph.file,
            decided_by.file,
        )
        if any_:
            exits.append((self.graph.join([e for own in ends for e in own], Entry.ANY), (1,)))
        return self.graph.value(ValueKind.ANY_OF if any_ else ValueKind.ALL_OF, of=tuple(arms))

    def unit(
        self,
        unit: tree.Unit,
        context: Context,
        heads: list[int],
        exits: list[Exit],
        evaluation: Evaluation | None,
    ) -> Step:
        if _is_plain(unit):
            return self.plain(unit, context, heads, exits)
        retry = _factor(unit, context.retry)
        if isinstance(unit.primary, tree.Event) and not is_each(unit):
            index = self.graph.event(unit, unit.primary, retry, context.receives)
            heads.append(index)
            own = self.graph.value(ValueKind.RESULT, node=self.graph.nodes[index].id)
            return (yield self._branches(unit, context, exits, index, own, own))
        option = unit.option("evaluation")
        if option is not None:
            evaluation = Evaluation(str(option.value))
        if not unit.branches:
            inner = context._replace(retry=retry) if retry != context.retry else context
            return (yield whole(self, unit, inner, heads, exits, evaluation))
        inner = Context(
            retry=retry,
            receives=context.receives,
            widen=False,
            caught=context.caught or any(b.descriptor == 0 for b in unit.branches),
            failure=context.failure,
        )
        first = len(self.graph.nodes)
        ends: list[Exit] = []
        body = yield whole(self, unit, inner, heads, ends, evaluation)
        catch = self.graph.catch(first, ends, unit.primary.span)
        failure = self.graph.value(ValueKind.FAILURE_OF, node=self.graph.nodes[catch].id)
        return (yield self._branches(unit, context, exits, catch, body, failure))

    def plain(self, unit: tree.Unit, context: Context, heads: list[int], exits: list[Exit]) -> int:
        """An event without its branches and its `each`, or a `!`; it needs no generator."""
        graph, primary = self.graph, unit.primary
        if isinstance(primary, tree.Event):
            retry = context.retry
            if unit.retry is not None or unit.options:
                retry = _factor(unit, retry)
            index = graph.event(unit, primary, retry, context.receives)
        else:
            index = graph.fail(unit.span, context.failure)
        heads.append(index)
        exits.append((index, (0, 1) if context.widen else (1,)))
        return graph.value(ValueKind.RESULT, node=graph.last_place)

    def inside(
        self,
        primary: tree.Group | tree.Used,
        context: Context,
        heads: list[int],
        exits: list[Exit],
        evaluation: Evaluation | None,
    ) -> Step:
        """The inside of braces, or the flow of a used file, in which nothing around has a name."""
        if isinstance(primary, tree.Group):
            return (yield self._body(primary.body, context, heads, exits, evaluation))
        of = self._number(primary, self.graph.file)
        flow = self._program.files[of].flow
        self.graph.enter(primary, of)
        context = context._replace(failure=None)
        value = yield self._body(flow, context, heads, exits, evaluation)
        self.graph.leave()
        return value

    def _body(
        self,
        body: tree.Flow,
        context: Context,
        heads: list[int],
        exits: list[Exit],
        evaluation: Evaluation | None,
    ) -> Step:
        """A flow in braces; an evaluation applies to the `a || b …` in them."""
        if evaluation is not None:
            part = body.parts[0]
            if len(part.arms) > 1:
                return (yield self.group(part, evaluation, context, heads, exits))
            return (yield self.unit(part.arms[0], context, heads, exits, evaluation))
        return (yield self.flow(body, context, heads, exits))

    def _branches(
        self,
        unit: tree.Unit,
        context: Context,
        exits: list[Exit],
        index: int,
        success: int,
        failure: int,
    ) -> Step:
        """The branches of an event or of a group's catch, and the exits of the node itself.

        `success` and `failure` are the values that the node pipes on after 1 (and 3 to 9), and
        after 0.
        """
        found: list[int] = []
        taken = {branch.descriptor for branch in unit.branches}
        for branch in unit.branches:
            receives = None
            if branch.arrow is Arrow.PIPE:
                receives = failure if branch.descriptor == 0 else success
            inner = context._replace(
                receives=receives,
                failure=failure if branch.descriptor == 0 else context.failure,
            )
            starts: list[int] = []
            found.append((yield self.flow(branch.flow, inner, starts, exits)))
            self.graph.connect([(index, (branch.descriptor,))], starts)
        direct = tuple(d for d in (0, 1) if d not in taken and (d == 1 or context.widen))
        if direct:
            exits.append((index, direct))
        node = self.graph.nodes[index]
        if node.kind is Kind.EVENT:
            if direct:
                found.append(self.graph.value(ValueKind.RESULT, node=node.id, when=direct))
        else:
            if 1 in direct:
                found.append(success)
            if 0 in direct:
                found.append(failure)
        return self.graph.value(ValueKind.FIRST_DONE, of=tuple(found))

    def evaluation_of(self, decided_by: EventName) -> Evaluation | None:
        """The evaluation that the class of an event says; None if it is not known yet."""
        return None if self._evaluations is None else self._evaluations.get(decided_by, _ALL)

    def decides(self, unit: tree.Unit) -> EventName:
        """The unit's last event in reading order, branches not counted."""
        file = self.graph.file
        if isinstance(unit.primary, tree.Event):
            return EventName(file, unit.primary.name)
        body, file = self._flow_of(unit.primary, file)
        return self._decides(body.parts[-1], file) if body is not None else EventName(file, "")

    def _decides(self, part: tree.Parallel, file: int) -> EventName:
        """The last event in reading order of a part of a text, branches not counted.

        Its name is empty where a `!` comes last.
        """
        # All parts on the way down have the same last event, so each part is visited once.
        way = []
        while (found := self._decided.get(id(part))) is None:
            way.append(part)
            primary = part.arms[-1].primary
            if isinstance(primary, tree.Event):
                found = EventName(file, primary.name)
                break
            body, file = self._flow_of(primary, file)
            if body is None:
                found = EventName(file, "")
                break
            part = body.parts[-1]
        self._decided.update((id(passed), found) for passed in way)
        return found

    def _several_heads(self, part: tree.Parallel) -> bool:
        """Whether more than one node starts a part of the current text."""
        file = self.graph.file
        while len(part.arms) == 1:
            if is_each(part.arms[0]):
                return False
            body, file = self._flow_of(part.arms[0].primary, file)
            if body is None:
                return False
            part = body.parts[0]
        return True

    def _flow_of(
        self, primary: tree.Event | tree.Group | tree.Used | tree.Fail, file: int
    ) -> tuple[tree.Flow | None, int]:
        """The flow inside a primary of a text, and the number of its text; None without one."""
        if isinstance(primary, tree.Group):
            return primary.body, file
        if not isinstance(primary, tree.Used):
            return None, file
        of = self._number(primary, file)
        return self._program.files[of].flow, of

    def _number(self, used: tree.Used, file: int) -> int:
        """The number of the text that a use in a text stands for."""
        return self._program.uses[file][used.name]


_ALL: Final = Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS


def _is_plain(unit: tree.Unit) -> bool:
    """Whether the unit is one event without branches, or a `!`."""
    primary = type(unit.primary)
    if unit.branches or primary is tree.Group or primary is tree.Used:
        return False
    return not unit.options or not is_each(unit)


def _factor(unit: tree.Unit, around: int | None) -> int | None:
    """The unit's own retry factor, in either spelling; else the nearest one around."""
    if unit.retry is not None:
        return unit.retry.attempts
    attempts = unit.option("retry_attempts") if unit.options else None
    return around if attempts is None else int(attempts.value)
