"""A container engine for the stacks: uses an existing one, or installs and starts one on Debian.

`docker` and either `docker compose` or the older `docker-compose` are needed. If there is no
engine, and this process is root on Debian or Ubuntu, both are installed with apt-get and `dockerd`
is started directly. This daemon is stopped when nobody uses it any more and no container runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "EngineError",
    "UnavailableError",
    "alone",
    "compose_command",
    "docker",
    "start",
    "stop",
    "used",
]

_STATE = Path(__file__).resolve().parent.parent / ".nox" / "containers"
_PID = _STATE / "dockerd.pid"
_LOG = _STATE / "dockerd.txt"

_STARTED: list[subprocess.Popen[bytes]] = []
"""The daemon of this process. Python would warn if the running process had no reference."""

_PACKAGES = ("docker.io", "docker-compose", "iptables")
"""The packages with both, on Debian 12 and later, and on Ubuntu."""


class EngineError(Exception):
    """Something with containers does not work. The message says what."""


class UnavailableError(EngineError):
    """Something is missing that cannot be installed on this machine. The message says what."""


@contextlib.contextmanager
def used() -> Iterator[None]:
    """A context with a running engine; see `start` and `stop`."""
    try:
        with _lock("users", fcntl.LOCK_SH):
            start()
            yield
    finally:
        stop()


def start() -> None:
    """Make sure that an engine answers and that there is a compose command.

    Raises:
        UnavailableError: that is not possible here.
    """
    with alone("start"):
        _start()


def stop() -> None:
    """Stop the engine if it was started here and nothing uses it. Images and layers are kept."""
    with (
        alone("start"),
        contextlib.suppress(BlockingIOError),
        _lock("users", fcntl.LOCK_EX | fcntl.LOCK_NB),
    ):
        _stop()


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Let only one process at a time do something, for instance build an image."""
    with _lock(what, fcntl.LOCK_EX):
        yield


@contextlib.contextmanager
def _lock(name: str, kind: int) -> Iterator[None]:
    _STATE.mkdir(parents=True, exist_ok=True)
    with (_STATE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, kind)
        yield


def _start() -> None:
    if shutil.which("docker") is None or compose_command(missing_ok=True) is None:
        _install()
    compose_command()
    if _answers() is None:
        return
    if os.environ.get("DOCKER_HOST"):
        raise UnavailableError(f"the engine of DOCKER_HOST does not answer: {_answers()}")
    daemon = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if daemon is None and os.geteuid() == 0:
        _install()
        daemon = shutil.which("dockerd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if daemon is None or os.geteuid() != 0:
        raise UnavailableError(f"no engine answers, and only root could start one: {_answers()}")
    with _LOG.open("wb") as log:
        process = subprocess.Popen(
            [daemon, "--host", "unix:///var/run/docker.sock"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED.append(process)
    _PID.write_text(str(process.pid))
    until = time.monotonic() + 60
    while (said := _answers()) is not None:
        if process.poll() is not None or time.monotonic() > until:
            _stop()
            last = "\n".join(_LOG.read_text(errors="replace").splitlines()[-5:])
            raise UnavailableError(f"dockerd does not start here: {said}\n{last}")
        time.sleep(0.3)


def _stop() -> None:
    try:
        pid = int(_PID.read_text())
    except (OSError, ValueError):
        return
    if _answers() is None and docker("ps", "--quiet").strip():
        return
    _PID.unlink()
    if not _is_dockerd(pid):
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 40
    while _is_dockerd(pid):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
    for process in _STARTED:
        process.poll()


def _is_dockerd(pid: int) -> bool:
    """Whether it is a running dockerd: a process that has ended has no command line."""
    try:
        return b"dockerd" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def docker(*arguments: str, check: bool = True, seconds: float = 600) -> str:
    """Run `docker`, and return its output.

    Raises:
        EngineError: it failed. The message has its output.
    """
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=seconds, check=False
    )
    if check and done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise EngineError(f"docker {' '.join(arguments)}:\n{said}")
    return done.stdout


def compose_command(*, missing_ok: bool = False) -> tuple[str, ...] | None:
    """`docker compose` if it is installed, otherwise `docker-compose`.

    Raises:
        UnavailableError: neither is installed.
    """
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    if missing_ok:
        return None
    raise UnavailableError(
        "neither `docker compose` nor `docker-compose` is installed here: install one of them"
    )


def _answers() -> str | None:
    """An empty text if an engine answers, otherwise what is wrong."""
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if asked.returncode == 0 else asked.stderr.strip()


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise UnavailableError(
            "docker and docker compose are not both installed; this script can install them only "
            "as root on Debian or Ubuntu"
        )
    install_packages(*_PACKAGES)


def install_packages(*names: str) -> None:
    """Install packages of Debian or Ubuntu.

    Raises:
        UnavailableError: they cannot be installed.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        [
            "apt-get",
            "-o=DPkg::Lock::Timeout=120",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            *names,
        ],
    ):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        if done.returncode:
            raise UnavailableError(f"{' '.join(command)}:\n{(done.stdout + done.stderr)[-2000:]}")
