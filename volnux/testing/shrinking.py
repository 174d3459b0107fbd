"""Makes a program smaller while it still shows a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from volnux.testing.programs import (
    Event,
    Fail,
    Flow,
    Group,
    Parallel,
    Program,
    Script,
    Unit,
    places,
)

__all__ = ["each_event", "shrink", "size"]


def shrink(program: Program, shows: Callable[[Program], bool], *, tries: int = 300) -> Program:
    """Find a smaller program for which `shows` is still true, as small as possible.

    Args:
        program: a program for which `shows` is true.
        shows: returns whether a program still shows the difference.
        tries: the maximum number of calls of `shows`.
    """
    left = tries
    smaller = True
    while smaller:
        smaller = False
        for candidate in sorted(_smaller(program), key=size):
            if left == 0:
                return program
            if size(candidate) >= size(program):
                continue
            left -= 1
            if shows(candidate):
                program, smaller = candidate, True
                break
    return program


def size(program: Program) -> tuple[int, int]:
    """The size of a program: the number of its events, then that of all other parts."""
    rest = len(program.evaluations) + program.continues + len(program.inputs)
    for event in places(program).values():
        rest += event.script != Script()
        rest += sum(len(repr(value)) for _, value in event.arguments)
        rest += event.script.raising + event.script.stop_on_exception + event.script.silent
    return len(places(program)), rest + sum(1 for _ in _marks(program.flow))


def each_event(program: Program, change: Callable[[Event], Event]) -> Program:
    """The program with every event replaced by the result of `change`."""
    return replace(program, flow=_map_flow(program.flow, change))


def _map_flow(flow: Flow, change: Callable[[Event], Event]) -> Flow:
    return replace(
        flow,
        parts=tuple(
            Parallel(tuple(_map_unit(unit, change) for unit in part.arms)) for part in flow.parts
        ),
    )


def _map_unit(unit: Unit, change: Callable[[Event], Event]) -> Unit:
    primary = unit.primary
    if isinstance(primary, Event):
        primary = change(primary)
    elif isinstance(primary, Group):
        primary = replace(primary, body=_map_flow(primary.body, change))
    branches = tuple(
        replace(branch, flow=_map_flow(branch.flow, change)) for branch in unit.branches
    )
    return replace(unit, primary=primary, branches=branches)


def _marks(flow: Flow) -> Iterator[None]:
    """Yield 1 for each part of a flow besides events."""
    yield from (None for piped in flow.piped if piped)
    for part in flow.parts:
        for unit in part.arms:
            yield from (None for each in (unit.retry, unit.evaluation, unit.prefix) if each)
            if isinstance(unit.primary, Fail):
                yield None
            if isinstance(unit.primary, Group):
                yield None
                yield from _marks(unit.primary.body)
            for branch in unit.branches:
                yield None
                yield from (None for _ in range(branch.piped))
                yield from _marks(branch.flow)


# Programs that are one step smaller.


def _smaller(program: Program) -> Iterator[Program]:
    if program.continues:
        yield replace(program, continues=False)
    if program.inputs:
        bare = each_event(program, lambda event: replace(event, arguments=()))
        yield replace(bare, inputs=())
    for number in range(len(program.evaluations)):
        left = program.evaluations[:number] + program.evaluations[number + 1 :]
        yield replace(program, evaluations=left)
    for flow in _flows(program.flow):
        if flow.parts:
            yield replace(program, flow=flow)


def _flows(flow: Flow) -> Iterator[Flow]:
    """Flows that are one step smaller, without those in which something follows a `!`."""
    for smaller in _all_flows(flow):
        units = [unit for part in smaller.parts[:-1] for unit in part.arms]
        if not any(isinstance(unit.primary, Fail) for unit in units):
            yield smaller


def _all_flows(flow: Flow) -> Iterator[Flow]:
    parts, piped = flow.parts, flow.piped
    for number in range(len(parts)):
        if len(parts) > 1:
            cut = max(number - 1, 0)
            yield Flow(parts[:number] + parts[number + 1 :], piped[:cut] + piped[cut + 1 :])
        for part in _parallels(parts[number]):
            yield Flow((*parts[:number], part, *parts[number + 1 :]), piped)
        yield from _lifted(flow, number)
    for number, is_piped in enumerate(piped):
        if is_piped:
            yield Flow(parts, (*piped[:number], False, *piped[number + 1 :]))


def _lifted(flow: Flow, number: int) -> Iterator[Flow]:
    """A part that is one unit, replaced by a flow inside it."""
    arms = flow.parts[number].arms
    if len(arms) > 1:
        return
    inner = [branch.flow for branch in arms[0].branches]
    if isinstance(arms[0].primary, Group):
        inner.append(arms[0].primary.body)
    for body in inner:
        yield Flow(
            (*flow.parts[:number], *body.parts, *flow.parts[number + 1 :]),
            (*flow.piped[:number], *body.piped, *flow.piped[number:]),
        )


def _parallels(part: Parallel) -> Iterator[Parallel]:
    arms = part.arms
    for number in range(len(arms)):
        if len(arms) > 1:
            yield Parallel(arms[:number] + arms[number + 1 :])
        for unit in _units(arms[number]):
            yield Parallel((*arms[:number], unit, *arms[number + 1 :]))


def _units(unit: Unit) -> Iterator[Unit]:
    if unit.retry is not None:
        yield replace(unit, retry=None, prefix=False)
    if unit.evaluation is not None:
        yield replace(unit, evaluation=None)
    for number, branch in enumerate(unit.branches):
        others = unit.branches[:number], unit.branches[number + 1 :]
        yield replace(unit, branches=others[0] + others[1])
        if branch.piped:
            yield replace(unit, branches=(*others[0], replace(branch, piped=False), *others[1]))
        for flow in _flows(branch.flow):
            yield replace(unit, branches=(*others[0], replace(branch, flow=flow), *others[1]))
    if isinstance(unit.primary, Group):
        if unit.evaluation is None:
            for flow in _flows(unit.primary.body):
                yield replace(unit, primary=replace(unit.primary, body=flow))
        else:
            yield from _units_of_option(unit, unit.primary)
        return
    if isinstance(unit.primary, Fail):
        return
    for script in _scripts(unit.primary.script):
        yield replace(unit, primary=replace(unit.primary, script=script))
    for number in range(len(unit.primary.arguments)):
        left = unit.primary.arguments[:number] + unit.primary.arguments[number + 1 :]
        yield replace(unit, primary=replace(unit.primary, arguments=left))


def _units_of_option(unit: Unit, group: Group) -> Iterator[Unit]:
    """Smaller bodies for braces with `[evaluation=…]`, which must remain `a || b`."""
    for flow in _flows(group.body):
        if len(flow.parts) == 1 and len(flow.parts[0].arms) > 1:
            yield replace(unit, primary=replace(group, body=flow))


def _scripts(script: Script) -> Iterator[Script]:
    if script != Script():
        yield Script()
    if script.silent:
        yield replace(script, silent=False)
    if script.stop_on_exception:
        yield replace(script, stop_on_exception=False)
    if script.raising:
        yield replace(script, raising=0)
        yield replace(script, raising=script.raising - 1)
