"""Values that leave their process: what is passed on as JSON, and what is refused."""

import pytest

from volnux.backends import RunOptions, get_backend
from volnux.loading import load_plan
from volnux.testing import all_cases, run_case

VALUES = [case for case in all_cases() if any(name.startswith("value-") for name in case.shows)]

EVENTS = """\
from volnux import event


class Connection:
    pass


@event
def Open():
    return True, {"to": [1, Connection()]}


@event
def Use(previous_result):
    return True, type(previous_result["to"][1]).__name__


@event
def Tell(previous_result):
    return True, str(previous_result)
"""


def test_there_are_cases():
    assert len(VALUES) >= 50


@pytest.mark.parametrize("case", VALUES, ids=str)
def test_a_case_means_the_same_if_results_are_passed_as_json(case, own_folder):
    options = RunOptions(portable=True)
    assert run_case(case, get_backend("standalone"), own_folder / case.name, options=options) == []


def run(backend, folder, *, portable):
    (folder / "flow.pty").write_text("Open (0 |-> Tell, 1 |-> Use)\n")
    (folder / "flow_events.py").write_text(EVENTS)
    plan = load_plan(folder / "flow.pty")
    return backend.run(plan, plan.bind({}), RunOptions(portable=portable)).places


def test_a_result_of_an_unknown_class_cannot_leave_its_process(backend, own_folder):
    places = run(backend, own_folder, portable=True)
    assert places["Tell"].result.startswith(
        "volnux.NotPortableError: the result of Open['to'][1] is of type flow_events.Connection"
    )
    assert str(places["Use"].state) == "skipped"


@pytest.mark.parametrize("portable", [False, True])
def test_classes_of_one_name_in_two_folders_are_not_mixed_up(portable, own_folder):
    """Annotations in a folder's module mean the classes of that folder, in any order of runs."""
    cases = [case for case in VALUES if case.name in ("value_dataclass", "takes_a_dataclass")]
    options = RunOptions(portable=portable)
    for number in range(2):
        for case in cases:
            folder = own_folder / f"{case.name}_{number}"
            assert run_case(case, get_backend("standalone"), folder, options=options) == []


def test_in_memory_it_can_be_passed_on(own_folder):
    places = run(get_backend("standalone"), own_folder, portable=False)
    assert places["Use"].result == "Connection"
