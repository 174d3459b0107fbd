"""What is known not to be right, by backend and case: of three kinds, each with a reason.

There is nothing of the kind `not_done` here, and `test_suite.py` holds us to that. A case that
comes out right although it stands here fails, so that its mark is taken away.
"""

from __future__ import annotations

from volnux.testing import Gap, not_in_host

_ONE_AT_A_TIME = not_in_host(
    "dag.test() runs one task after the other; a scheduler runs what is ready at once"
)
GAPS: dict[tuple[str, str], Gap] = {
    ("airflow", "parallel_at_once"): _ONE_AT_A_TIME,
    ("airflow", "stop_while_others_run"): _ONE_AT_A_TIME,
}


def gap(backend: str, case: str) -> Gap | None:
    """The gap of a backend in a case, if one is known."""
    return GAPS.get((backend, case))
