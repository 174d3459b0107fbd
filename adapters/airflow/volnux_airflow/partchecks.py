"""Checks of parts that Airflow runs as one task, and of the task groups of uses.

Nothing here imports Airflow.
"""

from __future__ import annotations

from collections.abc import Iterator

from volnux.errors import Diagnostic, Severity
from volnux.events.link import Plan
from volnux.pointy.options import HINTS
from volnux_airflow import storable
from volnux_airflow.boxes import box_ids
from volnux_airflow.reduced import Reduced, inside, reduced

__all__ = ["part_faults"]


def part_faults(plan: Plan) -> Iterator[Diagnostic]:
    """Errors for names that Airflow cannot store, and notes for what a part ignores."""
    if not (plan.graph.eaches or plan.graph.tasks or plan.graph.uses):
        return
    found = reduced(plan)
    yield from _too_long(plan, found)
    yield from _too_long_groups(plan, found)
    yield from _ignored(plan, found)


def _too_long(plan: Plan, found: Reduced) -> Iterator[Diagnostic]:
    for name, part in found.parts.items():
        if len(name) > storable.LONGEST_ID:
            most = f"a task id has at most {storable.LONGEST_ID} characters"
            text = f"Airflow cannot store this: {most}, this one has {len(name)}"
            yield plan.graph.diagnostic("refused", text, at=part)


def _too_long_groups(plan: Plan, found: Reduced) -> Iterator[Diagnostic]:
    uses = found.graph.uses
    names = list(box_ids(uses))
    for use, name in zip(uses, names, strict=True):
        around = "" if use.within is None else names[use.within]
        # The uses inside of one that is too long are too long as well.
        if len(around) <= storable.LONGEST_GROUP < len(name):
            most = f"the id of a task group has at most {storable.LONGEST_GROUP} characters"
            text = f"Airflow cannot store this: {most}, this one has {len(name)}"
            hint = "give the uses around it shorter names, or run one of them as one task: [task=…]"
            yield plan.graph.diagnostic("refused", text, at=use, hint=hint)


def _ignored(plan: Plan, found: Reduced) -> Iterator[Diagnostic]:
    graph = plan.graph
    seen = set()
    for part in found.parts.values():
        for index in inside(graph, part):
            node, spec = graph.nodes[index], plan.specs[index]
            if spec is None:
                continue
            names = [f"the hint '{name}'" for name in node.options if name in HINTS]
            if spec.event_class.airflow:
                names.append(f"the setting 'airflow' of {spec.name}")
            for name in names:
                if name not in seen:
                    seen.add(name)
                    yield graph.diagnostic(
                        "ignored-hint",
                        f"airflow ignores {name} here: several events share one task",
                        at=node,
                        severity=Severity.NOTE,
                    )
