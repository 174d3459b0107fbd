"""Past times of a schedule as flow runs of a deployment: `volnux backfill --backend prefect`."""

from __future__ import annotations

import contextlib
import datetime as dt
import shlex
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from volnux.backends.port import BackendError, RunControl
from volnux.cli import output
from volnux.events.link import Plan
from volnux.kit.backfill import Fill, Filled
from volnux.kit.instants import instant_of
from volnux.redaction import redacted
from volnux.runs.model import KeptStatus
from volnux.schedules.moments import instant_in
from volnux_prefect.deployment.server import connected, unreachable
from volnux_prefect.instants import PARAMETER, speaks_of_time
from volnux_prefect.limits import in_pages
from volnux_prefect.parameters import refuse_values

__all__ = ["past_runs"]

_STATUS = {
    StateType.COMPLETED: KeptStatus.SUCCESS,
    StateType.FAILED: KeptStatus.FAILED,
    StateType.CRASHED: KeptStatus.FAILED,
    StateType.CANCELLED: KeptStatus.CANCELLED,
}
"""Flow runs in any other state have not ended."""

_PERIOD = 1.0
"""The seconds between two looks at a flow run."""

_PATIENCE = 30.0
"""The seconds after which a flow run that no worker has taken is worth a sentence."""


@contextlib.contextmanager
def past_runs(plan: Plan, fill: Fill) -> Iterator[FlowRuns]:
    """The flow runs of the deployment of a plan; see `PastRuns`.

    Raises:
        BackendError: the server does not answer, or does not have exactly one deployment.
        InputError: the server could not store an input.
    """
    refuse_values(fill.inputs)
    with connected() as client:
        yield FlowRuns(client, plan, _deployment(client, plan), fill)


class FlowRuns:
    """Runs a deployment for past times.

    Args:
        client: a client of the server.
        plan: the plan of its flow.
        deployment: the deployment.
        fill: what was asked for.
    """

    def __init__(
        self, client: SyncPrefectClient, plan: Plan, deployment: DeploymentResponse, fill: Fill
    ) -> None:
        self._client = client
        self._graph = plan.graph
        self._deployment = deployment
        self._inputs = fill.inputs
        schema = deployment.parameter_openapi_schema or {}
        # A flow without the parameter has the time for which the flow run was scheduled.
        self._has_parameter = speaks_of_time(plan.graph) and PARAMETER in schema.get(
            "properties", {}
        )
        self._last: dict[dt.datetime, FlowRun] = {}
        self._told = threading.Event()

    def known(self, instants: Sequence[dt.datetime]) -> Mapping[dt.datetime, KeptStatus]:
        """See `PastRuns.known`. Flow runs of the deployment's own schedules count, too."""
        if not instants:
            return {}
        read = partial(
            self._client.read_flow_runs,
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[self._deployment.id]),
                expected_start_time=FlowRunFilterExpectedStartTime(after_=instants[0]),
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        )
        for flow_run in sorted(in_pages(read), key=_made):
            self._last[self._instant(flow_run)] = flow_run
        return {instant: _status(flow_run) for instant, flow_run in self._last.items()}

    def run(self, instant: dt.datetime, control: RunControl) -> Filled:
        """See `PastRuns.run`. A worker runs it."""
        try:
            return self._run(instant, control)
        except httpx.HTTPError as error:
            raise BackendError(unreachable(error)) from error
        except ObjectNotFound:
            raise BackendError("the flow run or its deployment was deleted") from None

    def _run(self, instant: dt.datetime, control: RunControl) -> Filled:
        client, last = self._client, self._last.get(instant)
        local = instant_of(self._graph, instant).isoformat()
        parameters: dict[str, Any] = dict(self._inputs)
        if self._has_parameter:
            parameters[PARAMETER] = local
        flow_run = client.create_flow_run_from_deployment(
            self._deployment.id,
            parameters=parameters,
            state=Scheduled(scheduled_time=None if self._has_parameter else instant),
            name=f"backfill {local}",
            # Of two backfills that start at the same time, one makes the flow run.
            idempotency_key=f"volnux backfill {self._deployment.id} {instant.isoformat()} "
            f"after {last.id if last else 'none'}",
        )
        control.on_cancel(partial(self._cancel, flow_run))
        waited = 0.0
        pause = threading.Event()
        while _status(flow_run) is KeptStatus.RUNNING:
            pause.wait(_PERIOD)
            waited += _PERIOD
            flow_run = client.read_flow_run(flow_run.id)
            if flow_run.state_type is StateType.SCHEDULED and waited >= _PATIENCE:
                self._tell_once()
        status, state = _status(flow_run), flow_run.state
        said = (state.message or state.name) if state else None
        why = said or "" if status is KeptStatus.FAILED else ""
        return Filled(status.value, str(flow_run.id), why)

    def _cancel(self, flow_run: FlowRun) -> None:
        # If it cannot be done, the next look at the flow run fails, too.
        with contextlib.suppress(httpx.HTTPError, ObjectNotFound):
            self._client.set_flow_run_state(flow_run.id, State(type=StateType.CANCELLING))

    def _tell_once(self) -> None:
        if not self._told.is_set():
            self._told.set()
            pool = self._deployment.work_pool_name or "default"
            output.warn(
                "no worker has taken a flow run yet; if none is running: "
                f"prefect worker start --pool {pool}"
            )

    def _instant(self, flow_run: FlowRun) -> dt.datetime:
        """The time that a flow run stands for, in UTC."""
        given = flow_run.parameters.get(PARAMETER) if self._has_parameter else None
        if given is not None:
            with contextlib.suppress(ValueError):
                zone = self._graph.timezone or "UTC"
                return instant_in(str(given), zone).astimezone(dt.UTC)
        assert flow_run.expected_start_time is not None
        # Prefect uses its own class for times.
        return dt.datetime.fromisoformat(flow_run.expected_start_time.isoformat()).astimezone(
            dt.UTC
        )


def _made(flow_run: FlowRun) -> dt.datetime:
    assert flow_run.created is not None
    return flow_run.created


def _status(flow_run: FlowRun) -> KeptStatus:
    return _STATUS.get(flow_run.state_type or StateType.PENDING, KeptStatus.RUNNING)


def _deployment(client: SyncPrefectClient, plan: Plan) -> DeploymentResponse:
    """The deployment of a plan.

    If there are several, it is the one with the name that `volnux prefect deploy` gives it.
    """
    name = plan.graph.name
    of_flow = FlowFilter(name=FlowFilterName(any_=[name]))
    found = list(in_pages(partial(client.read_deployments, flow_filter=of_flow)))
    if not found:
        source = plan.graph.source
        folder = Path(source.filename).parent if source else Path()
        raise BackendError(
            f"prefect's server at {redacted(str(client.api_url))} has no deployment of {name}\n"
            f"  hint: make it: volnux prefect deploy {shlex.quote(str(folder))}"
        )
    if len(found) > 1:
        found = [each for each in found if each.name == name] or found
    if len(found) > 1:
        names = ", ".join(sorted(each.name for each in found))
        raise BackendError(
            f"{name} has several deployments: {names}\n"
            f"  hint: a backfill takes the only one, or the one with the name {name}"
        )
    return found[0]
