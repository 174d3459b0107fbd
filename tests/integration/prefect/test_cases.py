"""The cases of every backend, as flow runs on a real server."""

import pytest

from tests.conformance.cases import ATTEMPTS, CASES, EVENTS, RECEIVED
from tests.integration.prefect.states import (
    expected_task_runs,
    flow_run_of,
    letters,
    task_runs,
    wait_for_flow_run,
    wait_for_states,
)
from volnux.graph import Failure


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}")
def test_a_case(run, case):
    report = run(case.text, EVENTS)
    places = {
        place: (letter, None if letter in "sx" else descriptor)
        for place, (letter, descriptor) in case.places.items()
    }
    assert letters(report) == places
    assert report.status == case.status
    assert report.backend == "prefect"
    for place, item in report.places.items():
        known = ATTEMPTS.get(case.number, {})
        assert item.attempts == known.get(place, 1 if case.places[place][0] in "df" else 0)
    if case.number in RECEIVED:
        place, wanted = RECEIVED[case.number]
        received = report.places[place].received
        assert (received.type if isinstance(received, Failure) else received) == wanted

    handled = [place for place, item in report.places.items() if item.handled]
    expected = expected_task_runs(case.places, handled)
    assert wait_for_states(flow_run_of(report), expected) == expected
    for place, item in task_runs(flow_run_of(report), expected).items():
        if item.state.name != "Skipped":
            assert item.run_count == report.places[place].attempts
    state = wait_for_flow_run(flow_run_of(report)).state
    assert state.type.value == ("COMPLETED" if case.status == "success" else "FAILED")
