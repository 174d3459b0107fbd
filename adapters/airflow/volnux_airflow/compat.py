"""Everything that differs between Airflow versions, and every name that we import from Airflow."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    BaseOperator,
    Label,
    Param,
    TaskGroup,
    TriggerRule,
    Variable,
    get_parsing_context,
)
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.execution_time.timeout import timeout
from airflow.sdk.log import mask_logs, mask_secret

from volnux.imported import imported

TIMETABLES = "airflow.sdk"
"""The module of Airflow's own timetables."""

# Each pair is the module of the newest version, and the one that older versions have instead.
try:
    from airflow.sdk import CronTriggerTimetable, MultipleCronTriggerTimetable
except ImportError:
    from airflow.timetables.trigger import (  # type: ignore[assignment]  # the same names
        CronTriggerTimetable,
        MultipleCronTriggerTimetable,
    )

    TIMETABLES = "airflow.timetables.trigger"
try:
    from airflow.sdk.bases.branch import BranchMixIn
    from airflow.sdk.bases.skipmixin import SkipMixin
except ImportError:
    with warnings.catch_warnings():
        # The import warns about itself.
        warnings.simplefilter("ignore")
        from airflow.providers.standard.operators.branch import (  # type: ignore[assignment]  # the same
            BranchMixIn,
        )
    from airflow.providers.standard.utils.skipmixin import (  # type: ignore[assignment]  # the same
        SkipMixin,
    )
try:
    from airflow.sdk.configuration import conf
except ImportError:
    from airflow.configuration import conf
try:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        DagRunTriggerException,
        DownstreamTasksSkipped,
        TaskDeferred,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[attr-defined, no-redef]  # the same names
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        DagRunTriggerException,
        DownstreamTasksSkipped,
        TaskDeferred,
    )
try:
    from airflow.sdk import RetryPolicy
    from airflow.sdk.definitions.retry_policy import RetryDecision
except ImportError:
    RetryPolicy = object  # type: ignore[assignment, misc]  # see volnux_airflow.retries
    RetryDecision = None  # type: ignore[assignment, misc]  # the same
try:
    from airflow.sdk.execution_time.context import NEVER_EXPIRE
except ImportError:
    NEVER_EXPIRE = None  # type: ignore[assignment]  # see `HAS_STATE_STORE`
try:
    from airflow.sdk.exceptions import TaskAwaitingInput
except ImportError:

    class TaskAwaitingInput(BaseException):  # type: ignore[no-redef]  # a stand-in
        """Never raised: operators that ask a person raise `TaskDeferred` in this version."""


HAS_STATE_STORE: bool = NEVER_EXPIRE is not None
"""Whether a task can store something for its next start, also after a retry (Airflow 3.3)."""

__all__ = [
    "DAG",
    "HAS_STATE_STORE",
    "TIMETABLES",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
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
    "conf",
    "executor_names",
    "get_parsing_context",
    "ignored",
    "is_dag_test",
    "keep_state",
    "keeps_state",
    "kept_state",
    "longest_list",
    "mask_secret",
    "mask_structlog",
    "parses_for_the_processor",
    "prepare_dag_test",
    "quieten",
    "serialization_error",
    "start_again",
    "storage",
    "store_dag",
    "taken_state",
    "timeout",
    "traces_itself",
    "trigger_request",
]


def ignored(root: Path) -> Callable[[Path], bool]:
    """A function that tells whether an `.airflowignore` in or below the folder matches a path."""
    file_discovery: Any
    try:
        from airflow.sdk._shared.module_loading import file_discovery
    except ImportError:
        from airflow.utils import file as file_discovery
    # These rules are not public in any version.
    if not hasattr(file_discovery, "_GlobIgnoreRule"):  # pragma: no cover
        return lambda path: False
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


def executor_names() -> list[Any]:
    """The executors of this Airflow, whichever team they belong to."""
    from airflow.executors.executor_loader import ExecutorLoader

    of: Callable[..., list[Any]] = ExecutorLoader.get_executor_names
    # Airflow 3.1 has no teams.
    has_teams = "validate_teams" in inspect.signature(of).parameters
    return of(validate_teams=False) if has_teams else of()


def is_dag_test() -> bool:
    """Whether the task runs in the process of `dag.test()`, which runs one task at a time."""
    from airflow.sdk.execution_time import supervisor, task_runner

    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    return isinstance(comms, supervisor.InProcessSupervisorComms)


_KEY = "volnux"

_IN_MEMORY: dict[tuple[Any, ...], Any] = {}
"""The values of task instances in this process, where Airflow has no store."""


