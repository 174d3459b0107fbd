"""The table "How processes end" in `docs/standalone.md`, row by row, and then random endings."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from textwrap import dedent

import pytest

TOOL = [sys.executable, "-m", "volnux"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

HEAD = """
import asyncio, atexit, contextlib, os, signal, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL
from volnux import EventBase, event

def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.005)

class InProcess(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}

def forever(name):
    '''A program that says when it runs.'''
    return ["sh", "-c", f"touch {name}; exec sleep 600"]
"""


def _load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


endings = _load("endings")


class Started:
    """A program in its own session, and which of its processes are alive."""

    def __init__(self, command, **options):
        self.token = f"{os.getpid()}-{time.monotonic_ns()}"
        # A folder with a short name: it holds sockets. What is killed leaves them behind.
        self.temporary = tempfile.mkdtemp()
        own = {endings.TOKEN: self.token, "TMPDIR": self.temporary}
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **own, **options.pop("env", {})},
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    def appears(self, *names):
        deadline = time.monotonic() + 60
        while not all(Path(name).exists() for name in names):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"{names} do not appear"
            time.sleep(0.005)

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        """The exit code, and the output."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def nothing_left(self, besides=()):
        deadline = time.monotonic() + 10
        while left := [n for n in endings.alive(self.token).values() if n not in besides]:
            assert time.monotonic() < deadline, left
            time.sleep(0.01)

    def clean(self):
        for pid in endings.alive(self.token):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate(timeout=60)
        shutil.rmtree(self.temporary, ignore_errors=True)


@pytest.fixture
def start():
    """Start a program: the tool on a flow, or a script."""
    started = []

    def start(*words, flow=None, events="", script=None, **options):
        Path("flow_events.py").write_text(HEAD + dedent(events))
        if flow is not None:
            Path("flow.pty").write_text(flow)
        if script is not None:
            Path("script.py").write_text(dedent(script))
        command = [sys.executable, "script.py"] if script else [*TOOL, *words]
        started.append(Started(command, **options))
        return started[-1]

    yield start
    for each in started:
        each.clean()


DAILY = """
import sys
import tempfile
from volnux import Pipeline

class Daily(Pipeline):
    class Meta:
        file = "flow.pty"
"""


# Ctrl-C in a program of the user's.


@pytest.mark.parametrize(
    "body",
    [
        "for _ in range(3): Daily().start()",
        "Daily().start(control=RunControl())",
        "Many(day=range(3)).execute(max_workers=1)",
        "Many(day=range(3)).execute(max_workers=1, executor='process')",
        "list(Many(day=range(3)).stream(max_workers=1))",
    ],
)
def test_ctrl_c_is_raised_once_the_run_is_closed(start, body):
    program = start(
        flow="Load -> Store",
        events="""
        @event
        def load():
            Path(f"begun-{time.monotonic_ns()}").touch()
            Path("begun").touch()
            wait_for("go")
            return True, None

        @event
        def store():
            Path("stored").touch()
            return True, None
        """,
        script=DAILY
        + f"""
from volnux.backends import RunControl
from volnux.fields import InputDataField
from volnux.pipeline import BatchPipeline
from volnux.signal.signals import pipeline_execution_end

class Each(Daily):
    day = InputDataField(data_type=list, batch_size=1)

class Many(BatchPipeline):
    pipeline_template = Each
    listen_to_signals = [pipeline_execution_end]

def told(execution_context, **_):
    print("told", flush=True)

if __name__ == "__main__":
    pipeline_execution_end.connect(told)
    try:
        {body}
    except KeyboardInterrupt:
        print("raised", flush=True)
        sys.exit(7)
    print("went on")
""",
    )
    program.appears("begun")
    os.killpg(program.process.pid, signal.SIGINT)
    time.sleep(0.2)  # Nothing tells when a batch has heard of it.
    Path("go").touch()
    code, out, err = program.end()
    assert (code, out, err) == (7, "told\nraised\n", "")
    assert len(list(Path().glob("begun-*"))) == 1
    assert not Path("stored").exists()
    program.nothing_left()


