"""Parts of a flow that a host runs as one task: the embedded backend runs their events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from volnux.events.link import Plan
from volnux.graph.model import Each, TaskGroup, ValueKind
from volnux.graph.part import part_of

if TYPE_CHECKING:
    from volnux.backends.port import RunOptions
    from volnux.graph.report import RunReport

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """A part of a flow with its events.

    Attributes:
        plan: the part as a plan of its own.
        takes: for each value that the part takes from outside, its index in `Graph.values` of the
            whole graph, with its index in the part.
        items: for each such value that is the item of an `each` around the part, the name of the
            item, by the index of the value in the part.
    """

    plan: Plan
    takes: Mapping[int, int]
    items: Mapping[int, str]

    @staticmethod
    def of(plan: Plan, part: Each | TaskGroup) -> Part:
        """Cut a part out of a plan.

        Args:
            plan: the whole plan.
            part: one of the `eaches` (a part for each item) or `tasks` of its graph.
        """
        cut = part_of(plan.graph, part)
        specs = (*plan.specs[cut.first : cut.last + 1], None)
        names = {each.each: each.name for each in plan.graph.eaches}
        takes, items = {}, {}
        for number, new in cut.given.items():
            row = plan.graph.values[number]
            if row.kind is ValueKind.ITEM and row.node is not None:
                items[new] = names[row.node]
            else:
                takes[number] = new
        return Part(replace(plan, graph=cut.graph, specs=specs, warnings=()), takes, items)

    def run(
        self,
        inputs: Mapping[str, Any],
        options: RunOptions,
        *,
        taken: Mapping[int, Any],
        items: Mapping[str, Any] | None = None,
    ) -> RunReport:
        """Run the part in this process, with the embedded backend.

        The report has the places of the part. `report.end` is the result that it passes on.

        Args:
            inputs: the values of all inputs of the whole plan, by name.
            options: how to run; `index` has the indices of the items around the part.
            taken: the values with the indices in `takes`.
            items: the items around the part, by name.
        """
        from volnux.backends.registry import get_backend

        given = {new: taken[number] for number, new in self.takes.items()}
        items = items or {}
        given.update((new, items[name]) for new, name in self.items.items())
        known = {**inputs, **items}
        return get_backend("standalone").run(
            self.plan, known, replace(options, given=given, with_end=True, results=True)
        )
