"""A scheduler that is killed during a run, and the next one on its store."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from volnux.scheduler import PipelineScheduler, RunState

EVENTS = """
import os, time
from pathlib import Path
from volnux import event

def note(word):
    with Path(__file__).with_name("log.txt").open("a") as log:
        log.write(f"{word}\\n")

@event
def Slow(self):
    note("slow begins")
    note(f"run {self.run_id}, attempt {self.attempt} of the event")
    if not Path(__file__).with_name("fast").exists():
        time.sleep(60)
    note("slow ends")
    return True, None

@event
def Quick():
    note("quick")
    return True, None
"""

PROGRAM = """
import sys, time
from volnux.scheduler import PipelineScheduler

scheduler = PipelineScheduler("jobs.db", workers=int(sys.argv[3]), cut_off=sys.argv[1])
if sys.argv[2] == "add":
    scheduler.add_job("slow.pty", "date", id="slow")
    scheduler.add_job("quick.pty", "interval", seconds=1, id="quick", coalesce=sys.argv[4] == "one")
scheduler.start()
print("started", flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(own_folder):
    (own_folder / "events.py").write_text(EVENTS)
    (own_folder / "slow.pty").write_text("Slow\n")
    (own_folder / "quick.pty").write_text("Quick\n")
    running = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE
        )
        running.append(process)
        assert process.stdout.readline() == b"started\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def log():
    path = Path("log.txt")
    return Counter(path.read_text().splitlines() if path.exists() else [])


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited in vain; so far: {log()}")


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def look():
    """Read the ledger."""

    def look(job_id):
        return PipelineScheduler("jobs.db").runs(job_id)

    return look


@pytest.mark.parametrize(
    ("cut_off", "begins", "ends", "state", "attempt"),
    [("lost", 1, 0, RunState.LOST, 1), ("repeat", 2, 1, RunState.SUCCESS, 2)],
)
def test_a_run_that_was_cut_off(start, look, cut_off, begins, ends, state, attempt):
    process = start(cut_off, "add", 4, "one")
    wait_for(lambda: log()["slow begins"] == 1 and log()["quick"] >= 1)
    kill(process)
    before = log()["quick"]
    Path("fast").touch()
    process = start(cut_off, "go on", 4, "one")
    # A run is in the ledger a little after the last line of its event.
    wait_for(lambda: log()["quick"] >= before + 2 and look("slow")[0].state is state)
    kill(process)
    (record,) = look("slow")
    assert (record.state, record.attempt) == (state, attempt)
    assert (log()["slow begins"], log()["slow ends"]) == (begins, ends)
    # A repeated run is the same run, and its events begin anew.
    assert log()[f"run {record.run_id}, attempt 1 of the event"] == begins


@pytest.mark.parametrize("missed", ["one", "all"])
def test_nothing_runs_twice_and_what_was_missed_is_made_up_for(start, look, missed):
    process = start("lost", "add", 4, missed)
    wait_for(lambda: log()["quick"] >= 2)
    kill(process)
    time.sleep(3.2)
    process = start("lost", "go on", 4, missed)
    before = log()["quick"]
    wait_for(lambda: log()["quick"] >= before + 5)
    kill(process)
    records = list(reversed(look("quick")))
    ended = [record for record in records if record.state is RunState.SUCCESS]
    # At most the runs under way at either kill are begun and not ended.
    assert 0 <= log()["quick"] - len(ended) <= 2
    assert len({record.scheduled for record in records}) == len(records)
    gaps = [
        round((b.scheduled - a.scheduled).total_seconds()) for a, b in itertools.pairwise(records)
    ]
    if missed == "all":
        assert set(gaps) == {1}
    else:
        assert max(gaps) >= 3


def test_a_run_that_had_not_begun_is_begun_by_the_next_scheduler(start, look):
    # With one worker, which the slow pipeline has, the quick one waits for its turn.
    process = start("lost", "add", 1, "one")
    wait_for(lambda: log()["slow begins"] == 1)
    wait_for(lambda: any(r.state is RunState.QUEUED for r in look("quick")))
    kill(process)
    assert log()["quick"] == 0
    queued = [r.scheduled for r in look("quick") if r.state is RunState.QUEUED]
    process = start("lost", "go on", 1, "one")

    def states():
        made = {r.scheduled: r.state for r in look("quick")}
        return [made[instant] for instant in queued]

    wait_for(lambda: states() == [RunState.SUCCESS] * len(queued))
    assert log()["quick"] >= len(queued)
