"""The installed tool as a process: closed pipes, full disks, closed streams."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = str(Path(sys.executable).with_name("volnux"))

EVENTS = """
from volnux import event

@event
def Ok(): return True, "x" * 100

@event
def Boom(): raise ValueError("no")
"""


@pytest.fixture(autouse=True)
def files():
    Path("flow_events.py").write_text(EVENTS)
    Path("flow.pty").write_text(" -> ".join(["Ok"] * 3000))


def shell(command):
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}".replace("volnux", TOOL)],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "command",
    [
        "volnux run flow.pty",
        "volnux run flow.pty --json",
        "volnux graph flow.pty --format json",
        "volnux simulate flow.pty",
        "volnux --help",
    ],
)
def test_a_reader_that_leaves_early_is_no_error(command):
    done = shell(f"{command} | head -n 1")
    assert done.returncode == 0
    assert done.stderr == "" or "--json" in command
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == 1


def test_the_exit_code_survives_a_reader_that_leaves():
    Path("flow_events.py").write_text(EVENTS.replace('return True, "x" * 100', "return False, 1"))
    assert shell("volnux run flow.pty | true").returncode == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("volnux run flow.pty", 1),
        ("volnux run flow.pty --json", 1),
        ("volnux graph flow.pty", 1),
        ("volnux check flow.pty", 1),
        ("volnux --version", 1),
    ],
)
def test_a_full_disk_is_one_clear_line(command, code):
    done = shell(f"{command} > /dev/full")
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == (
        "error: the output cannot be written: No space left on device"
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: the output") == 1


def test_both_streams_may_be_full():
    done = shell("volnux run flow.pty > /dev/full 2>&1")
    assert done.returncode == 1


@pytest.mark.parametrize("command", ["volnux run flow.pty", "volnux run flow.pty --json"])
def test_a_standard_output_that_is_shut(command):
    done = shell(f"{command} >&-")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_an_event_that_closes_standard_output():
    Path("flow_events.py").write_text(
        "import sys\nfrom volnux import event\n@event\ndef Ok():\n"
        "    sys.stdout.close()\n    return True, 1\n"
    )
    Path("flow.pty").write_text("Ok")
    done = shell("volnux run flow.pty")
    assert done.returncode == 1
    assert done.stderr == ("error: the output cannot be written: it was closed\n")


def test_output_in_an_encoding_that_lacks_a_sign():
    Path("flow.pty").write_text("Grüße -> ")
    done = subprocess.run(
        [TOOL, "check", "flow.pty"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 1
    assert b"Gr\\xfc" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_working_folder_that_is_gone(tmp_path):
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; volnux check {tmp_path}/flow.pty")
    assert done.returncode == 0


def test_lines_come_while_the_run_goes_on():
    Path("flow_events.py").write_text(
        "import pathlib, time\nfrom volnux import event\n@event\ndef Ok():\n"
        "    while not pathlib.Path('go').exists():\n        time.sleep(0.01)\n"
        "    return True, 1\n"
    )
    Path("flow.pty").write_text("Ok")
    run = subprocess.Popen([TOOL, "run", "flow.pty"], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run:
        first, second = run.stdout.readline(), run.stdout.readline()
        Path("go").touch()
        rest = run.stdout.read()
    assert first.endswith("of 1 place started\n")
    assert second.endswith("Ok: started\n")
    assert "flow: success in" in rest


def test_a_report_can_be_read_by_a_program():
    Path("flow.pty").write_text("Boom")
    done = shell("volnux run flow.pty --json 2>/dev/null")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "failed"


def test_a_thread_that_never_ends_does_not_keep_the_process(tmp_path):
    """The event's thread waits for ever, but the tool ends after the timeout."""
    (tmp_path / "stuck_events.py").write_text(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from volnux import event\n"
        "@event(executor=ThreadPoolExecutor)\n"
        "def Stuck():\n"
        "    threading.Event().wait()\n"
    )
    (tmp_path / "stuck.pty").write_text("Stuck[timeout=0.2]\n")
    command = [sys.executable, "-m", "volnux.cli", "run", "--json", "stuck.pty"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert json.loads(done.stdout)["places"]["Stuck"]["failure"]["type"] == "TimeoutError"
