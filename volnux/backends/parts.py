"""Parts of a flow that a host runs as one task: the embedded backend runs their events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from volnux.events.link import Plan
from volnux.graph.copies import Items
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
        items: for each such value that is the item of an `each` around the part, the depth of that
            `each`, by the index of the value in the part; 0 is the outermost.
    """

    plan: Plan
    takes: Mapping[int, int]
    items: Mapping[int, int]

    @staticmethod
    def of(plan: Plan, part: Each | TaskGroup) -> Part:
        """Cut a part out of a plan.

        Args:
            plan: the whole plan.
            part: one of the `eaches` (a part for each item) or `tasks` of its graph.
        """
        cut = part_of(plan.graph, part)
        specs = (*plan.specs[cut.first : cut.last + 1], None)
        topology = plan.graph.topology
        depths = {each.each: n for n, each in enumerate(topology.around[cut.first])}
        takes, items = {}, {}
        for number, new in cut.given.items():
            row = plan.graph.values[number]
            if row.kind is ValueKind.ITEM and row.node is not None:
                items[new] = depths[row.node]
            else:
                takes[number] = new
        scopes = tuple(plan.scopes[use] for use in cut.uses)
        own = replace(plan, graph=cut.graph, specs=specs, warnings=(), scopes=scopes)
        return Part(own, takes, items)

    def run(
        self,
        inputs: Mapping[str, Any],
        options: RunOptions,
        *,
        taken: Mapping[int, Any],
        items: Items = (),
    ) -> RunReport:
        """Run the part in this process, with the embedded backend.

        The report has the places of the part. `report.end` is the result that it passes on.

        Args:
            inputs: the values of all inputs of the whole plan, by name.
            options: how to run; `index` has the indices of the items around the part.
            taken: the values with the indices in `takes`.
            items: the names and items of the `each`es around the part, the outermost first.
        """
        from volnux.backends.registry import get_backend

        given = {new: taken[number] for number, new in self.takes.items()}
        given.update((new, items[depth][1]) for new, depth in self.items.items())
        own = replace(options, given=given, items=items, with_end=True, results=True)
        return get_backend("standalone").run(self.plan, inputs, own)
