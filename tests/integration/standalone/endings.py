"""Runs that are ended at random moments, and what must be true for each ending.

    python tests/integration/standalone/endings.py --count 2000
    python tests/integration/standalone/endings.py --seed 17 --only 230

Each try is a run of the tool, or a script of the user's, with events in threads, on the event loop
and in worker processes, some of which start programs. It gets a signal, sometimes two. Afterwards,
none of its processes is alive after ten seconds, no event began after the report, and the exit code
and the report match the signal. A try depends only on the seed and its number.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

TOKEN = "VOLNUX_TEST_ENDING"
PATIENCE = 10.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

EVENTS = """
import asyncio, os, subprocess, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from volnux import EventBase

LONG = float(os.environ["LONG"])

def note(word, event):
    log = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    place = f"{event.run_id} {event.task_id}"
    os.write(log, f"{word} {time.time()} {place}\\n".encode())
    os.close(log)

class Threaded(EventBase):
    def process(self):
        note("begin", self)
        time.sleep(0.1)
        note("end", self)
        return True, None

class Pooled(Threaded):
    executor = ThreadPoolExecutor

class Looped(EventBase):
    async def process(self):
        note("begin", self)
        await asyncio.sleep(0.15)
        note("end", self)
        return True, None

class Worker(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 2}
    def process(self):
        note("begin", self)
        time.sleep(LONG)
        note("end", self)
        return True, None

class Program(Worker):
    def process(self):
        note("begin", self)
        subprocess.run(["sh", "-c", f"sleep {LONG}; true"], check=True)
        note("end", self)
        return True, None

class Leaves(Worker):
    def process(self):
        note("begin", self)
        subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        note("end", self)
        return True, None
"""

TOOL = """
import sys

if __name__ == "__main__":
    from volnux.cli import main

    def reached(event, about):
        # The first import of `main`: its first statements are done.
        if event == "import" and about[0] == "volnux.cli.ending":
            open("reached", "w").close()

    sys.addaudithook(reached)
    main()
"""

SCRIPT = """
from volnux import Pipeline

class Flow(Pipeline):
    class Meta:
        file = "flow.pty"

if __name__ == "__main__":
    open("reached", "w").close()
    for _ in range(3):
        report = Flow().start().report
        print(report.run_id, report.status, flush=True)
    print("after", flush=True)
