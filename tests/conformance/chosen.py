"""Cases that also run in other ways and on real servers: a few of each kind, as they are slow."""

from __future__ import annotations

from collections.abc import Collection

from volnux.backends import get_backend
from volnux.events.link import Plan
from volnux.testing import Case, all_cases

_NAMES = (
    "any_of_groups",
    "any_with_skipped_branch",
    "branch_custom_to_zero",
    "catch_first_of_two",
    "catch_nested",
    "catch_never_started_in_a_catch",
    "class_says_any",
    "condition_second",
    "continue_in_a_group",
    "continue_in_a_handler",
    "continue_without_zero_branch",
    "deep_mix",
    "end_goto",
    "end_raised",
    "factor_on_a_group",
    "inputs_of_every_type",
    "knows_its_place",
    "pair_custom_repeated",
    "pair_piped_branch_stop",
    "pipe_into_nested_heads",
    "places_in_branches",
    "retry_until_not_covered",
    "stop_above_a_catch",
    "table_07",
    "table_16",
)

CHOSEN: tuple[Case, ...] = tuple(case for case in all_cases() if case.name in _NAMES)
"""Twenty-five cases."""

_REPEATED = (
    "again_in_a_nested_each",
    "again_nested",
    "again_not_needed",
    "again_used_up",
    "each_any",
    "each_at_once_in_each_copy",
    "each_branch_inside",
    "each_catch_inside",
    "each_continue_inside",
    "each_empty",
    "each_error_in_a_copy",
    "each_error_is_caught",
    "each_factor",
    "each_fail_inside",
    "each_in_a_branch_not_taken",
    "each_in_an_input",
    "each_nested_handled",
    "each_nested_lengths",
    "each_never_started",
    "each_unhandled_descriptor",
)

REPEATED: tuple[Case, ...] = tuple(case for case in all_cases() if case.name in _REPEATED)
"""Twenty cases with `each` and `again`."""

_USED = (
    "use_again_inside_again",
    "use_any_by_class",
    "use_arguments_through_two_levels",
    "use_branches_in_two_uses",
    "use_continue",
    "use_each_inside_with_the_same_name",
    "use_fail_inside",
    "use_two_files_of_one_name",
)

USED: tuple[Case, ...] = tuple(case for case in all_cases() if case.name in _USED)
"""Eight cases with used files."""

assert len(CHOSEN) == len(_NAMES) == 25
assert len(REPEATED) == len(_REPEATED) == 20
assert len(USED) == len(_USED) == 8


def handled_in(case: Case, plan: Plan) -> set[str]:
    """The places of a case whose failure is handled in the flow."""
    report = get_backend("standalone").run(plan, plan.bind(dict(case.inputs)))
    return {place for place, item in report.places.items() if item.handled}


def shown_on_prefect(case: Case, handled: Collection[str]) -> dict[str, tuple[str, str, int]]:
    """The task runs that a case has on Prefect: types and names of their states, run counts.

    Args:
        case: the case.
        handled: the places whose failure is handled in the flow.
    """
    found = {}
    for name, place in case.expected.places.items():
        if place.state == "skipped":
            found[name] = ("CANCELLED", "Skipped", 0)
        elif place.descriptor == 0 and place.attempts:
            state = ("COMPLETED", "Handled") if name in handled else ("FAILED", "Failed")
            found[name] = (*state, place.attempts)
        elif place.attempts:
            outcome = "Completed" if place.descriptor == 1 else f"Outcome {place.descriptor}"
            found[name] = ("COMPLETED", outcome, place.attempts)
    return found
