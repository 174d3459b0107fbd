"""The behaviour of the events of a program, by place, and their results."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from volnux.graph.places import names_of
from volnux.testing.programs import Program, Script, places
from volnux.testing.typed import VALUES

__all__ = ["key_of", "listed", "result_of", "script_of", "scripts"]


def scripts(program: Program) -> dict[str, Script]:
    """The scripts of a program: of every place, and of the copies with a script of their own."""
    found: dict[str, Script] = {}
    for place, event in places(program).items():
        name = place[: _end_of_name(place)]
        end = place[len(name) :]
        others = dict(event.others)
        found[place] = others.get(end, event.script)
        for key, script in others.items():
            if key.startswith(f"{end}["):
                found[name + key] = script
    return found


def script_of(scripts: Mapping[str, Script], place: str) -> Script:
    """The script of a place: its own, or that of all copies."""
    return scripts[key_of(scripts, place)]


def key_of(scripts: Mapping[str, object], place: str) -> str:
    """The key of the script of a place."""
    return next(name for name in names_of(place) if name in scripts)


def result_of(text: str, script: Script) -> Any:
    """The result of an event that does not pass on what it received.

    It is a text, a list of items that are made from the text, or a typed value.
    """
    if script.value:
        return VALUES[script.value]
    return None if script.silent else listed(text, script.items)


def listed(text: str, lengths: Sequence[int]) -> Any:
    """A text, or lists of these lengths with texts that are made from it."""
    if not lengths:
        return text
    return [listed(f"{text}-{number}", lengths[1:]) for number in range(lengths[0])]


def _end_of_name(place: str) -> int:
    """Where the numbers of the rounds begin."""
    found = re.search(r"(\.\d+)*$", place)
    assert found is not None
    return found.start()
