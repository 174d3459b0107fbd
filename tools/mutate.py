"""Change the meaning of the language in one line, and see whether the conformance suite notices.

`python -m tools.mutate` does this for each change in `tools/mutations`, on a copy of the package in
a temporary folder, and prints the first case that differs. It fails if a change is not noticed.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[1]

_CONFORMANCE = (sys.executable, "-m", "volnux", "conformance", "--programs", "0", "--first")


def copied(folder: Path) -> Path:
    """A compiled copy of the package in a folder, in which one change after another is tried."""
    package = folder / "package"
    for name in ("volnux", "standalone"):
        ignored = shutil.ignore_patterns("__pycache__", "conformance-*")
        shutil.copytree(ROOT / name, package / name, ignore=ignored)
    compileall.compile_dir(package, quiet=1)
    return package


def noticed(mutation: Mutation, package: Path) -> str | None:
    """The first case in which the suite notices the change; None if it does not.

    Args:
        mutation: the change.
        package: a copy of the package from `copied`. Afterwards it is as before.
    """
    target = package / mutation.file
    text, times = target.read_text(encoding="utf-8"), target.stat()
    if text.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.file} must contain this exactly once: {mutation.old}")
    target.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    # Bytecode is valid for a time and a size.
    os.utime(target, (times.st_atime, times.st_mtime + 2))
    try:
        return _first_difference(mutation.cases, package)
    finally:
        target.write_text(text, encoding="utf-8")
        os.utime(target, (times.st_atime, times.st_mtime))


def _first_difference(cases: str, package: Path) -> str | None:
    paths = os.pathsep.join([str(package), str(package / "standalone")])
    done = subprocess.run(
        [*_CONFORMANCE, *(["--case", cases] if cases else [])],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=package.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 0:
        return None
    if done.returncode != 1 or not done.stdout:
        raise SystemExit(f"the suite did not run: {done.stderr}")
    return done.stdout.splitlines()[0]


def results() -> Iterator[tuple[Mutation, str | None]]:
    """Each change, and the first case that notices it."""
    with tempfile.TemporaryDirectory(prefix="volnux-mutation-") as folder:
        package = copied(Path(folder))
        for mutation in MUTATIONS:
            yield mutation, noticed(mutation, package)


def main() -> int:
    """Try all changes, and return the exit code."""
    missed = 0
    for mutation, case in results():
        missed += case is None
        print(f"{'MISSED' if case is None else case:40} {mutation.about}", flush=True)
    print(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} changes noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