def test_the_report_of_an_interrupted_run_is_to_be_had(start):
    program = start(
        flow="Load -> Store",
        events="""
        @event
        def load():
            os.kill(os.getpid(), signal.SIGINT)
            wait_for("cancelling")
            return True, None

        @event
        def store(): return True, None
        """,
        script=DAILY
        + """
from pathlib import Path
from volnux.backends import RunObserver

class Seen(RunObserver):
    def cancelling(self, running):
        Path("cancelling").touch()

daily = Daily()
try:
    daily.start(observer=Seen())
except KeyboardInterrupt:
    print(daily.context.status, daily.context.report.places["Store"].state)
""",
    )
    assert program.end() == (0, "cancelled cancelled\n", "")


# Signals to the tool.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("kind", ["InProcess", "EventBase", "coroutine"])
def test_a_signal_lets_what_runs_finish(start, number, kind):
    base = "EventBase" if kind == "coroutine" else kind
    program = start(
        "run", "--json", "flow.pty", "--grace", "60",
        flow="Runs -> Next",
        events=f"""
        class Runs({base}):
            {"async " * (kind == "coroutine")}def process(self):
                Path("begun").touch()
                wait_for("go")
                return True, "finished"

        class Next(EventBase):
            def process(self):
                return True, None
        """,
    )  # fmt: skip
    program.appears("begun")
    program.send(number)
    line = ""
    while "cancelling: 1 place" not in line:
        line = program.process.stderr.readline()
        assert line, "it does not say that it was cancelled"
    Path("go").touch()
    code, out, err = program.end()
    assert code == CODES[number]
    report = json.loads(out)
    assert report["status"] == "cancelled"
    assert [p["state"] for p in report["places"].values()] == ["done", "cancelled"]
    assert "Traceback" not in err
    program.nothing_left()


@pytest.mark.parametrize("number", CODES)
def test_a_signal_to_the_process_and_its_group_counts_once(start, number):
    # As `timeout` sends it: at once. Where a process was held up in between, it says nothing.
    for _ in range(10):
        for name in ("began", "go"):
            Path(name).unlink(missing_ok=True)
        program = start(
            "run", "flow.pty", "--plain",
            flow="Waits",
            events="""
            class Waits(InProcess):
                def process(self):
                    Path("began").touch()
                    wait_for("go")
                    return True, None
            """,
        )  # fmt: skip
        program.appears("began")
        before = time.perf_counter()
        program.send(number)
        os.killpg(program.process.pid, number)
        at_once = time.perf_counter() - before < 0.001
        while "cancelling" not in program.process.stdout.readline():
            pass
        Path("go").touch()
        code, out, err = program.end()
        program.nothing_left()
        done = re.search(r"^Waits +done", out, re.MULTILINE)
        if at_once and done:
            break
    assert (code, err) == (CODES[number], "")
    assert done, out


def test_a_run_that_an_event_started_is_given_up_with_it(start):
    Path("inner.pty").write_text("Inner")
    Path("inner_events.py").write_text(
        HEAD
        + dedent("""
        class Inner(InProcess):
            def process(self):
                subprocess.run(forever("began"))
                return True, None
        """)
    )
    program = start(
        "run", "flow.pty", "--plain",
        flow="Outer",
        events="""
        import volnux

        @event
        def outer():
            return True, str(volnux.run("inner.pty").status)
        """,
    )  # fmt: skip
    program.appears("began")
    program.send(signal.SIGINT)
    while "cancelling" not in program.process.stdout.readline():
        pass
    program.send(signal.SIGINT)
    code, out, err = program.end()
    assert code == 130, err
    assert re.search(r"^Outer +cancelled", out, re.MULTILINE), out
    program.nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("how", ["limit", "second"])
