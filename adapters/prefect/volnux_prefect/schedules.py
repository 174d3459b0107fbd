"""`@schedule` and `@timezone` as schedules of Prefect."""

from __future__ import annotations

from prefect.schedules import Cron, Schedule

from volnux.graph.model import Graph
from volnux.pointy.cron import PRESETS

__all__ = ["schedules_of"]


def schedules_of(graph: Graph) -> list[Schedule]:
    """The schedules of a file, in the order of its text, each with a slug that stays the same."""
    return [
        Cron(
            PRESETS.get(schedule.expression, schedule.expression),
            timezone=graph.timezone or "UTC",
            slug=f"{graph.name}-{number}",
        )
        for number, schedule in enumerate(graph.schedules, start=1)
    ]