"""

KINDS = ("Threaded", "Pooled", "Looped", "Worker", "Program", "Leaves")


class Try:
    """One run and its end."""

    def __init__(self, seed: int, number: int) -> None:
        dice = random.Random(f"{seed}/{number}")
        self.tool = dice.random() < 0.75
        self.signal = dice.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
        self.after = dice.uniform(0, 1.2)
        self.again = dice.uniform(0, 0.5) if dice.random() < 0.3 else None
        self.grace = dice.choice([0.0, 0.3, 1.0])
        # Who waits for what runs must not wait for long.
        patient = self.signal == signal.SIGINT
        self.long = 0.4 if patient else dice.choice([0.2, 0.4, 60.0])
        groups = [
            [dice.choice(KINDS) for _ in range(dice.randint(1, 3))]
            for _ in range(dice.randint(1, 4))
        ]
        self.flow = " -> ".join("{" + " || ".join(group) + "}" for group in groups)
        self.token = f"{seed}-{number}-{os.getpid()}-{time.monotonic_ns()}"

    def __str__(self) -> str:
        again = "" if self.again is None else f", again after {self.again:.3f} s"
        return (
            f"{'tool' if self.tool else 'script'}: {self.flow} (long: {self.long:g} s), "
            f"{self.signal.name} after {self.after:.3f} s{again}, grace {self.grace:g} s"
        )

    def run(self, folder: Path) -> list[str]:
        """Run it, and return what is wrong with its end."""
        (folder / "flow.pty").write_text(self.flow)
        (folder / "flow_events.py").write_text(EVENTS)
        (folder / "main.py").write_text(TOOL if self.tool else SCRIPT)
        words = ["run", "flow.pty", "--json", "--grace", str(self.grace)] if self.tool else []
        log = folder / "log"
        # What Python has for its pools in a temporary folder stays there after SIGKILL.
        temporary = folder / "tmp"
        temporary.mkdir()
        own = {
            "LOG": str(log),
            "LONG": str(self.long),
            "TMPDIR": str(temporary),
            TOKEN: self.token,
        }
        process = subprocess.Popen(
            [sys.executable, "main.py", *words],
            cwd=folder,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        output: list[str] = ["", ""]
        readers = [
            threading.Thread(target=_read, args=(stream, output, number))
            for number, stream in enumerate((process.stdout, process.stderr))
        ]
        for reader in readers:
            reader.start()
        while not (folder / "reached").exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(self.after)
        self._signal(process)
        if self.again is not None:
            time.sleep(self.again)
            self._signal(process)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            tree = "; ".join(f"{pid} {name[:100]}" for pid, name in alive(self.token).items())
            _clean(self.token)
            return [f"it does not end: {tree}"]
        over = time.time()
        for reader in readers:
            reader.join()
        lines = log.read_text().splitlines() if log.exists() else []
        allowed = self._left_on_purpose([line.split() for line in lines])
        left = _left(self.token, allowed)
        _clean(self.token)
        faults = [f"alive: {name}" for name in left]
        faults += self._faults(code, output[0], output[1], [line.split() for line in lines], over)
        if faults:
            faults += [f"exit code {code}", f"stdout: {output[0][:3000]}", f"stderr: {output[1]}"]
            faults += lines
        return faults

    def _left_on_purpose(self, log: list[list[str]]) -> int:
        """How many programs may live on: those of runs whose events have all ended.

        The run itself may have been killed before it could say so.
        """
        places = self.flow.count("||") + self.flow.count("->") + 1
        ended: dict[str, list[str]] = {}
        for word, _, run, place in log:
            if word == "end":
                ended.setdefault(run, []).append(place)
        return sum(
            place.startswith("Leaves")
            for names in ended.values()
            if len(names) == places
            for place in names
        )

    def _signal(self, process: subprocess.Popen[str]) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.signal == signal.SIGINT and process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
            else:
                process.send_signal(self.signal)

    def _faults(
        self, code: int, out: str, err: str, log: list[list[str]], over: float
    ) -> list[str]:
        begun = [line for line in log if line[0] == "begin"]
        faults = [f"began after the end: {line}" for line in begun if float(line[1]) > over]
        if self.signal == signal.SIGKILL:
            return faults + ([] if code in (0, -9) else [f"exit code {code}"])
        if not self.tool:
            ends = [0, -self.signal]
            if code not in ends:
                faults.append(f"exit code {code}, not one of {ends}")
            if "cancelled" in out:
                faults.append("it went on after it was cancelled")
            return faults
        # While Python itself is torn down, a signal ends the process as it ends any other.
        told = out.endswith("}\n") or err.endswith("cancelled\n")
        torn_down = code == -self.signal and told
        if code not in (0, CODES[self.signal]) and not torn_down:
            faults.append(f"exit code {code}")
        if "Traceback" in err or "Exception ignored" in err:
            faults.append("a traceback")
        if not out:
            if code == 0 or (begun and self.again is None):
                faults.append("no report")
            if err.splitlines()[-1:] != ["cancelled"] and not begun:
                faults.append("not one line that says cancelled")
            return faults
        if out and self.again is not None and not out.endswith("}\n"):
            return faults  # The second signal came while it was written.
        report = json.loads(out)
        if code == 0 and report["status"] != "success":
            faults.append(f"exit code 0, but {report['status']}")
        ended_at = _seconds(report["ended_at"])
        faults += [f"began after the report: {line}" for line in begun if float(line[1]) > ended_at]
        starts = {line[3] for line in begun}
        ends_ = {line[3] for line in log if line[0] == "end"}
        for name, place in report["places"].items():
            if place["state"] == "done" and name not in ends_:
                faults.append(f"{name} is done, but has not ended")
            if place["attempts"] == 0 and name in starts:
                faults.append(f"{name} was never tried, but began")
        return faults


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _seconds(moment: str) -> float:
    import datetime as dt

    return dt.datetime.fromisoformat(moment).timestamp()


def _read(stream: IO[str], output: list[str], number: int) -> None:
    with stream:
        output[number] = stream.read()


def alive(token: str) -> dict[int, str]:
    """The processes that have the token in the environment they were started with."""
    found = {}
    wanted = f"{TOKEN}={token}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command:  # A zombie has none.
                    found[int(folder.name)] = command.strip()
    return found


def _left(token: str, allowed: int) -> list[str]:
    """The processes still alive after a while, apart from the programs that may live on."""
    end = time.monotonic() + PATIENCE
    while True:
        left = sorted(alive(token).values(), key=lambda name: name != "sleep 60")
        del left[: min(allowed, left.count("sleep 60"))]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)


def _clean(token: str) -> None:
    for pid in alive(token):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run_all(seed: int, numbers: list[int], *, at_once: int = 2) -> Iterator[list[str]]:
    """Run tries. Returns the faults of each, below the command that repeats it."""

    def one(number: int) -> list[str]:
        chosen = Try(seed, number)
        with tempfile.TemporaryDirectory() as folder:
            faults = chosen.run(Path(folder))
        return [f"endings.py --seed {seed} --only {number}", str(chosen), *faults] if faults else []

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="how many tries")
    parser.add_argument("--seed", type=int, default=None, help="the seed that was printed")
    parser.add_argument("--only", type=int, default=None, help="this try alone")
    parser.add_argument("--at-once", type=int, default=2, help="how many tries run at once")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    numbers = list(range(options.count)) if options.only is None else [options.only]
    _say(f"seed {seed}")
    began = time.monotonic()
    bad = 0
    for done, faults in enumerate(run_all(seed, numbers, at_once=options.at_once), start=1):
        if faults:
            bad += 1
            _say("\n  ".join(faults))
        if done % 100 == 0 or done == len(numbers):
            took = time.monotonic() - began
            _say(f"{done} endings in {took:.0f} s, {bad} of them wrong")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
