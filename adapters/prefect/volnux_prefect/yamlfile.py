"""Adding deployments to a `prefect.yaml` that somebody may have edited, and nothing else.

A deployment that init wrote has a line above it with a digest of its text. While the text still
has that digest, init may write it anew; once it is changed, it is the user's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from volnux.errors import VolnuxError
from volnux.events.inputs import bind_inputs
from volnux.events.link import Plan
from volnux.graph.report import jsonable
from volnux.pointy.cron import PRESETS

__all__ = ["Deployment", "Merged", "ProjectFileError", "merge"]

_MARK = re.compile(r"(?P<indent> *)# volnux prefect init wrote this \[(?P<digest>[0-9a-f]{12})\]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_PLAIN = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that are line breaks to YAML, or that it does not take."""

_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})

_HEAD = """\
# Deployments of the flows in flows.py, for `prefect deploy --all`.
# `volnux prefect init` adds what is missing. A deployment that you change is yours from then on.
"""


class ProjectFileError(VolnuxError):
    """A `prefect.yaml` is written in a way that nothing can be added to."""


@dataclass(frozen=True)
class Deployment:
    """One deployment as init writes it: its name, its entrypoint, its lines."""

    name: str
    entrypoint: str
    lines: tuple[str, ...]

    @staticmethod
    def of(plan: Plan, variable: str, work_pool: str) -> Deployment:
        """The deployment of a plan, whose flow is a variable of `flows.py`."""
        graph = plan.graph
        entrypoint = f"flows.py:{variable}"
        lines = [f"- name: {_scalar(graph.name)}", f"  entrypoint: {_scalar(entrypoint)}"]
        if graph.tags:
            lines.append(f"  tags: {_flow(list(graph.tags))}")
        lines += _parameters(plan)
        if graph.schedules:
            lines.append("  schedules:")
            zone = graph.timezone or "UTC"
            for number, schedule in enumerate(graph.schedules, start=1):
                cron = PRESETS.get(schedule.expression, schedule.expression)
                lines += [
                    f"    - slug: {_scalar(f'{graph.name}-{number}')}",
                    f"      cron: {_flow(cron)}",
                    f"      timezone: {_scalar(zone)}",
                ]
        if graph.max_active_runs is not None:
            lines.append(f"  concurrency_limit: {graph.max_active_runs}")
        lines += ["  work_pool:", f"    name: {_scalar(work_pool)}"]
        return Deployment(graph.name, entrypoint, tuple(lines))

    @property
    def digest(self) -> str:
        """What the line above it says of its text."""
        return _digest(self.lines)

    def render(self, indent: str) -> list[str]:
        """Its lines, the mark first."""
        mark = f"# volnux prefect init wrote this [{self.digest}]"
        return [indent + line for line in (mark, *self.lines)]


@dataclass(frozen=True)
class Merged:
    """The new text, and the names of deployments that the user has changed."""

    text: str
    kept: tuple[str, ...]


def merge(text: str, deployments: Sequence[Deployment], project: str, path: str) -> Merged:
    """The text with these deployments in it; all else stays byte for byte.

    Args:
        text: what the file holds now; empty where there is none.
        deployments: those that it should have.
        project: the name of the project, for a new file.
        path: the file's name, for messages.

    Raises:
        ProjectFileError: the file is no YAML, or its deployments are not a list with a line each.
    """
    if not text.strip():
        text = f"{_HEAD}name: {_scalar(project)}\n\ndeployments:\n"
    end = "\r\n" if "\r\n" in text else "\n"
    before = _read(text, path)
    lines = text.replace("\r\n", "\n").split("\n")
    entries = {entry.get("entrypoint"): entry for entry in before}
    kept = []
    missing = []
    for deployment in deployments:
        if deployment.entrypoint not in entries:
            missing.append(deployment)
        elif not _replace(lines, deployment):
            kept.append(str(entries[deployment.entrypoint].get("name")))
    if missing:
        _append(lines, missing, before, path)
    merged = end.join(lines)
    _check(before, _read(merged, path), deployments, kept, path)
    return Merged(merged, tuple(kept))


def _read(text: str, path: str) -> list[dict[str, Any]]:
    """The deployments of a file."""
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ProjectFileError(f"{path} is no YAML: {error}") from error
    found = data.get("deployments") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(found or [], list):
        raise ProjectFileError(f"{path} has no list of deployments")
    return [entry for entry in found or [] if isinstance(entry, dict)]


