"""Updates the deployments in a `prefect.yaml` from the files, and keeps the user's changes.

Init owns single keys of an entry, not the whole entry. It writes a comment line above each entry
that it creates, with a digest of the text of each key. As long as the text of a key matches its
digest, init may rewrite the key. A key that was changed, or that init did not write, belongs to the
user.
"""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from volnux.errors import VolnuxError
from volnux_prefect.deployment.entries import (
    KEYS,
    ORDER,
    Deployment,
    Entry,
    digest_of,
    entries_in,
    head_of,
    mark_of,
)
from volnux_prefect.deployment.yamltext import scalar

__all__ = ["Left", "Merged", "ProjectFileError", "merge", "read_project", "removable"]

_PROJECT = re.compile(r"^ *# volnux project (?P<id>[0-9a-f]{16})\s*$", re.M)
_HEAD = """\
# Deployments of the flows in flows.py.
# `volnux prefect init` adds missing entries. It never overwrites a key that you have changed.
"""


class ProjectFileError(VolnuxError):
    """A `prefect.yaml` cannot be read, or cannot be changed safely."""


@dataclass(frozen=True)
class Left:
    """A key of a deployment that the user changed, so that it differs from the file.

    Attributes:
        name: the name of the deployment.
        key: the key.
        yours: its lines in `prefect.yaml`; none if the user removed it.
        wanted: the lines that init would write; none if the file does not set it.
    """

    name: str
    key: str
    yours: tuple[str, ...]
    wanted: tuple[str, ...]

    def difference(self) -> list[str]:
        """The lines that differ, as `diff` shows them."""
        lines = difflib.ndiff(self.yours, self.wanted)
        return [line for line in lines if line[:1] in "-+"]


@dataclass(frozen=True)
class Merged:
    """The result of a merge.

    Attributes:
        text: the new text.
        left: the user's values that are kept although the file differs.
        project: the id of the project.
        owned: the keys of each entry that match the file, by entrypoint and name.
    """

    text: str
    left: tuple[Left, ...]
    project: str
    owned: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)


def read_project(text: str, path: str) -> dict[str, Any]:
    """The content of a `prefect.yaml`.

    Raises:
        ProjectFileError: it is not YAML, or its deployments are not a list.
    """
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ProjectFileError(f"{path} is not valid YAML: {error}") from error
    found = data.get("deployments") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(found or [], list):
        raise ProjectFileError(f"{path} has no list of deployments")
    return data


def merge(
    text: str,
    deployments: Sequence[Deployment],
    project: str,
    path: str,
    *,
    gone: Collection[str] = (),
) -> Merged:
    """Merge these deployments into the text. Everything else stays unchanged, byte for byte.

    Args:
        text: the current content of the file; empty if there is no file.
        deployments: the deployments that it should have.
        project: the name of the project, for a new file.
        path: the file's name, for messages.
        gone: entrypoints whose entries are removed. They must be `removable`.

    Raises:
        ProjectFileError: the file is not YAML, or its deployments are not a list with one key per
            line.
    """
    if not text.strip():
        text = f"{_HEAD}name: {scalar(project)}\n\ndeployments:\n"
    end = "\r\n" if "\r\n" in text else "\n"
    before = _entries(text, path)
    lines = text.replace("\r\n", "\n").split("\n")
    known = _PROJECT.search(text)
    number = known["id"] if known else secrets.token_hex(8)
    left: list[Left] = []
    missing: list[Deployment] = []
    owned: dict[tuple[str, str], frozenset[str]] = {}
    for deployment in deployments:
        items = [each for each in entries_in(lines) if each.entrypoint == deployment.entrypoint]
        ours = next((each for each in items if each.digests is not None), None)
        if ours is not None:
            kept, keys = _update(lines, ours, deployment)
            left += kept
            name = deployment.name if "name" in keys else str(ours.value("name"))
            owned[deployment.entrypoint, name] = keys
        elif not any(entry.get("entrypoint") == deployment.entrypoint for entry in before):
            missing.append(deployment)
            owned[deployment.entrypoint, deployment.name] = frozenset(KEYS)
    for item in reversed(entries_in(lines)):
        if item.entrypoint in gone:
            start = item.start - 1
            blank = start > 0 and not lines[start - 1].strip()
            del lines[start - blank : item.stop]
    if missing:
        _append(lines, missing, before, path, None if known else number)
    elif deployments and not known:
        _add_project(lines, number)
    merged = end.join(lines)
    changed = {*(entrypoint for entrypoint, _ in owned), *gone}
    _check(before, _entries(merged, path), deployments, changed, path)
    return Merged(merged, tuple(left), number, owned)