@pytest.mark.parametrize("kind", ["InProcess", "EventBase", "coroutine"])
def test_a_signal_gives_up_after_a_while(start, number, how, kind):
    base = "EventBase" if kind == "coroutine" else kind
    program = start(
        "run", "--json", "flow.pty", "--grace", "0.1" if how == "limit" else "60",
        flow="Hangs -> Next",
        events=f"""
        class Hangs({base}):
            {"async " * (kind == "coroutine")}def process(self):
                subprocess.Popen(forever("program")) if {kind == "InProcess"} else None
                Path("begun").touch()
                {"await asyncio" if kind == "coroutine" else "time"}.sleep(600)

        class Next(EventBase):
            def process(self):
                return True, None
        """,
    )  # fmt: skip
    program.appears("begun")
    program.send(number)
    if how == "second":
        while "cancelling" not in program.process.stderr.readline():
            pass
        program.send(number)
    code, out, _ = program.end()
    assert code == CODES[number]
    report = json.loads(out)
    assert report["status"] == "cancelled"
    assert {p["state"] for p in report["places"].values()} == {"cancelled"}
    program.nothing_left()


def test_an_ignored_hangup_stays_ignored(start):
    program = start(
        "run", "flow.pty",
        flow="Waits",
        events="""
        @event
        def waits():
            Path("begun").touch()
            wait_for("go")
            return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, None
        """,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    program.appears("begun")
    program.send(signal.SIGHUP)
    Path("go").touch()
    assert program.end()[0] == 0


def test_a_job_in_the_background_obeys_sigterm_too(start):
    """Shells ignore SIGINT for such jobs."""
    program = start(
        "run", "flow.pty", "--grace", "0",
        flow="Hangs",
        events="""
        class Hangs(InProcess):
            def process(self):
                Path("begun").touch()
                time.sleep(600)
        """,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )  # fmt: skip
    program.appears("begun")
    program.send(signal.SIGTERM)
    code, out, _ = program.end()
    assert code == 143
    assert "flow: cancelled" in out


def test_a_signal_of_our_own_counts_beside_one_from_outside(start):
    """Without a grace period, it has the same effect as a signal that is sent twice."""
    program = start(
        script="""
        import os, signal, time
        from volnux.cli import ending

        ending.take_signals()
        slow = ending.on_thread(lambda: time.sleep(0.04))
        give_up = ending.on_thread(lambda: os.write(1, b"given up"))
        with ending.steps(slow, give_up, grace=0):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        """
    )
    assert "given up" in program.end()[1]


def _can_be_process_1():
    tried = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(
    sys.platform != "linux" or not _can_be_process_1(), reason="needs root on Linux"
)
def test_process_1_of_a_container_obeys(start):
    Path("flow.pty").write_text("Hangs")
    Path("flow_events.py").write_text(
        HEAD
        + """
class Hangs(InProcess):
    def process(self):
        Path("begun").write_text(str(os.getppid()))
        time.sleep(600)
"""
    )
    inside = ["unshare", "--pid", "--fork", "--mount-proc", *TOOL, "run", "flow.pty"]
    program = Started([*inside, "--grace", "0"])
    try:
        program.appears("begun")
        pid = program.process.pid
        os.kill(int(Path(f"/proc/{pid}/task/{pid}/children").read_text()), signal.SIGTERM)
        code, out, _ = program.end()
        assert code == 143
        assert "flow: cancelled" in out
        program.nothing_left()
    finally:
        program.clean()


# Nothing of ours outlives its run.


@pytest.mark.parametrize("inner", ["busy", "idle", "starting", "nested", "own pool", "in C"])
def test_nothing_outlives_a_parent_that_is_killed(start, inner):
    body = {
        "busy": 'subprocess.run(forever("program"))',
        "idle": "return True, None",
        "starting": "time.sleep(600)",
        "nested": "Inner().start()",
        "own pool": """
                with ProcessPoolExecutor(2) as pool:
                    list(pool.map(time.sleep, [600, 600]))""",
        "in C": 'Path("begun").touch(); sum(range(10**12))',
    }[inner]
    program = start(
        "run", "flow.pty",
        flow="Works || Waits",
        events=f"""
        from volnux import Pipeline
        if {inner == "starting"} and "Works" not in globals() and os.path.exists("seen"):
            Path("begun").touch()
            time.sleep(600)
        Path("seen").touch()

        class Works(InProcess):
            def process(self):
                Path("begun").touch()
                {body}

        class Waits(EventBase):
            def process(self):
                time.sleep(600)

        class Asleep(InProcess):
            def process(self):
                Path("program").touch()
                time.sleep(600)

        class Inner(Pipeline):
            class Meta:
                pointy = "Asleep"
        """,
    )  # fmt: skip
    program.appears("begun", *(["program"] if inner in ("busy", "nested") else []))
    program.send(signal.SIGKILL)
    program.end()
    program.nothing_left()


@pytest.mark.parametrize("idle", [False, True])
def test_a_lost_fork_server_leaves_no_workers(start, idle):
    program = start(
        "run", "flow.pty",
        flow="Works[timeout=60] (0 -> After)" if not idle else "Works -> After",
        events=f"""
        class Works(InProcess):
            def process(self):
                Path("server").write_text(str(os.getppid()))
                Path("begun").touch()
                {"return True, None" if idle else "time.sleep(600)"}

        @event
        def after():
            if {idle}:
                Path("idle").touch()
                wait_for("killed")
            return True, None
        """,
    )  # fmt: skip
    program.appears("begun", *(["idle"] if idle else []))
    os.kill(int(Path("server").read_text()), signal.SIGKILL)
    Path("killed").touch()
    code, out, _ = program.end()
    assert code == 0
    assert ("WorkerLost" in out) is not idle
    program.nothing_left()


# What an attempt started ends with it.


def test_a_timeout_ends_what_the_attempt_started(start):
    program = start(
        "run", "flow.pty",
        flow="Dump[timeout=1.5] * 2 (0 -> Note)",
        events="""
        class Dump(InProcess):
            def process(self):
                script = "echo $$ >> pids; while true; do sleep 0.05; done"
                subprocess.run(["sh", "-c", script])

        @event
        def note():
            pids = Path("pids").read_text().split()
            for pid in pids:
                command = Path(f"/proc/{pid}/cmdline")
                with contextlib.suppress(OSError):
                    while command.read_bytes():  # killed, but not gone yet
                        time.sleep(0.01)
            return len(pids) == 2, pids
        """,
    )  # fmt: skip
    code, out, _ = program.end()
    assert code == 0, out
    program.nothing_left()


@pytest.mark.parametrize("ending", ["success", "cancelled", "died"])
def test_what_a_success_leaves_running_lives_until_the_run_is_cancelled(start, ending):
    # Also where its worker has ended long since.
    tasks = 1 if ending == "cancelled" else 9
    program = start(
        "run", "flow.pty", "--grace", "60",
        flow="Leaves -> Last",
        events=f"""
        class Leaves(InProcess):
            executor_config = {{"max_workers": 1, "max_tasks_per_child": {tasks}}}
            def process(self):
                subprocess.Popen(forever("program"), stdout=DEVNULL, stderr=DEVNULL)
                wait_for("program")
                if {ending == "died"}:
                    os._exit(3)
                return True, None

        @event
        def last():
            Path("begun").touch()
            wait_for("go")
            return True, None
        """,
    )  # fmt: skip
    if ending == "cancelled":
        program.appears("begun")
        program.send(signal.SIGTERM)
        line = ""
        while "cancelling" not in line:
            line = program.process.stdout.readline()
    Path("go").touch()
    code, _, _ = program.end()
    assert code == {"success": 0, "cancelled": 143, "died": 1}[ending]
    kept = ("sleep 600",) if ending == "success" else ()
    program.nothing_left(besides=kept)
    assert tuple(endings.alive(program.token).values()) == kept


# Threads, exit handlers, forks.


def test_exit_handlers_and_publishers_run_beside_a_stuck_thread(start):
    program = start(
        "run", "flow.pty",
        flow="Ok -> {Hang[timeout=0.3] (0 -> After) || Pool[timeout=0.3] (0 -> After)}",
        events="""
        import logging.handlers

        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import (
            BatchSpanProcessor,
            SpanExporter,
            SpanExportResult,
        )
        from volnux.telemetry import MetricsPublisher, monitor_events

        class ToFile(SpanExporter):
            def export(self, spans):
                with open("spans", "a") as file:
                    print(*(span.name for span in spans), file=file)
                return SpanExportResult.SUCCESS

        class Publisher(MetricsPublisher):
            batch_size, linger = 100, 60.0
            def publish_event_metrics(self, metrics):
                with open("metrics", "a") as file:
                    print(metrics.task_id, file=file)

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(ToFile(), schedule_delay_millis=60_000))
        trace.set_tracer_provider(provider)
        monitor_events(Publisher())
        atexit.register(lambda: Path("handler").touch())
        logging.getLogger().addHandler(logging.handlers.MemoryHandler(
            1000, logging.CRITICAL, logging.FileHandler("records")))

        @event
        def ok():
            logging.getLogger("mine").warning("kept in memory")
            print("unflushed", end="")
            threading.Thread(target=lambda: (time.sleep(0.6), Path("thread").touch())).start()
            global file
            file = open("unclosed", "w")
            file.write("written")
            return True, None

        @event
        def hang(): threading.Event().wait()

        @event(executor=ThreadPoolExecutor)
        def pool(): threading.Event().wait()

        @event
        def after(): return True, None
        """,
    )  # fmt: skip
    code, out, err = program.end()
    assert (code, "Traceback" in err) == (0, False), out + err
    assert "unflushed" in out
    assert Path("handler").exists()
    assert Path("thread").exists()
    assert Path("unclosed").read_text() == "written"
    assert Path("records").read_text() == "kept in memory\n"
    assert "Ok" in Path("metrics").read_text().split()
    assert len(Path("spans").read_text().split()) >= 4


def test_an_exit_handler_that_hangs_is_left_behind_too(start):
    program = start(
        flow="Hang[timeout=0.1] (0 -> After)",
        events="""
        @event
        def hang(): threading.Event().wait()

        @event
        def after():
            atexit.register(time.sleep, 600)
            return True, None
        """,
        script="""
import sys
import tempfile
from volnux.cli import ending, main
if __name__ == "__main__":
    ending.LIMIT = 0.2
    sys.argv[1:] = ["run", "flow.pty"]
    main()
""",
    )
    code, out, err = program.end()
    assert (code, err) == (0, "warning: exit handlers do not end: left behind\n")
    assert "flow: success" in out


THREADS = """
class Starts(EventBase):
    {kind}
    {prefix}def process(self):
        threading.Thread(target=lambda: (time.sleep(0.3), Path("{name}").touch())).start()
        return True, threading.Thread().daemon
"""


@pytest.mark.parametrize("how", ["tool", "script"])
@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        ("", ""),
        ("executor = ThreadPoolExecutor", ""),
        ("executor = ProcessPoolExecutor", ""),
        ("", "async "),
    ],
)
def test_a_thread_of_an_event_is_like_any_other(start, how, kind, prefix):
    script = DAILY + '\nif __name__ == "__main__":\n    print(Daily().start().report.places)\n'
    program = start(
        "run", "flow.pty",
        flow="Starts",
        events=THREADS.format(kind=kind, prefix=prefix, name="ran"),
        script=script if how == "script" else None,
    )  # fmt: skip
    code, out, err = program.end()
    assert (code, err) == (0, ""), out
    assert Path("ran").exists()


