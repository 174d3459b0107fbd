"""What is known not to be right, by backend and case: of three kinds, each with a reason.

There is nothing of the kind `not_done` here, and `test_marks.py` holds us to that.
"""

from __future__ import annotations

from volnux.testing import Gap

GAPS: dict[tuple[str, str], Gap] = {}


def gap(backend: str, case: str) -> Gap | None:
    """The gap of a backend in a case, if one is known."""
    return GAPS.get((backend, case))
