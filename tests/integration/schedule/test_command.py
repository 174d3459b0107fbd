"""`volnux schedule` as users call it."""

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from volnux.scheduler import PipelineScheduler

EVENTS = """
import time
from volnux import event

@event
def Hello():
    time.sleep(0.5)
    return True, None
"""


def volnux(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "volnux", "schedule", *arguments], capture_output=True, text=True
    )


@pytest.fixture
def flow(own_folder):
    (own_folder / "events.py").write_text(EVENTS)

    def flow(name, *schedules, more="", text="Hello"):
        lines = "".join(f'@schedule: "{schedule}"\n' for schedule in schedules)
        (own_folder / f"{name}.pty").write_text(f"{lines}{more}{text}\n")

    return flow


def test_next_as_json(flow):
    flow("a", "30 2 * * *", more="@timezone: Europe/Paris\n")
    done = volnux("next", "a.pty", "-n", "2", "--after", "2026-03-28T12:00", "--json")
    assert json.loads(done.stdout) == {
        "schedule": "30 2 * * *",
        "timezone": "Europe/Paris",
        "next": [
            {"local": "2026-03-29T03:30:00+02:00", "utc": "2026-03-29T01:30:00+00:00"},
            {"local": "2026-03-30T02:30:00+02:00", "utc": "2026-03-30T00:30:00+00:00"},
        ],
    }


def test_next_of_several_schedules_is_a_list(flow):
    flow("a", "0 6 * * 1-5", "0 9 L * *")
    done = volnux("next", "a.pty", "-n", "1", "--after", "2026-01-01", "--json")
    shown = json.loads(done.stdout)
    assert [(each["schedule"], each["next"][0]["utc"]) for each in shown] == [
        ("0 6 * * 1-5", "2026-01-01T06:00:00+00:00"),
        ("0 9 L * *", "2026-01-31T09:00:00+00:00"),
    ]


