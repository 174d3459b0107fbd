"""The runs of a backfill that run in this process, and are kept."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from volnux.cli.asking import answers_for
from volnux.kit.backfill import Again, Filled, latest_by_instant, runs_again

if TYPE_CHECKING:
    from volnux.backends import Backend, RunControl
    from volnux.cli.given import Values
    from volnux.events import Plan
    from volnux.runs.model import KeptRun, KeptStatus
    from volnux.runs.store import Store

__all__ = ["RunsHere"]


class RunsHere:
    """Runs a plan with a backend, and keeps the runs; see `PastRuns`.

    Args:
        file: the file of the plan.
        plan: the plan.
        backend: the backend.
        store: where the runs are kept.
        read: returns the values for a time.
        again: which times run again.
    """

    def __init__(
        self,
        file: Path,
        plan: Plan,
        backend: Backend,
        store: Store,
        read: Callable[[dt.datetime], Values],
        again: Again,
    ) -> None:
        self._file = file
        self._plan = plan
        self._backend = backend
        self._store = store
        self._read = read
        self._again = again

    def known(self, instants: Sequence[dt.datetime]) -> Mapping[dt.datetime, KeptStatus]:
        """See `PastRuns.known`."""
        runs = latest_by_instant(self._store.list(file=self._file))
        return {instant: run.status for instant, run in runs.items()}

    def run(self, instant: dt.datetime, control: RunControl) -> Filled:
        """See `PastRuns.run`. It is skipped if another process runs or has run that time."""
        from volnux.pipeline import Pipeline
        from volnux.runs.claims import claimed

        run_id = uuid.uuid4().hex
        values = self._read(instant)
        with claimed(self._store, self._file, instant, run_id, self._runs_again) as taken:
            if taken is not None:
                return Filled("skipped", why=taken)
            pipeline = Pipeline.of_plan(self._plan)(**values.inputs)
            report = pipeline.start(
                backend=self._backend,
                control=control,
                results=False,
                run_id=run_id,
                scheduled_at=values.scheduled_at,
                answers=answers_for(self._plan, None, self._store),
                store=self._store,
            ).report
        why = ""
        if report.status.value == "failed":
            why = str(report.error()).partition(": ")[2]
        return Filled(report.status.value, report.run_id, why)

    def _runs_again(self, run: KeptRun | None) -> bool:
        return runs_again(run.status if run else None, self._again)
