"""Makes a program smaller while it still shows a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from volnux.testing.programs import (
    Event,
    Fail,
    Flow,
    Group,
    Name,
    Parallel,
    Program,
    Script,
    Unit,
    Use,
    each_event,
    places,
)

__all__ = ["shrink", "size"]


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
    rest = len(program.evaluations) + len(program.takes) + program.continues + len(program.inputs)
    for event in places(program).values():
        rest += sum(len(repr(value)) for _, value in event.arguments) + len(event.others)
        rest += event.impatient
        for script in (event.script, *(script for _, script in event.others)):
            rest += script != Script()
            rest += script.raising + script.stop_on_exception + script.silent
            rest += bool(script.value) + script.passes
            rest += len(script.items) + sum(script.items)
            rest += len(script.polls) + sum(script.polls)
    return len(places(program)), rest + sum(1 for _ in _marks(program.flow))


def _marks(flow: Flow) -> Iterator[None]:
    """Yield 1 for each part of a flow besides events."""
    yield from (None for piped in flow.piped if piped)
    for part in flow.parts:
        for unit in part.arms:
            options = (unit.retry, unit.evaluation, unit.prefix, unit.task)
            yield from (None for option in options if option)
            yield from (None for _ in range(unit.again or 0))
            if unit.each is not None:
                each = unit.each
                yield None
                yield from (None for option in (each.source, each.at_once, each.batch) if option)
            if isinstance(unit.primary, Fail):
                yield None
            if isinstance(unit.primary, Group | Use):
                yield None
                yield from _marks(unit.primary.body)
            if isinstance(unit.primary, Use):
                # It is larger than braces, and its inputs are larger than none.
                use = unit.primary
                yield None
                settings = (*use.arguments, *use.inputs, *use.evaluations, *use.takes)
                yield from (None for _ in settings)
                yield from (None for _ in range(use.other))
            for branch in unit.branches:
                yield None
                yield from (None for _ in range(branch.piped))
                yield from _marks(branch.flow)


# Programs that are one step smaller.


def _smaller(program: Program) -> Iterator[Program]:
    names = frozenset(name for name, _ in program.inputs)
    for smaller in _steps(program):
        known = names if smaller.inputs else frozenset()
        yield replace(smaller, flow=_known_flow(smaller.flow, known, 0, 0))


def _known_flow(flow: Flow, names: frozenset[str], copies: int, rounds: int) -> Flow:
    """The flow without unknown names and without scripts of places that do not exist."""
    parts = (
        Parallel(tuple(_known_unit(unit, names, copies, rounds) for unit in part.arms))
        for part in flow.parts
    )
    return replace(flow, parts=tuple(parts))


def _known_unit(unit: Unit, names: frozenset[str], copies: int, rounds: int) -> Unit:
    branches = tuple(
        replace(branch, flow=_known_flow(branch.flow, names, copies, rounds))
        for branch in unit.branches
    )
    each, primary = unit.each, unit.primary
    if each is not None:
        each = replace(each, source=each.source if each.source in names else None)
        names, copies = names | {each.name}, copies + 1
    rounds += unit.again is not None
    if isinstance(primary, Group):
        primary = replace(primary, body=_known_flow(primary.body, names, copies, rounds))
    elif isinstance(primary, Use):
        inner = frozenset(name for name, _ in primary.inputs)
        primary = replace(
            primary,
            body=_known_flow(primary.body, inner, copies, rounds),
            arguments=tuple(
                (name, value)
                for name, value in primary.arguments
                if name in inner and _known(value, names) == value
            ),
        )
    elif isinstance(primary, Event):
        others = tuple(
            (end, script)
            for end, script in primary.others
            if end.count("[") in (0, copies) and end.count(".") <= rounds and end
        )
        arguments = tuple((name, _known(value, names)) for name, value in primary.arguments)
        primary = replace(primary, arguments=arguments, others=others)
    return replace(unit, primary=primary, branches=branches, each=each)


def _known(value: Any, names: frozenset[str]) -> Any:
    match value:
        case Name(name=name):
            return value if name in names else None
        case list():
            return [_known(item, names) for item in value]
        case dict():
            return {key: _known(item, names) for key, item in value.items()}
    return value


def _steps(program: Program) -> Iterator[Program]:
    if program.continues:
        yield replace(program, continues=False)
    if program.inputs:
        # `_smaller` removes the names of inputs that are no longer there.
        bare = each_event(program, lambda event: replace(event, arguments=()))
        yield replace(bare, inputs=(), flow=_without_inputs(bare.flow))
    for number in range(len(program.evaluations)):
        left = program.evaluations[:number] + program.evaluations[number + 1 :]
        yield replace(program, evaluations=left)
    for number in range(len(program.takes)):
        yield replace(program, takes=program.takes[:number] + program.takes[number + 1 :])
    for flow in _flows(program.flow):
        if flow.parts:
            yield replace(program, flow=flow)


def _without_inputs(flow: Flow) -> Flow:
    """The flow without inputs of used files."""

    def unit(old: Unit) -> Unit:
        primary = old.primary
        if isinstance(primary, Group):
            primary = replace(primary, body=_without_inputs(primary.body))
        elif isinstance(primary, Use):
            body = _without_inputs(primary.body)
            primary = replace(primary, body=body, inputs=(), arguments=())
        branches = (replace(branch, flow=_without_inputs(branch.flow)) for branch in old.branches)
        return replace(old, primary=primary, branches=tuple(branches))

    parts = (Parallel(tuple(map(unit, part.arms))) for part in flow.parts)
    return replace(flow, parts=tuple(parts))


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
    if isinstance(arms[0].primary, Group | Use):
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
    yield from _fewer_repeats(unit)
    for number, branch in enumerate(unit.branches):
        others = unit.branches[:number], unit.branches[number + 1 :]
        yield replace(unit, branches=others[0] + others[1])
        if branch.piped:
            yield replace(unit, branches=(*others[0], replace(branch, piped=False), *others[1]))
        for flow in _flows(branch.flow):
            yield replace(unit, branches=(*others[0], replace(branch, flow=flow), *others[1]))
    if isinstance(unit.primary, Use):
        yield from _fewer_files(unit, unit.primary)
    if isinstance(unit.primary, Group | Use):
        if unit.evaluation is None or unit.each is not None:
            for flow in _flows(unit.primary.body):
                yield replace(unit, primary=replace(unit.primary, body=flow))
        else:
            yield from _units_of_option(unit, unit.primary)
        return
    if isinstance(unit.primary, Fail):
        return
    for script in _scripts(unit.primary.script):
        yield replace(unit, primary=replace(unit.primary, script=script))
    known = unit.primary.others
    for number, (end, old) in enumerate(known):
        before, after = known[:number], known[number + 1 :]
        yield replace(unit, primary=replace(unit.primary, others=before + after))
        for script in _scripts(old):
            changed = (*before, (end, script), *after)
            yield replace(unit, primary=replace(unit.primary, others=changed))
    if unit.primary.impatient:
        yield replace(unit, primary=replace(unit.primary, impatient=False))
    for number in range(len(unit.primary.arguments)):
        left = unit.primary.arguments[:number] + unit.primary.arguments[number + 1 :]
        yield replace(unit, primary=replace(unit.primary, arguments=left))


def _fewer_files(unit: Unit, use: Use) -> Iterator[Unit]:
    """The unit with braces instead of a use, or with a smaller use."""
    yield replace(unit, primary=Group(use.body))
    if use.other:
        yield replace(unit, primary=replace(use, other=False))
    for number in range(len(use.arguments)):
        left = use.arguments[:number] + use.arguments[number + 1 :]
        yield replace(unit, primary=replace(use, arguments=left))
    for number in range(len(use.evaluations)):
        left = use.evaluations[:number] + use.evaluations[number + 1 :]
        yield replace(unit, primary=replace(use, evaluations=left))
    for number in range(len(use.takes)):
        left = use.takes[:number] + use.takes[number + 1 :]
        yield replace(unit, primary=replace(use, takes=left))


def _fewer_repeats(unit: Unit) -> Iterator[Unit]:
    """The unit with less of `each`, `again` and `task`."""
    if unit.task is not None:
        yield replace(unit, task=None)
    if unit.again is not None:
        yield replace(unit, again=None)
        if unit.again > 2:
            yield replace(unit, again=2)
    if unit.each is not None:
        # Without it, an evaluation may not be allowed.
        yield replace(unit, each=None, evaluation=None)
        for each in (
            replace(unit.each, source=None),
            replace(unit.each, at_once=None),
            replace(unit.each, batch=None),
        ):
            if each != unit.each:
                yield replace(unit, each=each)


def _units_of_option(unit: Unit, group: Group | Use) -> Iterator[Unit]:
    """Smaller bodies for braces with `[evaluation=…]`, which must remain `a || b`."""
    for flow in _flows(group.body):
        if len(flow.parts) == 1 and len(flow.parts[0].arms) > 1:
            yield replace(unit, primary=replace(group, body=flow))


def _scripts(script: Script) -> Iterator[Script]:
    if script != Script():
        yield Script()
    if script.silent:
        yield replace(script, silent=False)
    if script.value or script.passes:
        yield replace(script, value="", passes=False)
    for number, count in enumerate(script.polls):
        yield replace(script, polls=script.polls[:number])
        if count:
            yield replace(script, polls=(*script.polls[:number], 0, *script.polls[number + 1 :]))
    for number, length in enumerate(script.items):
        yield replace(script, items=script.items[:number])
        if length:
            items = (*script.items[:number], length - 1, *script.items[number + 1 :])
            yield replace(script, items=items)
    if script.stop_on_exception:
        yield replace(script, stop_on_exception=False)
    if script.raising:
        yield replace(script, raising=0)
        yield replace(script, raising=script.raising - 1)
