"""How Airflow repeats an attempt exactly as the retry policy of the event says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from volnux_airflow import compat

__all__ = ["EXACT", "AttemptFailedError", "ExactRetryPolicy"]


class AttemptFailedError(compat.AirflowException):
    """An attempt failed and will be repeated. The retry policy takes the delay from this error."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ExactRetryPolicy(compat.RetryPolicy):
    """Retries when the event's own policy does, after exactly its wait (Airflow's adds jitter)."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> compat.RetryDecision:
        """See Airflow's `RetryPolicy.evaluate`."""
        if isinstance(exception, AttemptFailedError):
            return compat.RetryDecision.retry(timedelta(seconds=exception.retry_after))
        # The worker died or Airflow itself failed: the task's own `retries` decide.
        return compat.RetryDecision.default()


EXACT = ExactRetryPolicy()