FORKS = {
    "process": ("class Forks(EventBase):\n    def process(self):\n        return fork()", ""),
    "worker": ("class Forks(InProcess):\n    def process(self):\n        return fork()", ""),
    "pool": (
        "class Forks(EventBase):\n    executor = ThreadPoolExecutor\n"
        "    def process(self):\n        return fork()",
        "",
    ),
    "coroutine": (
        "class Forks(EventBase):\n    async def process(self):\n        return fork()",
        "",
    ),
    "raises": (
        "class Forks(EventBase):\n    def process(self):\n"
        "        if os.fork() == 0:\n            raise ValueError('in the child')\n"
        "        return ended(1)",
        "ValueError: in the child",
    ),
    "exits": (
        "class Forks(EventBase):\n    def process(self):\n"
        "        if os.fork() == 0:\n            sys.exit(5)\n"
        "        return ended(5)",
        "",
    ),
    "goto": (
        "class Forks(EventBase):\n    def process(self):\n"
        "        if os.fork() == 0:\n            self.goto(3)\n"
        "        return ended(0)",
        "",
    ),
    "bypass": (
        "class Forks(EventBase):\n    def can_bypass(self):\n"
        "        return fork()\n    def process(self):\n        return False, None",
        "",
    ),
    "condition": (
        "class Forks(EventBase):\n    conditions = {3: lambda result: not fork()[0]}\n"
        "    def process(self):\n        return True, None",
        "",
    ),
    "listener": (
        "from volnux.signal.signals import event_execution_start\n"
        "event_execution_start.connect(lambda **_: fork())\n"
        "class Forks(EventBase):\n    def process(self):\n        return True, None",
        "",
    ),
}


