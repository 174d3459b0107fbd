"""The places of a run that wait for their next call: after "not yet", or after a lost worker."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from typing import Any

from prefect.client.schemas.objects import State, StateType, TaskRun

from volnux_prefect import compat
from volnux_prefect.states import EventState

__all__ = ["Waiting", "give_up"]


class Waiting:
    """The places that wait, by the time of their next call. They need no threads."""

    def __init__(self) -> None:
        self._next: list[tuple[float, int]] = []
        self._paused: dict[int, TaskRun] = {}

    def __bool__(self) -> bool:
        return bool(self._next)

    def add(self, index: int, seconds: float, ended: State[Any] | BaseException) -> None:
        """Let a place wait.

        Args:
            index: the place.
            seconds: for how long.
            ended: how its last task run ended. A paused task run goes on with the next call.
        """
        heapq.heappush(self._next, (time.time() + seconds, index))
        if isinstance(ended, EventState) and ended.is_paused() and ended.task_run is not None:
            self._paused[index] = ended.task_run

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
        """Forget all places, and end their task runs."""
        self._next.clear()
        for task_run in self._paused.values():
            give_up(task_run, why, timed_out=timed_out)
        self._paused.clear()


def give_up(task_run: TaskRun, why: str, *, timed_out: bool = False) -> None:
    """End a paused task run that does not go on because its run has ended."""
    state: State[Any] = State(type=StateType.CANCELLED, message=why)
    if timed_out:
        state = State(type=StateType.FAILED, name="TimedOut", message=why)
    task_run.end_time = state.timestamp
    compat.tell(task_run, state, task_run.state)
