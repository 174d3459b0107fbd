"""`volnux prefect deploy`: what a folder says, what the server has, and how to get there.

The plan is made before anything is changed. A deployment is written whole, with its schedules, so
that what is not in the folder any more is not on the server either.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from enum import Enum
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentCreate, DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowFilter, FlowFilterId
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.utilities.templating import (
    apply_values,
    resolve_block_document_references,
    resolve_variables,
)

from volnux.backends.port import BackendError
from volnux.errors import Diagnostic
from volnux_prefect.describe import Described
from volnux_prefect.limits import make_limits, missing_limits
from volnux_prefect.project import FLOWS, PROJECT, Project, within
from volnux_prefect.yamlfile import read_project

__all__ = ["HIDDEN", "Change", "Kind", "Plan", "apply", "connected", "plan_of"]

HIDDEN = "(filled in from a template)"
"""Stands in a plan for values that may hold a secret."""

_PAGE = 200
_PROJECT_LABEL, _FILE_LABEL = "volnux.project", "volnux.file"
_STEPS = ("build", "push", "triggers", "sla")
"""Keys of an entry that only Prefect's own command can carry out."""

_OF_SCHEDULE = ("slug", "active", "parameters", "max_scheduled_runs")
"""What a schedule has besides its times."""

_WRITTEN_AS = {
    "work_queue": "work_pool",
    "job_variables": "work_pool",
    "concurrency_options": "concurrency_limit",
}
"""Keys of an entry, by the keys of a difference that are named otherwise."""


class Kind(Enum):
    """What is to be done with a deployment."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GONE = "gone"


@dataclass(frozen=True)
class Change:
    """One deployment in a plan.

    Attributes:
        kind: what is to be done.
        name: of flow and deployment, with a slash between them.
        file: the pipeline, by its path in the folder.
        differences: what the server has and what it should have, by key; `HIDDEN` twice if
            templates fill it in.
        payload: what is sent for it.
        id: of the deployment on the server.
        limits: tag concurrency limits to make for it.
        error: why it could not be done.
    """

    kind: Kind
    name: str
    file: str
    differences: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    id: Any = None
    limits: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The change as `--json` prints it."""
        return {
            "deployment": self.name,
            "file": self.file,
            "change": self.kind.value,
            "differences": {
                key: {"before": before, "after": after}
                for key, (before, after) in self.differences.items()
            },
            "error": self.error,
        }


@dataclass(frozen=True)
class Plan:
    """What is to be done, deployment by deployment, and what cannot be done."""

    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]

    def count(self, kind: Kind) -> int:
        """How many deployments there are of a kind."""
        return sum(change.kind is kind for change in self.changes)


def plan_of(project: Project) -> Plan:
    """Compare a folder with the server.

    Raises:
        BackendError: the server does not answer, or refuses to.
    """
    faults: list[Diagnostic] = []
    changes: list[Change] = []
    with connected() as client:
        known = _on_server(client)
        pools: dict[str, bool] = {}
        mine: set[str] = set()
        # What cannot be read, or not be deployed, is not gone.
        broken = [each.file for each in project.diagnostics]
        for file, described, entry in _entries(project):
            mine.add(f"{described.name}/{entry.get('name')}")
            try:
                wanted = _wanted(project, file, described, entry)
                pool = wanted["work_pool_name"]
                if pool not in pools:
                    pools[pool] = _has_pool(client, pool)
                if not pools[pool]:
                    raise _CannotError(
                        f"{wanted['name']}: the server has no work pool '{pool}'",
                        f"make it: prefect work-pool create {pool} --type process",
                    )
            except _CannotError as error:
                faults.append(_fault(project, *error.args))
                broken.append(str(project.folder / file))
                continue
            name = f"{described.name}/{wanted['name']}"
            mine.add(name)
            limits = missing_limits(client, described.limits)
            change = _change(name, file, wanted, known.get(name), limits)
            changes.append(_without_secrets(change, entry))
        for name, deployment in known.items():
            labels = deployment.labels or {}
            file = str(labels.get(_FILE_LABEL, ""))
            if labels.get(_PROJECT_LABEL) != project.merged.project or name in mine:
                continue
            if not within(project.folder / file, broken):
                changes.append(Change(Kind.GONE, name, file, id=deployment.id))
    return Plan(tuple(sorted(changes, key=lambda change: change.name)), tuple(faults))


