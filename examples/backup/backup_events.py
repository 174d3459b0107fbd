"""The events of backup.pty, as functions."""

import hashlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from volnux import event

HERE = Path(__file__).parent
SHARED = os.environ.get("EXAMPLES_DATA")  # shared by events on several machines


def store_folder(store: str | None) -> Path:
    return Path(store or Path(SHARED or HERE, "store"))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@event
def make_archive(source):
    """Pack the folder. The archive stays in the temporary folder until its copy is checked."""
    folder = Path(source or HERE / "documents")
    base = Path(SHARED or tempfile.gettempdir(), f"{folder.name}-{datetime.now(UTC):%Y-%m-%d}")
    archive = Path(shutil.make_archive(str(base), "gztar", folder))
    return True, {"archive": str(archive), "sha256": sha256(archive)}


# The store may be a disk that is just being mounted: wait 0.2 s, then 0.4 s.
@event(retry_policy={"backoff_factor": 0.2, "retry_on_exceptions": [OSError]})
def copy_to_store(store, previous_result):
    copy = shutil.copy(previous_result["archive"], store_folder(store) / "incoming.part")
    return True, {**previous_result, "copy": str(copy)}


@event
def verify_copy(previous_result):
    """Rename the copy to its final name if it is complete."""
    archive, copy = Path(previous_result["archive"]), Path(previous_result["copy"])
    if sha256(copy) != previous_result["sha256"]:
        return False, f"{copy} differs from the archive that was sent"
    copy.replace(copy.with_name(archive.name))
    archive.unlink()
    return True, archive.name


@event
def prune(store, keep):
    """Delete all archives except the newest ones."""
    archives = sorted(store_folder(store).glob("*.tar.gz"), reverse=True)
    for old in archives[keep:]:
        old.unlink()
    return True, [archive.name for archive in archives[:keep]]


@event
def notify(previous_result):
    """Report what went wrong. `previous_result` is the first failure inside the braces."""
    message = f"no backup today: {previous_result}"
    print(f"  {message}")
    return True, message