@pytest.mark.parametrize("where", FORKS)
def test_a_forked_child_that_comes_back_ends(start, where):
    events, said = FORKS[where]
    program = start(
        "run", "--json", "flow.pty",
        flow="Forks -> Next",
        events="""
        def fork():
            return (True, None) if os.fork() == 0 else ended(0)

        def ended(code):
            _, status = os.wait()
            return os.waitstatus_to_exitcode(status) == code, None

        @event
        def Next():
            with open("nexts", "a") as file:
                print("next", file=file)
            return True, None
        """
        + "".join(f"\n        {line}" for line in events.splitlines()),
        env={"PYTHONWARNINGS": "ignore::DeprecationWarning"},
    )  # fmt: skip
    code, out, err = program.end()
    report = json.loads(out)
    assert report["status"] == "success", report
    assert code == 0
    assert Path("nexts").read_text() == "next\n"
    assert said in err
    program.nothing_left()


def test_a_forked_child_takes_signals_as_python_does(start):
    program = start(
        "run", "flow.pty", "--json",
        flow="Terminated |-> Interrupted",
        events="""
        import multiprocessing

        fork = multiprocessing.get_context("fork")

        @event
        def terminated():
            codes = set()
            for _ in range(50):
                child = fork.Process(target=time.sleep, args=(600,))
                child.start()
                child.terminate()  # It may not have left os.fork() yet.
                child.join()
                codes.add(child.exitcode)
            return True, list(codes)

        def interrupt(caught):
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(600)
            except KeyboardInterrupt:
                caught.put("KeyboardInterrupt")

        @event
        def interrupted(previous_result):
            caught = fork.SimpleQueue()
            fork.Process(target=interrupt, args=(caught,)).start()
            return True, [*previous_result, caught.get()]
        """,
        env={"PYTHONWARNINGS": "ignore::DeprecationWarning"},
    )  # fmt: skip
    code, out, err = program.end()
    assert code == 0, err
    places = json.loads(out)["places"]
    assert places["Interrupted"]["result"] == [-signal.SIGTERM, "KeyboardInterrupt"], err
    assert "cancel" not in err
    program.nothing_left()


