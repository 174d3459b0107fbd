"""Every case, and random programs, on every backend.

Which programs were run is printed. A failure names the seed of its program and the smallest program
that shows the difference: `volnux conformance --backend NAME --programs 1 --seed SEED` runs it.
"""

import os

import pytest

from volnux.backends import RunOptions
from volnux.testing import GapKind, all_cases, run_case
from volnux.testing.conformance import check_program

PROGRAMS = int(os.environ.get("VOLNUX_PROGRAMS", "0"))
SEED = int(os.environ.get("VOLNUX_SEED", "1"))
BATCHES = 20

COUNTS = {"standalone": 200, "tiny": 60, "airflow": 20, "prefect": 20}
"""How many random programs a run has on a backend, where nothing else is said."""


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_a_case(backend, case, own_folder):
    known = backend.gaps.get(case.name)
    found = run_case(case, backend, own_folder / case.name)
    if known is None:
        assert not found, "\n".join([case.about, case.text, *found])
    elif found:
        pytest.xfail(str(known))
    elif known.always:
        pytest.fail(f"{case.name} is right now on {backend.name}: take its gap away")


def test_nothing_is_left_to_be_done(backend):
    gaps = backend.gaps
    assert [case for case, gap in gaps.items() if gap.kind is GapKind.NOT_DONE] == []
    assert set(gaps) <= {case.name for case in all_cases()}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs(backend, batch, own_folder):
    count = PROGRAMS or COUNTS.get(backend.name, 100)
    seeds = range(SEED + batch, SEED + count, BATCHES)
    for seed in seeds:
        # Whether results leave the process as JSON changes nothing.
        options = RunOptions(portable=seed % 3 == 0)
        found = check_program(seed, backend, own_folder, options=options)
        assert found is None, str(found)
    print(f"{len(seeds)} programs: VOLNUX_SEED={SEED} VOLNUX_PROGRAMS={count}")  # noqa: T201 - shown with `pytest -s`
