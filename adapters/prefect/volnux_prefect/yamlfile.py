"""Keeping the deployments of a `prefect.yaml` that somebody may have edited as the files say.

Init owns keys, not entries. A line above each entry that it wrote has a digest of the text of each
of these keys. While a key still has that text, init may write it anew; once it is changed, it is
the user's, and so is every key that init did not write.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from volnux.errors import VolnuxError
from volnux_prefect.describe import Described

__all__ = ["Deployment", "Left", "Merged", "ProjectFileError", "merge", "read_project", "removable"]

KEYS = ("name", "tags", "parameters", "schedules", "concurrency_limit")
"""The keys of an entry that say what the file says."""

_ORDER = ("name", "entrypoint", *KEYS[1:], "work_pool")
_MARK = re.compile(
    r"(?P<indent> *)# volnux prefect init: (?P<digests>\w+ [0-9a-f]{8}(, \w+ [0-9a-f]{8})*)"
)
_OLD_MARK = re.compile(
    r"(?P<indent> *)# volnux prefect init wrote this \[(?P<digest>[0-9a-f]{12})\]"
)
_PROJECT = re.compile(r"^ *# volnux project (?P<id>[0-9a-f]{16})\s*$", re.M)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NOT_PLAIN = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that are line breaks to YAML, or that it does not take."""

_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})

_HEAD = """\
# Deployments of the flows in flows.py.
# `volnux prefect init` adds what is missing. A key that you change is yours from then on.
"""


class ProjectFileError(VolnuxError):
    """A `prefect.yaml` cannot be read, or not be changed safely."""


@dataclass(frozen=True)
class Deployment:
    """One deployment as init writes it: its entrypoint, and the lines of each key."""

    name: str
    entrypoint: str
    keys: dict[str, tuple[str, ...]]

    @staticmethod
    def of(described: Described, variable: str, work_pool: str) -> Deployment:
        """The deployment of a pipeline, whose flow is a variable of `flows.py`."""
        keys: dict[str, tuple[str, ...]] = {"name": (f"name: {_scalar(described.name)}",)}
        if described.tags:
            keys["tags"] = (f"tags: {_flow(list(described.tags))}",)
        parameters = [
            f"  {name}: {_flow(value)}"
            for name, value in described.parameters.items()
            # Prefect fills in what stands between double braces; the flow has the default anyway.
            if "{{" not in json.dumps(value)
        ]
        if parameters:
            keys["parameters"] = ("parameters:", *parameters)
        if described.schedules:
            lines = ["schedules:"]
            for schedule in described.schedules:
                lines += [
                    f"  - slug: {_scalar(schedule['slug'])}",
                    f"    cron: {_flow(schedule['cron'])}",
                    f"    timezone: {_scalar(schedule['timezone'])}",
                ]
            keys["schedules"] = tuple(lines)
        if described.concurrency_limit is not None:
            keys["concurrency_limit"] = (f"concurrency_limit: {described.concurrency_limit}",)
        entrypoint = f"flows.py:{variable}"
        return Deployment.made_of(keys, entrypoint, work_pool, name=described.name)

    @staticmethod
    def made_of(
        keys: dict[str, tuple[str, ...]], entrypoint: str, work_pool: str, *, name: str = ""
    ) -> Deployment:
        """A deployment from the lines of the keys that init owns."""
        others = {
            "entrypoint": (f"entrypoint: {_scalar(entrypoint)}",),
            "work_pool": ("work_pool:", f"  name: {_scalar(work_pool)}"),
        }
        return Deployment(name, entrypoint, {**keys, **others})

    def render(self, indent: str) -> list[str]:
        """Its lines, the mark first."""
        digests = {key: _digest(self.keys[key]) for key in KEYS if key in self.keys}
        lines = [line for key in _ORDER for line in self.keys.get(key, ())]
        return [
            _mark(indent, digests),
            f"{indent}- {lines[0]}",
            *(f"{indent}  {line}" for line in lines[1:]),
        ]


