"""Where the answers of people come from, for events that ask for an approval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Answers", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that a place of a run asks.

    Attributes:
        run_id: the id of the run.
        place: the place.
        text: the question.
        options: the possible answers.
        deadline: when the place stops waiting, in seconds since the epoch.
    """

    run_id: str
    place: str
    text: str
    options: tuple[str, ...]
    deadline: float


class Answers(Protocol):
    """Asks people, and tells what they answer. The methods are called from one thread."""

    def asked(self, question: Question) -> None:
        """A place asks this from now on."""

    def answer(self, question: Question) -> str | None:
        """The answer to an open question; None if nobody has answered yet. It returns at once."""

    def closed(self, question: Question) -> None:
        """The place does not wait for an answer any more."""
