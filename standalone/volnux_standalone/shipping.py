"""Sends the source of a pipeline's own modules to machines that do not have its folder.

A module beside a `.pty` is not installed anywhere. If a worker finds the same files under the same
path, it uses them. Otherwise it unpacks what was sent, once, into a temporary folder.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
import threading
import zlib
from pathlib import Path

from volnux.events.modules import forget
from volnux.events.outcome import Call
from volnux.events.remote import RemoteTask, remote_task
from volnux.events.spec import EventSpec

__all__ = ["ShippedTask", "shipped_task"]


class ShippedTask:
    """A `RemoteTask` with the source of the modules that it may need.

    Args:
        task: the attempt.
        parcel: the Python files of its folder; None if it needs none of them.
    """

    def __init__(self, task: RemoteTask, parcel: bytes | None) -> None:
        self._task = task
        self._parcel = parcel

    @property
    def size(self) -> int:
        """The approximate number of bytes that are sent."""
        return self._task.size + len(self._parcel or b"")

    def __call__(self) -> bytes:
        task = self._task
        if self._parcel is not None and task.home is not None:
            with _LOCK:
                home = _home_here(task.home, self._parcel)
            task = RemoteTask(home, task.payload)
        return task()


def shipped_task(spec: EventSpec, call: Call) -> ShippedTask:
    """Turn the attempt into a callable for another machine.

    Raises:
        NotSentError: the event or its inputs cannot be pickled.
    """
    return ShippedTask(remote_task(spec, call), None if spec.home is None else _parcel(spec.home))


_LOCK = threading.Lock()
_USED: dict[str, tuple[bytes, str]] = {}
"""For each folder from another machine, the parcel that is in use here, and its local folder."""


def _home_here(path: str, parcel: bytes) -> str:
    """The folder on this machine that holds the files of a parcel."""
    used, folder = _USED.get(path, (parcel, ""))
    if not folder or used != parcel:
        here = _folder_for(path, parcel)
        if here == folder:
            # Its files have changed since an earlier run, but this worker still has the old
            # modules.
            forget(Path(here))
        folder = here
        _USED[path] = parcel, folder
    return folder


def _folder_for(path: str, parcel: bytes) -> str:
    files: dict[str, str] = json.loads(zlib.decompress(parcel))
    if all(_same(Path(path) / name, text) for name, text in files.items()):
        return path
    digest = hashlib.sha256(parcel).hexdigest()[:16]
    folder = Path(tempfile.mkdtemp(prefix=f"volnux-{digest}-"))
    # Do not delete it earlier: an event of an earlier run may still import from it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    return str(folder)


def _same(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode("utf-8", "surrogateescape")
    except OSError:
        return False


def _parcel(path: str) -> bytes:
    """The packed Python files of a folder and of its packages, cached until a file changes."""
    files = sorted(_modules(Path(path)))
    return _packed(path, tuple((str(file), file.stat().st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=64)
def _packed(path: str, files: tuple[tuple[str, int], ...]) -> bytes:
    texts = {
        Path(file).relative_to(path).as_posix(): Path(file)
        .read_bytes()
        .decode("utf-8", "surrogateescape")
        for file, _ in files
    }
    return zlib.compress(json.dumps(texts).encode())


def _modules(folder: Path) -> list[Path]:
    found = list(folder.glob("*.py"))
    for package in folder.iterdir():
        if (package / "__init__.py").is_file():
            found += package.rglob("*.py")
    return [file for file in found if file.is_file()]
