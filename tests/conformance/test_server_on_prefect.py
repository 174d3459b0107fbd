"""Chosen cases as deployments that a worker runs, on a real server."""

import subprocess
import time

import pytest

from tests.conformance.chosen import CHOSEN, REPEATED, USED, handled_in, shown_on_prefect
from tests.integration.prefect.server import PREFECT, end, start, started, surroundings
from volnux.loading import load_plan
from volnux.testing import all_cases, write_case

WAITING = [case for case in all_cases() if case.name in ("waits_then_raises", "waits_in_a_process")]

RUN = [*[*CHOSEN, *REPEATED, *USED][::6], *WAITING]
"""Every sixth one. A flow run has a process of its own, which takes seconds to start."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def call(folder, *arguments):
    done = subprocess.run(
        [*PREFECT, *arguments],
        cwd=folder,
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """All these cases deployed from one folder, and a worker that runs them."""
    started()
    folder = tmp_path_factory.mktemp("deployed")
    entries = []
    for case in RUN:
        write_case(case, folder / case.name)
        # A file each: whoever wants one flow need not make all of them.
        (folder / f"{case.name}.py").write_text(
            "from volnux_prefect import load_flow\n\n"
            f'flow = load_flow("{case.name}/{case.name}.pty")\n'
        )
        entries.append(
            f"- name: {case.name}\n  entrypoint: {case.name}.py:flow\n"
            "  work_pool:\n    name: conformance\n"
        )
    pull = f"pull:\n- prefect.deployments.steps.set_working_directory:\n    directory: {folder}\n\n"
    text = f"name: conformance\n\n{pull}deployments:\n{''.join(entries)}"
    (folder / "prefect.yaml").write_text(text)
    call(folder, "work-pool", "create", "conformance", "--type", "process", "--overwrite")
    call(folder, "deploy", "--all", "--no-prompt")
    worker = start(
        *("worker", "start", "--pool", "conformance", "--limit", "3"),
        output=folder / "worker.log",
        cwd=folder,
        env=surroundings(),
    )
    yield folder
    end(worker)


def test_chosen_cases(deployed):
    from prefect.client.orchestration import get_client

    from tests.integration.prefect.states import task_runs, wait_for_flow_run

    wrong = {}
    with get_client(sync_client=True) as client:
        runs = []
        for case in RUN:
            deployment = client.read_deployment_by_name(f"{case.name}/{case.name}")
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters=dict(case.inputs)
            )
            runs.append((case, run.id))
        for case, run in runs:
            flow_run = wait_for_flow_run(run, seconds=600)
            plan = load_plan(deployed / case.name / f"{case.name}.pty")
            wanted = shown_on_prefect(case, handled_in(case, plan))
            found = {}
            until = time.monotonic() + 60
            while found != wanted and time.monotonic() < until:
                found = {
                    name: (
                        each.state.type.value,
                        each.state.name,
                        0 if each.state.name == "Skipped" else each.run_count,
                    )
                    for name, each in task_runs(run, wanted).items()
                }
            status = "success" if flow_run.state.is_completed() else "failed"
            if (status, found) != (case.expected.status, wanted):
                wrong[case.name] = (status, found, case.expected.status, wanted)
    assert wrong == {}
