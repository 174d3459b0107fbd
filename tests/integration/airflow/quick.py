"""`dag.test()` without its pauses, for the tests that run in this process."""

import sys
import time

__all__ = ["shorten_pauses"]

_SLEEP = time.sleep


def shorten_pauses() -> None:
    """Shorten the pauses of `dag.test()` to a twentieth.

    It sleeps for a second whenever no task is ready, and so once for each row of tasks that are
    skipped or fail without running.
    """
    time.sleep = _sleep


def _sleep(seconds: float) -> None:
    by_airflow = sys._getframe(1).f_globals.get("__name__") == "airflow.sdk.definitions.dag"
    _SLEEP(0.05 if by_airflow else seconds)
