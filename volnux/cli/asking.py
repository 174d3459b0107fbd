"""Asks on the terminal what an event wants to know from a person."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from volnux.backends.asking import AnyAnswers
from volnux.cli import output
from volnux.cli.readers import reading
from volnux.events.answers import Answers, Question
from volnux.runs.model import RunStoreError

if TYPE_CHECKING:
    from volnux.events import Plan
    from volnux.runs.store import Store

__all__ = ["TerminalAnswers", "answers_for", "meant"]


def answers_for(plan: Plan, stream: TextIO | None, store: Store | None) -> Answers | None:
    """Where the answers for a run come from; None if it asks nothing, or nobody can be asked.

    Args:
        plan: the plan of the run.
        stream: where its progress is shown; None if it asks nothing on a terminal.
        store: where it is kept, if anywhere.

    Raises:
        RunStoreError: the store cannot be used, and there is no terminal.
    """
    if not any(spec is not None and spec.asks for spec in plan.specs):
        return None
    sources: list[Answers] = []
    if store is not None:
        from volnux.runs.answers import StoreAnswers

        sources.append(StoreAnswers(store))
    # Only POSIX can tell whether a line has been typed without waiting for it.
    if (
        os.name == "posix"
        and stream is not None
        and stream.isatty()
        and output.on_terminal(sys.stdin)
    ):
        sources.append(TerminalAnswers(sys.stdin.fileno(), stream))
    elif store is not None:
        try:
            store.open(store.path).close()
        except RunStoreError as error:
            # The run would wait for an answer that nobody can give.
            raise RunStoreError(f"nobody could answer what this run asks: {error}") from error
        store.warn = output.warn  # at once: the run may wait for long
    return AnyAnswers(sources) if sources else None


class TerminalAnswers:
    """Asks one question after the other on a terminal. Meanwhile, no progress is shown.

    Args:
        stdin: the file descriptor of the terminal to read from.
        stream: where to write.
    """

    def __init__(self, stdin: int, stream: TextIO) -> None:
        self._stdin = stdin
        self._stream = stream
        self._typed = b""
        self._at_end = False
        self._ended = False
        self._now: Question | None = None
        self._hidden = contextlib.ExitStack()

    def asked(self, question: Question) -> None:
        """See `Answers`."""

    def answer(self, question: Question) -> str | None:
        """See `Answers`."""
        if self._ended:
            return None
        if self._now is None:
            self._begin(question)
        if self._now is not question:
            return None
        line = self._line()
        if line is None:
            return None
        answer = meant(line, question.options)
        if answer is None:
            self._prompt(f"expected 1 to {len(question.options)}, or one of the answers")
        return answer

    def closed(self, question: Question) -> None:
        """See `Answers`."""
        if self._now is question:
            self._now = None
            self._hidden.close()

    def _begin(self, question: Question) -> None:
        self._now = question
        self._hidden.enter_context(reading())
        # What was typed before the question does not answer it.
        import termios

        self._typed = b""
        termios.tcflush(self._stdin, termios.TCIFLUSH)
        output.say(f"{question.place} asks: {question.text}", self._stream)
        for number, option in enumerate(question.options, start=1):
            output.say(f"  {number}  {option}", self._stream)
        self._prompt()

    def _prompt(self, problem: str = "") -> None:
        output.prompt(f"{problem}{': ' if problem else ''}answer: ", self._stream)

    def _line(self) -> str | None:
        """The next typed line; None if there is none yet."""
        while b"\n" not in self._typed:
            if not select.select([self._stdin], [], [], 0)[0]:
                self._at_end = False
                return None
            read = os.read(self._stdin, 4096)
            if not read:
                # After Ctrl-D, a terminal can be read again; one that is gone is always at its end.
                self._ended = self._at_end
                self._at_end = True
                self._prompt("Ctrl-C cancels the run")
                return None
            self._typed += read
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode(errors="replace").strip()


def meant(text: str, options: Sequence[str]) -> str | None:
    """The option that a person means: by its number, its text or the beginning of that.

    Args:
        text: what was typed.
        options: the possible answers.
    """
    if text in options:
        return text
    numbers = [str(number) for number in range(1, len(options) + 1)]
    if text in numbers:
        return options[numbers.index(text)]
    folded = text.casefold()
    alike = [each for each in options if folded and each.casefold().startswith(folded)]
    exact = [each for each in alike if each.casefold() == folded]
    return (exact or alike)[0] if len(exact or alike) == 1 else None
