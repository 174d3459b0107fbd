"""The random behaviour of the events of random programs."""

from __future__ import annotations

from collections.abc import Callable

from volnux.testing.programs import DEFAULT_ATTEMPTS, Script, in_round
from volnux.testing.typed import VALUES

__all__ = ["Scripting"]


class Scripting:
    """Draws scripts; the choice 0 is always the simplest, as shrinking requires.

    Args:
        below: draws a number below another one.
        stops: whether events may have `stop_on_exception`.
        repeats: whether results may be lists, for an `each`.
        types: whether results may be typed values, and what was piped.
        waits: whether events may say "not yet".
    """

    def __init__(
        self,
        below: Callable[[int], int],
        *,
        stops: bool,
        repeats: bool,
        types: bool,
        waits: bool,
    ) -> None:
        self.below = below
        self.stops = stops
        self.repeats = repeats
        self.types = types
        self.waits = waits

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def script(self, branches: list[int]) -> Script:
        descriptor = 1
        raising = 0
        kind = self.below(15)
        if kind in (9, 10):
            descriptor = 0
        elif kind in (6, 7, 8, 11, 12) and branches:
            descriptor = branches[self.below(len(branches))]
        elif kind == 13:
            descriptor = 2 + self.below(8)
        elif kind == 14:
            raising = 1 + self.below(2 * DEFAULT_ATTEMPTS)
            descriptor = self.below(2)
        polls: tuple[int, ...] = ()
        if self.waits and self.chance(30):
            polls = tuple(self.below(3) for _ in range(1 + self.below(2)))
        silent, passes, value = self.chance(10), False, ""
        items = self.items() if self.repeats else ()
        if self.types and not silent:
            passes = self.chance(30)
            value = "" if passes or self.chance(50) else list(VALUES)[self.below(len(VALUES))]
        return Script(
            descriptor=descriptor,
            raising=raising,
            polls=polls if any(polls) else (),
            silent=silent,
            items=() if passes or value else items,
            value=value,
            passes=passes,
            delay=1 + self.below(9),
            stop_on_exception=self.stops and (raising > 0 or any(polls)) and self.chance(40),
        )

    def items(self) -> tuple[int, ...]:
        """The lengths of the lists in a result; mostly a list, so that there is something to do."""
        kind = self.below(12)
        if kind < 1:
            return ()
        return tuple((2, 2, 1, 3, 2, 0, 4)[self.below(7)] for _ in range(1 + (kind > 6)))

    def others(self, eaches: int, again: tuple[int, ...]) -> tuple[tuple[str, Script], ...]:
        """The scripts of some rounds and copies of an event."""
        found = {}
        if eaches or again:
            for _ in range(self.below(4)):
                rounds = tuple(1 + self.below(most) for most in again)
                copies = [self.below(3) for _ in range(eaches)]
                key = in_round("", rounds)
                if copies and self.chance(80):
                    key += "".join(f"[{number}]" for number in copies)
                if key:
                    found[key] = self.script([])
        return tuple(found.items())
