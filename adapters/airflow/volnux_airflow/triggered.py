"""A run of another DAG that an operator asks for, by `TriggerDagRunOperator`.

Airflow starts the run after `execute` has ended by an exception. Here it is started within the
attempt, so that what goes wrong is a failure of the event.
"""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms, task_runner

from volnux_airflow import compat

__all__ = ["trigger"]


def trigger(asked: compat.DagRunTriggerException, ti: Any) -> None:
    """Start the run, and wait for its end if that is asked for.

    Args:
        asked: what the operator raised.
        ti: the running task instance.

    Raises:
        AirflowException: the run exists already, cannot be started, or has failed.
        AirflowSkipException: the run exists already, and the operator is to be skipped then.
        TaskDeferred: Airflow's triggerer waits for the end of the run.
    """
    dag, run = asked.trigger_dag_id, asked.dag_run_id
    answer = task_runner.SUPERVISOR_COMMS.send(compat.trigger_request(asked))
    if isinstance(answer, comms.ErrorResponse):
        text = f"the DAG {dag} has the run {run} already"
        if answer.error != ErrorType.DAGRUN_ALREADY_EXISTS:
            raise compat.AirflowException(f"the DAG {dag} could not be run: {answer.detail}")
        if asked.skip_when_already_exists:
            raise compat.AirflowSkipException(text)
        raise compat.AirflowException(text)
    # The link to the run on Airflow's page reads it.
    ti.xcom_push(key="trigger_run_id", value=run)
    if not asked.wait_for_completion:
        return
    if asked.deferrable:
        raise _deferred(asked)
    while True:
        time.sleep(asked.poke_interval)
        state = ti.get_dagrun_state(dag, run)
        if state in asked.failed_states:
            raise compat.AirflowException(f"the run {run} of the DAG {dag} ended as {state}")
        if state in asked.allowed_states:
            return


def _deferred(asked: compat.DagRunTriggerException) -> compat.TaskDeferred:
    from airflow.providers.standard.triggers.external_task import DagStateTrigger

    states: Any = [*asked.allowed_states, *asked.failed_states]
    waiting = DagStateTrigger(
        dag_id=asked.trigger_dag_id,
        states=states,
        run_ids=[asked.dag_run_id],
        poll_interval=asked.poke_interval,
    )
    return compat.TaskDeferred(trigger=waiting, method_name="execute_complete")
