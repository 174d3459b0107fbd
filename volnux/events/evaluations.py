"""Warnings about parallel groups whose arms set different evaluations: only the last one counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from volnux.errors import Diagnostic, Severity
from volnux.events.base import EventBase
from volnux.graph.model import At, Graph, Group
from volnux.graph.walk import EventName
from volnux.pointy import tree
from volnux.pointy.tree import Evaluation

__all__ = ["asked_for", "disagreements"]


def asked_for(event_class: type[EventBase]) -> Evaluation | None:
    """The evaluation that an event class sets itself, or None if it has the default."""
    for base in event_class.__mro__:
        if base is EventBase:
            return None
        state = vars(base).get("execution_evaluation_state")
        if state is not None:
            return state if isinstance(state, Evaluation) else None
    return None


def disagreements(graph: Graph, asked: Mapping[EventName, Evaluation]) -> Iterator[Diagnostic]:
    """A warning for each arm whose evaluation differs from that of its group.

    Args:
        graph: a graph before linking; groups with `evaluation=` in the text have their evaluation
            already.
        asked: the evaluations that event classes set.
    """
    undecided = {
        (group.file, group.span): group for group in graph.groups if group.evaluation is None
    }
    if graph.source is None or not undecided:
        return
    for file in range(len(graph.files) + 1):
        text = graph.text(file)
        assert text is not None
        for part in _parallels(text.file.flow):
            group = undecided.get((file, part.span))
            if group is None:
                continue
            decider = EventName(group.decided_in, group.decided_by)
            holds = asked.get(decider, Evaluation.SUCCESS_ON_ALL_EVENTS_SUCCESS)
            for arm in part.arms[:-1]:
                name = EventName(file, _last_event(arm) or "")
                if name not in asked or asked[name].any is holds.any:
                    continue
                yield graph.diagnostic(
                    "evaluations-differ",
                    _message(group, name.event, holds),
                    at=At(arm.span, file),
                    hint="put braces around the group and set its evaluation: "
                    f"{{…}}[evaluation={asked[name].value}]",
                    severity=Severity.WARNING,
                )


def _message(group: Group, name: str, holds: Evaluation) -> str:
    done = "one arm is" if holds.any else "all arms are"
    return (
        f"this group is done when {done} done, as its last event {group.decided_by} decides: "
        f"execution_evaluation_state of {name} has no effect here"
    )


def _parallels(flow: tree.Flow) -> Iterator[tree.Parallel]:
    """Every parallel group of a flow, including those in branches, in the order of the text."""
    # This uses a stack, not recursion: a flow may nest deeper than Python calls can.
    stack: list[tree.Flow | tree.Parallel | tree.Unit] = [flow]
    while stack:
        match stack.pop():
            case tree.Flow() as inner:
                stack.extend(reversed(inner.parts))
            case tree.Parallel() as part:
                if len(part.arms) > 1:
                    yield part
                stack.extend(reversed(part.arms))
            case tree.Unit() as unit:
                stack.extend(branch.flow for branch in reversed(unit.branches))
                if isinstance(unit.primary, tree.Group):
                    stack.append(unit.primary.body)


def _last_event(arm: tree.Unit) -> str | None:
    """The last event of an arm; None for a `!`, or a group, which is checked separately."""
    while isinstance(arm.primary, tree.Group):
        last = arm.primary.body.parts[-1]
        if len(last.arms) > 1:
            return None
        arm = last.arms[0]
    return arm.primary.name if isinstance(arm.primary, tree.Event) else None
