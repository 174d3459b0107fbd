"""How a deployment on the server differs from the wanted one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule

from volnux_prefect.deployment.server import FILE_LABEL, PROJECT_LABEL, SCHEDULE_SETTINGS

__all__ = ["HIDDEN", "Differences", "differences_of", "schedules_to_send", "without_secrets"]

Differences = dict[str, tuple[Any, Any]]
"""For each key, what the server has and what it should have."""

HIDDEN = "(filled in from a template)"
"""Shown instead of values that may contain a secret."""

_WRITTEN_AS = {
    "schedules": ("schedules", "schedule"),
    "work_queue": ("work_pool",),
    "job_variables": ("work_pool",),
    "concurrency_options": ("concurrency_limit",),
    # Only the worker fills in the templates of pull steps.
    "pull_steps": (),
}
"""For each key of a difference, the keys in `prefect.yaml` from which its value comes."""


def differences_of(wanted: dict[str, Any], there: DeploymentResponse) -> Differences:
    """For each difference, what the server has and what it should have instead.

    Args:
        wanted: the deployment that the server should have, with the `schedules_to_send`.
        there: the deployment that the server has.
    """
    before, after = _seen(there), _compared(wanted)
    return {
        key: (before.get(key), value) for key, value in after.items() if before.get(key) != value
    }


def without_secrets(differences: Differences, entry: Mapping[str, Any]) -> Differences:
    """Return the differences, but hide all values that come from templates of an entry."""

    def is_template(key: str) -> bool:
        return any("{{" in str(entry.get(name)) for name in _WRITTEN_AS.get(key, (key,)))

    return {
        key: (HIDDEN, HIDDEN) if is_template(key) else values for key, values in differences.items()
    }


def schedules_to_send(
    wanted: list[dict[str, Any]], there: DeploymentResponse | None
) -> list[dict[str, Any]]:
    """The schedules of the folder, and those that somebody created on Prefect's page.

    A schedule that was switched off on the page stays off. Schedules created on the page have no
    slug.
    """
    if there is None:
        return wanted
    active = {each.slug: each.active for each in there.schedules if each.slug}
    own = [
        {"active": active[each["slug"]], **each} if each.get("slug") in active else each
        for each in _anchored(wanted, there)
    ]
    if any(not each.get("slug") for each in wanted):
        return own  # the server's schedules without a slug then come from the folder
    return own + [_as_sent(each) for each in there.schedules if not each.slug]


def _anchored(wanted: list[dict[str, Any]], there: DeploymentResponse) -> list[dict[str, Any]]:
    """Give interval schedules without an anchor date the one that they have on the server."""
    known = {
        (each.slug, each.schedule.interval, each.schedule.timezone): each.schedule.anchor_date
        for each in there.schedules
        if isinstance(each.schedule, IntervalSchedule)
    }
    found = []
    for each in wanted:
        schedule = each["schedule"]
        if (
            isinstance(schedule, IntervalSchedule)
            and "anchor_date" not in schedule.model_fields_set
        ):
            anchor = known.get((each.get("slug"), schedule.interval, schedule.timezone))
            if anchor is not None:
                each = {**each, "schedule": schedule.model_copy(update={"anchor_date": anchor})}
        found.append(each)
    return found


def _as_sent(there: DeploymentSchedule) -> dict[str, Any]:
    return {"schedule": there.schedule, **{key: getattr(there, key) for key in SCHEDULE_SETTINGS}}


def _seen(there: DeploymentResponse) -> dict[str, Any]:
    """What the server has, in the form of `_compared`."""
    limit = there.global_concurrency_limit.limit if there.global_concurrency_limit else None
    options = there.concurrency_options
    return _plain(
        {
            "entrypoint": there.entrypoint,
            "version": there.version,
            "description": there.description,
            "tags": sorted(there.tags),
            "parameters": there.parameters,
            "schedules": _shown_schedules(map(_as_sent, there.schedules)),
            "concurrency_limit": limit,
            "concurrency_options": options.model_dump(exclude_unset=True) if options else None,
            "work_pool": there.work_pool_name,
            "work_queue": there.work_queue_name,
            "job_variables": there.job_variables,
            "pull_steps": there.pull_steps,
            "enforce_parameter_schema": there.enforce_parameter_schema,
            "form": there.parameter_openapi_schema,
            "paused": there.paused,
            "labels": {key: (there.labels or {}).get(key) for key in (PROJECT_LABEL, FILE_LABEL)},
        }
    )


def _compared(wanted: dict[str, Any]) -> dict[str, Any]:
    """What the server should have, without values that the folder does not set."""
    found = {
        "entrypoint": wanted["entrypoint"],
        "version": wanted["version"],
        "description": wanted["description"],
        "tags": sorted(wanted["tags"]),
        "parameters": wanted["parameters"],
        "schedules": _shown_schedules(wanted["schedules"]),
        "concurrency_limit": wanted["concurrency_limit"],
        "work_pool": wanted["work_pool_name"],
        "job_variables": wanted["job_variables"],
        "pull_steps": wanted["pull_steps"],
        "enforce_parameter_schema": wanted["enforce_parameter_schema"],
        "form": wanted["parameter_openapi_schema"],
        "labels": wanted["labels"],
    }
    for key, name in (
        ("concurrency_options", "concurrency_options"),
        ("work_queue", "work_queue_name"),
        ("paused", "paused"),
    ):
        if wanted[name] is not None:
            found[key] = wanted[name]
    return _plain(found)


def _shown_schedules(schedules: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each schedule as one line, in an order that does not depend on the server."""
    lines = []
    for each in schedules:
        schedule = each["schedule"]
        rest = schedule.model_dump(
            mode="json",
            exclude_defaults=True,
            exclude={"cron", "interval", "rrule", "timezone", "anchor_date"},
        )
        match schedule:
            case CronSchedule(cron=cron):
                when = cron
            case IntervalSchedule(interval=interval, anchor_date=anchor):
                when = f"every {interval}"
                if "anchor_date" in schedule.model_fields_set:
                    rest["anchor_date"] = anchor.astimezone(UTC).isoformat()
            case _:
                when = getattr(schedule, "rrule", str(schedule))
        rest.update(
            (key, each[key]) for key in ("parameters", "max_scheduled_runs") if each.get(key)
        )
        notes = [
            schedule.timezone or "UTC",
            *(["off"] if each.get("active") is False else []),
            *(f"{key}={value}" for key, value in sorted(rest.items())),
        ]
        lines.append(f"{each.get('slug') or 'by hand'}: {when} ({', '.join(notes)})")
    return sorted(lines)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(values, default=str)))
