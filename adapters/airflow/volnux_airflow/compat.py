"""Everything that differs between Airflow versions, and every name we take from Airflow."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    BaseOperator,
    CronTriggerTimetable,
    Label,
    MultipleCronTriggerTimetable,
    Param,
    RetryPolicy,
    TriggerRule,
    get_parsing_context,
)
from airflow.sdk.bases.branch import BranchMixIn
from airflow.sdk.definitions.retry_policy import RetryDecision
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)

__all__ = [
    "DAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "BaseOperator",
    "BranchMixIn",
    "CronTriggerTimetable",
    "EmptyOperator",
    "Label",
    "MultipleCronTriggerTimetable",
    "Param",
    "RetryDecision",
    "RetryPolicy",
    "TriggerRule",
    "get_parsing_context",
]
