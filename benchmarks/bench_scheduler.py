"""A scheduler with many jobs in real time: are runs lost, made twice, or late?

    python benchmarks/bench_scheduler.py [--jobs 1000] [--seconds 60] [--every 20]

Each job runs a pipeline of one event repeatedly, at its own moment of each period. For comparison,
APScheduler alone runs the same load as a plain function, with the same kind of store.
"""

import argparse
import datetime as dt
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from volnux import Pipeline, event
from volnux.scheduler import PipelineScheduler, RunState
from volnux.scheduler.store import engine_for

PLAIN: list[tuple[str, float]] = []
LOCK = threading.Lock()


@event
def Tick() -> tuple[bool, Any]:
    return True, None


class Ticking(Pipeline):
    class Meta:
        pointy = "Tick"


def tick(name: str) -> None:
    with LOCK:
        PLAIN.append((name, time.time()))


def moments(
    number: int, options: argparse.Namespace, begin: dt.datetime
) -> tuple[dt.datetime, int]:
    """When a job is due: at its own moment of each period, starting at `begin`."""
    first = begin + dt.timedelta(seconds=options.every * number / options.jobs)
    end = begin + dt.timedelta(seconds=options.seconds)
    count = 0
    while first + count * dt.timedelta(seconds=options.every) < end:
        count += 1
    return first, count


def add_all(
    scheduler: Any, options: argparse.Namespace, begin: dt.datetime, job: object
) -> Counter[str]:
    expected: Counter[str] = Counter()
    for number in range(options.jobs):
        first, expected[f"job-{number}"] = moments(number, options, begin)
        scheduler.add_job(
            job,
            "interval",
            seconds=options.every,
            start_date=first,
            end_date=begin + dt.timedelta(seconds=options.seconds - 0.001),
            id=f"job-{number}",
            **({"args": [f"job-{number}"], "misfire_grace_time": None} if job is tick else {}),
        )
    return expected


def report(name: str, expected: Counter[str], made: Counter[str], late: Iterable[float]) -> bool:
    lost = sum((expected - made).values())
    twice = sum((made - expected).values())
    late = sorted(late)
    print(f"{name}: {sum(expected.values())} runs due, {lost} lost, {twice} too many")
    if late:
        print(
            f"  late by {1000 * statistics.median(late):.0f} ms (half of them), "
            f"{1000 * late[int(len(late) * 0.99)]:.0f} ms (99 of 100), "
            f"{1000 * late[-1]:.0f} ms (all)"
        )
    return not lost and not twice


def ours(options: argparse.Namespace, folder: Path) -> bool:
    scheduler = PipelineScheduler(folder / "ours.db")
    start = time.perf_counter()
    begin = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=options.jobs * 0.01 + 2)
    expected = add_all(scheduler, options, begin, Ticking)
    scheduler.start()
    print(f"{options.jobs} jobs added in {time.perf_counter() - start:.1f} s")
    time.sleep(max(0, (begin - dt.datetime.now(dt.UTC)).total_seconds()) + options.seconds + 2)
    scheduler.shutdown()
    records = scheduler.runs()
    made = Counter(each.job_id for each in records if each.state is RunState.SUCCESS)
    return report(
        "volnux",
        expected,
        made,
        [each.lateness.total_seconds() for each in records if each.lateness is not None],
    )


def plain(options: argparse.Namespace, folder: Path) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_jobstore(SQLAlchemyJobStore(engine=engine_for(folder / "plain.db")))
    begin = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=options.jobs * 0.01 + 2)
    expected = add_all(scheduler, options, begin, tick)
    scheduler.start()
    time.sleep(max(0, (begin - dt.datetime.now(dt.UTC)).total_seconds()) + options.seconds + 2)
    scheduler.shutdown()
    firsts = {
        f"job-{number}": moments(number, options, begin)[0].timestamp()
        for number in range(options.jobs)
    }
    late = [(when - firsts[name]) % options.every for name, when in PLAIN]
    report("APScheduler alone", expected, Counter(name for name, _ in PLAIN), late)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        good = ours(options, Path(folder))
        plain(options, Path(folder))
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