@dataclass(frozen=True)
class Left:
    """A key of a deployment that stays as the user wrote it, and differs from the file.

    Attributes:
        name: of the deployment.
        key: the key.
        yours: its lines in `prefect.yaml`; none where the user took it out.
        wanted: the lines that init would write; none where the file says nothing of it.
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
    """What came of a merge.

    Attributes:
        text: the new text.
        left: what stays as the user wrote it although the file says something else.
        project: the id of the project.
        owned: of each entry, by entrypoint and name, the keys that say what the file says.
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
    """The text with these deployments in it; all else stays byte for byte.

    Args:
        text: what the file holds now; empty where there is none.
        deployments: those that it should have.
        project: the name of the project, for a new file.
        path: the file's name, for messages.
        gone: entrypoints whose entries are taken out; they have to be `removable`.

    Raises:
        ProjectFileError: the file is not YAML, or its deployments are not a list with a line each.
    """
    if not text.strip():
        text = f"{_HEAD}name: {_scalar(project)}\n\ndeployments:\n"
    end = "\r\n" if "\r\n" in text else "\n"
    before = _entries(text, path)
    lines = text.replace("\r\n", "\n").split("\n")
    known = _PROJECT.search(text)
    number = known["id"] if known else secrets.token_hex(8)
    left: list[Left] = []
    missing: list[Deployment] = []
    owned: dict[tuple[str, str], frozenset[str]] = {}
    for deployment in deployments:
        items = [each for each in _items(lines) if each.entrypoint == deployment.entrypoint]
        ours = next((each for each in items if each.digests is not None), None)
        if ours is not None:
            kept, keys = _update(lines, ours, deployment)
            left += kept
            name = deployment.name if "name" in keys else str(ours.value("name"))
            owned[deployment.entrypoint, name] = keys
        elif not any(entry.get("entrypoint") == deployment.entrypoint for entry in before):
            missing.append(deployment)
            owned[deployment.entrypoint, deployment.name] = frozenset(KEYS)
    for item in reversed(_items(lines)):
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
    """Whether all entries of an entrypoint are, to the letter, as init wrote them.

    Raises:
        ProjectFileError: the file is not YAML, or its deployments are not a list.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    entries = [each for each in _entries(text, path) if each.get("entrypoint") == entrypoint]
    items = [each for each in _items(lines) if each.entrypoint == entrypoint]
    return len(items) == len(entries) and all(each.untouched(lines) for each in items)


def _entries(text: str, path: str) -> list[dict[str, Any]]:
    found = read_project(text, path).get("deployments")
    return [entry for entry in found or [] if isinstance(entry, dict)]


# Entries that are there.


@dataclass(frozen=True)
class _Item:
    """An entry of the list: its lines, its keys, and what the mark above it says."""

    start: int
    stop: int
    indent: str
    column: int
    keys: dict[str, tuple[int, int]]
    texts: dict[str, tuple[str, ...]]
    digests: dict[str, str] | None

    @property
    def entrypoint(self) -> str | None:
        return self.value("entrypoint")

    def value(self, key: str) -> str | None:
        """A text on one line."""
        try:
            return str(yaml.safe_load("\n".join(self.texts[key]))[key])
        except (KeyError, TypeError, yaml.YAMLError):
            return None

    def untouched(self, lines: list[str]) -> bool:
        """Whether its lines are those that init writes, with any work pool."""
        if self.digests is None or "name" not in self.texts:
            return False
        try:
            pool = str(yaml.safe_load("\n".join(self.texts["work_pool"]))["work_pool"]["name"])
        except (KeyError, TypeError, yaml.YAMLError):
            return False
        keys = {key: text for key, text in self.texts.items() if key in KEYS}
        if {key: _digest(text) for key, text in keys.items()} != self.digests:
            return False
        deployment = Deployment.made_of(keys, str(self.entrypoint), pool)
        return lines[self.start : self.stop] == deployment.render(self.indent)[1:]


def _items(lines: list[str]) -> list[_Item]:
    """The entries of the list of deployments that are written one key a line."""
    head = _head(lines)
    if head is None:
        return []
    found: list[_Item] = []
    indent: str | None = None
    number = head + 1
    while number < len(lines):
        line = lines[number]
        dash = re.match(r"( *)-(?: +|$)", line)
        if line.strip() and not line.lstrip().startswith("#"):
            if dash and indent in (None, dash[1]):
                indent = dash[1]
                stop = _end_of_item(lines, number, len(indent))
                found.append(_item(lines, number, stop, indent, len(dash[0])))
                number = stop
                continue
            if not line.startswith(" "):
                break
        number += 1
    return found


def _item(lines: list[str], start: int, stop: int, indent: str, column: int) -> _Item:
    begins: dict[str, int] = {}
    for number in range(start, stop):
        body = lines[number][column:]
        inner = number == start or not lines[number][:column].strip()
        key = re.match(r"([A-Za-z_][\w-]*)\s*:(?=\s|$)", body) if inner else None
        if key:
            begins.setdefault(key[1], number)
    order = [*begins.values(), stop]
    keys = {}
    for position, (key_name, first) in enumerate(begins.items()):
        last = order[position + 1]
        while last > first + 1 and _is_between(lines[last - 1]):
            last -= 1
        keys[key_name] = (first, last)
    texts = {
        key_name: tuple(line[column:] for line in lines[first:last])
        for key_name, (first, last) in keys.items()
    }
    return _Item(start, stop, indent, column, keys, texts, _digests(lines, start, stop, texts))


def _is_between(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _digests(
    lines: list[str], start: int, stop: int, texts: dict[str, tuple[str, ...]]
) -> dict[str, str] | None:
    """The digests in the mark above an entry; None if there is no mark."""
    above = lines[start - 1] if start else ""
    mark = _MARK.fullmatch(above)
    if mark:
        return dict(part.split(" ") for part in mark["digests"].split(", "))
    old = _OLD_MARK.fullmatch(above)
    if old is None:
        return None
    whole = [line.removeprefix(old["indent"]) for line in lines[start:stop]]
    if hashlib.sha256("\n".join(whole).encode()).hexdigest()[:12] != old["digest"]:
        return {}
    return {key: _digest(texts[key]) for key in KEYS if key in texts}


def _update(
    lines: list[str], item: _Item, deployment: Deployment
) -> tuple[list[Left], frozenset[str]]:
    """Write the keys of an entry anew that are init's; what is left, and the keys in step."""
    assert item.digests is not None
    digests = dict(item.digests)
    left: list[Left] = []
    owned: set[str] = set()
    texts = dict(item.texts)
    for key in KEYS:
        wanted, have = deployment.keys.get(key), texts.get(key)
        written = digests.get(key)
        ours = _digest(have) == written if have else written is None
        # The line with the dash cannot go.
        stuck = wanted is None and have is not None and item.keys[key][0] == item.start
        if have == wanted or (ours and not stuck):
            owned.add(key)
            digests.pop(key, None)
            if wanted is not None:
                texts[key] = wanted
                digests[key] = _digest(wanted)
            else:
                texts.pop(key, None)
        elif wanted is not None or written is not None:
            left.append(Left(str(item.value("name")), key, have or (), wanted or ()))
    body = _rewritten(lines, item, texts)
    lines[item.start - 1 : item.stop] = [
        _mark(item.indent, {key: digests[key] for key in KEYS if key in digests}),
        *body,
    ]
    return left, frozenset(owned)


