"""Answers that other processes record in the store of a run: `volnux answer`."""

from __future__ import annotations

import time

from volnux.events.answers import Question
from volnux.runs.model import RunStoreError
from volnux.runs.store import Store

__all__ = ["StoreAnswers"]


class StoreAnswers:
    """Records the questions of a kept run, and looks for their answers.

    A store that cannot be used at the moment is asked again.

    Args:
        store: the store of the run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recorded: set[Question] = set()
        self._asked: dict[Question, float] = {}
        self._warned = False

    def asked(self, question: Question) -> None:
        """See `Answers`."""
        self._recorded.discard(question)
        self._asked[question] = time.monotonic()

    def answer(self, question: Question) -> str | None:
        """See `Answers`."""
        try:
            # The run itself is recorded in the background.
            if question not in self._recorded:
                if not self._store.ask(question):
                    self._warn_if_late(question)
                    return None
                self._recorded.add(question)
            return self._store.answer_of(question.run_id, question.place)
        except RunStoreError as error:
            self._warn(f"the question of {question.place} cannot be recorded yet: {error}")
            return None

    def closed(self, question: Question) -> None:
        """See `Answers`."""
        self._asked.pop(question, None)
        if question not in self._recorded:
            return
        try:
            self._store.close_question(question.run_id, question.place)
        except RunStoreError as error:
            self._warn(f"the end of the question of {question.place} cannot be recorded: {error}")

    def _warn_if_late(self, question: Question) -> None:
        if time.monotonic() - self._asked[question] >= self._store.patience:
            self._warn(
                f"'volnux answer' cannot answer {question.place}, because this run is not kept: "
                "answer on the terminal of the run, or stop it and run it with another --store"
            )

    def _warn(self, warning: str) -> None:
        if not self._warned:
            self._warned = True
            self._store.warn(warning)