def apply(plan: Plan, *, prune: bool) -> Iterator[Change]:
    """Do what a plan says; yields each change when it is done, or with its error.

    Once the server does not answer, all changes that are left have errors.

    Args:
        plan: the plan.
        prune: delete deployments that are gone.
    """
    kinds = {Kind.ADDED, Kind.CHANGED, *((Kind.GONE,) if prune else ())}
    waiting = deque(change for change in plan.changes if change.kind in kinds)
    try:
        with connected() as client:
            while waiting:
                fault = _carry_out(client, waiting[0])
                yield replace(waiting.popleft(), error=fault)
    except BackendError as error:
        fault = str(error)
        for change in waiting:
            yield replace(change, error=fault)
            fault = "not done: the server could not be used"


def _carry_out(client: SyncPrefectClient, change: Change) -> str | None:
    """Do one change; what the server says against it."""
    try:
        if change.kind is Kind.GONE:
            client.delete_deployment(change.id)
        else:
            flow = client.create_flow_from_name(change.name.partition("/")[0])
            _send(client, {**change.payload, "flow_id": flow})
            make_limits(change.limits)
    except (httpx.HTTPStatusError, ObjectNotFound) as error:
        return _said(error)
    return None


# What the folder says.


class _CannotError(Exception):
    """An entry of `prefect.yaml` that cannot be deployed: a message, and a hint if there is one."""


def _entries(project: Project) -> Iterator[tuple[str, Described, dict[str, Any]]]:
    """The deployments of the folder's pipelines: path, description, entry of `prefect.yaml`."""
    data = read_project(project.yaml[1], str(project.folder / PROJECT))
    files = {f"{FLOWS}:{project.variables[path]}": path for path in project.described}
    top = {key: data[key] for key in ("pull", "build", "push") if data.get(key) is not None}
    for entry in data.get("deployments") or []:
        file = files.get(str(entry.get("entrypoint"))) if isinstance(entry, dict) else None
        if file is not None:
            yield file, project.described[file], {**top, **entry}


def _wanted(
    project: Project, file: str, described: Described, entry: dict[str, Any]
) -> dict[str, Any]:
    """The deployment that the server should have, in the terms of its API.

    Raises:
        _CannotError: the entry asks for what only Prefect's own command does, or makes no sense.
    """
    try:
        wanted = _meant(project, file, described, entry)
        _body(wanted)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Whatever somebody wrote into the entry; pydantic's errors are ValueErrors.
        # The message quotes values, which may be secrets where templates fill them in.
        secret = "{{" in str({**entry, "pull": None})
        reason = "a value that a template gives does not fit" if secret else str(error)
        message = f"{entry.get('name')}: Prefect cannot read its entry: {reason}"
        raise _CannotError(message) from error
    return wanted


def _meant(
    project: Project, file: str, described: Described, entry: dict[str, Any]
) -> dict[str, Any]:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise _CannotError(f"{file}: its deployment has no name")
    for key in _STEPS:
        if entry.get(key):
            raise _CannotError(
                f"{name}: it has '{key}', which needs Prefect's own command: "
                f"prefect deploy --name {name}"
            )
    owned = project.merged.owned.get((str(entry["entrypoint"]), name), frozenset())
    given = _filled({key: value for key, value in entry.items() if key != "pull"})
    if not isinstance(given.get("name"), str) or not given["name"]:
        raise _CannotError(f"{file}: its deployment has no name once its templates are filled in")
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
        raise _CannotError(f"{name}: it has no work pool")
    folder = str(project.folder.resolve())
    steps: Any = [{"prefect.deployments.steps.set_working_directory": {"directory": folder}}]
    return {
        "name": given["name"],
        "entrypoint": entry["entrypoint"],
        "path": ".",
        "version": given.get("version") or described.version,
        # The server makes a text of None.
        "description": given.get("description") or described.description or "",
        "tags": _of(owned, "tags", list(described.tags), given.get("tags") or []),
        "parameters": _of(owned, "parameters", described.parameters, given.get("parameters") or {}),
        "schedules": schedules,
        "concurrency_limit": limit,
        "concurrency_options": strategy,
        "work_pool_name": pool["name"],
        "work_queue_name": pool.get("work_queue_name"),
        "job_variables": pool.get("job_variables") or {},
        # The worker fills in their templates.
        "pull_steps": entry["pull"] if entry.get("pull") is not None else steps,
        "enforce_parameter_schema": given.get("enforce_parameter_schema", True),
        "parameter_openapi_schema": dict(described.schema or {}),
        "paused": given.get("paused"),
        "labels": {_PROJECT_LABEL: project.merged.project, _FILE_LABEL: file},
    }


