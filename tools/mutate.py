"""Change the meaning of the language in one line, and see whether the conformance suite notices.

`python tools/mutate.py` does this for each change below, on a copy of the package in a temporary
folder, and prints the first case that differs. It fails if a change is not noticed.
"""

from __future__ import annotations

import compileall
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
PROGRESS = "volnux/graph/progress.py"
WALK = "volnux/graph/walk.py"
REPEATS = "volnux/graph/repeats.py"
COPIES = "volnux/graph/copies.py"
CALLS = "volnux/kit/calls.py"
REPORT = "volnux/graph/report.py"
RUN = "volnux/events/run.py"
GIVEN = "volnux/events/given.py"
INPUTS = "volnux/events/inputs.py"
MOMENTS = "volnux/schedules/moments.py"


@dataclass(frozen=True)
class Mutation:
    """A change of one line in a file.

    Attributes:
        cases: a part of the names of the cases that run; all cases if it is empty.
    """

    about: str
    file: str
    old: str
    new: str
    cases: str = ""


MUTATIONS = (
    Mutation(
        "A sink runs although everything before it was skipped.",
        PROGRESS,
        "        elif not self._any_done[index]:\n",
        "        elif not self._any_done[index] and node.kind is not Kind.EVENT:\n",
        "any_",
    ),
    Mutation(
        "An event gets one more attempt than allowed.",
        RUN,
        "        call.attempt < spec.retry.max_attempts\n        and spec.retry.covers(error)\n",
        "        call.attempt <= spec.retry.max_attempts\n        and spec.retry.covers(error)\n",
        "retry_",
    ),
    Mutation(
        "A handled failure fails the run.",
        PROGRESS,
        "if start == end and descriptor == _AS_FAILED:",
        "if self.descriptors[index] == FAILURE or start == end and descriptor == _AS_FAILED:",
        "any_",
    ),
    Mutation(
        "Piped lists are in reverse order.",
        VALUES,
        "return MISSING if any(part is MISSING for part in parts) else parts",
        "return MISSING if any(part is MISSING for part in parts) else parts[::-1]",
        "any_",
    ),
    Mutation(
        "A group for which one arm is enough needs all of them.",
        PROGRESS,
        "if failed and (node.entry is Entry.ALL or not self._any_done[index]):",
        "if failed:",
        "any_",
    ),
    Mutation(
        "A catch passes on the latest failure instead of the first in reading order.",
        PROGRESS,
        "origin[target] = min(origin[target], origin[index])",
        "origin[target] = origin[index]",
        "catch_",
    ),
    Mutation(
        "A group that never started is caught.",
        PROGRESS,
        "started = self.descriptors[self.copies.seen(first, index)] is not None",
        "started = True",
        "catch_",
    ),
    Mutation(
        "A descriptor without a branch is a success.",
        EXECUTION,
        "            descriptor = FAILURE\n",
        "            descriptor = SUCCESS\n",
        "branch_",
    ),
    Mutation(
        "After a failure that is not handled, the branches are skipped.",
        PROGRESS,
        "if descriptor == FAILURE and not takes[node] & 1:",
        "if descriptor == FAILURE and not takes[node]:",
        "branch_",
    ),
    Mutation(
        "With `continue`, the flow continues inside a group that catches.",
        WALK,
        "widen = self._continue and not context.caught if index < last",
        "widen = self._continue if index < last",
        "continue_",
    ),
    Mutation(
        "The factor of a group applies to the group's own branches.",
        WALK,
        "return (yield self._branches(unit, context, exits, catch, body, failure))",
        "return (yield self._branches(unit, context._replace(retry=retry), exits, catch, body, "
        "failure))",
        "factor_",
    ),
    Mutation(
        "Conditions are tried in descending order.",
        "volnux/events/settings.py",
        "return tuple(sorted(conditions.items()))",
        "return tuple(sorted(conditions.items(), reverse=True))",
        "condition_",
    ),
    Mutation(
        "Returned failures are repeated.",
        RUN,
        "and spec.retry.retry_on_failure\n",
        "and spec.retry.max_attempts > 1\n",
        "retry_",
    ),
    Mutation(
        "Waits do not double.",
        "volnux/events/retry.py",
        "self.backoff_factor * 2.0 ** min(retry - 1, 1000)",
        "self.backoff_factor * 1.0 ** min(retry - 1, 1000)",
        "retry_",
    ),
    Mutation(
        "Events that had not started when the run was stopped are skipped.",
        EXECUTION,
        "        self._end_the_rest(State.FAILED)\n",
        "        self._end_the_rest(State.SKIPPED)\n",
        "stop_",
    ),
    # Failing here.
    Mutation(
        "In a `0` branch, `!` ignores the failure for which that branch ran.",
        WALK,
        "failure=failure if branch.descriptor == 0 else context.failure,",
        "failure=context.failure,",
        "fail_",
    ),
    Mutation(
        "In a branch for another descriptor, `!` ignores the `0` branch around it.",
        WALK,
        "failure=failure if branch.descriptor == 0 else context.failure,",
        "failure=failure if branch.descriptor == 0 else None,",
        "fail_",
    ),
    Mutation(
        "After a `!` fails, the parts that follow its group are not failed.",
        PROGRESS,
        "if self.nodes[index].kind is not Kind.CATCH:",
        "if self.nodes[index].kind is _EVENT:",
        "fail_",
    ),
    Mutation(
        "A `!` at the start of the flow counts as skipped.",
        PROGRESS,
        "ready += self.conclude(index, FAILURE)",
        "ready += self.conclude(index, _AS_SKIPPED)",
        "fail_",
    ),
    Mutation(
        "With `continue`, a `!` ends the flow.",
        WALK,
        "        index = graph.fail(unit.span, context.failure)\n",
        "        index = graph.fail(unit.span, context.failure)\n"
        "        context = context._replace(widen=False)\n",
        "fail_",
    ),
    Mutation(
        "A run names the last `!` that was not handled.",
        REPORT,
        "first = min(lost, key=execution.copies.order)",
        "first = max(lost, key=execution.copies.order)",
        "fail_",
    ),
    # Once for each item, and again.
    Mutation(
        "A copy receives the list instead of its item.",
        REPEATS,
        "inner = context._replace(receives=graph.value(ValueKind.ITEM, node=id_))",
        "inner = context",
        "each_",
    ),
    Mutation(
        "The results of the copies are in reverse order.",
        "volnux/graph/piped.py",
        "return block.instances(block.start)",
        "return block.instances(block.start)[::-1]",
        "each_",
    ),
    Mutation(
        "Without items, a unit fails.",
        PROGRESS,
        "        if not items:\n            ended.append((index, SUCCESS))\n",
        "        if not items:\n            ended.append((index, FAILURE))\n",
        "each_empty",
    ),
    Mutation(
        "Without items, a unit is skipped, and so is what follows.",
        PROGRESS,
        "        if not items:\n            ended.append((index, SUCCESS))\n",
        "        if not items:\n            ended.append((index, _AS_SKIPPED))\n",
        "each_empty",
    ),
    Mutation(
        "A text is the list of its characters.",
        PROGRESS,
        "if not isinstance(items, list | tuple):",
        "if not isinstance(items, list | tuple | str):",
        "each_of",
    ),
    Mutation(
        "The places of a unit without a list are skipped.",
        PROGRESS,
        "State.FAILED if failed else State.SKIPPED)",
        "State.SKIPPED)",
        "each_of",
    ),
    Mutation(
        "The failure of a unit without a list stands at no place.",
        REPORT,
        "elif without_list and index in without_list:",
        "elif without_list and index is without_list:",
        "each_of",
    ),
    Mutation(
        "A failure that is piped to an `each` is its own failure.",
        PROGRESS,
        "failed = isinstance(items, Failure) and source not in (None, *self.copies.items(index))",
        "failed = isinstance(items, Failure)",
        "each_of",
    ),
    Mutation(
        "With *any*, every copy must be done.",
        REPEATS,
        "Entry.ANY if any_ else Entry.ALL",
        "Entry.ALL",
        "each_any",
    ),
    Mutation(
        "The class of the last event does not decide for the copies.",
        REPEATS,
        "evaluation = evaluation or walk.evaluation_of(decided_by)",
        "evaluation = evaluation or (walk.evaluation_of(decided_by) and None)",
        "each_any",
    ),
    Mutation(
        "With `continue`, a unit without a list stops the flow.",
        REPEATS,
        "failed = (0,) if context.widen else ()",
        "failed = (0,) if context.retry else ()",
        "each_error",
    ),
    Mutation(
        "All copies start at once.",
        PROGRESS,
        "self._start_copies(block, min(at_once, count), ready, ended)",
        "self._start_copies(block, count, ready, ended)",
        "each_at_once",
    ),
    Mutation(
        "After a copy has ended, no other one starts.",
        PROGRESS,
        "if block.started < len(block.items):",
        "if block.started < 0:",
        "each_at_once",
    ),
    Mutation(
        "The number of the innermost copy comes first.",
        COPIES,
        "tuple(number for _, number in reversed(self.around(instance)))",
        "tuple(number for _, number in self.around(instance))",
        "each_nested",
    ),
    Mutation(
        "Items are not given to events.",
        CALLS,
        "            {**self.inputs, **items},\n",
        "            self.inputs,\n",
        "each_item",
    ),
    Mutation(
        "An event in a copy does not know its numbers.",
        CALLS,
        "            numbers,\n",
        "            (),\n",
        "each_knows",
    ),
    Mutation(
        "`in` is ignored.",
        CALLS,
        "        if name is None:\n",
        "        if name is None or name:\n",
        "each_in",
    ),
    Mutation(
        "A group runs again once less.",
        REPEATS,
        "for number in range(1, int(option.value)):",
        "for number in range(1, int(option.value) - 1):",
        "again_",
    ),
    Mutation(
        "The last round receives nothing.",
        REPEATS,
        "values.append((yield walk.body(unit.primary, context, starts, exits, evaluation)))",
        "values.append((yield walk.body(unit.primary, context._replace(receives=None), starts, "
        "exits, evaluation)))",
        "again_",
    ),
    Mutation(
        "A `!` in a later round does not carry the failure of the round before.",
        REPEATS,
        "context = context._replace(failure=failure)",
        "context = context._replace(failure=context.failure)",
        "again_",
    ),
    Mutation(
        "With `continue`, a round goes on after a failure.",
        REPEATS,
        "guarded = context._replace(widen=False, caught=True)",
        "guarded = context._replace(widen=False)",
        "again_continue",
    ),
    Mutation(
        "In an inner round, the outer round is left out.",
        "volnux/graph/assembly.py",
        'while rounds.endswith(".1"):',
        'while rounds.startswith(".1"):',
        "again_nested",
    ),
    Mutation(
        "A task is done if one of its ends is done.",
        REPEATS,
        "last = graph.join(ends, Entry.ALL)",
        "last = graph.join(ends, Entry.ANY)",
        "task_",
    ),
    # What an event is given.
    Mutation(
        "An input takes precedence over an argument.",
        "volnux/events/spec.py",
        "            keywords.update(resolved.arguments)\n",
        "            keywords = {**resolved.arguments, **keywords}\n",
        "argument_",
    ),
    Mutation(
        "A bare name inside a list or an object is replaced by null.",
        "volnux/graph/parts.py",
        "holder[last] = values(at.name)",
        "holder[last] = None if at.path else values(at.name)",
        "argument_",
    ),
    Mutation(
        "The value of a bare name is not converted to the annotated type.",
        GIVEN,
        "if read is not None:\n",
        "if read is not None and not argument.names:\n",
        "argument_",
    ),
    Mutation(
        "Variables that arguments name go into `**kwargs`.",
        GIVEN,
        "return Given(arguments, found, hidden, direct & known)",
        "return Given(arguments, found, hidden, frozenset(known))",
        "variable_",
    ),
    Mutation(
        "An event that could not be given a variable or a secret is retried.",
        RUN,
        "        and not isinstance(error, NotGivenError)\n",
        "",
        "_missing",
    ),
    Mutation(
        "The default of a variable takes precedence over the host.",
        GIVEN,
        "        value = host.variable(spec.name)\n",
        "        value = host.variable(spec.name) if spec.required else spec.default\n",
        "variable_",
    ),
    Mutation(
        "Secrets are not masked in results.",
        RUN,
        "            result = masked(result, resolved.secrets)\n",
        "            pass\n",
        "secret_",
    ),
    Mutation(
        "Secrets are not masked in failures.",
        "volnux/events/failures.py",
        "text, shown = hide(message), hide(frames)",
        "text, shown = message, frames",
        "secret_",
    ),
    Mutation(
        "Secrets are not masked in log records.",
        "volnux/masking.py",
        "        record.msg, record.args = hidden, ()\n",
        "        pass\n",
        "secret_",
    ),
    Mutation(
        "A range does not include its lower end.",
        INPUTS,
        "value < spec.least)",
        "value <= spec.least)",
        "range_",
    ),
    Mutation(
        "A range has no upper end.",
        INPUTS,
        "(spec.most is not None and value > spec.most)",
        "(spec.most is not None and value is spec)",
        "range_",
    ),
    Mutation(
        "Any value of the right type is a choice.",
        INPUTS,
        "(spec.choices and value not in spec.choices)",
        "(spec.choices and value is spec)",
        "choices_",
    ),
    # The time of a run.
    Mutation(
        "`d` adds elapsed time.",
        MOMENTS,
        'if unit in "dw":',
        'if unit == "w":',
        "time_",
    ),
    Mutation(
        "`h` changes the local time of day instead of adding elapsed time.",
        MOMENTS,
        'if unit in "dw":',
        'if unit != "m":',
        "time_",
    ),
    Mutation(
        "If a local time occurs twice, the second occurrence is used.",
        MOMENTS,
        "time = wall.replace(tzinfo=zone).astimezone",
        "time = wall.replace(tzinfo=zone, fold=1).astimezone",
        "time_that",
    ),
    Mutation(
        "A local time that a clock change skips does not move forward.",
        MOMENTS,
        "time = wall.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone)",
        "time = wall.replace(tzinfo=zone)",
        "time_over",
    ),
    Mutation(
        "A date is the date in UTC.",
        MOMENTS,
        "return time.date() if",
        "return time.astimezone(dt.UTC).date() if",
        "time_",
    ),
    Mutation(
        "`previous` is the scheduled time of the run itself.",
        MOMENTS,
        "self.schedule.before(self.scheduled_at)",
        "self.schedule.before(self.scheduled_at + dt.timedelta.resolution)",
        "time_previous",
    ),
    Mutation(
        "A default that depends on the scheduled time overrides a given value.",
        INPUTS,
        "if spec.moment is not None and value is None:",
        "if spec.moment is not None:",
        "time_given",
    ),
    # The time limit of a run.
    Mutation(
        "The report does not say that the run reached its time limit.",
        REPORT,
        "if execution.timed_out and graph.run_timeout is not None:",
        "if execution.timed_out and graph.run_timeout is None:",
        "run_timeout",
    ),
    Mutation(
        "After the time limit, what has not ended counts as cancelled.",
        EXECUTION,
        "        self.timed_out = True\n        self._end()\n",
        "        self.timed_out = True\n        self.abandon()\n",
        "run_timeout",
    ),
)


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
