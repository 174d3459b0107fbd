"""Everything that differs between Airflow versions, and every name we take from Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    BaseOperator,
    CronTriggerTimetable,
    Label,
    MultipleCronTriggerTimetable,
    Param,
    RetryPolicy,
    TaskGroup,
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
    "TaskGroup",
    "TriggerRule",
    "find_paths",
    "get_parsing_context",
    "traces_itself",
]


def find_paths(folder: Path) -> Iterator[Path]:
    """All paths in a folder and below that no `.airflowignore` leaves out."""
    try:
        from airflow.sdk._shared.module_loading.file_discovery import find_path_from_directory
    except ImportError:  # pragma: no cover - it has no public home in any version
        yield from folder.rglob("*")
        return
    from airflow.sdk.configuration import conf

    syntax = conf.get("core", "dag_ignore_file_syntax", fallback="glob")
    for path in find_path_from_directory(folder, ".airflowignore", syntax):
        yield Path(path)


def traces_itself() -> bool:
    """Whether Airflow makes spans of its own."""
    from airflow.sdk.configuration import conf

    return bool(conf.getboolean("traces", "otel_on", fallback=False))
