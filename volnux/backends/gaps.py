"""Known gaps: conformance cases that a backend does not pass, each with kind and reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Gap", "GapKind", "never", "not_done", "not_in_host"]


class GapKind(StrEnum):
    """Why a backend does not pass a case."""

    NOT_DONE = "not implemented yet"
    NOT_IN_HOST = "not possible in the host"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Gap:
    """A case that a backend does not pass.

    Attributes:
        kind: the kind of the gap.
        reason: why, and what would have to change.
        always: False if the backend passes the case at times, for example because its host runs
            parallel tasks in any order.
    """

    kind: GapKind
    reason: str
    always: bool = True

    def __post_init__(self) -> None:
        if len(self.reason.split()) < 3:
            raise ValueError(f"a gap must have a reason, found {self.reason!r}")

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def not_done(reason: str) -> Gap:
    """It would be possible, but is not implemented yet."""
    return Gap(GapKind.NOT_DONE, reason)


def not_in_host(reason: str, *, always: bool = True) -> Gap:
    """It is not possible in the host of the backend."""
    return Gap(GapKind.NOT_IN_HOST, reason, always)


def never(reason: str) -> Gap:
    """The backend deliberately does not support it."""
    return Gap(GapKind.NEVER, reason)
