"""The walk through a unit without its branches: `each`, `task` and `again`.

They apply to the unit in the order evaluation, `again`, `task`, `each`, from the inside out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux.graph.assembly import Exit
from volnux.graph.parts import Each, Entry, TaskGroup, ValueKind
from volnux.pointy import tree
from volnux.pointy.tree import Evaluation

if TYPE_CHECKING:
    from volnux.graph.walk import Context, Step, Walk

__all__ = ["is_each", "whole"]


def is_each(unit: tree.Unit) -> bool:
    """Whether the unit has the option `each`."""
    for option in unit.options:  # noqa: SIM110 - asked for each unit with options; faster
        if option.name == "each":
            return True
    return False


def whole(
    walk: Walk,
    unit: tree.Unit,
    context: Context,
    heads: list[int],
    exits: list[Exit],
    evaluation: Evaluation | None,
) -> Step:
    """A unit without its branches, once or once for every item."""
    option = unit.option("each")
    if option is None:
        return _task(walk, unit, context, heads, exits, evaluation)
    return _each(walk, unit, option, context, heads, exits, evaluation)


def _each(
    walk: Walk,
    unit: tree.Unit,
    option: tree.Option,
    context: Context,
    heads: list[int],
    exits: list[Exit],
    evaluation: Evaluation | None,
) -> Step:
    graph = walk.graph
    decided_by = walk.decides(unit)
    evaluation = evaluation or walk.evaluation_of(decided_by)
    any_ = evaluation is not None and evaluation.any
    slot, file = len(graph.eaches), graph.file
    source, at_once, batch = map(unit.option, ("in", "at_once", "batch"))
    begin = graph.each(option.span, None if source else context.receives)
    id_ = graph.nodes[begin].id
    graph.eaches.append(Each(id_, "", str(option.value), "", 0))
    heads.append(begin)
    inner = context._replace(receives=graph.value(ValueKind.ITEM, node=id_))
    starts: list[int] = []
    ends: list[Exit] = []
    if isinstance(unit.primary, tree.Event):
        value = walk.plain(unit, inner, starts, ends)
    else:
        value = yield _task(walk, unit, inner, starts, ends, None)
    if len(ends) > 1:
        ends = [(graph.join(ends, Entry.ALL), (1,))]
    failed = (0,) if context.widen else ()
    graph.connect([(begin, (1,))], starts)
    gather = graph.gather(begin, Entry.ANY if any_ else Entry.ALL)
    graph.connect([*ends, (begin, (*failed, 1))], [gather])
    exits.append((gather, (1,)))
    graph.eaches[slot] = Each(
        each=id_,
        gather=graph.nodes[gather].id,
        name=str(option.value),
        decided_by=decided_by.event,
        value=value,
        evaluation=evaluation,
        source=str(source.value) if source else None,
        at_once=int(at_once.value) if at_once else None,
        batch=int(batch.value) if batch else None,
        span=unit.primary.span,
        file=file,
        decided_in=decided_by.file,
    )
    kind = ValueKind.ANY_EACH if any_ else ValueKind.ALL_EACH
    result = graph.value(kind, node=id_, of=(value,))
    if not failed:
        return result
    error = graph.value(ValueKind.RESULT, node=id_, when=failed)
    return graph.value(ValueKind.FIRST_DONE, of=(result, error))


def _task(
    walk: Walk,
    unit: tree.Unit,
    context: Context,
    heads: list[int],
    exits: list[Exit],
    evaluation: Evaluation | None,
) -> Step:
    """A group that a host may run as one task; its rounds are in that task."""
    option = unit.option("task")
    if option is None:
        return (yield _rounds(walk, unit, context, heads, exits, evaluation))
    graph = walk.graph
    slot, first = len(graph.tasks), len(graph.nodes)
    name = graph.task_name(str(option.value))
    graph.tasks.append(TaskGroup(name, "", "", 0))
    ends: list[Exit] = []
    value = yield _rounds(walk, unit, context, heads, ends, evaluation)
    last = graph.join(ends, Entry.ALL)
    exits.append((last, (1,)))
    ids = graph.nodes[first].id, graph.nodes[last].id
    graph.tasks[slot] = TaskGroup(name, *ids, value, unit.primary.span, graph.file)
    return value


def _rounds(
    walk: Walk,
    unit: tree.Unit,
    context: Context,
    heads: list[int],
    exits: list[Exit],
    evaluation: Evaluation | None,
) -> Step:
    """A group that runs again if it failed: each round is in the `0` branch of the one before."""
    assert isinstance(unit.primary, tree.Group | tree.Used)
    option = unit.option("again")
    if option is None:
        return (yield walk.inside(unit.primary, context, heads, exits, evaluation))
    graph = walk.graph
    graph.rounds.append(1)
    before = -1
    guarded = context._replace(widen=False, caught=True)
    values: list[int] = []
    starts = heads
    for number in range(1, int(option.value)):
        graph.rounds[-1] = number
        first = len(graph.nodes)
        ends: list[Exit] = []
        values.append((yield walk.inside(unit.primary, guarded, starts, ends, evaluation)))
        catch = graph.catch(first, ends, unit.primary.span)
        exits.append((catch, (1,)))
        if number > 1:
            graph.connect([(before, (0,))], starts)
        before, starts = catch, []
        # A `!` of the next round is in the `0` branch of this one.
        failure = graph.value(ValueKind.FAILURE_OF, node=graph.nodes[catch].id)
        context = context._replace(failure=failure)
        guarded = guarded._replace(failure=failure)
    graph.rounds[-1] = int(option.value)
    values.append((yield walk.inside(unit.primary, context, starts, exits, evaluation)))
    graph.connect([(before, (0,))], starts)
    graph.rounds.pop()
    return graph.value(ValueKind.FIRST_DONE, of=tuple(reversed(values)))
