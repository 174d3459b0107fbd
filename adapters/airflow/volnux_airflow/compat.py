"""Everything that differs between Airflow versions, and every name that we import from Airflow."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    Variable,
    get_parsing_context,
)
from airflow.sdk.bases.branch import BranchMixIn
from airflow.sdk.bases.skipmixin import SkipMixin
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.retry_policy import RetryDecision
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    DagRunTriggerException,
    DownstreamTasksSkipped,
    TaskAwaitingInput,
    TaskDeferred,
)
from airflow.sdk.execution_time.context import NEVER_EXPIRE
from airflow.sdk.execution_time.timeout import timeout
from airflow.sdk.log import mask_logs, mask_secret

__all__ = [
    "DAG",
    "NEVER_EXPIRE",
    "AirflowException",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "BaseOperator",
    "BranchMixIn",
    "CronTriggerTimetable",
    "DagRunTriggerException",
    "DownstreamTasksSkipped",
    "EmptyOperator",
    "Label",
    "MappedOperator",
    "MultipleCronTriggerTimetable",
    "Param",
    "RetryDecision",
    "RetryPolicy",
    "SkipMixin",
    "TaskAwaitingInput",
    "TaskDeferred",
    "TaskGroup",
    "TriggerRule",
    "Variable",
    "get_parsing_context",
    "ignored",
    "is_dag_test",
    "longest_list",
    "mask_secret",
    "mask_structlog",
    "parses_for_the_processor",
    "serialization_error",
    "storage",
    "timeout",
    "traces_itself",
]


def ignored(root: Path) -> Callable[[Path], bool]:
    """A function that tells whether an `.airflowignore` in or below the folder matches a path."""
    try:
        from airflow.sdk._shared.module_loading import file_discovery
    except ImportError:  # pragma: no cover - not public in any version
        return lambda path: False
    from airflow.sdk.configuration import conf

    syntax = conf.get("core", "dag_ignore_file_syntax", fallback="glob")
    rule: Any = file_discovery._GlobIgnoreRule
    if syntax == "regexp":
        rule = file_discovery._RegexpIgnoreRule
    known: dict[Path, list[Any]] = {}

    def rules_in(folder: Path) -> list[Any]:
        if folder not in known:
            above = [] if folder == root else rules_in(folder.parent)
            known[folder] = above + _ignore_rules(rule, root, folder / ".airflowignore")
        return known[folder]

    return lambda path: rule.match(path, rules_in(path.parent))


def _ignore_rules(rule: Any, root: Path, file: Path) -> list[Any]:
    """The rules of one `.airflowignore`, read in the same way as by Airflow."""
    if not file.is_file():
        return []
    lines = [re.sub(r"\s*#.*", "", line) for line in file.read_text().split("\n")]
    made = [rule.compile(line, root, file) for line in lines if line]
    return [each for each in made if each is not None]


def is_dag_test() -> bool:
    """Whether the task runs in the process of `dag.test()`, which runs one task at a time."""
    from airflow.sdk.execution_time import supervisor, task_runner

    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    return isinstance(comms, supervisor.InProcessSupervisorComms)


def longest_list() -> int:
    """How many instances a mapped task may have."""
    from airflow.sdk.configuration import conf

    return int(conf.getint("core", "max_map_length", fallback=1024))


def mask_structlog() -> None:
    """Let structlog hide secrets in this process; Airflow hides them in the supervisor only."""
    import structlog

    processors = structlog.get_config()["processors"]
    # Change the list in place, because existing loggers keep a reference to it. The last processor
    # renders the text, so hide secrets before that.
    if isinstance(processors, list) and processors and mask_logs not in processors:
        processors.insert(len(processors) - 1, mask_logs)


def parses_for_the_processor() -> bool:
    """Whether this process exists only to parse a file for Airflow's DAG processor."""
    is_client = os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "client"
    return is_client and get_parsing_context().dag_id is None


def serialization_error(name: str) -> type[Exception]:
    """An exception type of this name. If serialising a DAG raises it, Airflow shows it unchanged.

    Airflow would wrap any other exception and show both.
    """
    from airflow.exceptions import SerializationError

    return type(name, (SerializationError,), {"__module__": "builtins"})


def storage() -> Path:
    """The folder in which Airflow's bundles store their data."""
    from airflow.sdk.configuration import conf

    given = conf.get("dag_processor", "dag_bundle_storage_path", fallback=None)
    return Path(given or Path(tempfile.gettempdir(), "airflow", "dag_bundles"))


def traces_itself() -> bool:
    """Whether Airflow creates its own trace spans."""
    from airflow.sdk.configuration import conf

    return bool(conf.getboolean("traces", "otel_on", fallback=False))
