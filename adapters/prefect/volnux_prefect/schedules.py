"""`@schedule` and `@timezone` as schedules of a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux.graph.model import Graph
from volnux.pointy.cron import PRESETS

if TYPE_CHECKING:
    from prefect.schedules import Schedule

__all__ = ["crons_of", "schedules_of"]


def crons_of(graph: Graph) -> list[dict[str, str]]:
    """Slug, cron expression and time zone of each schedule, in the order of the file.

    Prefect identifies a schedule by its slug when the deployment is updated.
    """
    return [
        {
            "slug": f"{graph.name}-{number}",
            "cron": PRESETS.get(schedule.expression, schedule.expression),
            "timezone": graph.timezone or "UTC",
        }
        for number, schedule in enumerate(graph.schedules, start=1)
    ]


def schedules_of(graph: Graph) -> list[Schedule]:
    """The schedules of a graph as Prefect's own objects."""
    from prefect.schedules import Cron

    return [
        Cron(each["cron"], timezone=each["timezone"], slug=each["slug"]) for each in crons_of(graph)
    ]
