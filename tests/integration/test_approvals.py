"""A person answers a run: on its terminal, or with `volnux answer`."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pexpect
import pytest

TOOL = str(Path(sys.executable).with_name("volnux"))
PATIENCE = 60


@pytest.fixture(autouse=True)
def flow():
    Path("ship.pty").write_text('@input: table: str = "orders"\n{Approve || Second} |-> Ship\n')
    events = """
        from volnux import approval, event

        Approve = approval("Ship {table}?", options={"Ship it": 1, "Hold": 0})
        Second = approval("Sure?")

        @event
        def Ship(previous_result):
            return True, previous_result
    """
    Path("ship_events.py").write_text(textwrap.dedent(events))


def on_terminal(*arguments):
    return pexpect.spawn(
        TOOL, ["run", "ship.pty", *arguments], encoding="utf-8", timeout=PATIENCE, echo=False
    )


def results(report):
    return {place: each["result"] for place, each in report["places"].items()}


def test_on_a_terminal():
    run = on_terminal("--no-store")
    run.expect("Approve asks: Ship orders\\?")
    run.expect("1  Ship it")
    run.expect("2  Hold")
    run.expect("answer: ")
    run.sendline("what")
    run.expect("expected 1 to 2, or one of the answers: answer: ")
    run.sendline("ship")
    run.expect("Second asks: Sure\\?")
    run.expect("answer: ")
    run.sendline("1")
    run.expect("success")
    run.expect(pexpect.EOF)
    run.close()
    assert run.exitstatus == 0


def test_ctrl_c_while_it_asks():
    run = on_terminal("--no-store")
    run.expect("answer: ")
    run.sendintr()
    run.expect(pexpect.EOF)
    run.close()
    assert run.exitstatus == 130


def test_the_end_of_input_and_what_was_typed_before_are_not_answers():
    run = on_terminal("--no-store")
    run.sendline("1")
    run.expect("Approve asks")
    run.expect("answer: ")
    run.sendeof()
    run.expect("Ctrl-C cancels the run: answer: ")
    run.sendline("2")
    run.expect("Second asks")
    run.sendintr()
    run.expect("Approve +failed")
    run.expect(pexpect.EOF)


def answer(*arguments):
    done = subprocess.run([TOOL, "answer", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def wait_for(count):
    """The open questions, once there are so many."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        code, out, _ = answer("--json") if Path(".volnux/runs.db").exists() else (2, "", "")
        found = json.loads(out)["questions"] if code == 0 else []
        if len(found) == count:
            return found
    raise AssertionError("the questions were not asked")


def test_from_another_terminal():
    run = subprocess.Popen(
        [TOOL, "run", "ship.pty", "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    first, second = wait_for(2)
    assert (first["place"], first["question"], first["options"]) == (
        "Approve", "Ship orders?", ["Ship it", "Hold"]
    )  # fmt: skip
    short = first["run_id"][:8]
    assert answer(short, "Aprove", "1")[::2] == (
        2,
        f"error: Aprove of run {first['run_id']} does not wait for an answer; "
        "did you mean 'Approve'?\n",
    )
    assert answer("last", "Approve", "what")[::2] == (
        2, "error: 'what' is not an answer to Approve; expected: Ship it, Hold\n"
    )  # fmt: skip
    assert answer(short, "Approve", "ship") == (
        0, f"Approve of run {first['run_id']}: Ship it\n", ""
    )  # fmt: skip
    assert answer(short, "Approve", "hold")[0] == 2
    assert "Second of run" in answer()[1]
    assert answer("last", second["place"], "2")[0] == 0
    out, err = run.communicate(timeout=PATIENCE)
    assert f"Second: asks: Sure? (volnux answer {first['run_id']} Second)" in err
    assert results(json.loads(out)) == {"Approve": "Ship it", "Second": "Reject", "Ship": None}
    assert answer()[1] == "no run waits for an answer\n"


def test_a_run_that_was_killed_asks_nothing():
    run = subprocess.Popen(
        [TOOL, "run", "ship.pty"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    wait_for(2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_for(0)


def test_where_nobody_can_answer():
    done = subprocess.run(
        [TOOL, "run", "ship.pty", "--no-store"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "ship.pty:2:2: error: Approve asks a person, but nobody can answer" in done.stderr
    assert answer("last", "Approve", "1")[2].startswith("error: no runs are kept in ")
