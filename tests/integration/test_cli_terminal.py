"""`volnux run` on a terminal: the live display, colour, Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

TOOL = str(Path(sys.executable).with_name("volnux"))

EVENTS = """
import pathlib, time
from volnux import event
from concurrent.futures import ProcessPoolExecutor

@event
def Ok(): return True, 1

@event
def Bad(): return False, "no"

def wait():
    pathlib.Path("waits").touch()
    end = time.monotonic() + 30
    while not pathlib.Path("go").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return True, 1

@event
def Wait():
    print("the event says hello")
    return wait()

@event(executor=ProcessPoolExecutor, max_workers=1)
def Far(): return wait()

@event
def Still(): return wait()

@event
def Break():
    answer = 42
    breakpoint()
    return True, answer

@event
def Ask():
    return input("who? ") == "Ada", None

@event
def Read():
    import sys
    print("type:")
    return sys.stdin.readline() == "Ada\\n", None

@event
def Secret():
    import getpass
    return getpass.getpass("secret? ") == "Ada", None

@event
def Fails():
    wrong = 42
    raise ValueError(wrong)

@event(executor=ProcessPoolExecutor)
def FailsFar():
    raise ValueError("far")

@event
def Wrong(): return "wrong"

@event
def List(): return True, list(range(200))

@event
def Fetch(previous_result):
    if previous_result in (7, 150): raise ValueError(previous_result)
    return True, previous_result

