"""How events end, places end, and runs end: the vocabulary that every backend reports in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from volnux.strictjson import built

__all__ = ["FAILURE", "SUCCESS", "Failure", "RunStatus", "State"]

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
    """What is left of an exception: the result of an event that raised in its last attempt.

    Attributes:
        type: the name of the exception's class (dotted unless it is a builtin).
        message: what the exception says.
        traceback: the frames of the user's code, as text; empty where there are none.
        attempts: how many attempts were made.
    """

    type: str
    message: str
    traceback: str = ""
    attempts: int = 1

    def to_json(self) -> dict[str, Any]:
        """The failure as plain JSON."""
        return asdict(self)

    @staticmethod
    def from_json(data: object) -> Failure:
        """The failure that `to_json` gave.

        Raises:
            FormatError: it is not such a value.
        """
        return built(Failure, data, what="this JSON is not a failure")

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type
