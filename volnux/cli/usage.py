"""Usage errors for invalid options, and reading the value of `--events`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath

from volnux.errors import VolnuxError

__all__ = ["UsageError", "event_modules"]


class UsageError(VolnuxError):
    """Options are not valid; each text describes one fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


def event_modules(given: Iterable[str]) -> list[str]:
    """The modules of `--events`, in the order given.

    Raises:
        UsageError: a value is not a dotted module name.
    """
    modules = [name.strip() for text in given for name in text.split(",")]
    faults = []
    for name in modules:
        if all(part.isidentifier() for part in name.split(".")) and not name.endswith(".py"):
            continue
        fault = f"--events takes the dotted name of a module, found '{name}'"
        stem = PurePath(name).stem
        if name.endswith(".py") and stem.isidentifier():
            fault += f"; did you mean '{stem}'?"
        faults.append(fault)
    if faults:
        raise UsageError(faults)
    return list(dict.fromkeys(modules))
