"""The calls to Prefect's server that deployments need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentCreate, DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowFilter, FlowFilterId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from volnux.backends.port import BackendError
from volnux_prefect.limits import in_pages

__all__ = [
    "FILE_LABEL",
    "PROJECT_LABEL",
    "SCHEDULE_SETTINGS",
    "body_of",
    "connected",
    "deployments_on",
    "has_pool",
    "said",
    "send",
    "unreachable",
]

PROJECT_LABEL, FILE_LABEL = "volnux.project", "volnux.file"
"""The labels of our deployments: the id of the project, and the pipeline's path in its folder."""

SCHEDULE_SETTINGS = ("slug", "active", "parameters", "max_scheduled_runs")
"""The fields of a schedule apart from its times."""

_MOST_IDS = 200
"""The maximum number of flows in one request."""


@contextlib.contextmanager
def connected() -> Iterator[SyncPrefectClient]:
    """A client of the configured Prefect server.

    Raises:
        BackendError: the server does not answer, or refuses the request.
    """
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(get_client(sync_client=True))
            client.hello()
        except (httpx.HTTPError, RuntimeError) as error:
            raise BackendError(unreachable(error)) from error
        try:
            yield client
        except httpx.HTTPError as error:
            raise BackendError(unreachable(error)) from error


def unreachable(error: Exception) -> str:
    """The message for a server that does not answer, or answers with an error."""
    from prefect.settings import PREFECT_API_URL

    where = PREFECT_API_URL.value() or "a temporary server"
    if isinstance(error, httpx.HTTPStatusError):
        return f"prefect's server at {where} answers with an error: {said(error)}"
    return (
        f"prefect's server does not answer at {where}: {said(error)}\n"
        "  hint: start that server, or set another one in PREFECT_API_URL or your profile"
    )


def said(error: Exception) -> str:
    """The server's error for a request, in one line if possible."""
    if isinstance(error, httpx.HTTPStatusError):
        try:
            detail = error.response.json().get("detail")
        except ValueError:
            detail = None
        return f"{error.response.status_code}: {detail or error.response.text[:500]}"
    return str(error) or type(error).__name__


def deployments_on(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """All deployments, by flow name and deployment name."""
    found = list(in_pages(client.read_deployments))
    flows: dict[Any, str] = {}
    ids = sorted({each.flow_id for each in found})
    for start in range(0, len(ids), _MOST_IDS):
        some = FlowFilter(id=FlowFilterId(any_=ids[start : start + _MOST_IDS]))
        flows.update((flow.id, flow.name) for flow in client.read_flows(flow_filter=some))
    return {f"{flows.get(each.flow_id)}/{each.name}": each for each in found}


def has_pool(client: SyncPrefectClient, name: str) -> bool:
    """Whether there is a work pool of this name."""
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        return False
    return True


def send(client: SyncPrefectClient, payload: dict[str, Any]) -> None:
    """Send a complete deployment. The client's own method does not support labels."""
    body, limited = body_of(payload)
    answer = client.request("POST", "/deployments/", json=body)
    if limited:
        client.create_deployment_schedules(UUID(answer.json()["id"]), limited)


def body_of(payload: dict[str, Any]) -> tuple[dict[str, Any], list[DeploymentScheduleCreate]]:
    """The data to send, and the schedules to send after it.

    The server drops `max_scheduled_runs` of schedules that are sent with their deployment.
    """
    fields = ("schedule", *SCHEDULE_SETTINGS)
    schedules = [
        DeploymentScheduleCreate(**{key: each[key] for key in fields if key in each})
        for each in payload["schedules"]
    ]
    limited = [each for each in schedules if each.max_scheduled_runs is not None]
    beside = [each for each in schedules if each.max_scheduled_runs is None]
    made = DeploymentCreate(**{"flow_id": UUID(int=0), **payload, "schedules": beside})
    return made.model_dump(mode="json", exclude_unset=True), limited