def test_a_forked_child_of_an_observer_ends(flow, run):
    from volnux import EventBase
    from volnux.backends import RunObserver

    class Ok(EventBase):
        def process(self):
            return True, None

    codes = []

    class Forks(RunObserver):
        def place_ended(self, node, outcome):
            with warnings.catch_warnings():
                # Python warns of forks beside threads.
                warnings.simplefilter("ignore")
                pid = os.fork()
            if pid:
                codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    assert run(flow("Ok", Ok), observer=Forks()).status == "success"
    assert codes == [0]


# Early and late.


def test_ctrl_c_at_any_moment_is_one_line(start):
    """This starts at the first statement of `main`: before that, our code has no control."""
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    events = """
        import decimal, email.message, http.client, xml.dom.minidom  # takes a while

        @event
        def ok(): return True, None
    """
    for number in range(20):
        words = dice.choice([["run", "flow.pty"], ["check", "--link", "flow.pty"]])
        script = endings.TOOL.replace("import sys", f"import sys; sys.argv[1:] = {words}", 1)
        Path("reached").unlink(missing_ok=True)
        program = start(flow="Ok", events=events, script=script)
        program.appears("reached")
        time.sleep(dice.uniform(0, 0.25))
        program.send(signal.SIGINT)
        code, out, err = program.end()
        about = f"seed {seed}, try {number}: {code}\n{out}\n{err}"
        assert "Traceback" not in err, about
        assert "ignored" not in err, about
        # -2: while Python is torn down, a signal ends the process as it ends any other.
        assert code in (0, 130, -2), about
        if code == 130 and "cancel" not in out:
            assert err.endswith("cancelled\n"), about
            assert err.count("cancelled\n") == 1, about


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize(
    "where", ["import", "__set_name__", "__del__", "exit handler", "user's thread", "second"]
)
def test_a_signal_is_one_line(start, number, where):
    # Python does not see a signal that comes just before it begins to sleep.
    wait = 'Path("begun").touch(); [time.sleep(0.1) for _ in range(6000)]'
    events = {
        "import": f"{wait}",
        "__set_name__": f"""
        class Slow:
            def __set_name__(self, owner, name):
                {wait}
        class Broken:
            slow = Slow()
        """,
        "__del__": f"""
        class Slow:
            def __del__(self):
                {wait}
        Slow()
        """,
        "second": """
        while True:
            try:
                Path("begun").touch()
                [time.sleep(0.1) for _ in range(6000)]
            except KeyboardInterrupt:
                Path("again").touch()
        """,
        "exit handler": f"""
        @atexit.register
        def slow():
            {wait}
        """,
        "user's thread": f"""
        def names(frame):
            while frame is not None:
                yield frame.f_code.co_name
                frame = frame.f_back
        def slow():
            main = threading.main_thread().ident
            while "_wait_for_threads_of_the_user" not in names(sys._current_frames()[main]):
                time.sleep(0.001)
            {wait}
        threading.Thread(target=slow).start()
        """,
    }[where]
    program = start("run", "flow.pty", flow="Ok", events=events + """
        @event
        def ok(): return True, None
    """ if "\n" in events else f"{events}\n@event\ndef ok(): return True, None")  # fmt: skip
    program.appears("begun")
    program.send(number)
    if where == "second":
        program.appears("again")
        program.send(number)
    code, _, err = program.end()
    assert (code, err) == (CODES[number], "cancelled\n")