def keeps_state(context: Mapping[str, Any]) -> bool:
    """Whether a task can keep a value until it starts again. A `dag.test()` is one process."""
    return "task_state_store" in context or is_dag_test()


def kept_state(context: Mapping[str, Any]) -> Any:
    """The value that the task kept last; None if there is none, or if Airflow has no store."""
    if "task_state_store" in context:
        return context["task_state_store"].get(_KEY)
    return _IN_MEMORY.get(_instance(context))


def keep_state(
    context: Mapping[str, Any], value: Any, leaving: BaseException | None = None
) -> None:
    """Keep a JSON value until the task starts again, if Airflow can.

    Args:
        context: the context of the task.
        value: the value.
        leaving: what the task raises to wait. A `TaskDeferred` can carry the value.
    """
    if "task_state_store" in context:
        context["task_state_store"].set(_KEY, value, retention=NEVER_EXPIRE)
    elif is_dag_test():
        _IN_MEMORY[_instance(context)] = value
    elif isinstance(leaving, TaskDeferred):
        leaving.kwargs = {**(leaving.kwargs or {}), _KEY: value}


def start_again(
    context: Mapping[str, Any], again: dt.datetime, **arguments: Any
) -> AirflowRescheduleException | TaskDeferred:
    """What a task raises to leave its slot until then, and to start again with the kept value.

    Without a task state store, it waits in the triggerer, and continues with `resume_execution`.

    Args:
        context: the context of the task.
        again: when it starts again.
        arguments: JSON values for `resume_execution`.
    """
    if keeps_state(context):
        return AirflowRescheduleException(again)  # type: ignore[no-untyped-call]  # untyped there
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    trigger = DateTimeTrigger(moment=again)
    return TaskDeferred(trigger=trigger, method_name="execute", kwargs=arguments)


def taken_state(context: Mapping[str, Any], arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments with which a deferred task continues, without the value that they carry."""
    own = dict(arguments or {})
    if _KEY in own:
        _IN_MEMORY[_instance(context)] = own.pop(_KEY)
    return own


def _instance(context: Mapping[str, Any]) -> tuple[Any, ...]:
    ti = context["ti"]
    return ti.dag_id, ti.run_id, ti.task_id, ti.map_index


def longest_list() -> int:
    """How many instances a mapped task may have."""
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


def prepare_dag_test() -> None:
    """Prepare this process for `dag.test()`, which is slow and noisy before Airflow 3.3."""
    from airflow.models import taskinstance
    from airflow.sdk.execution_time import supervisor

    make: Any = supervisor.in_process_api_server
    if not hasattr(make, "cache_clear"):
        # Each task would spend seconds on an API server of its own.
        supervisor.in_process_api_server = functools.cache(make)
        # Airflow 3.2 prints the assets of each task.
        vars(taskinstance)["print"] = lambda *_: None


def quieten(names: Iterable[str]) -> None:
    """Show only critical messages of these loggers. Airflow 3.1 has no setting for this."""
    for module in ("airflow._shared.logging.structlog", "airflow.sdk._shared.logging.structlog"):
        levels: Any = getattr(imported(module), "PER_LOGGER_LEVELS", {})
        levels.update(dict.fromkeys(names, logging.CRITICAL))


def serialization_error(name: str) -> type[Exception]:
    """An exception type of this name. If serialising a DAG raises it, Airflow shows it unchanged.

    Airflow would wrap any other exception and show both.
    """
    from airflow.exceptions import SerializationError

    return type(name, (SerializationError,), {"__module__": "builtins"})


def storage() -> Path:
    """The folder in which Airflow's bundles store their data."""
    given = conf.get("dag_processor", "dag_bundle_storage_path", fallback=None)
    return Path(given or Path(tempfile.gettempdir(), "airflow", "dag_bundles"))


def store_dag(dag: Any) -> None:
    """Write a DAG to the database of this process, as the DAG processor does."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        from airflow.models.dagbag import (  # type: ignore[no-redef]  # the same names
            DagBag,
            sync_bag_to_db,
        )
    bag = DagBag(dag_folder="/dev/null", collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)


def traces_itself() -> bool:
    """Whether Airflow creates its own trace spans."""
    return bool(conf.getboolean("traces", "otel_on", fallback=False))


def trigger_request(asked: DagRunTriggerException) -> Any:
    """The request to the supervisor of a task to start the run of a DAG."""
    from airflow.sdk.execution_time.comms import TriggerDagRun

    # Versions differ in what they can set.
    given = {
        name: value for name, value in vars(asked).items() if name in TriggerDagRun.model_fields
    }
    return TriggerDagRun(dag_id=asked.trigger_dag_id, run_id=asked.dag_run_id, **given)
