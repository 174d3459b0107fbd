"""Deploy every pipeline of a folder, and tell Prefect what to do with flow runs that were lost.

Runs in the service `deploy`. Pipelines are copied to the volume that the workers read; a flow run
whose process is gone, with its worker or without, is marked as crashed after a while, and one that
has the tag `restart-when-lost` is scheduled again.
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
    """Copy, write what is missing, deploy."""
    shutil.copytree(PIPELINES, FLOWS, dirs_exist_ok=True, ignore=not_to_copy)
    call("volnux", "prefect", "init", ".", "--work-pool", POOL)
    call("prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite")
    for automation in automations():
        replace(automation)
    call("prefect", "deploy", "--all", "--no-prompt")


def not_to_copy(folder: str, names: list[str]) -> set[str]:
    """What cannot be copied: pipes, links to nothing, and links back to a folder around them."""
    around = {Path(folder).resolve(), *(parent.resolve() for parent in Path(folder).parents)}
    paths = [Path(folder, name) for name in names]
    return {
        path.name
        for path in paths
        if not (path.is_file() or path.is_dir()) or (path.is_symlink() and path.resolve() in around)
    }


def automations() -> list[Automation]:
    """What Prefect does by itself with flow runs that were lost."""
    return [
        # Not after heartbeats alone: a process may be lost before its first one has arrived.
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
                    message="Runs again, from its beginning, as it was lost.",
                )
            ],
        ),
    ]


def lost(name: str, after: set[str], expected: set[str], within: timedelta) -> Automation:
    """Crash the flow runs of deployments that give no sign of life in time.

    Args:
        name: of the automation.
        after: the events that a sign has to follow.
        expected: the events that are a sign, besides those of an end.
        within: the time until then.
    """
    return Automation(
        name=name,
        trigger=EventTrigger(
            after=after,
            expect=expected | ENDS,
            match=FLOW_RUNS,
            # A flow run without one is somebody's own process, and may send no heartbeats.
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
                message="No sign of life: the process or the machine that ran it is gone.",
            )
        ],
    )


def replace(automation: Automation) -> None:
    """Make an automation, in place of one of that name."""
    with contextlib.suppress(ValueError):  # there is none
        Automation.read(name=automation.name).delete()  # type: ignore[attr-defined]  # its overloads say that it is async
    automation.create()


def call(*command: str) -> None:
    """Run a command in the folder of the flows; its failure is that of this program."""
    done = subprocess.run(command, cwd=FLOWS, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