def removable(text: str, entrypoint: str, path: str) -> bool:
    """Whether all entries of an entrypoint are exactly as init wrote them.

    Raises:
        ProjectFileError: the file is not YAML, or its deployments are not a list.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    entries = [each for each in _entries(text, path) if each.get("entrypoint") == entrypoint]
    items = [each for each in entries_in(lines) if each.entrypoint == entrypoint]
    return len(items) == len(entries) and all(each.untouched(lines) for each in items)


def _entries(text: str, path: str) -> list[dict[str, Any]]:
    found = read_project(text, path).get("deployments")
    return [entry for entry in found or [] if isinstance(entry, dict)]


# Existing entries.


def _update(
    lines: list[str], item: Entry, deployment: Deployment
) -> tuple[list[Left], frozenset[str]]:
    """Rewrite the keys that init owns. Returns those that differ, and those that match."""
    assert item.digests is not None
    digests = dict(item.digests)
    left: list[Left] = []
    owned: set[str] = set()
    texts = dict(item.texts)
    for key in KEYS:
        wanted, have = deployment.keys.get(key), texts.get(key)
        written = digests.get(key)
        ours = digest_of(have) == written if have else written is None
        # A key on the line with the dash cannot be removed.
        stuck = wanted is None and have is not None and item.keys[key][0] == item.start
        if have == wanted or (ours and not stuck):
            owned.add(key)
            digests.pop(key, None)
            if wanted is not None:
                texts[key] = wanted
                digests[key] = digest_of(wanted)
            else:
                texts.pop(key, None)
        elif wanted is not None or written is not None:
            left.append(Left(str(item.value("name")), key, have or (), wanted or ()))
    body = _rewritten(lines, item, texts)
    lines[item.start - 1 : item.stop] = [
        mark_of(item.indent, {key: digests[key] for key in KEYS if key in digests}),
        *body,
    ]
    return left, frozenset(owned)


def _rewritten(lines: list[str], item: Entry, texts: dict[str, tuple[str, ...]]) -> list[str]:
    """The lines of an entry with new texts for some keys, in the existing order."""
    margin = " " * item.column
    parts: list[tuple[str | None, list[str]]] = []
    number = item.start
    for key, (first, last) in item.keys.items():
        if number < first:
            parts.append((None, lines[number:first]))
        own = lines[first:last]
        if texts.get(key) != item.texts[key]:
            own = [margin + line for line in texts.get(key, ())]
            if first == item.start and own:
                own[0] = lines[first][: item.column] + own[0][item.column :]
        parts.append((key, own))
        number = last
    parts.append((None, lines[number : item.stop]))
    for key in KEYS:
        if key in texts and key not in item.keys:
            before = ORDER[: ORDER.index(key)]
            at = max((n for n, (known, _) in enumerate(parts) if known in before), default=0)
            parts.insert(at + 1, (key, [margin + line for line in texts[key]]))
    return [line for _, part in parts for line in part]


# New entries.


def _append(
    lines: list[str],
    missing: Sequence[Deployment],
    before: Sequence[Any],
    path: str,
    project: str | None,
) -> None:
    """Add deployments after the last one, and the id of the project if it is new."""
    head = head_of(lines)
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
            f"{path}:{head + 1}: the deployments are on one line, so nothing can be added; "
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
        if position == 0 and project is not None:
            added.append(f"{where}# volnux project {project}")
        added += deployment.render(where)
    if last + 1 == len(lines):
        added.append("")
    lines[last + 1 : last + 1] = added


def _add_project(lines: list[str], project: str) -> None:
    """Add the id of the project to a file that lacks it but needs no new entries."""
    items = entries_in(lines)
    head = head_of(lines)
    if items and head is not None:
        lines.insert(head + 1, f"{items[0].indent}# volnux project {project}")
    elif head is not None:
        lines.insert(head, f"# volnux project {project}")
    else:
        end = len(lines) - (not lines[-1].strip())
        lines.insert(end, f"# volnux project {project}")


def _check(
    before: Sequence[dict[str, Any]],
    after: Sequence[dict[str, Any]],
    deployments: Sequence[Deployment],
    changed: set[str],
    path: str,
) -> None:
    """Check that the user's content is unchanged, and that every deployment exists."""

    def rest(entry: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in entry.items() if key not in KEYS}

    ours = {each.entrypoint for each in deployments}
    found = {entry.get("entrypoint") for entry in after}
    same = all(
        entry in after
        or (entry.get("entrypoint") in changed and rest(entry) in map(rest, after))
        or entry.get("entrypoint") in changed - ours
        for entry in before
    )
    if not (ours <= found and same):
        raise ProjectFileError(
            f"{path} cannot be changed safely: write its deployments as a list, "
            "with one key per line"
        )
