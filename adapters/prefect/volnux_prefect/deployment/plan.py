"""`volnux prefect deploy`: the changes that make the server match a folder.

The plan is made before anything is changed. A deployment is always sent completely, with its
schedules, so that things removed from the folder are also removed from the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from volnux.backends.port import BackendError
from volnux.errors import Diagnostic
from volnux_prefect.deployment.differences import (
    Differences,
    differences_of,
    schedules_to_send,
    without_secrets,
)
from volnux_prefect.deployment.project import PROJECT, Project, within
from volnux_prefect.deployment.server import (
    FILE_LABEL,
    PROJECT_LABEL,
    connected,
    deployments_on,
    has_pool,
    said,
    send,
)
from volnux_prefect.deployment.wanted import CannotError, entries_of, wanted_of
from volnux_prefect.limits import make_limits, missing_limits

__all__ = ["Change", "Kind", "Plan", "apply", "plan_of"]


class Kind(Enum):
    """What to do with a deployment."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GONE = "gone"


@dataclass(frozen=True)
class Change:
    """One deployment in a plan.

    Attributes:
        kind: what to do.
        name: the names of the flow and the deployment, separated by a slash.
        file: the path of the pipeline in the folder.
        differences: what the server has and what it should have, with secrets hidden.
        payload: the data to send.
        id: the id of the deployment on the server.
        limits: the tag concurrency limits to create for it.
        error: why the change failed.
    """

    kind: Kind
    name: str
    file: str
    differences: Differences = field(default_factory=dict)
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
    """The change for each deployment, and the errors of those that cannot be deployed."""

    changes: tuple[Change, ...]
    diagnostics: tuple[Diagnostic, ...]

    def count(self, kind: Kind) -> int:
        """The number of changes of a kind."""
        return sum(change.kind is kind for change in self.changes)


def plan_of(project: Project) -> Plan:
    """Compare a folder with the server.

    Raises:
        BackendError: the server does not answer, or refuses the request.
    """
    faults: list[Diagnostic] = []
    changes: list[Change] = []
    with connected() as client:
        known = deployments_on(client)
        pools: dict[str, bool] = {}
        mine: set[str] = set()
        # A file that cannot be read or deployed still exists, so its deployment is not deleted.
        broken = list(project.broken)
        for file, described, entry in entries_of(project):
            mine.add(f"{described.name}/{entry.get('name')}")
            try:
                wanted = wanted_of(project, file, described, entry)
                pool = wanted["work_pool_name"]
                if pool not in pools:
                    pools[pool] = has_pool(client, pool)
                if not pools[pool]:
                    raise CannotError(
                        f"{wanted['name']}: the server has no work pool '{pool}'",
                        f"create it: prefect work-pool create {pool} --type process",
                    )
            except CannotError as error:
                faults.append(_fault(project, *error.args))
                broken.append(str(project.folder / file))
                continue
            name = f"{described.name}/{wanted['name']}"
            mine.add(name)
            limits = missing_limits(client, described.limits)
            changes.append(_change(name, file, entry, wanted, known.get(name), limits))
        for name, deployment in known.items():
            labels = deployment.labels or {}
            file = str(labels.get(FILE_LABEL, ""))
            if labels.get(PROJECT_LABEL) != project.merged.project or name in mine:
                continue
            if not within(project.folder / file, broken):
                changes.append(Change(Kind.GONE, name, file, id=deployment.id))
    return Plan(tuple(sorted(changes, key=lambda change: change.name)), tuple(faults))


def apply(plan: Plan, *, prune: bool) -> Iterator[Change]:
    """Carry out a plan. Yields each change when it is done, or with its error.

    If the server stops answering, all remaining changes have errors.

    Args:
        plan: the plan.
        prune: whether to delete deployments whose files no longer exist.
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
    """Make one change. Returns the server's error, if there is one."""
    try:
        if change.kind is Kind.GONE:
            client.delete_deployment(change.id)
        else:
            flow = client.create_flow_from_name(change.name.partition("/")[0])
            send(client, {**change.payload, "flow_id": flow})
            make_limits(change.limits)
    except (httpx.HTTPStatusError, ObjectNotFound) as error:
        return said(error)
    return None


def _fault(project: Project, message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic("deployment", message, str(project.folder / PROJECT), hint=hint)


def _change(
    name: str,
    file: str,
    entry: Mapping[str, Any],
    wanted: dict[str, Any],
    there: DeploymentResponse | None,
    limits: dict[str, int],
) -> Change:
    """The change for one deployment."""
    wanted = {**wanted, "schedules": schedules_to_send(wanted["schedules"], there)}
    payload = _payload(wanted)
    if there is None:
        return Change(Kind.ADDED, name, file, payload=payload, limits=limits)
    differences = without_secrets(differences_of(wanted, there), entry)
    if limits:
        differences["limits"] = (None, limits)
    kind = Kind.CHANGED if differences else Kind.UNCHANGED
    return Change(kind, name, file, differences, payload, there.id, limits)


def _payload(wanted: dict[str, Any]) -> dict[str, Any]:
    """The data to send to the server, except the flow's id."""
    absent = ("paused", "concurrency_options", "work_queue_name")
    return {key: value for key, value in wanted.items() if value is not None or key not in absent}
