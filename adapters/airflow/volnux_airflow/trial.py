"""Trying out imports in processes that may die."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from volnux.kit.processes import how_ended

__all__ = ["SHARE", "Fault", "try_out"]

_Name = TypeVar("_Name")

SHARE = 0.6
"""The share of Airflow's time limit for an import that a trial may use before the real import."""


class Fault(NamedTuple):
    """Why an import must not be made.

    Attributes:
        text: what is wrong, for the user.
        ends_process: whether the import ends the process; otherwise it took too long.
    """

    text: str
    ends_process: bool = False


def try_out(imports: Mapping[_Name, Callable[[], object]], seconds: float) -> dict[_Name, Fault]:
    """Try each import in a process that may die. Returns the faults of those that must not be made.

    One process makes all imports in turn. If it dies, the next process continues after the import
    that killed it. If one import takes long, another process continues with the rest in parallel,
    so that the time is enough even if many imports hang.

    Args:
        imports: for each import, a function that makes it; the keys may be anything. An exception
            that the function raises is ignored here.
        seconds: the time limit for all imports together.
    """
    names = list(imports)
    faults: dict[_Name, Fault] = {}
    end = time.monotonic() + seconds
    patience = min(1.0, seconds / 20)
    running: list[_Trial] = []
    waiting = 0  # the index of the first import that no process has begun
    newest: _Trial | None = None
    try:
        while True:
            if newest is None and waiting < len(names) and time.monotonic() < end:
                newest = _Trial(list(imports.values()), waiting, end)
                running.append(newest)
            if not running:
                break
            _listen(running, min(0.05, max(0.0, end - time.monotonic())))
            now = time.monotonic()
            for trial in list(running):
                if trial is newest:
                    waiting = min(trial.at + 1, len(names))
                if trial.fault is not None:
                    faults[names[trial.at]] = Fault(trial.fault, ends_process=True)
                elif now >= end and not trial.is_over:
                    faults[names[trial.at]] = Fault(_late(seconds))
                elif not trial.is_over:
                    if trial is newest and now - trial.since > patience:
                        trial.last = trial.at
                        newest = None
                        patience = max(0.05, patience / 2)
                    continue
                trial.stop()
                running.remove(trial)
                if trial is newest:
                    newest = None
    finally:
        for trial in running:
            trial.stop()
    for name in names[waiting:]:
        faults[name] = Fault(
            f"it was not imported: imports of other files used up the limit of {seconds:.0f} s"
        )
    return faults


def _late(seconds: float) -> str:
    return (
        f"its import did not end within {seconds:.0f} s (the limit is "
        f"{SHARE:.0%} of [core] dagbag_import_timeout)"
    )


class _Trial:
    """A process that makes imports in turn, and reports which one it is making.

    Attributes:
        at: the import that it is making.
        since: when that import began.
        last: the last import that it makes, if another process continues with the rest.
        is_over: whether there is nothing left to wait for.
        fault: what is wrong with the import that it is making, if that is known.
    """

    def __init__(self, imports: list[Callable[[], object]], first: int, end: float) -> None:
        self.at = first
        self.since = time.monotonic()
        self.last = len(imports) - 1
        self.is_over = False
        self.fault: str | None = None
        self.progress, progress = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _work(imports[first:], progress, end)
        os.close(progress)
        os.set_blocking(self.progress, False)

    def read(self) -> None:
        """Read what the process has reported since the last call."""
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        with contextlib.suppress(BlockingIOError):
            while steps := os.read(self.progress, 2**10):
                self.at += len(steps)
                self.since = time.monotonic()
        if self.at > self.last:
            self.is_over = True
        elif ended:
            code = os.waitstatus_to_exitcode(status)
            self.fault = f"its import ends the whole process, with {how_ended(code)}"

    def stop(self) -> None:
        """End the process, and the processes that its imports have started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        os.close(self.progress)


def _listen(trials: list[_Trial], seconds: float) -> None:
    select.select([each.progress for each in trials], [], [], seconds)
    for each in trials:
        each.read()


def _work(imports: list[Callable[[], object]], progress: int, end: float) -> None:
    """The code of a trial process. It never returns."""
    try:
        # Airflow may kill the parent process, and then nothing else would end this one.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, max(0.0, end - time.monotonic()) + 1)
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115 - open until the process ends
        logging.disable()
        for make in imports:
            with contextlib.suppress(BaseException):
                make()
            os.write(progress, b"n")
    finally:
        os._exit(0)
