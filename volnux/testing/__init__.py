"""Tests for pipelines, and tests for a backend: cases and random programs.

`run` runs a pipeline with stubs in place of some events.

`run_case` runs a case on a backend and returns the differences from the expected result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux.backends.gaps import Gap, GapKind, never, not_done, not_in_host
    from volnux.testing.cases import Case, Expected, ExpectedPlace, all_cases, load_case
    from volnux.testing.comparing import differences
    from volnux.testing.making import programs, random_program
    from volnux.testing.predicting import case_of, random_case_program
    from volnux.testing.programs import Program
    from volnux.testing.rendering import render
    from volnux.testing.running import report_of_case, run_case
    from volnux.testing.scripts import CaseError, EventScript, PlaceScript
    from volnux.testing.shrinking import shrink
    from volnux.testing.stubs import StubError, run
    from volnux.testing.writing import write_case

__all__ = [
    "Case",
    "CaseError",
    "EventScript",
    "Expected",
    "ExpectedPlace",
    "Gap",
    "GapKind",
    "PlaceScript",
    "Program",
    "StubError",
    "all_cases",
    "case_of",
    "differences",
    "load_case",
    "never",
    "not_done",
    "not_in_host",
    "programs",
    "random_case_program",
    "random_program",
    "render",
    "report_of_case",
    "run",
    "run_case",
    "shrink",
    "write_case",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.backends.gaps": ("Gap", "GapKind", "never", "not_done", "not_in_host"),
        "volnux.testing.cases": ("Case", "Expected", "ExpectedPlace", "all_cases", "load_case"),
        "volnux.testing.comparing": ("differences",),
        "volnux.testing.making": ("programs", "random_program"),
        "volnux.testing.predicting": ("case_of", "random_case_program"),
        "volnux.testing.programs": ("Program",),
        "volnux.testing.rendering": ("render",),
        "volnux.testing.running": ("report_of_case", "run_case"),
        "volnux.testing.scripts": ("CaseError", "EventScript", "PlaceScript"),
        "volnux.testing.shrinking": ("shrink",),
        "volnux.testing.stubs": ("StubError", "run"),
        "volnux.testing.writing": ("write_case",),
    },
)