# Worker processes work with the present surroundings.


def test_worker_processes_have_the_environment_of_now(files, run, monkeypatch, tmp_path):
    plan = files(
        "Work",
        HEAD
        + """
class Work(InProcess):
    def process(self):
        umask = os.umask(0o22)
        os.umask(umask)
        return True, [os.environ.get("TOKEN"), os.environ.get("GONE"), os.getcwd(), umask,
                      time.localtime(0).tm_hour, "mine" in sys.path]
""",
    )
    seen = []
    for number, zone in enumerate(["UTC", "Etc/GMT-5"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("TOKEN", str(number))
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        if number:
            monkeypatch.delenv("GONE")
            monkeypatch.syspath_prepend("mine")
        else:
            monkeypatch.setenv("GONE", "here")
        before = os.umask(0o22 + number * 0o5)
        try:
            seen.append(run(plan).places["Work"].result)
        finally:
            os.umask(before)
            monkeypatch.delenv("TZ")
            time.tzset()
    assert seen == [
        ["0", "here", str(tmp_path / "0"), 0o22, 0, False],
        ["1", None, str(tmp_path / "1"), 0o27, 5, True],
    ]


def test_worker_processes_print_where_the_parent_prints_now(files, run, capfd):
    plan = files(
        "Says",
        HEAD
        + """
class Says(InProcess):
    def process(self):
        os.system("echo from a program; echo and an error >&2")
        return True, None
""",
    )
    for _ in range(2):
        assert run(plan).status == "success"
        assert capfd.readouterr() == ("from a program\n", "and an error\n")
        # What the fork server itself was given is another file by now.
        with Path("other").open("w") as other:
            kept = os.dup(1)
            os.dup2(other.fileno(), 1)
            try:
                run(plan)
            finally:
                os.dup2(kept, 1)
                os.close(kept)
        assert Path("other").read_text() == "from a program\n"
        capfd.readouterr()


def test_an_executor_class_that_takes_no_initializer(files, run, monkeypatch):
    monkeypatch.setenv("TOKEN", "now")
    plan = files(
        "E",
        HEAD
        + """
class Mine(ProcessPoolExecutor):
    def __init__(self, max_workers=None):
        super().__init__(max_workers, mp_context=__import__("multiprocessing").get_context("spawn"))

class E(EventBase):
    executor = Mine
    executor_config = {"max_workers": 1}
    def process(self):
        return True, [os.environ["TOKEN"], os.getpgid(0) == os.getpid()]
""",
    )
    assert run(plan).places["E"].result == ["now", True]


# The limit counts from where it begins.


def test_the_timeout_of_a_coroutine_counts_from_where_it_begins(flow, run):
    from volnux import EventBase

    gate, begun = threading.Event(), threading.Event()

    class Blocks(EventBase):
        async def process(self):
            begun.set()
            gate.wait(20)
            return True, None

    class Quick(EventBase):
        async def process(self):
            return True, "quick"

    class Opens(EventBase):
        def process(self):
            begun.wait(20)
            time.sleep(0.3)  # longer than the limit of what waits for the loop
            gate.set()
            return True, None

    report = run(flow("Blocks || Quick[timeout=0.1] || Opens", Blocks, Quick, Opens))
    assert report.status == "success"
    assert report.places["Quick"].result == "quick"


def test_a_coroutine_that_never_began_was_not_tried(flow, run):
    from volnux import EventBase
    from volnux.backends import RunControl

    gate, begun, control = threading.Event(), threading.Event(), RunControl()

    class Blocks(EventBase):
        async def process(self):
            begun.set()
            gate.wait(20)
            return True, "whole"

    class Never(EventBase):
        async def process(self):
            raise AssertionError

    class Cancels(EventBase):
        def process(self):
            begun.wait(20)
            control.cancel()
            gate.set()
            return True, None

    report = run(flow("Blocks || Never || Cancels", Blocks, Never, Cancels), control=control)
    states = {name: (place.state, place.attempts) for name, place in report.places.items()}
    assert states == {"Blocks": ("done", 1), "Never": ("cancelled", 0), "Cancels": ("done", 1)}


# exit() in code of the user.


@pytest.mark.parametrize("word", ["exit(3)", "quit()", "sys.exit(3)", "raise SystemExit"])
@pytest.mark.parametrize("prefix", ["", "async "])
def test_exit_in_an_event_is_its_failure(start, word, prefix):
    program = start(
        "run", "flow.pty",
        flow="Check (0 |-> Fallback) -> Tidy",
        events=f"""
        @event
        {prefix}def check(): {word}

        @event
        def fallback(previous_result): return True, sys.stdin.readline()

        @event
        def tidy(): return True, None
        """,
    )  # fmt: skip
    code, out, err = program.end()
    assert (code, err) == (0, ""), out
    assert "Check failed, handled: SystemExit" in out


def test_exit_at_the_top_of_a_module_is_an_import_error(start):
    program = start("run", "flow.pty", flow="Work", events="exit(1)")
    code, _, err = program.end()
    assert code == 2
    assert re.search(r"flow_events.*SystemExit: 1", err)


def test_exit_elsewhere_closes_standard_input_as_ever(start):
    program = start(
        flow="Ok",
        events="@event\ndef ok(): return True, None",
        script=DAILY
        + """
Daily().start()
try:
    exit(3)
except SystemExit as leaving:
    print(leaving.code, sys.stdin.closed)
""",
    )
    assert program.end() == (0, "3 True\n", "")


# At random.


@pytest.mark.parametrize("part", range(2))
def test_endings_at_random(part):
    """`endings.py` explains how to run more of them, and how to repeat one."""
    seed = random.randrange(10**6)
    said = ["\n".join(faults) for faults in endings.run_all(seed, list(range(15))) if faults]
    assert not said, "\n\n".join(said)