def _rewritten(lines: list[str], item: _Item, texts: dict[str, tuple[str, ...]]) -> list[str]:
    """The lines of an entry with other texts for some keys, in the order that it has."""
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
            before = _ORDER[: _ORDER.index(key)]
            at = max((n for n, (known, _) in enumerate(parts) if known in before), default=0)
            parts.insert(at + 1, (key, [margin + line for line in texts[key]]))
    return [line for _, part in parts for line in part]


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


# New entries.


def _head(lines: list[str]) -> int | None:
    return next((n for n, line in enumerate(lines) if re.match(r"deployments\s*:", line)), None)


def _append(
    lines: list[str],
    missing: Sequence[Deployment],
    before: Sequence[Any],
    path: str,
    project: str | None,
) -> None:
    """Add deployments behind the last one, with the id of the project if it is new."""
    head = _head(lines)
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
        if position == 0 and project is not None:
            added.append(f"{where}# volnux project {project}")
        added += deployment.render(where)
    if last + 1 == len(lines):
        added.append("")
    lines[last + 1 : last + 1] = added


def _add_project(lines: list[str], project: str) -> None:
    """Add the id of the project where a file without it needs no other entries."""
    items = _items(lines)
    head = _head(lines)
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
    """See that all that is the user's is what it was, and that every deployment is there."""

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
            f"{path} cannot be changed safely: write its deployments as a list, one key a line"
        )


def _mark(indent: str, digests: dict[str, str]) -> str:
    known = ", ".join(f"{key} {digest}" for key, digest in digests.items())
    return (
        f"{indent}# volnux prefect init: {known}"
        if known
        else f"{indent}# volnux prefect init: name {'0' * 8}"
    )


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


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
