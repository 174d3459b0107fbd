"""`volnux schedule` as people call it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

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


class Service:
    """`volnux schedule run` in a process, and all that it has printed."""

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

    def wait_for(self, text, seconds=90):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(text in line for line in self.lines):
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
    flow("a", "* * * * *")
    flow("plain")
    os.mkfifo("pipe.pty")
    service = serve(".", "--poll", "0.2")
    service.wait_for("serving 1 file; a run that is cut off is lost")
    service.wait_for("next  ")
    second = volnux("run", ".")
    assert second.returncode == 2
    assert "another scheduler serves" in second.stderr
    assert f"process {service.process.pid}" in second.stderr
    service.wait_for("due   ")
    service.wait_for("a: success in")
    flow("b", "0 6 * * *")
    service.wait_for("serving b.pty: At 06:00 every day")
    flow("a", "0 7 * * *")
    service.wait_for("reloaded a.pty: At 07:00 every day")
    flow("a", "0 7 * * *", text="Helo")
    service.wait_for("there is no event 'Helo'")
    service.wait_for("a.pty goes on as it was")
    Path("b.pty").unlink()
    service.wait_for("b.pty is gone: its job is removed")
    assert service.end() == 0
    assert sum("pipe.pty: warning: skipped" in line for line in service.lines) == 1
    assert service.lines[-2:] == ["stopping: what runs may finish\n", "stopped\n"]


def test_run_uses_changed_events(flow, serve):
    flow("a", "* * * * *")
    service = serve("a.pty", "--poll", "0.2")
    service.wait_for("serving 1 file")
    Path("events.py").write_text(EVENTS.replace("return True, None", "return False, 'changed'"))
    service.wait_for("reloaded a.pty")
    service.wait_for("fail  ")
    assert service.end(signal.SIGINT) == 0


def test_run_of_something_that_is_not_there(flow):
    done = volnux("run", "nowhere.pty")
    assert done.returncode == 2
    assert "there is no nowhere.pty" in done.stderr
