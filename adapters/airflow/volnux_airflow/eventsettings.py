"""The settings of an event's task, and the exception that Airflow shows for a failed attempt."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from volnux.events.modules import display_text
from volnux.events.outcome import Outcome
from volnux.events.spec import EventSpec
from volnux.graph.outcome import Failure
from volnux_airflow import compat, hostsettings, retries, storable
from volnux_airflow.hosted import native_of

__all__ = ["cause_of", "operator_name", "settings_of"]


def settings_of(spec: EventSpec, tags: Iterable[str]) -> dict[str, Any]:
    """The arguments of `BaseOperator` for an event.

    Always passed, so that `default_args` for other tasks cannot change the meaning of a flow.
    """
    return {
        "doc_md": _doc_of(spec, tags),
        **(hostsettings.of(spec) if spec.event_class.airflow else {}),
        **retries.settings_of(spec),
        "execution_timeout": None if spec.timeout is None else timedelta(seconds=spec.timeout),
        "trigger_rule": compat.TriggerRule.ALL_SUCCESS,
    }


def cause_of(outcome: Outcome) -> BaseException | None:
    """The exception of the event, as the cause of the error about a failed attempt.

    Airflow cannot log text that is not valid Unicode, and would end the task, so such text is
    escaped.
    """
    failure = outcome.result
    if not isinstance(failure, Failure):
        return None
    if failure.exception is not None:
        try:
            "".join(traceback.format_exception(failure.exception)).encode()
        except Exception:  # noqa: BLE001 - the __str__ of an exception may raise anything
            return failure.bare().cause()
    return failure.cause()


def _doc_of(spec: EventSpec, tags: Iterable[str]) -> str | None:
    """The documentation of an event's task: that of its operator or docstring, and the tags."""
    native = native_of(spec.event_class)
    text = (native and native.arguments.get("doc_md")) or spec.target.__doc__
    parts = [inspect.cleandoc(text)] if text else []
    if tags:
        parts.append("tags: " + ", ".join(tags))
    return storable.cleaned("\n\n".join(parts)) or None


def operator_name(spec: EventSpec) -> str:
    """The operator name that Airflow's page shows for a task: the module and name of the event."""
    name = f"{display_text(spec.target.__module__)}.{spec.target.__qualname__}"
    return storable.cleaned(name)[-storable.LONGEST_TEXT :]
