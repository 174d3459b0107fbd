"""`PipelineScheduler`: runs pipelines on their schedules, in this process.

It needs the extra `schedule` (APScheduler and SQLAlchemy).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from volnux.scheduler.errors import RunCutOffError, SchedulerError, StoreError, StoreInUseError

if TYPE_CHECKING:
    from volnux.scheduler.history import History
    from volnux.scheduler.ledger import RunRecord, RunState
    from volnux.scheduler.recovery import CutOff
    from volnux.scheduler.scheduler import PipelineScheduler
    from volnux.scheduler.trigger import ScheduleTrigger

__all__ = [
    "CutOff",
    "History",
    "PipelineScheduler",
    "RunCutOffError",
    "RunRecord",
    "RunState",
    "ScheduleTrigger",
    "SchedulerError",
    "StoreError",
    "StoreInUseError",
]

_HOMES = {
    "CutOff": "volnux.scheduler.recovery",
    "History": "volnux.scheduler.history",
    "PipelineScheduler": "volnux.scheduler.scheduler",
    "RunRecord": "volnux.scheduler.ledger",
    "RunState": "volnux.scheduler.ledger",
    "ScheduleTrigger": "volnux.scheduler.trigger",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("apscheduler", "sqlalchemy"):
            raise
        from volnux.extras import how_to_install

        raise SchedulerError(
            f"{name} needs {error.name}: install it with: {how_to_install('schedule')}"
        ) from error
