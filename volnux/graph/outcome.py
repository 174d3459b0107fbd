"""How events, places and runs end: the terms that every backend uses in reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from volnux.strictjson import built

__all__ = [
    "FAILURE",
    "SUCCESS",
    "UNHANDLED",
    "Failure",
    "NoItems",
    "RemoteTraceback",
    "RunStatus",
    "State",
    "no_branch",
    "no_list",
    "run_too_long",
]

FAILURE = 0
"""The descriptor of a failure."""

SUCCESS = 1
"""The descriptor of a success."""


class State(StrEnum):
    """How a place of a flow ended; `cancelled` occurs in a cancelled run only."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunStatus(StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Failure:
    """A description of an exception: the result of an event that raised in its last attempt.

    Attributes:
        type: the name of the exception's class (dotted unless it is a builtin).
        message: what the exception says.
        traceback: the frames of the user's code, as text; empty if there are none.
        attempts: how many attempts were made.
        exception: the exception itself, in the process of the run and until the failure is
            handled; otherwise None. It keeps the locals of its frames alive, unless it was raised
            in another process: then its cause has the frames as text.
    """

    type: str
    message: str
    traceback: str = ""
    attempts: int = 1
    # An exception or None. Failures are read from JSON by pydantic, which cannot handle them.
    exception: Any = field(default=None, init=False, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # Not every exception can be pickled, and frames never can.
        return Failure, (self.type, self.message, self.traceback, self.attempts)

    def bare(self) -> Failure:
        """The failure without its exception, whose frames can then be freed."""
        if self.exception is None:
            return self
        return Failure(self.type, self.message, self.traceback, self.attempts)

    def with_exception(self, error: BaseException) -> Failure:
        """The failure with the exception that it describes."""
        failure = self.bare() if self.exception is not None else replace(self)
        object.__setattr__(failure, "exception", error)
        return failure

    def cause(self) -> BaseException | None:
        """The cause of an error about this failure: the exception, or its traceback."""
        error: BaseException | None = self.exception
        if error is None and self.traceback:
            return RemoteTraceback(self.traceback)
        return error

    def to_json(self) -> dict[str, Any]:
        """The failure as plain JSON."""
        return {
            "type": self.type,
            "message": self.message,
            "traceback": self.traceback,
            "attempts": self.attempts,
        }

    @staticmethod
    def from_json(data: object) -> Failure:
        """The failure that `to_json` gave.

        Raises:
            FormatError: it is not such a value.
        """
        return built(Failure, data, what="this JSON is not a failure")

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class RemoteTraceback(Exception):
    """The traceback, as text, of an exception that is not available in this process."""

    __module__ = "volnux"

    def __init__(self, traceback: str) -> None:
        super().__init__(traceback)
        self.traceback = traceback

    def __str__(self) -> str:
        return f'\n"""\n{self.traceback.rstrip()}\n"""'


UNHANDLED = "UnhandledDescriptor"
"""The type of the failure of an event that ended with a descriptor without a branch."""


def no_branch(event: str | None, descriptor: int, taken: Iterable[int]) -> Failure:
    """The failure of an event that ended with a descriptor of 2 to 9 without a branch.

    Args:
        event: the name of the event.
        descriptor: what it finished with.
        taken: the descriptors that have a branch.
    """
    known = ", ".join(map(str, sorted(taken))) or "none"
    return Failure(
        UNHANDLED,
        f"{event} finished with descriptor {descriptor}, which has no branch "
        f"(descriptors with a branch: {known})",
    )


@dataclass(frozen=True, slots=True)
class NoItems:
    """Instead of the list of an `each`: the failure that says why there is none."""

    failure: Failure


def no_list(name: str, source: str | None, found: object) -> Failure:
    """The failure of an `each` whose value is not a list.

    Args:
        name: the name of the item.
        source: the name after `in`: an input, a variable or an item; None for the piped value.
        found: the value.
    """
    from volnux.errors import shortened
    from volnux.shown import shown

    if found is None:
        kind = "nothing"
    elif isinstance(found, Failure):
        kind = f"the failure {shortened(str(found))}"
    else:
        kind = f"{type(found).__name__} {shown(found)}"
        if isinstance(found, Iterable) and not isinstance(found, str | bytes | Mapping):
            kind += " (convert it with list(…))"
    what = f"the piped value is {kind}" if source is None else f"'{source}' is {kind}"
    if found is None and source is None:
        what = "nothing is piped to it"
    return Failure("EachError", f"each={name} needs a list, but {what}")


def run_too_long(seconds: float) -> Failure:
    """The failure of a run that took longer than its `@run-timeout`."""
    return Failure("RunTimeout", f"the run took longer than {seconds:g} s, its @run-timeout")
