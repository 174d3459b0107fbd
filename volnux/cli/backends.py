"""`volnux backends`: which backends are installed, and what they can do."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from volnux.backends.port import Backend, BackendError, Capabilities
from volnux.backends.registry import backend_names, get_backend
from volnux.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]

_MEANING = {
    "hints": "hints used",
    "url_schemes": "executor URLs",
    "pools": "own executor class of an event",
    "timeout": "timeout",
    "stop_on_exception": "stop_on_exception",
    "catchup": "catchup",
}


def command() -> None:
    """List the installed backends.

    `volnux check --backend NAME FILE` shows which features a file needs that a backend lacks.
    """
    for number, name in enumerate(backend_names()):
        if number:
            output.say()
        output.say(output.paint(name, "bold", colour=output.coloured(sys.stdout)))
        for line in _describe(name):
            output.say(f"  {line}")


def _describe(name: str) -> Iterator[str]:
    try:
        backend: Backend = get_backend(name)
    except BackendError as error:
        yield f"not usable: {error}"
        return
    except Exception as error:  # noqa: BLE001 - a backend that is not ours may raise anything
        yield f"not usable: {type(error).__name__}: {error}"
        return
    width = max(map(len, _MEANING.values()))
    for field in fields(Capabilities):
        value = getattr(backend.capabilities, field.name)
        if isinstance(value, bool):
            shown = "yes" if value else "no"
        else:
            shown = ", ".join(sorted(value)) or "none"
        yield f"{_MEANING.get(field.name, field.name).ljust(width)}  {shown}"
