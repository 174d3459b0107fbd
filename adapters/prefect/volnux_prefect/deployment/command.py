"""The user interface of `volnux prefect deploy`: shows the plan, asks, and reports the result."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volnux.cli import output
from volnux.errors import Severity
from volnux.shown import cut
from volnux_prefect.deployment.differences import HIDDEN
from volnux_prefect.deployment.plan import Change, Kind, Plan, apply, plan_of
from volnux_prefect.deployment.project import Project, read_folder

__all__ = ["Options", "run"]

_SIGNS = {Kind.ADDED: "+", Kind.CHANGED: "~", Kind.GONE: "-"}
_STYLES = {Kind.ADDED: "green", Kind.CHANGED: "yellow", Kind.GONE: "red"}
_LONGEST = 200
"""The maximum number of characters that are shown of a value."""


@dataclass(frozen=True)
class Options:
    """The options of the command."""

    folder: Path
    work_pool: str
    seconds: float
    yes: bool
    prune: bool
    dry_run: bool


def run(options: Options, *, json: bool) -> int:
    """Show the plan, and carry it out if the user agrees. Returns the exit code.

    Raises:
        UsageError: the folder does not exist, or has no `.pty` in it.
        FileError: `flows.py` or `prefect.yaml` cannot be read, or was changed meanwhile.
        ProjectFileError: `prefect.yaml` cannot be changed safely.
        BackendError: the server does not answer; nothing was changed.
    """
    if json:
        with output.json_only() as result:
            project, plan = _plan(options)
            to_do = _to_do(plan, project, prune=options.prune)
            wanted = to_do and options.yes and not options.dry_run
            done = []
            if wanted:
                list(project.write())
                done = list(apply(plan, prune=options.prune))
            result.write(_json(project, plan, done if wanted else None))
            return _code(project, plan, done, left=to_do and not wanted)
    project, plan = _plan(options)
    output.show(project.diagnostics)
    output.show(plan.diagnostics)
    for line in (*_shown(plan, options), *project.notes(), _total(plan, project)):
        output.say(line)
    to_do = _to_do(plan, project, prune=options.prune)
    if not to_do or options.dry_run or not (options.yes or _agreed()):
        return _code(project, plan, [], left=to_do)
    for line in project.write():
        output.say(line)
    done = list(apply(plan, prune=options.prune))
    for change in done:
        if change.error:
            output.error(f"{change.name}: {change.error}")
    counts = Counter(change.kind for change in done if change.error is None)
    output.say(
        f"{counts[Kind.ADDED]} added, {counts[Kind.CHANGED]} changed, {counts[Kind.GONE]} deleted"
    )
    return _code(project, plan, done, left=False)


def _plan(options: Options) -> tuple[Project, Plan]:
    project = read_folder(
        options.folder, work_pool=options.work_pool, seconds=options.seconds, prune=options.prune
    )
    return project, plan_of(project)


def _to_do(plan: Plan, project: Project, *, prune: bool) -> bool:
    """Whether anything would change on the server or in the files."""
    kinds = {Kind.ADDED, Kind.CHANGED, *((Kind.GONE,) if prune else ())}
    files = project.flows[0] != project.flows[1] or project.yaml[0] != project.yaml[1]
    return files or any(change.kind in kinds for change in plan.changes)


def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        output.say(
            "nothing was changed: cannot ask, since this is not a terminal; use --yes to apply"
        )
        return False
    import typer

    return typer.confirm("Apply these changes?")


def _code(project: Project, plan: Plan, done: list[Change], *, left: bool) -> int:
    if project.has_errors or plan.diagnostics or any(change.error for change in done):
        return 1
    return 3 if left else 0


# The plan as text and as JSON.


def _shown(plan: Plan, options: Options) -> Iterator[str]:
    colour = output.coloured(sys.stdout)
    for change in plan.changes:
        if change.kind is Kind.UNCHANGED:
            continue
        sign = output.paint(_SIGNS[change.kind], _STYLES[change.kind], colour=colour)
        gone = "" if options.prune else ", is kept: --prune deletes it"
        yield f"{sign} {change.name} ({change.file}{gone if change.kind is Kind.GONE else ''})"
        for key, (before, after) in change.differences.items():
            yield from _difference(key, before, after)


def _difference(key: str, before: Any, after: Any) -> Iterator[str]:
    if before == after == HIDDEN:
        yield f"    {key}: differs {HIDDEN}"
    elif key == "form":
        yield "    form: the types or names of its parameters differ"
    elif isinstance(before, list) and isinstance(after, list):
        yield from (f"    {key}: - {_text(each)}" for each in before if each not in after)
        yield from (f"    {key}: + {_text(each)}" for each in after if each not in before)
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            if before.get(name) != after.get(name):
                yield f"    {key}.{name}: {_text(before.get(name))} -> {_text(after.get(name))}"
    else:
        yield f"    {key}: {_text(before)} -> {_text(after)}"


def _text(value: Any) -> str:
    text = "none" if value in (None, "") else value if isinstance(value, str) else repr(value)
    return cut(text, _LONGEST)


def _total(plan: Plan, project: Project) -> str:
    errors = {each.file for each in project.diagnostics if each.severity is Severity.ERROR}
    parts = [
        f"{plan.count(Kind.ADDED)} to add",
        f"{plan.count(Kind.CHANGED)} to change",
        f"{plan.count(Kind.GONE)} gone",
        f"{plan.count(Kind.UNCHANGED)} unchanged",
    ]
    if errors:
        parts.append(f"{len(errors)} file{'' if len(errors) == 1 else 's'} with errors")
    return ", ".join(parts)


def _json(project: Project, plan: Plan, done: list[Change] | None) -> dict[str, Any]:
    """The JSON output. `done` lists the changes made; None if the plan was not carried out."""
    carried_out = {change.name: change for change in done or ()}
    return {
        "applied": done is not None,
        "deployments": [carried_out.get(each.name, each).to_json() for each in plan.changes],
        "diagnostics": [each.to_json() for each in (*project.diagnostics, *plan.diagnostics)],
        "kept": [
            {"deployment": left.name, "key": left.key, "difference": left.difference()}
            for left in project.merged.left
        ],
    }
