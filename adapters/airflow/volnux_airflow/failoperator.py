"""The `!` of a flow: a task that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from volnux.events.failures import failure_of
from volnux.graph.outcome import FAILURE, Failure
from volnux_airflow import compat
from volnux_airflow.flowoperator import NO_CALLBACKS, Branches, FlowOperator
from volnux_airflow.outcomes import Piped, TaskOutcome
from volnux_airflow.values import piped

__all__ = ["VolnuxFailOperator"]


class VolnuxFailOperator(FlowOperator):
    """Fails when it starts, like an event that returns a failure.

    Args:
        message: the message in the log. It is also the failure if `failure` is None.
        failure: where to read the failure: a task id, or a value of `volnux_airflow.values`.
    """

    shallow_copy_attrs: Sequence[str] = ("branches", "failure")
    ui_color = "#fce8e6"
    custom_operator_name = "fails"

    def __init__(
        self,
        *,
        message: str,
        failure: str | Piped | None = None,
        branches: Branches | None = None,
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs = {
            **NO_CALLBACKS,
            "trigger_rule": compat.TriggerRule.ALL_SUCCESS,
            "retries": 0,
            **kwargs,
        }
        super().__init__(**kwargs)
        self.begin(branches, run_timeout)
        self.message = message
        self.failure = None if failure is None else piped(failure)

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Fail."""
        ti = context["ti"]
        outcomes = self.outcomes_of(context)
        refusal = self.refusal(context, outcomes)
        if refusal is not None:
            self.leave(ti, TaskOutcome(done=False, descriptor=None, attempts=0))
            raise compat.AirflowFailException(f"{refusal}: not started")
        if self.is_passed_by(outcomes):
            raise compat.AirflowSkipException("another branch was taken")
        failure: Any = Failure("Failed", self.message)
        if self.failure is not None:
            try:
                failure = self.failure.read(outcomes)
            except Exception as error:  # noqa: BLE001 - a stored result may be unreadable
                failure = failure_of(error, attempts=0)
        done = self.takes(FAILURE)
        left = TaskOutcome.of(FAILURE, failure, done=done)
        self.leave(ti, left, outcomes.codec.write(failure, self.task_id))
        self.outcome = self.message
        if self.failure is not None:
            self.outcome += f", after {failure}"
        if not done:
            cause = failure.cause() if isinstance(failure, Failure) else None
            raise compat.AirflowFailException(self.outcome) from cause
        self.log.warning("%s", self.outcome)
        self.go_on(context, FAILURE)
        return None
