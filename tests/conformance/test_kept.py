"""What a store keeps of a run is what its report says, on every backend."""

import os

import pytest

from volnux.backends import RunOptions
from volnux.errors import VolnuxError
from volnux.loading import load_plan
from volnux.masking import hidden
from volnux.runs import Store, read_value
from volnux.runs.keeper import fingerprint_of
from volnux.testing import all_cases, report_of_case

ONE_OF = {"standalone": int(os.environ.get("VOLNUX_KEPT_CASES", "4"))}
"""One case of so many is run on a backend."""


def cases_of(backend):
    cases = [
        case
        for case in all_cases()
        if case.expected.status is not None and case.name not in backend.gaps
    ]
    return cases[:: ONE_OF.get(backend.name, 40)]


@pytest.mark.timeout(900)
def test_a_kept_run_is_what_its_report_says(backend, own_folder):
    store = Store("runs.db")
    for case in cases_of(backend):
        folder = own_folder / case.name
        options = RunOptions(store=store, run_id=f"kept-{case.name}")
        try:
            report = report_of_case(case, backend, folder, options=options)
        except VolnuxError:
            continue  # it is refused: that is the subject of another test
        plan = load_plan(folder / f"{case.name}.pty")
        kept = store.run(options.run_id)
        about = (case.name, case.text)
        assert (kept.status, kept.backend, kept.pipeline) == (
            report.status, backend.name, report.pipeline
        ), about  # fmt: skip
        assert kept.scheduled_at.timestamp() == report.scheduled_at.timestamp(), about
        assert str(kept.failure) == str(report.failure), about
        assert (kept.fingerprint, kept.source) == (fingerprint_of(plan), case.text), about
        found = {place.place: place for place in store.places(kept.id)}
        assert list(found) == list(report.places), about
        for place, expected in report.places.items():
            compare(found[place], expected, plan, (*about, place))


def compare(kept, expected, plan, about):
    names = "event", "state", "descriptor", "attempts", "received_from", "bypassed", "handled"
    assert [getattr(kept, name) for name in names] == [getattr(expected, name) for name in names], (
        about
    )
    assert str(kept.failure) == str(expected.failure), about
    # A host has its own idea of when a task began.
    for mine, theirs in ((kept.started, expected.started_at), (kept.ended, expected.ended_at)):
        assert (mine is None) == (theirs is None), about
        assert mine is None or abs((mine - theirs).total_seconds()) < 60, about
    ended = expected.descriptor is not None and expected.failure is None
    if ended and kept.unkept is None:
        assert same(read_value(kept.result, plan.visible), hidden(expected.result)), about


def same(first, second):
    return type(first) is type(second) and (first == second or repr(first) == repr(second))
