"""Change the meaning of the language in one line, and see whether the conformance suite notices.

`python tools/mutate.py` does this for each change below, on a copy of the package in a temporary
folder, and prints the first case that differs. It fails if a change is not noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

EXECUTION = "volnux/graph/execution.py"
VALUES = "volnux/graph/values.py"
COMPILE = "volnux/graph/compile.py"
RUN = "volnux/events/run.py"


@dataclass(frozen=True)
class Mutation:
    """A change of one line in a file."""

    about: str
    file: str
    old: str
    new: str


MUTATIONS = (
    Mutation(
        "A sink runs although everything before it was skipped.",
        EXECUTION,
        "        elif not self._any_done[node]:\n",
        "        elif not self._any_done[node] and model.kind is not Kind.EVENT:\n",
    ),
    Mutation(
        "An event gets one more attempt than allowed.",
        RUN,
        "if call.attempt < spec.retry.max_attempts and spec.retry.covers(error):",
        "if call.attempt <= spec.retry.max_attempts and spec.retry.covers(error):",
    ),
    Mutation(
        "A handled failure fails the run.",
        EXECUTION,
        "if start == end and descriptor == _AS_FAILED:",
        "if self.descriptors[node] == FAILURE or start == end and descriptor == _AS_FAILED:",
    ),
    Mutation(
        "Piped lists are in reverse order.",
        VALUES,
        "return MISSING if any(part is MISSING for part in parts) else parts",
        "return MISSING if any(part is MISSING for part in parts) else parts[::-1]",
    ),
    Mutation(
        "A group for which one arm is enough needs all of them.",
        EXECUTION,
        "if failed and (model.entry is Entry.ALL or not self._any_done[node]):",
        "if failed:",
    ),
    Mutation(
        "A catch passes on the latest failure instead of the first in reading order.",
        EXECUTION,
        "origin[target] = min(origin[target], origin[node])",
        "origin[target] = origin[node]",
    ),
    Mutation(
        "A group that never started is caught.",
        EXECUTION,
        "started = self.descriptors[self._first_of_catch[node]] is not None",
        "started = True",
    ),
    Mutation(
        "A descriptor without a branch is a success.",
        EXECUTION,
        "            descriptor = FAILURE\n",
        "            descriptor = SUCCESS\n",
    ),
    Mutation(
        "After a failure that is not handled, the branches are skipped.",
        EXECUTION,
        "if descriptor == FAILURE and not self._takes[node] & 1:",
        "if descriptor == FAILURE and not self._takes[node]:",
    ),
    Mutation(
        "With `continue`, the flow continues inside a group that catches.",
        COMPILE,
        "widen = self._continue and not context.caught if index < last",
        "widen = self._continue if index < last",
    ),
    Mutation(
        "The factor of a group applies to the group's own branches.",
        COMPILE,
        "return (yield self._branches(unit, context, exits, catch, body, failure))",
        "return (yield self._branches(unit, context._replace(retry=retry), exits, catch, body, "
        "failure))",
    ),
    Mutation(
        "Conditions are tried in descending order.",
        "volnux/events/settings.py",
        "return tuple(sorted(conditions.items()))",
        "return tuple(sorted(conditions.items(), reverse=True))",
    ),
    Mutation(
        "Returned failures are repeated.",
        RUN,
        "and spec.retry.retry_on_failure\n",
        "and spec.retry.max_attempts > 1\n",
    ),
    Mutation(
        "Waits do not double.",
        "volnux/events/retry.py",
        "self.backoff_factor * 2.0 ** min(retry - 1, 1000)",
        "self.backoff_factor * 1.0 ** min(retry - 1, 1000)",
    ),
    Mutation(
        "Events that had not started when the run was stopped are skipped.",
        EXECUTION,
        "        self._end_the_rest(State.FAILED)\n",
        "        self._end_the_rest(State.SKIPPED)\n",
    ),
)


def noticed(mutation: Mutation, folder: Path) -> str | None:
    """The first case in which the suite notices the change; None if it does not."""
    package = folder / "package"
    for name in ("volnux", "standalone"):
        ignored = shutil.ignore_patterns("__pycache__", "conformance-*")
        shutil.copytree(ROOT / name, package / name, ignore=ignored)
    target = package / mutation.file
    text = target.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(f"{mutation.file} must contain this exactly once: {mutation.old}")
    target.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    paths = os.pathsep.join([str(package), str(package / "standalone")])
    done = subprocess.run(
        [sys.executable, "-m", "volnux", "conformance", "--programs", "0", "--first"],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
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
    for mutation in MUTATIONS:
        with tempfile.TemporaryDirectory(prefix="volnux-mutation-") as folder:
            yield mutation, noticed(mutation, Path(folder))


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
