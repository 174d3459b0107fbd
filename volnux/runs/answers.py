"""Answers that other processes record in the store of a run: `volnux answer`."""

from __future__ import annotations

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
        self._warned = False

    def asked(self, question: Question) -> None:
        """See `Answers`."""
        self._recorded.discard(question)

    def answer(self, question: Question) -> str | None:
        """See `Answers`."""
        try:
            # The run itself is recorded in the background.
            if question not in self._recorded and self._store.ask(question):
                self._recorded.add(question)
            return self._store.answer_of(question.run_id, question.place)
        except RunStoreError as error:
            self._warn(error)
            return None

    def closed(self, question: Question) -> None:
        """See `Answers`."""
        if question not in self._recorded:
            return
        try:
            self._store.close_question(question.run_id, question.place)
        except RunStoreError as error:
            self._warn(error)

    def _warn(self, error: RunStoreError) -> None:
        if not self._warned:
            self._warned = True
            self._store.warn(f"the question of an event cannot be recorded: {error}")