@event
def FailsAll(previous_result): raise ValueError("no " + str(previous_result))
"""


@pytest.fixture(autouse=True)
def files():
    Path("flow_events.py").write_text(EVENTS)


@pytest.fixture
def terminal():
    """Run the tool on a terminal. Its process is ended with the test."""
    started = []

    def start(*arguments, **environment):
        env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")}
        child = pexpect.spawn(
            TOOL,
            list(arguments),
            env={**env, "TERM": "xterm-256color", **environment},
            encoding="utf-8",
            timeout=20,
            dimensions=(30, 100),
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def wait_for(name):
    end = time.monotonic() + 20
    while not Path(name).exists():
        assert time.monotonic() < end, f"{name} never came"
        time.sleep(0.01)


def ended(child):
    """What the tool printed to its end, without colour, and its exit code."""
    child.expect(pexpect.EOF)
    child.close()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", child.before), child.exitstatus


def test_the_display_shows_what_runs_and_keeps_what_ended(terminal):
    Path("flow.pty").write_text("Ok -> Wait -> Bad")
    child = terminal("run", "flow.pty")
    child.expect("Ok: .*done.* in ")
    child.expect("1 of 3 places ended")
    child.expect("Wait [0-9.]+m?s")
    Path("go").touch()
    text, code = ended(child)
    assert code == 1
    assert "Wait: done in" in text
    assert "Bad: failed in" in text
    assert re.search(r"^Bad +failed +0 +1 ", text, re.M)
    assert text.rstrip().endswith("s")
    assert "flow: failed in" in text


def test_many_copies_share_a_line(terminal):
    Path("flow.pty").write_text("List |-> {Fetch -> Ok}[each=url, at_once=8] (0 -> Wait) -> Bad")
    child = terminal("run", "flow.pty")
    child.expect("Fetch: .*198 done.*, .*2 failed.* in ")
    child.expect("Wait [0-9.]+m?s")
    Path("go").touch()
    text, code = ended(child)
    assert code == 1
    assert not re.search(r"(Fetch|Ok)\[\d+\]: done", text)
    table = text[text.index("place ") :]
    assert re.search(r"^Fetch\[0\.\.199\] +198 done +1 +198 ", table, re.M)
    assert re.search(r"^Fetch\[7\] +failed +0 +1 ", table, re.M)
    assert re.search(r"^Ok\[0\.\.199\] +198 done +1 +198 ", table, re.M)
    assert re.search(r"^Ok\[0\.\.199\] +2 failed +- +0 ", table, re.M)
    assert "Fetch[150] failed, handled: ValueError: 150" in table
    assert len(table.splitlines()) < 20


def test_many_failed_copies_are_cut(terminal):
    Path("flow.pty").write_text("List |-> FailsAll[each=url]")
    text, code = ended(terminal("run", "flow.pty"))
    assert code == 1
    assert len(re.findall(r"FailsAll\[\d+\]: failed", text)) == 10
    assert "FailsAll: 200 failed in" in text
    assert re.search(r"^FailsAll\[0\.\.199\] +190 failed +0 +190 ", text, re.M)
    assert "FailsAll: 190 more failed" in text
    assert text.count("Traceback") == 10


def test_every_copy_is_shown_if_asked_for(terminal):
    Path("flow.pty").write_text("List |-> Fetch[each=url, at_once=8] (0 -> Ok)")
    text, code = ended(terminal("run", "flow.pty", "--plain"))
    assert code == 0
    assert text.count("]: done in") == 198
    assert len(re.findall(r"^Fetch\[\d+\] +(?:done|failed) +[01]", text, re.M)) == 200


def test_what_events_print_stands_above_the_display(terminal):
    Path("flow.pty").write_text("Wait")
    child = terminal("run", "flow.pty")
    child.expect("the event says hello\r\n")
    Path("go").touch()
    assert ended(child)[1] == 0


def test_colour_and_none(terminal):
    Path("flow.pty").write_text("Ok")
    child = terminal("run", "flow.pty")
    child.expect("\x1b\\[32mdone\x1b\\[0m")
    child.expect(pexpect.EOF)
    child = terminal("run", "flow.pty", NO_COLOR="1")
    child.expect(pexpect.EOF)
    assert not re.search(r"\x1b\[[0-9;]*m", child.before)
    assert "flow: success" in child.before
    Path("flow.pty").write_text("Ok ->")
    child = terminal("check", "flow.pty")
    child.expect("\x1b\\[1;31merror\x1b\\[0m")


def test_a_dumb_terminal_gets_plain_lines(terminal):
    Path("flow.pty").write_text("Ok")
    child = terminal("run", "flow.pty", TERM="dumb")
    child.expect(pexpect.EOF)
    assert "] Ok: started" in child.before
    assert "\x1b" not in child.before


def test_ctrl_c_once_lets_what_runs_finish(terminal):
    Path("flow.pty").write_text("Wait -> Ok")
    child = terminal("run", "flow.pty")
    wait_for("waits")
    child.sendintr()
    child.expect("cancelling: 1 place may still finish")
    Path("go").touch()
    text, code = ended(child)
    assert code == 130
    assert re.search(r"^Wait +done +1 ", text, re.M)
    assert re.search(r"^Ok +cancelled +- +0 ", text, re.M)
    assert "flow: cancelled in" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("event", ["Wait", "Far"])
def test_ctrl_c_twice_ends_the_run_now(terminal, event):
    Path("flow.pty").write_text(f"{event} -> Ok")
    child = terminal("run", "flow.pty")
    wait_for("waits")
    begun = time.monotonic()
    child.sendintr()
    child.expect("cancelling: 1 place may still finish")
    child.sendintr()
    text, code = ended(child)
    assert code == 130
    assert "cancelled" in text
    assert "Traceback" not in text
    assert time.monotonic() - begun < 15


def test_ctrl_c_while_modules_are_imported(terminal):
    Path("flow.pty").write_text("Ok")
    Path("flow_events.py").write_text(
        "import pathlib, time\npathlib.Path('waits').touch()\ntime.sleep(30)\n"
    )
    child = terminal("run", "flow.pty")
    wait_for("waits")
    child.sendintr()
    text, code = ended(child)
    assert code == 130
    assert "cancelled" in text
    assert "Traceback" not in text


def test_a_cancelled_run_still_gives_its_report():
    Path("flow.pty").write_text("Wait -> Ok")
    with subprocess.Popen(
        [TOOL, "run", "flow.pty", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as run:
        wait_for("waits")
        run.send_signal(signal.SIGINT)
        time.sleep(0.2)
        Path("go").touch()
        out, _ = run.communicate(timeout=20)
    assert run.returncode == 130
    report = json.loads(out)
    assert report["status"] == "cancelled"
    assert report["places"]["Ok"]["state"] == "cancelled"


def test_json_keeps_its_progress_on_the_terminal():
    Path("flow.pty").write_text("Ok")
    child = pexpect.spawn(
        "bash", ["-c", f"{TOOL} run flow.pty --json > report.json"], encoding="utf-8", timeout=20
    )
    child.expect("Ok: .*done")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert json.loads(Path("report.json").read_text())["status"] == "success"


QUIET = "import time; time.sleep(0.7)"
"""What the debugger is told to do: the display would paint itself several times meanwhile."""


def test_the_display_steps_aside_for_a_debugger(terminal):
    Path("flow.pty").write_text("Break || Still -> Ok")
    child = terminal("run", "flow.pty")
    child.expect_exact("(Pdb) ")
    wait_for("waits")
    child.sendline("answer + 1")
    child.expect_exact("43\r\n")
    child.expect_exact("(Pdb) ")
    child.sendline(QUIET)
    child.expect_exact("(Pdb) ")
    # Nothing but the echo of what was typed.
    assert child.before.replace("\r", "").strip() == QUIET
    child.sendline("continue")
    child.expect("Break: .*done.* in ")
    child.expect("1 of 3 places ended")
    Path("go").touch()
    text, code = ended(child)
    assert code == 0
    assert re.search(r"^Break +done +1 ", text, re.M)


@pytest.mark.parametrize(
    ("name", "prompt"),
    # The display is there below what is printed, and goes when the event reads.
    [("Ask", "who[?] "), ("Read", r"type:\r\n[^?]*\x1b\[\?25h"), ("Secret", "secret[?] ")],
)
def test_the_display_steps_aside_for_other_readers(terminal, name, prompt):
    Path("flow.pty").write_text(f"{name} || Ok || Still")
    child = terminal("run", "flow.pty")
    child.expect(prompt)
    wait_for("waits")
    # Whoever painted would do so by now: there is nothing to wait for where nothing happens.
    assert child.expect([pexpect.TIMEOUT, "places ended"], timeout=0.7) == 0
    child.sendline("Ada")
    child.expect(f"{name}: .*done.* in ")
    Path("go").touch()
    text, code = ended(child)
    assert code == 0
    assert re.search(rf"^{name} +done +1 ", text, re.M)


def test_plain_lines_are_shown_on_a_terminal_if_asked_for(terminal):
    Path("flow.pty").write_text("Ok")
    child = terminal("run", "--plain", "flow.pty")
    text, code = ended(child)
    assert code == 0
    assert "] Ok: started" in text
    assert "places ended" not in text


def test_the_debugger_opens_in_the_event_that_failed(terminal):
    Path("flow.pty").write_text("Fails (0 -> Ok) -> Ok || Fails")
    child = terminal("run", "flow.pty", "--pdb")
    child.expect_exact("--pdb: post mortem of Fails__2: ValueError: 42 (q to quit)")
    child.expect_exact("(Pdb) ")
    child.sendline("wrong + 1")
    child.expect_exact("43\r\n")
    child.sendline("q")
    assert ended(child)[1] == 1


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (
            "FailsFar",
            "--pdb: FailsFar ran in another process, and its stack frames are gone: to debug it, "
            "write FailsFar[executor=inline], which runs it in this process",
        ),
        ("Bad", "--pdb: Bad returned a failure and raised no exception: put breakpoint() into it"),
        ("Wrong", "--pdb: Wrong has no stack frames: volnux.EventReturnError: Wrong returned"),
        ("Ok", ""),
    ],
)
def test_where_the_debugger_has_nothing_to_open_it_says_so(flow, said):
    Path("flow.pty").write_text(flow)
    done = subprocess.run(
        [TOOL, "run", "flow.pty", "--pdb"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (0 if flow == "Ok" else 1)
    assert said in done.stdout
    assert "(Pdb)" not in done.stdout


def test_the_debugger_and_json_do_not_go_together():
    Path("flow.pty").write_text("Ok")
    done = subprocess.run(
        [TOOL, "run", "flow.pty", "--pdb", "--json"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --pdb uses standard output: remove --json\n"
