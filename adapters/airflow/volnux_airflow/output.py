"""Hides secrets in the output of a task, and in the messages that it logs with structlog.

Airflow hides secrets where it writes the log of a task. But an executor may also copy what a task
prints and logs to its own output (`LocalExecutor` to that of the scheduler), where Airflow hides
nothing. So this module hides them in the task itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from volnux.events.spec import EventSpec
from volnux.masking import hide
from volnux_airflow import compat

__all__ = ["secrets_hidden", "takes_secrets"]


def takes_secrets(spec: EventSpec) -> bool:
    """Whether the event is given a secret, or an input of a use that may contain one."""
    return spec.given is not None and bool(spec.given.secrets or spec.given.late)


@contextlib.contextmanager
def secrets_hidden() -> Iterator[None]:
    """A context manager that hides the secrets that this process has read."""
    compat.mask_structlog()
    output: Any = _Hiding(sys.stdout)
    errors: Any = _Hiding(sys.stderr)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        yield


class _Hiding:
    """A wrapper of a text stream that hides secrets and otherwise behaves like that stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its secrets."""
        self._stream.write(hide(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines without their secrets."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
