"""Finds the constructs of the language that a case combines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from volnux.errors import VolnuxError
from volnux.pointy import tree
from volnux.pointy.tree import Arrow, Evaluation
from volnux.testing.cases import Case
from volnux.testing.texts import program_of

__all__ = ["CONSTRUCTS", "constructs"]

CONSTRUCTS: Final = {
    "sequence": "`A -> B`",
    "pipe": "`A |-> B`",
    "parallel": "`A || B`, which needs all arms",
    "any": "`A || B`, for which one arm is enough",
    "group": "`{…}` around a sequence, or around a group",
    "branch": "`A (d -> …)`",
    "piped branch": "`A (d |-> …)`",
    "custom": "a descriptor of 2 to 9",
    "catch": "a `0` branch on a group",
    "group branch": "a `1` branch on a group",
    "sink": "something after branches",
    "retry": "`A * 3`, on an event or a group",
    "repeated": "one event at two places",
    "continue": "`@on-failure: continue`",
    "stop": "`stop_on_exception`",
    "exception": "an event that raises",
    "argument": "`A(x=1)`",
    "fail": "`!`",
    "each": "`A[each=x]`",
    "again": "`{A}[again=2]`",
    "use": "a used pipeline",
    "wait": 'an event that says "not yet"',
}
"""The constructs of flows, by name."""


def constructs(case: Case) -> frozenset[str]:
    """The constructs in a case; none if its text has errors."""
    try:
        program = program_of(f"{case.name}.pty", case.text, case.files)
    except (VolnuxError, KeyError):
        return frozenset()
    found: set[str] = set()
    for file in program.files:
        found.update(_of_flow(file.flow, case, outer=None))
        primaries = list(_primaries(file.flow))
        if any(primary.arguments for primary in primaries):
            found.add("argument")
        names = [primary.name for primary in primaries]
        if len(set(names)) < len(names):
            found.add("repeated")
    if "continue" in (case.on_failure, program.files[0].settings.on_failure):
        found.add("continue")
    if any(said.stop_on_exception for said in case.events.values()):
        found.add("stop")
    for said in case.script.values():
        if said.raises:
            found.add("exception")
        if said.polls:
            found.add("wait")
        told = said.descriptor if isinstance(said.descriptor, list) else [said.descriptor]
        if max(told) > 1:
            found.add("custom")
    return frozenset(found)


def _of_flow(flow: tree.Flow, case: Case, outer: Evaluation | None) -> Iterator[str]:
    if Arrow.PIPE in flow.arrows:
        yield "pipe"
    if len(flow.parts) > 1:
        yield "sequence"
    for number, part in enumerate(flow.parts):
        if len(part.arms) > 1:
            yield "any" if _evaluation(part, case, outer).any else "parallel"
        if number < len(flow.parts) - 1 and any(unit.branches for unit in part.arms):
            yield "sink"
        for unit in part.arms:
            yield from _of_unit(unit, case, outer if len(part.arms) == 1 else None)


def _of_unit(unit: tree.Unit, case: Case, outer: Evaluation | None) -> Iterator[str]:
    option = unit.option("evaluation")
    yield from (name for name in ("each", "again") if unit.option(name) is not None)
    if unit.retry is not None or unit.option("retry_attempts") is not None:
        yield "retry"
    if isinstance(unit.primary, tree.Fail):
        yield "fail"
    elif isinstance(unit.primary, tree.Used):
        yield "use"
    elif isinstance(unit.primary, tree.Group):
        # Braces that only add an option or branches to `a || b` are not a separate group.
        body = unit.primary.body
        bare = option is None and not unit.branches
        if len(body.parts) > 1 or bare:
            yield "group"
        evaluation = Evaluation(str(option.value)) if option is not None else outer
        yield from _of_flow(body, case, evaluation)
    for branch in unit.branches:
        if isinstance(unit.primary, tree.Group | tree.Used):
            yield "catch" if branch.descriptor == 0 else "group branch"
        yield "piped branch" if branch.arrow is Arrow.PIPE else "branch"
        yield from _of_flow(branch.flow, case, outer=None)


def _evaluation(part: tree.Parallel, case: Case, outer: Evaluation | None) -> Evaluation:
    if outer is not None:
        return outer
    last = part.arms[-1].primary
    while isinstance(last, tree.Group):
        last = last.body.parts[-1].arms[-1].primary
    said = case.events.get(last.name) if isinstance(last, tree.Event) else None
    if said is None or said.evaluation is None:
        return Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS
    return Evaluation(said.evaluation)


def _primaries(flow: tree.Flow) -> Iterator[tree.Event | tree.Used]:
    """The events and uses of a flow."""
    for part in flow.parts:
        for unit in part.arms:
            if isinstance(unit.primary, tree.Event | tree.Used):
                yield unit.primary
            elif isinstance(unit.primary, tree.Group):
                yield from _primaries(unit.primary.body)
            for branch in unit.branches:
                yield from _primaries(branch.flow)
