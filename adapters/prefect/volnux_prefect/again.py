"""The places of a run that wait for their next call.

They said "not yet", or wait for the answer of a person, or their worker was lost.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from typing import Any

from prefect.client.schemas.objects import State, StateType, TaskRun

from volnux.backends.asking import Asking, question_of
from volnux.events.answers import Answers
from volnux.events.outcome import Call, Outcome
from volnux.events.spec import EventSpec
from volnux_prefect import compat
from volnux_prefect.states import EventState

__all__ = ["Waiting", "give_up"]


class Waiting:
    """The places that wait, by the time of their next call. They need no threads.

    Args:
        answers: where the answers of people come from.
        answered: called with a place and its answer, in another thread.
        failed: called with an error of `answers`.
    """

    def __init__(
        self,
        answers: Answers | None,
        answered: Callable[[int, str], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self._asking = Asking(answers, failed)
        self._answered = answered
        self._next: list[tuple[float, int]] = []
        self._paused: dict[int, TaskRun] = {}

    def __bool__(self) -> bool:
        return bool(self._next)

    def add(
        self,
        index: int,
        spec: EventSpec,
        call: Call,
        outcome: Outcome,
        ended: State[Any] | BaseException,
    ) -> None:
        """Let a place wait.

        Args:
            index: the place.
            spec: its event.
            call: the arguments of its last call.
            outcome: how that call ended.
            ended: how its task run ended. A paused task run goes on with the next call.
        """
        until = time.time() + (outcome.retry_after or 0)
        heapq.heappush(self._next, (until, index))
        if isinstance(ended, EventState) and ended.is_paused() and ended.task_run is not None:
            self._paused[index] = ended.task_run
        if spec.asks and outcome.waits:
            self._asking.ask(
                question_of(spec, call, outcome), lambda answer: self._answered(index, answer)
            )

    def take(self, index: int) -> bool:
        """Take a place whose question was answered. Returns whether it still waits."""
        left = [each for each in self._next if each[1] != index]
        waited = len(left) < len(self._next)
        self._next = left
        heapq.heapify(left)
        return waited

    @property
    def left(self) -> float | None:
        """Seconds until the next call is due; None if no place waits."""
        return max(0.0, self._next[0][0] - time.time()) if self._next else None

    def due(self) -> Iterator[int]:
        """Take the places whose call is due."""
        while self._next and self._next[0][0] <= time.time():
            yield heapq.heappop(self._next)[1]

    def paused(self, index: int) -> TaskRun | None:
        """Take the task run that goes on with the next call of a place; None for a new one."""
        return self._paused.pop(index, None)

    def give_up(self, why: str, *, timed_out: bool = False) -> None:
        """Forget all places, end their task runs, and ask no more."""
        self._asking.close()
        self._next.clear()
        for task_run in self._paused.values():
            give_up(task_run, why, timed_out=timed_out)
        self._paused.clear()


def give_up(task_run: TaskRun, why: str, *, timed_out: bool = False) -> None:
    """End a paused task run that does not go on because its run has ended."""
    state: State[Any] = State(type=StateType.CANCELLED, message=why)
    if timed_out:
        state = State(type=StateType.FAILED, name="TimedOut", message=why)
    task_run.end_time = state.timestamp  # type: ignore[assignment]  # no need for a DateTime of Prefect
    compat.tell(task_run, state, task_run.state)
