"""The cases that every backend must get exactly right, by the state machine alone.

`Bad` fails, `Boom` raises, `Three` finishes with 3, all others succeed. `d` is done, `d0` a failure
that was handled, `s` skipped, `f` failed, `x` failed without having run.
"""

import pytest

from tests.unit.graph.running import BOOM, run
from volnux.graph import Failure

ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"

CASES = [
    # A branch on an event, and the sink after it.
    (1, "Bad (0 -> B, 1 -> C) -> F", "Bad d0, B d, C s, F d", "success"),
    (2, "Ok (0 -> B, 1 -> C) -> F", "Ok d, B s, C d, F d", "success"),
    (3, "Three (0 -> B, 1 -> C, 3 -> D) -> F", "Three d3, B s, C s, D d, F d", "success"),
    (4, "Ok (0 -> B) -> D", "Ok d, B s, D d", "success"),
    (5, "Bad (1 -> B) -> F", "Bad f, B x, F x", "failed"),
    (6, "Boom -> Ok (0 -> B, 1 -> C) -> F", "Boom f, Ok x, B x, C x, F x", "failed"),
    (
        7,
        "Ok (0 -> P (0 -> Q, 1 -> R) -> S, 1 -> C) -> F",
        "Ok d, P s, Q s, R s, S s, C d, F d",
        "success",
    ),
    (8, "Ok (1 -> B || Bad) -> F", "Ok d, B d, Bad f, F x", "failed"),
    (9, "Bad (0 -> Boom, 1 -> C) -> F", "Bad d0, Boom f, C s, F x", "failed"),
    (10, "Three (0 -> B, 1 -> C) -> F", "Three d0, B d, C s, F d", "success"),
    (11, "Three -> F", "Three f, F x", "failed"),
    # Groups for which one arm is enough.
    (12, f"{{Bad || Ok}}{ANY} -> F", "Bad f, Ok d, F d", "success"),
    (13, f"{{Bad || Boom}}{ANY} -> F", "Bad f, Boom f, F x", "failed"),
    (
        14,
        f"Ok (0 -> {{B || C}}{ANY}, 1 -> D) -> F",
        "Ok d, B s, C s, D d, F d",
        "success",
    ),
    (15, f"{{Bad || Ok}}{ANY}", "Bad f, Ok d", "success"),
    (16, f"{{Bad (0 -> Boom) || Ok}}{ANY} -> F", "Bad d0, Boom f, Ok d, F d", "success"),
    # A branch on a group.
    (
        17,
        "{A -> Boom -> C} (0 -> H, 1 -> S) -> F",
        "A d, Boom f, C x, H d, S s, F d",
        "success",
    ),
    (18, "Boom -> {A -> B} (0 -> H) -> F", "Boom f, A x, B x, H x, F x", "failed"),
    (19, "{A || Bad} (0 |-> H)", "A d, Bad f, H d", "success"),
    # Retry, pipes, names.
    (20, "Boom * 3 (0 |-> H)", "Boom d0, H d", "success"),
    (21, "A || B |-> C", "A d, B d, C d", "success"),
    (22, "Bad (0 -> B, 1 -> C) |-> D", "Bad d0, B d, C s, D d", "success"),
    (23, "A -> A -> A", "A d, A__2 d, A__3 d", "success"),
    (24, "@on-failure: continue\nBad -> B -> Boom", "Bad d0, B d, Boom f", "failed"),
]

# What places receive, where a case is about that.
RECEIVED = {
    19: {"H": "bad"},
    20: {"H": BOOM},
    21: {"C": ["a", "b"]},
    22: {"B": None, "D": "b"},
}


@pytest.mark.parametrize(("number", "flow", "places", "status"), CASES)
@pytest.mark.parametrize("last_first", [False, True])
def test_case(number, flow, places, status, last_first):
    ran = run(flow, last_first=last_first)
    assert (ran.places, ran.status) == (places, status)
    for place, value in RECEIVED.get(number, {}).items():
        assert ran.received[place] == value


def test_all_cases_are_here():
    assert [number for number, *_ in CASES] == list(range(1, 25))


def test_the_failure_of_a_descriptor_without_a_branch_says_which_have_one():
    failure = run("Three (0 -> B, 1 -> C) -> F").result_of("Three")
    assert isinstance(failure, Failure)
    assert failure.message == (
        "Three finished with descriptor 3, which has no branch (descriptors with a branch: 0, 1)"
    )
