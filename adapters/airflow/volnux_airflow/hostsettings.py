"""`airflow = {…}` of an event: arguments of its operator, except those that the flow sets."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from volnux.errors import did_you_mean
from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import Node
from volnux.imported import imported
from volnux_airflow import storable

__all__ = ["OWNED", "faults", "import_airflow", "not_storable", "of"]

_RETRIES = "set the number of attempts in the flow (Event * 3) or with retry_policy"
_PLACE = "the flow sets the position of a task"
_RESULT = "the result of an event always goes to XCom"

OWNED = {
    "task_id": "the task id is the event's place in the flow",
    "dag": _PLACE,
    "task_group": _PLACE,
    "trigger_rule": "the flow sets what a task waits for",
    "retries": _RETRIES,
    "retry_delay": _RETRIES,
    "retry_exponential_backoff": _RETRIES,
    "max_retry_delay": _RETRIES,
    "retry_policy": _RETRIES,
    "execution_timeout": "set a limit in the flow (Event[timeout=30]) or timeout on the event",
    "params": "the params of the DAG are the @input lines of the file",
    "default_args": "pass them to load_dags or to_dag",
    "do_xcom_push": _RESULT,
    "multiple_outputs": _RESULT,
    "map_index_template": "a mapped task shows its place and its item",
}
"""The arguments that the flow sets, each with what to do."""

_LENGTHS = {
    "pool": storable.LONGEST_NAME,
    "queue": storable.LONGEST_NAME,
    "executor": storable.LONGEST_TEXT,
    "owner": storable.LONGEST_TEXT,
    "run_as_user": storable.LONGEST_TEXT,
    "task_display_name": 2000,
}
"""The maximum length of settings that have a column in the database."""

_COUNTS = ("pool_slots", "priority_weight")
"""Settings that are 32-bit integers in the database."""

# Airflow itself checks the types of all others.
_TEXTS = ("owner", "task_display_name", "doc_md", "doc", "logger_name")
_CALLBACKS = ("on_execute", "on_failure", "on_success", "on_retry", "on_skipped")


def of(spec: EventSpec) -> dict[str, Any]:
    """The operator arguments that an event sets.

    Raises:
        TypeError: the event sets an argument that events must not set.
    """
    settings = dict(spec.event_class.airflow)
    for name in settings:
        if name in OWNED:
            raise TypeError(f"airflow of {spec.name} cannot set '{name}': {OWNED[name]}")
    return settings


def faults(plan: Plan, *, imports: bool) -> Iterator[tuple[Node, str, str | None]]:
    """The faults in the settings of events, each with place, message and hint, once per event.

    Args:
        plan: the plan.
        imports: whether Airflow may be imported. If not, the checks that need it are skipped.
    """
    seen: set[int] = set()
    for node, spec in zip(plan.graph.nodes, plan.specs, strict=True):
        if spec is None or not spec.event_class.airflow or id(spec.event_class) in seen:
            continue
        seen.add(id(spec.event_class))
        for message, hint in _faults_of(spec.event_class.airflow, imports=imports):
            yield node, f"airflow of {spec.name}{_where(spec)}: {message}", hint


def _faults_of(settings: Mapping[str, Any], *, imports: bool) -> Iterator[tuple[str, str | None]]:
    owned = [name for name in settings if name in OWNED]
    for name in owned:
        yield f"'{name}' cannot be set here", OWNED[name]
    unstorable = list(not_storable(settings))
    for message in unstorable:
        yield message, "Airflow cannot store it"
    if owned or unstorable or not imports:
        return
    import_airflow()
    from volnux_airflow import compat

    known = [
        name
        for name, parameter in inspect.signature(compat.BaseOperator.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in OWNED
    ]
    unknown = [name for name in settings if name not in known]
    for name in unknown:
        hint = did_you_mean(name, known, "see the arguments of BaseOperator")
        yield f"an operator has no argument '{name}'", hint
    if unknown:
        return
    for name in _CALLBACKS:
        value = settings.get(f"{name}_callback")
        several = value if isinstance(value, list | tuple) else [value]
        if value is not None and not all(map(callable, several)):
            yield (
                f"{name}_callback must be a function or a list of functions, found {value!r}",
                None,
            )
            return
    for name in _TEXTS:
        if not isinstance(settings.get(name, ""), str | None):
            yield f"{name} must be a str, found {settings[name]!r}", None
            return
    try:
        with warnings.catch_warnings(), compat.DAG("volnux-checks", auto_register=False):
            warnings.simplefilter("ignore")
            compat.BaseOperator(task_id="task", **settings)
    except Exception as error:  # noqa: BLE001 - Airflow may raise anything for a wrong value
        yield str(error).replace(" for task 'task'", ""), None


def not_storable(settings: Mapping[str, Any]) -> Iterator[str]:
    """The faults of settings that Airflow cannot store."""
    for name, value in settings.items():
        fault = storable.fault_of(value)
        most = _LENGTHS.get(name)
        if fault is not None:
            yield f"'{name}' has {fault}"
        elif most is not None and isinstance(value, str) and len(value) > most:
            yield f"'{name}' has at most {most} characters, found {len(value)}"
        elif name in _COUNTS and isinstance(value, int) and not -(2**31) <= value < 2**31:
            yield f"'{name}' has an integer of more than 32 bits: {value}"


def import_airflow() -> None:
    """Import Airflow without opening a database, and without creating a home if there is none."""
    if imported("airflow"):
        return
    os.environ["_AIRFLOW__AS_LIBRARY"] = "1"
    try:
        with warnings.catch_warnings():
            # The author of a flow cannot fix what Airflow's own imports warn about.
            warnings.simplefilter("ignore")
            from volnux_airflow import compat  # noqa: F401 - only the import itself is needed
    finally:
        del os.environ["_AIRFLOW__AS_LIBRARY"]


def _where(spec: EventSpec) -> str:
    """Where the event is defined, as ` (file:line)`, or an empty text if that is unknown."""
    try:
        file = inspect.getsourcefile(spec.target)
        _, line = inspect.getsourcelines(spec.target)
    except (OSError, TypeError):
        return ""
    return f" ({file}:{line})"
