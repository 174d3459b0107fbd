"""Worker processes: how they start, and how they end together with all that they started.

Each worker leads its own process group. Killing a worker kills the group, including programs that
an event started. The kernel does the same when the process that drives the run has ended for any
reason, so no worker outlives its run. `docs/standalone.md`, "How processes end", has a table of the
guarantees.
"""

from __future__ import annotations

import contextlib
import inspect
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import multiprocessing.reduction
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "Surroundings",
    "WorkerGroup",
    "begin_worker",
    "default_workers",
    "how_ended",
    "made_pool",
    "starting",
    "takes",
    "worker_context",
]


# Functions for the process that drives the run.


def default_workers() -> int:
    """The default for the number of events of the default executor that run at once."""
    return min(32, (os.cpu_count() or 1) + 4)


def how_ended(code: int) -> str:
    """The end of a process in words, from its exit code: a negative one is that of a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def takes(pool: type[Executor], *names: str) -> bool:
    """Whether an executor class accepts arguments with these names; a subclass might not."""
    parameters = inspect.signature(pool).parameters
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values()) or all(
        name in parameters for name in names
    )


def made_pool(pool: type[Executor], offered: Mapping[str, Any]) -> Executor:
    """Create an executor, with those arguments that its class accepts."""
    taken = {name: value for name, value in offered.items() if takes(pool, name)}
    if "initargs" not in taken:
        taken.pop("initializer", None)
    return pool(**taken)


def worker_context() -> Any:
    """The multiprocessing context for worker processes.

    A plain fork would copy the locks of our other threads in any state, so we use a fork server. It
    is started here, outside of the terminal's process group, so that signals to that group do not
    reach it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    server = forkserver._forkserver
    preloaded = list(getattr(server, "_preload_modules", ("__main__",)))
    if _SERVER not in preloaded:
        multiprocessing.set_forkserver_preload([*preloaded, _SERVER])
    # In some versions of Python, starting the tracker unblocks SIGINT, so it is started first.
    with _blocked("SIGHUP"):  # The tracker already ignores the other signals.
        resource_tracker.ensure_running()
    with starting():
        forkserver.ensure_running()
    return multiprocessing.get_context("forkserver")


_SERVER = "volnux._forkserver"


def starting() -> contextlib.AbstractContextManager[None]:
    """Inside the context, processes started by this thread ignore Ctrl-C until they unblock it.

    Ctrl-C goes to every process of the terminal's group, even to one that is just starting.
    """
    return _blocked("SIGINT")


@contextlib.contextmanager
def _blocked(name: str) -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.Signals[name]})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerGroup:
    """A worker process and everything it started that did not leave its group.

    The whole group is killed, even if multiprocessing reports the process as dead: it does so for
        workers whose fork server was killed.
    """

    def __init__(self, process: Any) -> None:
        self._process = process
        self._pid: int = process.pid
        self._born = _birth(self._pid)

    @property
    def ended(self) -> bool:
        """Whether the worker process has ended; if so, its resources are released."""
        return self.wait(0)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the worker process itself to end; returns whether it did.

        A worker whose fork server is lost would wait for work forever, so it is killed.
        """
        process = self._process
        if process is not None:
            if not multiprocessing.connection.wait([process.sentinel], seconds):
                return False
            self._process = None
            if self._born is not None and _birth(self._pid) == self._born:
                self.kill()
        return True

    def kill(self) -> None:
        """Kill the worker and the processes that it started."""
        process = self._process
        if not hasattr(os, "killpg"):
            if process is not None:
                process.kill()
            return
        born = _birth(self._pid)
        if born is not None and born != self._born:
            return  # The process number now belongs to another process.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        if process is not None or born is not None:
            # The worker may be just starting, and not lead a group yet.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, signal.SIGKILL)


def _birth(pid: int) -> str | None:
    """The start time of a process, because numbers are reused; None if unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


class Surroundings:
    """State that a worker shares with the process that drives the run, read when this is created.

    multiprocessing sends the working folder and the import path. But workers inherit the
    environment, the umask and the output from the fork server, which has them from its start.
    """

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._umask = _umask()
        self._streams: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        if multiprocessing.context.get_spawning_popen() is None:
            return self.__dict__
        streams = {}
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # it was closed
                os.fstat(descriptor)
                streams[descriptor] = multiprocessing.reduction.DupFd(descriptor)
        return {**self.__dict__, "_streams": streams}

    def enter(self) -> None:
        """Apply this state to the current process."""
        zone = os.environ.get("TZ")
        os.environ.clear()
        os.environ.update(self._environment)
        if os.environ.get("TZ") != zone and hasattr(time, "tzset"):
            time.tzset()
        if self._umask is not None:
            os.umask(self._umask)
        for descriptor, stream in self._streams.items():
            given = stream.detach()
            if given != descriptor:
                os.dup2(given, descriptor)
                os.close(given)


def _umask() -> int | None:
    """The umask, if it can be read without changing it for a moment; else None."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.partition(":")[2], 8)
    return None


# Functions for the worker.

_begun = False


def begin_worker(surroundings: Surroundings | None = None) -> None:
    """Make this process a worker; does nothing if it is one already, or has no parent."""
    global _begun
    if _begun or multiprocessing.parent_process() is None:
        return
    _begun = True
    if hasattr(os, "setpgid"):
        with contextlib.suppress(PermissionError):  # it leads a session, and therefore a group
            os.setpgid(0, 0)
    _end_with_parent()
    # The process that drives the run handles Ctrl-C. A program that an event starts
    # would inherit an ignored signal, but not this.
    signal.signal(signal.SIGINT, _deaf)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if surroundings is not None:
        surroundings.enter()


def _deaf(number: int, frame: FrameType | None) -> None:
    """A handler for a signal that this process ignores."""


def _end_with_parent() -> None:
    """Kill this process and everything it started when the process that drives the run ends.

    The sentinel is a pipe that is never written to: it closes when the parent ends. On Linux the
    kernel answers that with a signal to the group, even while C code holds the GIL.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel: int = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        _kill_own_group()

    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(sentinel, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(sentinel, fcntl.F_GETFL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
        # The parent may have ended before.
        if multiprocessing.connection.wait([sentinel], 0):
            _kill_own_group()
    else:
        threading.Thread(target=watch, name="volnux-parent", daemon=True).start()


def _kill_own_group() -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
