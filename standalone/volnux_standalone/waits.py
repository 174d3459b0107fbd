"""The places of a run that wait for their next call: for a time, or for the answer of a person."""

from __future__ import annotations

from collections.abc import Callable

from volnux.backends.asking import Asking, question_of
from volnux.events.answers import Answers
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux_standalone.timers import Timers

__all__ = ["Waits"]


class Waits:
    """Calls back when the wait of a place is over.

    Args:
        timers: the timers of the run.
        answers: where the answers of people come from.
        again: called with the index of the place, in another thread.
        failed: called with an error that must end the run.
    """

    def __init__(
        self,
        timers: Timers,
        answers: Answers | None,
        again: Callable[[int], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._timers = timers
        self._again = again
        self._asking = Asking(answers, failed)
        self._answers: dict[int, str] = {}

    def begin(self, index: int, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """A place waits from now on.

        Args:
            index: its index.
            spec: its event.
            call: the arguments of the call that has ended.
            outcome: how that call ended.
        """
        self._answers.pop(index, None)
        wait = outcome.retry_after or 0
        drop = self._timers.after(wait, lambda: self._again(index))
        if not (outcome.waits and spec.asks):
            return

        def answered(answer: str) -> None:
            drop()
            self._answers[index] = answer
            self._again(index)

        self._asking.ask(question_of(spec, call, outcome), answered)

    def answer(self, index: int) -> str | None:
        """The answer for the next call of a place; None if there is none."""
        return self._answers.get(index)

    def close(self) -> None:
        """Stop asking."""
        self._asking.close()
