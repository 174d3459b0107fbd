"""Entries of the list of deployments in a `prefect.yaml`: how init writes and reads them.

Init owns single keys of an entry, not the whole entry. It writes a comment line, the mark, above
each entry that it creates. The mark has a digest of the text of each key, so that init recognizes a
key that somebody changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from volnux_prefect.deployment.describe import Described
from volnux_prefect.deployment.flowsfile import entrypoint
from volnux_prefect.deployment.yamltext import flow_style, scalar

__all__ = ["KEYS", "ORDER", "Deployment", "Entry", "digest_of", "entries_in", "head_of", "mark_of"]

KEYS = ("name", "tags", "parameters", "schedules", "concurrency_limit")
"""The keys of an entry whose values come from the file."""

ORDER = ("name", "entrypoint", *KEYS[1:], "work_pool")
"""The keys of an entry, in the order in which init writes them."""

_MARK = re.compile(
    r"(?P<indent> *)# volnux prefect init: (?P<digests>\w+ [0-9a-f]{8}(, \w+ [0-9a-f]{8})*)"
)
_NO_DIGEST = f"name {'0' * 8}"
"""The mark of an entry in which init owns no key."""


@dataclass(frozen=True)
class Deployment:
    """One deployment as init writes it: the entrypoint, and the lines of each key."""

    name: str
    entrypoint: str
    keys: dict[str, tuple[str, ...]]

    @staticmethod
    def of(described: Described, variable: str, work_pool: str) -> Deployment:
        """The deployment of a pipeline whose flow is a variable of `flows.py`."""
        keys: dict[str, tuple[str, ...]] = {"name": (f"name: {scalar(described.name)}",)}
        if described.tags:
            keys["tags"] = (f"tags: {flow_style(list(described.tags))}",)
        parameters = [
            f"  {name}: {flow_style(value)}"
            for name, value in described.parameters.items()
            # Prefect would treat double braces as a template. The flow itself has the default.
            if "{{" not in json.dumps(value)
        ]
        if parameters:
            keys["parameters"] = ("parameters:", *parameters)
        if described.schedules:
            lines = ["schedules:"]
            for schedule in described.schedules:
                lines += [
                    f"  - slug: {scalar(schedule['slug'])}",
                    f"    cron: {flow_style(schedule['cron'])}",
                    f"    timezone: {scalar(schedule['timezone'])}",
                ]
            keys["schedules"] = tuple(lines)
        if described.concurrency_limit is not None:
            keys["concurrency_limit"] = (f"concurrency_limit: {described.concurrency_limit}",)
        return Deployment.made_of(keys, entrypoint(variable), work_pool, name=described.name)

    @staticmethod
    def made_of(
        keys: dict[str, tuple[str, ...]], entrypoint: str, work_pool: str, *, name: str = ""
    ) -> Deployment:
        """Make a deployment from the lines of the keys that init owns."""
        others = {
            "entrypoint": (f"entrypoint: {scalar(entrypoint)}",),
            "work_pool": ("work_pool:", f"  name: {scalar(work_pool)}"),
        }
        return Deployment(name, entrypoint, {**keys, **others})

    def render(self, indent: str) -> list[str]:
        """The lines of the deployment, starting with the mark."""
        digests = {key: digest_of(self.keys[key]) for key in KEYS if key in self.keys}
        lines = [line for key in ORDER for line in self.keys.get(key, ())]
        return [
            mark_of(indent, digests),
            f"{indent}- {lines[0]}",
            *(f"{indent}  {line}" for line in lines[1:]),
        ]


@dataclass(frozen=True)
class Entry:
    """An entry of the list: its lines, its keys, and the content of the mark above it."""

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
        """The value of a key as text on one line."""
        try:
            return str(yaml.safe_load("\n".join(self.texts[key]))[key])
        except (KeyError, TypeError, yaml.YAMLError):
            return None

    def untouched(self, lines: list[str]) -> bool:
        """Whether its lines, apart from the work pool, are exactly those that init writes."""
        if self.digests is None or "name" not in self.texts:
            return False
        try:
            pool = str(yaml.safe_load("\n".join(self.texts["work_pool"]))["work_pool"]["name"])
        except (KeyError, TypeError, yaml.YAMLError):
            return False
        keys = {key: text for key, text in self.texts.items() if key in KEYS}
        if {key: digest_of(text) for key, text in keys.items()} != self.digests:
            return False
        deployment = Deployment.made_of(keys, str(self.entrypoint), pool)
        return lines[self.start : self.stop] == deployment.render(self.indent)[1:]


def entries_in(lines: list[str]) -> list[Entry]:
    """The entries of the list of deployments, if they are written with one key per line."""
    head = head_of(lines)
    if head is None:
        return []
    found: list[Entry] = []
    indent: str | None = None
    number = head + 1
    while number < len(lines):
        line = lines[number]
        dash = re.match(r"( *)-(?: +|$)", line)
        if line.strip() and not line.lstrip().startswith("#"):
            if dash and indent in (None, dash[1]):
                indent = dash[1]
                stop = _end_of_entry(lines, number, len(indent))
                found.append(_entry(lines, number, stop, indent, len(dash[0])))
                number = stop
                continue
            if not line.startswith(" "):
                break
        number += 1
    return found


def _entry(lines: list[str], start: int, stop: int, indent: str, column: int) -> Entry:
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
    mark = _MARK.fullmatch(lines[start - 1] if start else "")
    digests = dict(part.split(" ") for part in mark["digests"].split(", ")) if mark else None
    return Entry(start, stop, indent, column, keys, texts, digests)


def _is_between(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _end_of_entry(lines: list[str], start: int, indent: int) -> int:
    """The line after the end of a list item, without trailing blank lines and comments."""
    stop = start + 1
    for number in range(start + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        if len(line) - len(line.lstrip()) <= indent:
            break
        stop = number + 1
    return stop


def head_of(lines: list[str]) -> int | None:
    """The number of the line where the list of deployments begins; None if there is no list."""
    return next((n for n, line in enumerate(lines) if re.match(r"deployments\s*:", line)), None)


def mark_of(indent: str, digests: dict[str, str]) -> str:
    """The line above an entry, with the digests of the keys that init wrote."""
    known = ", ".join(f"{key} {digest}" for key, digest in digests.items())
    return f"{indent}# volnux prefect init: {known or _NO_DIGEST}"


def digest_of(lines: Sequence[str]) -> str:
    """The short digest of the lines of a key."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
