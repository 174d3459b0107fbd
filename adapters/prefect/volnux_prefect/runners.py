"""The task runners of one run."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from volnux.events.executors import ExecutorKind, ExecutorSpec
from volnux_prefect import compat
from volnux_prefect.translate import USUAL, RunnerKey, runner_of

__all__ = ["Runners"]

_THREADS: RunnerKey = (ExecutorSpec(kind=ExecutorKind.POOL, pool=ThreadPoolExecutor), None)


class Runners:
    """The task runners of a run. Each is created when an event first needs it.

    Args:
        stack: closes them at the end of the run. It is also an attribute.
        main_key: the key of the flow's own task runner.
        main: the task runner of the flow; None if there is no flow.
    """

    def __init__(self, stack: contextlib.ExitStack, main_key: RunnerKey, main: Any) -> None:
        self.stack = stack
        self._runners: dict[RunnerKey, Any] = {} if main is None else {main_key: main}
        self._main = main

    def of(self, key: RunnerKey) -> Any:
        """The task runner for events with this key.

        Raises:
            Exception: whatever its cluster raises when it starts.
        """
        if key not in self._runners:
            self._runners[key] = self.stack.enter_context(runner_of(key))
        runner = self._runners[key]
        compat.guard(runner)
        return runner

    def of_threads(self) -> Any:
        """The usual task runner, or another one if its tasks run in other processes."""
        usual = self.of(USUAL)
        return usual if isinstance(usual, ThreadPoolTaskRunner) else self.of(_THREADS)

    def replace(self, key: RunnerKey, broken: Any) -> None:
        """Replace a broken task runner, unless it has already been replaced."""
        if self._runners.get(key) is not broken:
            return
        if broken is self._main:
            self._main = self.stack.enter_context(broken.duplicate())
            self._runners[key] = self._main
        else:
            del self._runners[key]
