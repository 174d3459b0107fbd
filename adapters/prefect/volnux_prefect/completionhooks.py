"""The completion hooks of task runs whose failures may be handled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prefect.context import TaskRunContext

from volnux_prefect.endings import HANDLED

__all__ = ["CompletionHooks"]


class CompletionHooks(list[Any]):
    """The completion hooks of a task run. A handled failure calls the failure hooks instead.

    A failure that the flow handles is a completed state for Prefect. But the event did fail, so its
    failure hooks must be called.
    """

    def __init__(self, failed: Iterable[Any], completed: Iterable[Any]) -> None:
        super().__init__([*completed, *failed])
        self._failed = list(failed)
        self._completed = list(completed)

    def __iter__(self) -> Iterator[Any]:
        context = TaskRunContext.get()
        state = context.task_run.state if context is not None else None
        handled = state is not None and state.name == HANDLED
        return iter(self._failed if handled else self._completed)

    def __reduce__(self) -> tuple[Any, ...]:
        return CompletionHooks, (self._failed, self._completed)
