"""The scheduled time of a run."""

from __future__ import annotations

import datetime as dt

from volnux.graph.model import Graph

__all__ = ["instant_of"]


def instant_of(graph: Graph, given: dt.datetime | None = None) -> dt.datetime:
    """The instant of a run, aware, in the pipeline's time zone.

    Args:
        graph: what runs.
        given: the instant that the run was made for; now if None.

    Raises:
        ValueError: the given instant has no time zone.
    """
    if graph.timezone is None and (given is None or given.tzinfo is dt.UTC):
        return dt.datetime.now(dt.UTC) if given is None else given
    # Time zones take a while to import.
    from volnux.schedules.moments import Clock

    return Clock.of(graph, given).scheduled_at