def _replace(lines: list[str], deployment: Deployment) -> bool:
    """Write a deployment anew where init wrote it; whether it is as init writes it now."""
    for number, line in enumerate(lines):
        mark = _MARK.fullmatch(line)
        if mark is None or number + 1 == len(lines):
            continue
        indent = mark["indent"]
        stop = _end_of_item(lines, number + 1, len(indent))
        block = [each.removeprefix(indent) for each in lines[number + 1 : stop]]
        if f"  entrypoint: {_scalar(deployment.entrypoint)}" not in block:
            continue
        if _digest(block) == mark["digest"]:
            lines[number:stop] = deployment.render(indent)
            return True
    return False


def _end_of_item(lines: list[str], start: int, indent: int) -> int:
    """The line after the last one of a list item, blank lines and comments behind it left out."""
    stop = start + 1
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        if len(line) - len(line.lstrip()) <= indent:
            break
        stop = number + 1
    return stop


def _append(
    lines: list[str], missing: Sequence[Deployment], before: Sequence[Any], path: str
) -> None:
    """Add deployments behind the last one."""
    head = next((n for n, line in enumerate(lines) if re.match(r"deployments\s*:", line)), None)
    if head is None:
        while lines and not lines[-1].strip():
            lines.pop()
        lines += ["", "deployments:", ""]
        head = len(lines) - 2
    value = lines[head].partition(":")[2].partition("#")[0].strip()
    if value in ("[]", "null", "~"):
        lines[head] = lines[head].replace(value, "", 1).rstrip()
    elif value:
        wanted = "\n".join(line for item in missing for line in item.render("  "))
        raise ProjectFileError(
            f"{path}:{head + 1}: the deployments stand in one line, where nothing can be added; "
            f"write them as a list, or add this yourself:\n{wanted}"
        )
    indent, last = None, head
    for number in range(head + 1, len(lines)):
        line = lines[number]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        item = re.match(r"( *)- ", line)
        if not line.startswith(" ") and not item:
            break
        if indent is None and item:
            indent = item[1]
        last = number
    where = "  " if indent is None else indent
    added: list[str] = []
    for position, deployment in enumerate(missing):
        if position or before:
            added.append("")
        added += deployment.render(where)
    if last + 1 == len(lines):
        added.append("")
    lines[last + 1 : last + 1] = added


def _check(
    before: Sequence[dict[str, Any]],
    after: Sequence[dict[str, Any]],
    deployments: Sequence[Deployment],
    kept: Sequence[str],
    path: str,
) -> None:
    """See that the user's own deployments are what they were, and that all others are there."""
    ours = {each.entrypoint for each in deployments}
    own = [e for e in before if e.get("entrypoint") not in ours or e.get("name") in kept]
    found = {entry.get("entrypoint") for entry in after}
    if not ours <= found or any(entry not in after for entry in own):
        raise ProjectFileError(f"{path} is written in a way that nothing can be added to safely")


def _parameters(plan: Plan) -> list[str]:
    lines = []
    for item in plan.graph.inputs:
        if item.required:
            continue
        value = bind_inputs([item], {}, plan.readers).get(item.name)
        text = _flow(jsonable(value))
        # Prefect fills in what stands between double braces, and the flow has the default anyway.
        if value is not None and "{{" not in text and '"repr"' not in text:
            lines.append(f"    {item.name}: {text}")
    return ["  parameters:", *lines] if lines else []


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _scalar(text: str) -> str:
    """A text as YAML: plain where that is safe, else in double quotes."""
    plain = _PLAIN.fullmatch(text) or re.fullmatch(r"flows\.py:\w+", text)
    return text if plain and text.lower() not in _WORDS else _flow(text)


def _flow(value: Any) -> str:
    """A JSON value on one line of YAML: plain JSON, except where YAML would read it differently."""
    match value:
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return _NOT_PLAIN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
        case float():
            mantissa, exponent, power = repr(value).partition("e")
            return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else repr(value)
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case dict():
            items = (f"{_flow(key)}: {_flow(item)}" for key, item in value.items())
            return f"{{{', '.join(items)}}}"
        case _:
            return json.dumps(value)
