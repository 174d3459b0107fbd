"""Ctrl-C in a separate process: as from a terminal, the signal goes to the whole process group."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

HEAD = """
import os, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from volnux import EventBase

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.005)
"""

MAIN = """
import json, sys
from pathlib import Path
from volnux.backends import RunOptions
from volnux.backends.port import RunObserver
from volnux.loading import load_plan
from volnux_standalone import StandaloneBackend

class Seen(RunObserver):
    def cancelling(self, running):
        Path("cancelling").write_text(str(running))

if __name__ == "__main__":
    plan = load_plan(Path("flow.pty").resolve())
    report = StandaloneBackend().run(plan, {}, RunOptions(observer=Seen()))
    print(json.dumps({"status": str(report.status), "places": {
        name: [str(place.state), place.attempts, place.result]
        for name, place in report.places.items()}}), flush=True)
    try:
        print("after", flush=True)
        if len(sys.argv) > 1:
            Path("waiting").touch()
            import time; time.sleep(60)
    except KeyboardInterrupt:
        print("own handler is back", flush=True)
    os = __import__("os"); os._exit(0)
"""


def start(flow, events, *arguments):
    Path("flow.pty").write_text(flow)
    Path("flow_events.py").write_text(HEAD + dedent(events))
    Path("main.py").write_text(MAIN)
    return subprocess.Popen(
        [sys.executable, "main.py", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def appears(process, name):
    deadline = time.monotonic() + 60
    while not Path(name).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{name} does not appear"
        time.sleep(0.005)


def end(process):
    out, err = process.communicate(timeout=60)
    # The log of runs names attempts that are repeated.
    assert [line for line in err.splitlines() if "the next one follows in" not in line] == []
    return out


KINDS = {
    "default": "",
    "threads": "executor = ThreadPoolExecutor",
    "processes": "executor = ProcessPoolExecutor",
}


@pytest.mark.parametrize("kind", KINDS)
def test_once_lets_what_runs_finish(kind):
    process = start(
        "Runs -> Next",
        f"""
        class Runs(EventBase):
            {KINDS[kind]}
            def process(self):
                Path("begun").touch()
                wait_for("cancelling")
                return True, "finished"

        class Next(EventBase):
            def process(self):
                return True, None
        """,
        "stay",
    )
    appears(process, "begun")
    os.killpg(process.pid, signal.SIGINT)
    appears(process, "cancelling")
    assert Path("cancelling").read_text() == "1"
    appears(process, "waiting")
    os.kill(process.pid, signal.SIGINT)
    out = end(process)
    assert '"status": "cancelled"' in out
    assert '"Runs": ["done", 1, "finished"]' in out
    assert '"Next": ["cancelled", 0, null]' in out
    assert "own handler is back" in out


@pytest.mark.parametrize("kind", KINDS)
def test_once_ends_a_run_whose_events_wait(kind):
    process = start(
        "Waits -> Next",
        f"""
        class Waits(EventBase):
            {KINDS[kind]}
            every = 3600
            def process(self):
                Path("begun").touch()
                self.not_yet("no file")

        class Next(EventBase):
            def process(self):
                return True, None
        """,
    )
    appears(process, "begun")
    os.killpg(process.pid, signal.SIGINT)
    out = end(process)
    assert '"status": "cancelled"' in out
    assert '"Waits": ["cancelled", 1, null]' in out
    assert '"Next": ["cancelled", 0, null]' in out


@pytest.mark.parametrize("kind", [*KINDS, "coroutine"])
def test_twice_ends_the_run_now(kind):
    body = """
            def process(self):
                Path("begun").touch()
                time.sleep(600)
    """
    if kind == "coroutine":
        body = body.replace("def process", "async def process")
    process = start(
        "Runs -> Next",
        f"""
        class Runs(EventBase):
            {KINDS.get(kind, "")}
            {body.strip()}

        class Next(EventBase):
            def process(self):
                return True, None
        """,
    )
    appears(process, "begun")
    os.killpg(process.pid, signal.SIGINT)
    appears(process, "cancelling")
    os.killpg(process.pid, signal.SIGINT)
    out = end(process)
    assert '"status": "cancelled"' in out
    assert '"Runs": ["cancelled", 1, null]' in out


def test_workers_that_are_only_starting_live_on():
    process = start(
        " || ".join(["E"] * 4),
        """
        Path(f"import-{os.getpid()}").touch()
        if "worker" in os.environ.get("SLOW", ""):
            time.sleep(0.5)

        class E(EventBase):
            executor = ProcessPoolExecutor
            executor_config = {"max_workers": 4}
            def process(self):
                wait_for("cancelling")
                return True, "finished"
        """,
    )
    # Its own import, then at least one worker's.
    deadline = time.monotonic() + 60
    while len(list(Path().glob("import-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    out = end(process)
    assert '"status": "cancelled"' in out
    assert out.count('["done", 1, "finished"]') == 4


def test_nothing_spins_while_it_waits():
    process = start(
        "Waits || Again || Co",
        """
        import asyncio
        from volnux import RetryPolicy

        class Waits(EventBase):
            executor = ThreadPoolExecutor
            def process(self):
                before = time.process_time()
                time.sleep(1.5)
                return True, time.process_time() - before

        class Again(EventBase):
            retry_policy = RetryPolicy(max_attempts=2, backoff_factor=1.5)
            def process(self):
                if self.attempt == 1:
                    raise OSError
                return True, None

        class Co(EventBase):
            async def process(self):
                await asyncio.sleep(1.5)
                return True, None
        """,
    )
    out = end(process)
    spent = float(out.partition('"Waits": ["done", 1, ')[2].partition("]")[0])
    assert '"status": "success"' in out
    assert spent < 0.3