def _of(owned: Iterable[str], key: str, file: Any, entry: Any) -> Any:
    return file if key in owned else entry


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its templates filled in, as `prefect deploy` does it."""
    if "{{" not in json.dumps(entry, default=str):
        return entry

    async def fill() -> dict[str, Any]:
        found: Any = await resolve_variables(await resolve_block_document_references(entry))
        # The worker fills in what it knows of the run.
        filled: Any = apply_values(found, dict(os.environ), skip_prefixes=["ctx."])
        return dict(filled)

    try:
        return run_coro_as_sync(fill()) or {}
    except (ValueError, ObjectNotFound, httpx.HTTPError) as error:
        raise _CannotError(f"{entry.get('name')}: {error}") from error


def _schedules(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The schedules of an entry that the user wrote."""
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
            raise _CannotError(f"{entry['name']}: a schedule has no cron, interval or rrule")
        kept = {key: each[key] for key in _OF_SCHEDULE if key in each}
        found.append({**kept, "schedule": schedule})
    return found


def _fault(project: Project, message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic("deployment", message, str(project.folder / PROJECT), hint=hint)


# What the server has.


@contextlib.contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """A client of the server that Prefect is set to.

    Raises:
        BackendError: the server does not answer, or refuses to.
    """
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(get_client(sync_client=True))
            client.hello()
        except (httpx.HTTPError, RuntimeError) as error:
            raise BackendError(_unreachable(error)) from error
        try:
            yield client
        except httpx.HTTPError as error:
            raise BackendError(_unreachable(error)) from error


def _unreachable(error: Exception) -> str:
    from prefect.settings import PREFECT_API_URL

    where = PREFECT_API_URL.value() or "a temporary server"
    if isinstance(error, httpx.HTTPStatusError):
        return f"prefect's server at {where} answers with an error: {_said(error)}"
    return (
        f"prefect's server does not answer at {where}: {_said(error)}\n"
        "  hint: start that server, or name another one in PREFECT_API_URL or your profile"
    )


def _said(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        try:
            detail = error.response.json().get("detail")
        except ValueError:
            detail = None
        return f"{error.response.status_code}: {detail or error.response.text[:500]}"
    return str(error) or type(error).__name__


def _on_server(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """All deployments, by the names of flow and deployment."""
    found: list[DeploymentResponse] = []
    while True:
        page = client.read_deployments(limit=_PAGE, offset=len(found))
        found += page
        if len(page) < _PAGE:
            break
    flows: dict[Any, str] = {}
    ids = sorted({each.flow_id for each in found})
    for start in range(0, len(ids), _PAGE):
        some = FlowFilter(id=FlowFilterId(any_=ids[start : start + _PAGE]))
        flows.update((flow.id, flow.name) for flow in client.read_flows(flow_filter=some))
    return {f"{flows.get(each.flow_id)}/{each.name}": each for each in found}


def _has_pool(client: SyncPrefectClient, name: str) -> bool:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        return False
    return True


def _change(
    name: str,
    file: str,
    wanted: dict[str, Any],
    there: DeploymentResponse | None,
    limits: dict[str, int],
) -> Change:
    """What is to be done about one deployment."""
    schedules = _kept_schedules(_anchored(wanted["schedules"], there), there)
    wanted = {**wanted, "schedules": schedules}
    payload = _payload(wanted)
    if there is None:
        return Change(Kind.ADDED, name, file, payload=payload, limits=limits)
    before, after = _seen(there), _compared(wanted)
    differences = {
        key: (before.get(key), value) for key, value in after.items() if before.get(key) != value
    }
    if limits:
        differences["limits"] = (None, limits)
    kind = Kind.CHANGED if differences else Kind.UNCHANGED
    return Change(kind, name, file, differences, payload, there.id, limits)


def _without_secrets(change: Change, entry: dict[str, Any]) -> Change:
    """A change that does not show what templates are filled in with."""

    def is_template(key: str) -> bool:
        names = ("schedules", "schedule") if key == "schedules" else (_WRITTEN_AS.get(key, key),)
        # Those of pull steps are filled in by the worker alone.
        return key != "pull_steps" and any("{{" in str(entry.get(name)) for name in names)

    shown = {
        key: (HIDDEN, HIDDEN) if is_template(key) else values
        for key, values in change.differences.items()
    }
    return replace(change, differences=shown)


def _anchored(
    wanted: list[dict[str, Any]], there: DeploymentResponse | None
) -> list[dict[str, Any]]:
    """Schedules of intervals without a beginning go on from the one that they have."""
    known = {
        (each.slug, each.schedule.interval, each.schedule.timezone): each.schedule.anchor_date
        for each in (there.schedules if there else ())
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


def _kept_schedules(
    wanted: list[dict[str, Any]], there: DeploymentResponse | None
) -> list[dict[str, Any]]:
    """The schedules to send: those of the folder, and those that somebody made on the page.

    A schedule that was switched off on the page stays off. Those made on the page have no slug.
    """
    if there is None:
        return wanted
    active = {each.slug: each.active for each in there.schedules if each.slug}
    own = [
        {"active": active[each["slug"]], **each} if each.get("slug") in active else each
        for each in wanted
    ]
    if any(not each.get("slug") for each in wanted):
        return own  # then those without a slug are the folder's
    return own + [_as_sent(each) for each in there.schedules if not each.slug]


def _as_sent(there: DeploymentSchedule) -> dict[str, Any]:
    return {"schedule": there.schedule, **{key: getattr(there, key) for key in _OF_SCHEDULE}}


def _payload(wanted: dict[str, Any]) -> dict[str, Any]:
    """What is sent to the server, short of the flow's id."""
    absent = ("paused", "concurrency_options", "work_queue_name")
    return {key: value for key, value in wanted.items() if value is not None or key not in absent}


def _send(client: SyncPrefectClient, payload: dict[str, Any]) -> None:
    """Write a deployment whole; the client's own method knows no labels."""
    body, limited = _body(payload)
    answer = client.request("POST", "/deployments/", json=body)
    if limited:
        client.create_deployment_schedules(UUID(answer.json()["id"]), limited)


def _body(payload: dict[str, Any]) -> tuple[dict[str, Any], list[DeploymentScheduleCreate]]:
    """What to send, and the schedules to send after it.

    The server forgets `max_scheduled_runs` of schedules that come with their deployment.
    """
    fields = ("schedule", *_OF_SCHEDULE)
    schedules = [
        DeploymentScheduleCreate(**{key: each[key] for key in fields if key in each})
        for each in payload["schedules"]
    ]
    limited = [each for each in schedules if each.max_scheduled_runs is not None]
    beside = [each for each in schedules if each.max_scheduled_runs is None]
    made = DeploymentCreate(**{"flow_id": UUID(int=0), **payload, "schedules": beside})
    return made.model_dump(mode="json", exclude_unset=True), limited


def _seen(there: DeploymentResponse) -> dict[str, Any]:
    """What the server has, in the terms of `_compared`."""
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
            "labels": {key: (there.labels or {}).get(key) for key in (_PROJECT_LABEL, _FILE_LABEL)},
        }
    )


def _compared(wanted: dict[str, Any]) -> dict[str, Any]:
    """What the server should have; what the folder says nothing of is left out."""
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
    """Schedules as one line each, in an order that does not depend on the server."""
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