def test_next_for_people(flow):
    flow("a", "30 6 * * 1-5", more="@timezone: Asia/Tokyo\n")
    done = volnux("next", "a.pty", "-n", "2", "--after", "2026-01-02T12:00")
    assert done.stdout.splitlines() == [
        "At 06:30 from Monday to Friday, Asia/Tokyo.",
        "  Mon 2026-01-05 06:30 +0900   2026-01-04 21:30 UTC",
        "  Tue 2026-01-06 06:30 +0900   2026-01-05 21:30 UTC",
    ]


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        ("61 * * * *", (), "a.pty:1:13: error: minute: expected 0 to 59, found '61'"),
        (None, (), "a.pty has no schedule"),
        ("@daily", ("--after", "tomorrow"), "--after takes a date or a time"),
    ],
)
def test_next_says_what_is_wrong(flow, schedule, arguments, message):
    flow("a", *([schedule] if schedule else []))
    done = volnux("next", "a.pty", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""


MISSED = "@start-date: {}\n@catchup: true\n"
"""Runs that are due as soon as a file is served, so that no test waits for the next full minute."""

ONCE = MISSED.format(f"{dt.datetime.now(dt.UTC).year}-01-01")
"""With `@yearly`, one run that is due at once."""

OFTEN = MISSED.format("2026-01-01")
"""With `@daily`, many runs that are due at once; they run one after the other."""


class Service:
    """`volnux schedule run` in a process, and all its output."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "volnux", "schedule", "run", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def wait_for(self, text, seconds=90, *, times=1):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if sum(text in line for line in self.lines) >= times:
                return
            time.sleep(0.05)
        raise AssertionError(f"{text!r} did not come:\n{''.join(self.lines)}")

    def end(self, number=signal.SIGTERM):
        os.kill(self.process.pid, number)
        code = self.process.wait(60)
        self._reader.join(10)
        self.process.stdout.close()
        return code


@pytest.fixture
def serve():
    services = []

    def serve(*arguments):
        services.append(Service(*arguments))
        return services[-1]

    yield serve
    for service in services:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


def test_run_serves_a_folder_fires_reloads_and_stops(flow, serve):
    flow("a", "@yearly", more=ONCE)
    flow("plain")
    os.mkfifo("pipe.pty")
    service = serve(".", "--poll", "0.2")
    service.wait_for("serving 1 file; an interrupted run is lost")
    service.wait_for("next  ")
    second = volnux("run", ".")
    assert second.returncode == 2
    assert "another scheduler is using" in second.stderr
    assert f"process {service.process.pid}" in second.stderr
    service.wait_for("due   ")
    service.wait_for("a: success in")
    flow("b", "0 6 * * *")
    service.wait_for("serving b.pty: At 06:00 every day")
    flow("a", "0 7 * * *")
    service.wait_for("reloaded a.pty: At 07:00 every day")
    flow("a", "0 7 * * *", text="Helo")
    service.wait_for("there is no event 'Helo'")
    service.wait_for("a.pty keeps its previous version")
    Path("b.pty").unlink()
    service.wait_for("b.pty no longer exists: its job is removed")
    assert service.end() == 0
    assert sum("pipe.pty: warning: skipped" in line for line in service.lines) == 1
    assert service.lines[-2:] == ["stopping: current runs may finish\n", "stopped\n"]


def test_run_uses_changed_events(flow, serve):
    flow("a", "@daily", more=OFTEN)
    service = serve("a.pty", "--poll", "0.2")
    service.wait_for("a: success in")
    Path("events.py").write_text(EVENTS.replace("return True, None", "return False, 'changed'"))
    service.wait_for("reloaded a.pty")
    service.wait_for("fail  ")
    assert service.end(signal.SIGINT) == 0


def test_run_notices_changed_files_that_are_used(flow, serve):
    shared = Path("shared")
    shared.mkdir()
    shared.joinpath("clean.pty").write_text("Hello")
    shared.joinpath("clean_events.py").write_text(EVENTS)
    flow("a", "0 6 * * *", more='@use: clean = "shared/clean.pty"\n', text="clean")
    service = serve("a.pty", "--poll", "0.2")
    service.wait_for("serving a.pty")
    shared.joinpath("clean.pty").write_text("Helo")
    service.wait_for("shared/clean.pty:1:1: error: there is no event 'Helo'")
    service.wait_for("a.pty keeps its previous version")
    shared.joinpath("clean_events.py").write_text(EVENTS.replace("Hello", "Helo"))
    service.wait_for("reloaded a.pty")
    shared.joinpath("clean.pty").write_text('@use: repair = "repair.pty"\nrepair')
    service.wait_for("there is no such file")
    shared.joinpath("repair.pty").write_text("Fine")
    service.wait_for("there is no event 'Fine'")
    shared.joinpath("repair_events.py").write_text(EVENTS.replace("Hello", "Fine"))
    service.wait_for("reloaded a.pty", times=2)
    assert service.end() == 0


def test_what_became_of_runs_can_be_looked_at(flow, serve):
    flow("bad", "@yearly", more=ONCE, text="Bad")
    with Path("events.py").open("a") as events:
        events.write('\n@event\ndef Bad():\n    raise ValueError("no luck")\n')
    assert "there is no store" in volnux("show").stderr
    service = serve(".", "--poll", "0.2")
    service.wait_for("fail  ")
    service.wait_for('raise ValueError("no luck")')
    (run,) = json.loads(volnux("show", "bad.pty", "--json", "-n", "1").stdout)
    assert (run["pipeline"], run["state"], run["attempt"]) == ("bad", "failed", 1)
    listed = volnux("show").stdout
    assert run["run_id"] in listed
    assert "Bad (ValueError: no luck)" in listed
    report = volnux("show", "--run", run["run_id"][:12])
    assert 'raise ValueError("no luck")' in report.stdout
    report = json.loads(volnux("show", "--run", run["run_id"], "--json").stdout)
    assert report["places"]["Bad"]["failure"]["message"] == "no luck"
    assert volnux("show", "other.pty").stdout == "no runs\n"
    assert "has no report" in volnux("show", "--run", "nothing").stderr
    assert service.end() == 0


def test_nothing_that_goes_wrong_ends_the_service(flow, serve):
    flow("a", "0 6 * * *", more="@start-date: 0001-01-01\n@timezone: Asia/Tokyo\n")
    flow("wrong", "0 6 * * *", text="-> ->")
    Path("nowhere.pty").symlink_to("gone.pty")
    Path("loop.pty").symlink_to("loop.pty")
    service = serve(".", "--poll", "0.2")
    service.wait_for("serving a.pty")
    service.wait_for("serving 1 file")
    other = sqlite3.connect("volnux-schedule.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    flow("b", "0 7 * * *")
    service.wait_for("database is locked")
    other.execute("ROLLBACK")
    other.close()
    service.wait_for("serving b.pty")
    for path in Path().glob("volnux-schedule.db*"):
        path.unlink(missing_ok=True)  # the service removes its journal
    flow("c", "0 8 * * *")
    service.wait_for("has been restored")
    service.wait_for("serving c.pty")
    assert service.end() == 0
    assert not any("Traceback" in line for line in service.lines)
    assert {job.name for job in PipelineScheduler("volnux-schedule.db")._jobs.get_all_jobs()}


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("events.py", "cannot be used: file is not a database"),
        ("nowhere/jobs.db", "there is no folder"),
        ("postgresql+nosuch://me:PW-1234@host/db", "'postgresql+nosuch://***@host/db'"),
    ],
)
def test_run_with_something_that_is_no_store(flow, store, message):
    flow("a", "0 6 * * *")
    done = volnux("run", ".", "--store", store)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "PW-1234" not in done.stderr


def test_run_of_something_that_is_not_there(flow):
    done = volnux("run", "nowhere.pty")
    assert done.returncode == 2
    assert "there is no file or folder nowhere.pty" in done.stderr
