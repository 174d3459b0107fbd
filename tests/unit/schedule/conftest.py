"""A scheduler with a clock that the test controls. It looks for due jobs on request."""

import datetime as dt

import apscheduler.schedulers.base
import apscheduler.triggers.date
import pytest

from volnux.scheduler import PipelineScheduler


class Clock:
    def __init__(self, now):
        self.now = now


class Simulated(PipelineScheduler):
    """Looks for due jobs only when it is told to, at the time of its clock."""

    clock: Clock

    def _now(self):
        return self.clock.now

    def _main_loop(self):
        """Run without a separate thread."""

    def advance(self, until):
        """Let time pass, from one due moment to the next."""
        while True:
            self.look()
            times = [job.next_run_time for job in self.get_jobs() if job.next_run_time]
            upcoming = min(times, default=None)
            if upcoming is None or upcoming > until:
                break
            self.clock.now = max(self.clock.now, upcoming.astimezone(dt.UTC))
        self.clock.now = max(self.clock.now, until)

    def look(self):
        """Look for due jobs, and wait until the only worker has finished them."""
        wait = self._process_jobs()
        self._pipelines._pool.submit(lambda: None).result(20)
        return wait


@pytest.fixture
def clock(monkeypatch):
    clock = Clock(at("2026-01-01T12:00"))

    class Datetime(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.now.astimezone(tz)

    for module in (apscheduler.schedulers.base, apscheduler.triggers.date):
        monkeypatch.setattr(module, "datetime", Datetime)
    return clock


@pytest.fixture
def make(clock):
    made = []

    def make(store=":memory:", **options):
        scheduler = Simulated(store, workers=options.pop("workers", 1), **options)
        scheduler.clock = clock
        made.append(scheduler)
        return scheduler

    yield make
    for scheduler in made:
        if scheduler.running:
            scheduler.shutdown()
        scheduler._engine.dispose()


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
