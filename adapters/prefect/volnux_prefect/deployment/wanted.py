"""The deployments that a folder describes, in the form of the server's API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.utilities.templating import (
    apply_values,
    resolve_block_document_references,
    resolve_variables,
)

from volnux_prefect.deployment.describe import Described
from volnux_prefect.deployment.flowsfile import entrypoint
from volnux_prefect.deployment.project import PROJECT, Project
from volnux_prefect.deployment.server import (
    FILE_LABEL,
    PROJECT_LABEL,
    SCHEDULE_SETTINGS,
    body_of,
)
from volnux_prefect.deployment.yamlfile import read_project

__all__ = ["CannotError", "entries_of", "wanted_of"]

_STEPS = ("build", "push", "triggers", "sla")
"""Keys of an entry that only Prefect's own command supports."""


class CannotError(Exception):
    """An entry of `prefect.yaml` that cannot be deployed, with a message and an optional hint."""


def entries_of(project: Project) -> Iterator[tuple[str, Described, dict[str, Any]]]:
    """The deployments of the folder's pipelines: path, description and entry in `prefect.yaml`."""
    data = read_project(project.yaml[1], str(project.folder / PROJECT))
    files = {entrypoint(project.variables[path]): path for path in project.described}
    top = {key: data[key] for key in ("pull", "build", "push") if data.get(key) is not None}
    for entry in data.get("deployments") or []:
        file = files.get(str(entry.get("entrypoint"))) if isinstance(entry, dict) else None
        if file is not None:
            yield file, project.described[file], {**top, **entry}


def wanted_of(
    project: Project, file: str, described: Described, entry: dict[str, Any]
) -> dict[str, Any]:
    """The deployment that the server should have, in the form of its API.

    Raises:
        CannotError: the entry needs Prefect's own command, or is invalid.
    """
    try:
        wanted = _meant(project, file, described, entry)
        body_of(wanted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # The entry may contain anything, and pydantic's errors are ValueErrors. Their message
        # quotes values, which may be secrets if they come from templates.
        secret = "{{" in str({**entry, "pull": None})
        reason = "a value from a template is invalid" if secret else str(error)
        message = f"{entry.get('name')}: Prefect cannot read its entry: {reason}"
        raise CannotError(message) from error
    return wanted


def _meant(
    project: Project, file: str, described: Described, entry: dict[str, Any]
) -> dict[str, Any]:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise CannotError(f"{file}: its deployment has no name")
    for key in _STEPS:
        if entry.get(key):
            raise CannotError(
                f"{name}: its entry has '{key}', which needs Prefect's own command: "
                f"prefect deploy --name {name}"
            )
    owned = project.merged.owned.get((str(entry["entrypoint"]), name), frozenset())
    given = _filled({key: value for key, value in entry.items() if key != "pull"})
    if not isinstance(given.get("name"), str) or not given["name"]:
        raise CannotError(f"{file}: its deployment has no name after its templates are filled in")
    schedules: Any = _schedules(given)
    if "schedules" in owned:
        schedules = [
            {**each, "schedule": CronSchedule(cron=each["cron"], timezone=each["timezone"])}
            for each in described.schedules
        ]
    limit = described.concurrency_limit
    strategy = None
    if "concurrency_limit" not in owned:
        limit = given.get("concurrency_limit")
        if isinstance(limit, dict):
            strategy = {key: value for key, value in limit.items() if key != "limit"} or None
            limit = limit.get("limit")
    pool = given.get("work_pool")
    if not isinstance(pool, dict) or not pool.get("name"):
        raise CannotError(f"{name}: it has no work pool")
    folder = str(project.folder.resolve())
    steps: Any = [{"prefect.deployments.steps.set_working_directory": {"directory": folder}}]
    return {
        "name": given["name"],
        "entrypoint": entry["entrypoint"],
        "path": ".",
        "version": given.get("version") or described.version,
        # The server turns None into a string.
        "description": given.get("description") or described.description or "",
        "tags": _of(owned, "tags", list(described.tags), given.get("tags") or []),
        "parameters": _of(owned, "parameters", described.parameters, given.get("parameters") or {}),
        "schedules": schedules,
        "concurrency_limit": limit,
        "concurrency_options": strategy,
        "work_pool_name": pool["name"],
        "work_queue_name": pool.get("work_queue_name"),
        "job_variables": pool.get("job_variables") or {},
        # The worker fills in the templates of these steps.
        "pull_steps": entry["pull"] if entry.get("pull") is not None else steps,
        "enforce_parameter_schema": given.get("enforce_parameter_schema", True),
        "parameter_openapi_schema": dict(described.schema or {}),
        "paused": given.get("paused"),
        "labels": {PROJECT_LABEL: project.merged.project, FILE_LABEL: file},
    }


def _of(owned: Iterable[str], key: str, file: Any, entry: Any) -> Any:
    return file if key in owned else entry


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its templates filled in, in the same way as `prefect deploy`."""
    if "{{" not in json.dumps(entry, default=str):
        return entry

    async def fill() -> dict[str, Any]:
        found: Any = await resolve_variables(await resolve_block_document_references(entry))
        # The worker fills in templates that depend on the run.
        filled: Any = apply_values(found, dict(os.environ), skip_prefixes=["ctx."])
        return dict(filled)

    try:
        return run_coro_as_sync(fill()) or {}
    except (ValueError, ObjectNotFound, httpx.HTTPError) as error:
        raise CannotError(f"{entry.get('name')}: {error}") from error


def _schedules(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The schedules that the user wrote in an entry."""
    given = entry.get("schedules") or ([entry["schedule"]] if entry.get("schedule") else [])
    if not isinstance(given, list):
        given = [given]
    found = []
    for each in given:
        zone = each.get("timezone") or "UTC"
        schedule: Any
        if "cron" in each:
            schedule = CronSchedule(
                cron=each["cron"], timezone=zone, day_or=each.get("day_or", True)
            )
        elif "interval" in each:
            more = {"anchor_date": each["anchor_date"]} if "anchor_date" in each else {}
            schedule = IntervalSchedule(interval=each["interval"], timezone=zone, **more)
        elif "rrule" in each:
            schedule = RRuleSchedule(rrule=each["rrule"], timezone=zone)
        else:
            raise CannotError(f"{entry['name']}: a schedule has no cron, interval or rrule")
        kept = {key: each[key] for key in SCHEDULE_SETTINGS if key in each}
        found.append({**kept, "schedule": schedule})
    return found
