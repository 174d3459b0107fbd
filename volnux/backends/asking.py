"""The open questions of one run, for backends that keep the run in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from volnux.backends.port import refuse
from volnux.events.answers import Answers, Question
from volnux.events.link import Plan
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux.usercode import RunThread

__all__ = ["AnyAnswers", "Asking", "question_of", "require_answers"]

_PERIOD = 0.2
"""The seconds between two looks at the answers."""


class _Open(NamedTuple):
    question: Question
    answered: Callable[[str], object]


class Asking:
    """Watches for answers in a thread, which starts with the first question.

    Args:
        answers: where they come from.
        failed: called with an error of `answers`.
    """

    def __init__(self, answers: Answers | None, failed: Callable[[BaseException], object]) -> None:
        self._answers = answers
        self._failed = failed
        self._changed = threading.Condition()
        self._new: list[_Open] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def ask(self, question: Question, answered: Callable[[str], object]) -> None:
        """Ask a question. `answered` is called with the answer, in another thread."""
        with self._changed:
            self._new.append(_Open(question, answered))
            if self._thread is None and not self._closed:
                self._thread = RunThread(self._run, "volnux-asking")
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Close all questions, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._watch()
        except BaseException as error:  # noqa: BLE001 - the run would wait for ever
            self._failed(error)

    def _watch(self) -> None:
        assert self._answers is not None
        questions: list[_Open] = []
        while True:
            with self._changed:
                if not (self._new or self._closed):
                    self._changed.wait(_PERIOD if questions else None)
                new, self._new = self._new, []
                closed = self._closed
            for each in new:
                self._answers.asked(each.question)
            questions += new
            still_open = []
            for each in questions:
                # First the time: an answer that comes before the deadline counts.
                is_over = time.time() >= each.question.deadline
                answer = None if closed else self._answers.answer(each.question)
                if answer not in each.question.options:
                    answer = None
                if answer is None and not closed and not is_over:
                    still_open.append(each)
                    continue
                self._answers.closed(each.question)
                if answer is not None:
                    each.answered(answer)
            questions = still_open
            if closed:
                return


def question_of(spec: EventSpec, call: Call, outcome: Outcome) -> Question:
    """What the event of a place asks.

    Its deadline is a little before the end of the wait, so that the last answer is seen in time.

    Args:
        spec: the event.
        call: the arguments of the call that has asked.
        outcome: how that call ended.
    """
    event: Any = spec.event_class
    wait = outcome.retry_after or 0
    deadline = outcome.ended_at + wait - min(3 * _PERIOD, wait / 2)
    text, options = outcome.result.message, tuple(event.options)
    return Question(call.run_id, call.task_id, text, options, deadline)


class AnyAnswers:
    """The first answer that any of several sources gives.

    Args:
        sources: the sources.
    """

    def __init__(self, sources: Sequence[Answers]) -> None:
        self._sources = sources

    def asked(self, question: Question) -> None:
        """See `Answers`."""
        for each in self._sources:
            each.asked(question)

    def answer(self, question: Question) -> str | None:
        """See `Answers`."""
        answers = (each.answer(question) for each in self._sources)
        return next((answer for answer in answers if answer is not None), None)

    def closed(self, question: Question) -> None:
        """See `Answers`."""
        for each in self._sources:
            each.closed(question)


def require_answers(backend: str, plan: Plan, answers: Answers | None) -> None:
    """Refuse a plan that asks a person if nobody can be asked.

    Args:
        backend: the name of the backend.
        plan: the plan.
        answers: where answers come from.

    Raises:
        RefusedError: with the places that ask.
    """
    if answers is not None:
        return
    graph = plan.graph
    refuse(
        backend,
        [
            graph.diagnostic(
                "refused",
                f"{spec.name} asks a person, but nobody can answer in this run",
                at=node,
                hint="run it on a terminal, or keep the run and use `volnux answer`",
            )
            for node, spec in zip(graph.nodes, plan.specs, strict=True)
            if spec is not None and spec.asks
        ],
    )
