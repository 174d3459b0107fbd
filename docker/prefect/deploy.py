"""Deploy every pipeline of a folder, and create automations for flow runs that were lost.

This runs in the service `deploy`. Pipelines are copied to the volume that the workers read. If the
process of a flow run is lost, with or without its worker, the flow run is marked as crashed after a
while. If it has the tag `restart-when-lost`, it is scheduled again.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

PIPELINES = Path("/opt/prefect/pipelines")
FLOWS = Path("/opt/prefect/flows")
POOL = os.environ.get("PREFECT_POOL", "default")
LOST_AFTER = timedelta(seconds=float(os.environ.get("PREFECT_LOST_AFTER", "90")))
START_WITHIN = timedelta(seconds=float(os.environ.get("PREFECT_START_WITHIN", "600")))

FLOW_RUNS = ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]})
STARTING = {f"prefect.flow-run.{state}" for state in ("Pending", "Submitting")}
RUNNING = "prefect.flow-run.Running"
HEARTBEAT = "prefect.flow-run.heartbeat"
ENDS = {
    f"prefect.flow-run.{state}"
    for state in (
        "Completed",
        "Failed",
        "Cancelled",
        "Crashed",
        "Paused",
        "Suspended",
        "AwaitingRetry",
    )
}


def main() -> None:
    """Copy the pipelines, write missing files, and deploy."""
    shutil.copytree(PIPELINES, FLOWS, dirs_exist_ok=True, ignore=not_to_copy)
    call("volnux", "prefect", "init", ".", "--work-pool", POOL)
    call("prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite")
    for automation in automations():
        replace(automation)
    call("prefect", "deploy", "--all", "--no-prompt")


def not_to_copy(folder: str, names: list[str]) -> set[str]:
    """What cannot be copied: pipes, broken links, and links to a parent folder."""
    around = {Path(folder).resolve(), *(parent.resolve() for parent in Path(folder).parents)}
    paths = [Path(folder, name) for name in names]
    return {
        path.name
        for path in paths
        if not (path.is_file() or path.is_dir()) or (path.is_symlink() and path.resolve() in around)
    }


def automations() -> list[Automation]:
    """The automations for flow runs that were lost."""
    return [
        # Not only after heartbeats: a process may be lost before its first one has arrived.
        lost("Lost flow runs are crashed", {RUNNING, HEARTBEAT}, {HEARTBEAT}, LOST_AFTER),
        lost(
            "Flow runs that do not start are crashed", STARTING, STARTING | {RUNNING}, START_WITHIN
        ),
        Automation(
            name="Crashed flow runs with the tag restart-when-lost run again",
            trigger=EventTrigger(
                expect={"prefect.flow-run.Crashed"},
                match=FLOW_RUNS,
                match_related=ResourceSpecification(
                    {
                        "prefect.resource.id": ["prefect.tag.restart-when-lost"],
                        "prefect.resource.role": ["tag"],
                    }
                ),
                for_each={"prefect.resource.id"},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED,
                    name="AwaitingRetry",
                    message="Runs again from the beginning, because it was lost.",
                )
            ],
        ),
    ]


def lost(name: str, after: set[str], expected: set[str], within: timedelta) -> Automation:
    """An automation that crashes flow runs of deployments if they send no sign of life in time.

    Args:
        name: the name of the automation.
        after: the events after which a sign of life is expected.
        expected: the events that count as a sign of life, in addition to those of an end.
        within: the time limit.
    """
    return Automation(
        name=name,
        trigger=EventTrigger(
            after=after,
            expect=expected | ENDS,
            match=FLOW_RUNS,
            # A flow run without a deployment was started by hand, and may not send heartbeats.
            match_related=ResourceSpecification(
                {
                    "prefect.resource.id": ["prefect.deployment.*"],
                    "prefect.resource.role": ["deployment"],
                }
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=within,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="No sign of life: the process or the machine that ran it was lost.",
            )
        ],
    )


def replace(automation: Automation) -> None:
    """Create an automation, replacing one with the same name."""
    with contextlib.suppress(ValueError):  # it does not exist
        Automation.read(name=automation.name).delete()  # type: ignore[attr-defined]  # typed as async in its overloads
    automation.create()


def call(*command: str) -> None:
    """Run a command in the folder of the flows. If it fails, this program fails too."""
    done = subprocess.run(command, cwd=FLOWS, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
