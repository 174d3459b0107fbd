"""Makes the pipelines that are unpickled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volnux.events.link import Plan
    from volnux.pipeline.base import Pipeline

__all__ = ["blank"]


def blank(cls: type[Pipeline], plan: Plan | None = None) -> Pipeline:
    """An empty pipeline of a class, or of the class for a plan."""
    made = cls if plan is None else cls.of_plan(plan)
    return made.__new__(made)
