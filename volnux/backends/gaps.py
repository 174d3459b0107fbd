"""Known gaps: conformance cases that a backend does not get right, each with kind and reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Gap", "GapKind", "never", "not_done", "not_in_host"]


class GapKind(StrEnum):
    """Why a backend does not get a case right."""

    NOT_DONE = "not implemented yet"
    NOT_IN_HOST = "not possible in the host"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Gap:
    """A case that a backend does not get right.

    Attributes:
        kind: the kind of the gap.
        reason: why; what would have to change.
    """

    kind: GapKind
    reason: str

    def __post_init__(self) -> None:
        if len(self.reason.split()) < 3:
            raise ValueError(f"a gap must have a reason, found {self.reason!r}")

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"


def not_done(reason: str) -> Gap:
    """The backend could do it, and its authors have not done it yet."""
    return Gap(GapKind.NOT_DONE, reason)


def not_in_host(reason: str) -> Gap:
    """The host of the backend cannot do it."""
    return Gap(GapKind.NOT_IN_HOST, reason)


def never(reason: str) -> Gap:
    """The backend leaves it out on purpose."""
    return Gap(GapKind.NEVER, reason)
