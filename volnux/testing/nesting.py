"""What is inside a flow of a program, as far as it decides where the flow may stand."""

from __future__ import annotations

from volnux.testing.programs import Flow, Group, Parallel, Use, units_of

__all__ = ["begins_with_each", "nesting", "takes_evaluation"]


def nesting(flow: Flow) -> tuple[int, int]:
    """The most `each`es, and the most `again`s, around an event of a flow."""
    eaches = rounds = 0
    for unit in units_of(flow):
        inner = (0, 0)
        if isinstance(unit.primary, Group | Use):
            inner = nesting(unit.primary.body)
        own = (inner[0] + (unit.each is not None), inner[1] + (unit.again is not None))
        for found in (own, *(nesting(branch.flow) for branch in unit.branches)):
            eaches, rounds = max(eaches, found[0]), max(rounds, found[1])
    return eaches, rounds


def begins_with_each(part: Parallel) -> bool:
    """Whether an `each` in a part goes through what is piped to the part."""
    return any(
        unit.each.source is None
        if unit.each is not None
        else isinstance(unit.primary, Group | Use) and begins_with_each(unit.primary.body.parts[0])
        for unit in part.arms
    )


def takes_evaluation(body: Flow) -> bool:
    """Whether `[evaluation=…]` is allowed after braces around `body`: it must be just `a || b`."""
    while len(body.parts) == 1:
        arms = body.parts[0].arms
        if len(arms) > 1:
            return True
        unit = arms[0]
        if not isinstance(unit.primary, Group) or unit.branches or unit.evaluation or unit.retry:
            return False
        if unit.each or unit.again or unit.task:
            return False
        body = unit.primary.body
    return False
