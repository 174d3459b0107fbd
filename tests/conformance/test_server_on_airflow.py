"""Chosen cases on a real scheduler with workers: the whole report, read through Airflow's API."""

import shutil

import pytest

from tests.conformance.chosen import CHOSEN, REPEATED, USED
from volnux.loading import load_plan
from volnux.testing import all_cases, differences, write_case

PARTS = tuple(
    case
    for case in all_cases()
    if case.name
    in (
        "each_batch",
        "task_of_arms",
        "task_with_branches",
        "task_with_each_inside",
        "use_task_with_arguments",
    )
)
"""Cases of which a part runs in one task."""

_ENOUGH_ELSEWHERE = {
    # Cases like these are in the table that tests/integration/airflow/test_server.py runs.
    "branch_custom_to_zero",
    "catch_first_of_two",
    "condition_second",
    "end_raised",
    "pair_custom_repeated",
    "pipe_into_nested_heads",
    "places_in_branches",
    "table_07",
    "table_16",
    # They run by `dag.test()`, and differ from the others only in what a task does.
    "any_of_groups",
    "class_says_any",
    "continue_in_a_group",
    "end_goto",
    "factor_on_a_group",
    "pair_piped_branch_stop",
    "use_any_by_class",
    "use_branches_in_two_uses",
    "use_continue",
    "use_fail_inside",
    # The scheduler sees only a mapped task, as in other cases.
    "each_at_once_in_each_copy",
    "each_branch_inside",
    "each_catch_inside",
    "each_error_in_a_copy",
    "each_fail_inside",
    "each_nested_handled",
    "each_nested_lengths",
    "again_not_needed",
    "again_used_up",
    "each_never_started",
    "each_unhandled_descriptor",
}

GROUPS = {
    name: [case for case in cases if case.name not in _ENOUGH_ELSEWHERE]
    for name, cases in (
        ("plain", CHOSEN),
        ("repeated", REPEATED),
        ("parts", PARTS),
        ("used", USED),
    )
}
RUN = [case for cases in GROUPS.values() for case in cases]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(request):
    """A server that has the cases in a bundle of their own."""
    from tests.integration.airflow.server import LOADER, started

    running = started(request.session)
    folder = folder_of(running)
    for case in RUN:
        write_case(case, folder / case.name)
    (folder / "pty_dags.py").write_text(LOADER)
    names = {case.name for case in RUN}
    running.until("all DAGs are there", lambda: names <= running.dag_ids())
    yield running
    for part in folder.iterdir():
        shutil.rmtree(part) if part.is_dir() else part.unlink()


def folder_of(server):
    """The folder of that bundle."""
    return server.home / "conformance"


def report_of_run(server, plan, dag, run, inputs):
    """The report of a run, from Airflow's API."""
    from volnux_airflow.codec import codec_of
    from volnux_airflow.instances import Instances
    from volnux_airflow.report import report_of

    status = server.ended(dag, run, seconds=300)
    tasks = server.tasks(dag, run)
    instances = Instances.of(
        codec_of(run, plan.visible),
        lambda task, key: server.xcom(dag, run, task, key),
        states={task: item["state"] for task, item in tasks.items()},
        tries={task: item["try_number"] for task, item in tasks.items()},
        first_tries={},
    )
    return report_of(
        plan,
        instances,
        run_id=run,
        succeeded=status == "success",
        inputs=inputs,
        started_at=None,
        ended_at=None,
    )


@pytest.mark.parametrize("cases", GROUPS.values(), ids=GROUPS)
def test_chosen_cases(server, cases):
    wrong = {}
    waiting = list(cases)
    while waiting:
        # A few at a time: SQLite does not like more.
        some, waiting = waiting[:5], waiting[5:]
        runs = [(case, server.trigger(case.name, case.inputs)) for case in some]
        for case, run in runs:
            plan = load_plan(folder_of(server) / case.name / f"{case.name}.pty")
            report = report_of_run(server, plan, case.name, run, case.inputs)
            found = differences(case.expected, report)
            if found:
                wrong[case.name] = found
    assert wrong == {}
