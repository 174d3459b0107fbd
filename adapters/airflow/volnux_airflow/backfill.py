"""The `airflow backfill create` command for past times of a schedule."""

from __future__ import annotations

import json
import shutil

from volnux.backends.port import BackendError, refuse
from volnux.events.link import Plan
from volnux.graph.report import jsonable
from volnux.kit.backfill import Again, Fill, HostCommand
from volnux_airflow.instants import Calendar
from volnux_airflow.live import require_home

__all__ = ["command_of"]

_BEHAVIOR = {Again.NONE: "none", Again.FAILED: "failed", Again.ALL: "completed"}


def command_of(plan: Plan, fill: Fill) -> HostCommand:
    """The command for at least one time.

    Raises:
        RefusedError: Airflow does not allow such a backfill of this DAG.
    """
    _refuse_order(plan, fill)
    local = Calendar.of(plan.graph).local
    # Airflow includes both ends. It does not look at the start date of the DAG, so the ends are the
    # first and the last time instead of days.
    first, last = (local(fill.instants[end]).isoformat() for end in (0, -1))
    arguments = ["airflow", "backfill", "create", "--dag-id", plan.graph.name]
    arguments += ["--from-date", first, "--to-date", last]
    arguments += ["--reprocess-behavior", _BEHAVIOR[fill.again]]
    # Without it, Airflow takes 10.
    arguments += ["--max-active-runs", str(fill.max_active)]
    if fill.reverse:
        arguments.append("--run-backwards")
    if fill.inputs:
        conf = {name: jsonable(value) for name, value in fill.inputs.items()}
        arguments += ["--dag-run-conf", json.dumps(conf)]
    if fill.dry_run:
        arguments.append("--dry-run")
    return HostCommand(arguments, _elsewhere())


def _refuse_order(plan: Plan, fill: Fill) -> None:
    """Refuse what Airflow does not allow if a task depends on the one in the run before."""
    if fill.reverse:
        why, hint = "cannot begin with the last time", "remove --reverse"
    elif fill.again is Again.NONE:
        why, hint = "fills past times only with --again failed or all", None
    else:
        return
    refuse(
        "airflow",
        [
            plan.graph.diagnostic(
                "refused",
                f"Airflow {why} if a task depends on past runs, as {spec.name} does",
                at=node,
                hint=hint,
            )
            for node, spec in zip(plan.graph.nodes, plan.specs, strict=True)
            if spec is not None
            and (
                spec.event_class.airflow.get("depends_on_past")
                or spec.event_class.airflow.get("wait_for_downstream")
            )
        ],
    )


def _elsewhere() -> str | None:
    """Why the command cannot be started on this machine; None if it can."""
    try:
        require_home()
    except BackendError as error:
        return str(error)
    if shutil.which("airflow") is None:
        return "there is no command `airflow` on this machine"
    return None
