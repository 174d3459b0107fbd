"""The cases that every backend must get exactly right, as data.

`Ok` succeeds, `Bad` returns a failure, `Boom` raises, `Three` finishes with 3; all other events
succeed and return what they received, or their own name in lower case if they received nothing.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ATTEMPTS", "CASES", "EVENTS", "RECEIVED", "Case"]

ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"


class Case(NamedTuple):
    """One case.

    Attributes:
        number: its number in the table of cases.
        text: the Pointy text.
        places: for each place, in reading order, its state (`d` done, `s` skipped, `f` failed with
            an attempt, `x` failed with none) and its descriptor.
        status: how the run ends.
    """

    number: int
    text: str
    places: dict[str, tuple[str, int | None]]
    status: str


def _case(number: int, text: str, places: str, status: str) -> Case:
    """A case from `A d, Bad d0, Three d3, C s, Boom f, D x`."""
    read: dict[str, tuple[str, int | None]] = {}
    for item in places.split(", "):
        place, mark = item.split()
        descriptor = {"d": 1, "f": 0}.get(mark[0])
        read[place] = (mark[0], int(mark[1:]) if mark[1:] else descriptor)
    return Case(number, text, read, status)


CASES = [
    _case(1, "Bad (0 -> B, 1 -> C) -> F", "Bad d0, B d, C s, F d", "success"),
    _case(2, "Ok (0 -> B, 1 -> C) -> F", "Ok d, B s, C d, F d", "success"),
    _case(3, "Three (0 -> B, 1 -> C, 3 -> D) -> F", "Three d3, B s, C s, D d, F d", "success"),
    _case(4, "Ok (0 -> B) -> D", "Ok d, B s, D d", "success"),
    _case(5, "Bad (1 -> B) -> F", "Bad f, B x, F x", "failed"),
    _case(6, "Boom -> Ok (0 -> B, 1 -> C) -> F", "Boom f, Ok x, B x, C x, F x", "failed"),
    _case(
        7,
        "Ok (0 -> P (0 -> Q, 1 -> R) -> S, 1 -> C) -> F",
        "Ok d, P s, Q s, R s, S s, C d, F d",
        "success",
    ),
    _case(8, "Ok (1 -> B || Bad) -> F", "Ok d, B d, Bad f, F x", "failed"),
    _case(9, "Bad (0 -> Boom, 1 -> C) -> F", "Bad d0, Boom f, C s, F x", "failed"),
    _case(10, "Three (0 -> B, 1 -> C) -> F", "Three d0, B d, C s, F d", "success"),
    _case(11, "Three -> F", "Three f, F x", "failed"),
    _case(12, f"{{Bad || Ok}}{ANY} -> F", "Bad f, Ok d, F d", "success"),
    _case(13, f"{{Bad || Boom}}{ANY} -> F", "Bad f, Boom f, F x", "failed"),
    _case(14, f"Ok (0 -> {{B || C}}{ANY}, 1 -> D) -> F", "Ok d, B s, C s, D d, F d", "success"),
    _case(15, f"{{Bad || Ok}}{ANY}", "Bad f, Ok d", "success"),
    _case(16, f"{{Bad (0 -> Boom) || Ok}}{ANY} -> F", "Bad d0, Boom f, Ok d, F d", "success"),
    _case(
        17, "{A -> Boom -> C} (0 -> H, 1 -> S) -> F", "A d, Boom f, C x, H d, S s, F d", "success"
    ),
    _case(18, "Boom -> {A -> B} (0 -> H) -> F", "Boom f, A x, B x, H x, F x", "failed"),
    _case(19, "{A || Bad} (0 |-> H)", "A d, Bad f, H d", "success"),
    _case(20, "Boom * 3 (0 |-> H)", "Boom d0, H d", "success"),
    _case(21, "A || B |-> C", "A d, B d, C d", "success"),
    _case(22, "Bad (0 -> B, 1 -> C) |-> D", "Bad d0, B d, C s, D d", "success"),
    _case(23, "A -> A -> A", "A d, A__2 d, A__3 d", "success"),
    _case(24, "@on-failure: continue\nBad -> B -> Boom", "Bad d0, B d, Boom f", "failed"),
]

RECEIVED = {19: ("H", "no"), 20: ("H", "ValueError"), 21: ("C", ["a", "b"]), 22: ("D", "b")}
"""By case, a place and what it receives; of a `Failure`, its type."""

ATTEMPTS = {20: {"Boom": 3}}
"""By case, the attempts of a place where they are not one for each that ran."""

EVENTS = '''\
"""The events of the cases."""

from volnux import event


@event
def Ok():
    return True, "fine"


@event
def Bad():
    return False, "no"


@event
def Three():
    return 3, "three"


@event
def Boom():
    raise ValueError("no way")


def _plain(name):
    def plain(previous_result=None):
        return True, name.lower() if previous_result is None else previous_result

    plain.__name__ = plain.__qualname__ = name
    return event(plain)


A, B, C, D, F, H, P, Q, R, S = map(_plain, "ABCDFHPQRS")
'''
