"""How parts of a program end: what the naive evaluator computes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from volnux.testing.programs import Event

DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True)
class Raised:
    """The failure after the event of a place has raised an exception in its last attempt."""

    place: str


@dataclass(frozen=True)
class TooLate:
    """The failure of an event that said "not yet" once too often."""


@dataclass(frozen=True)
class NoBranch:
    """The failure of an event whose descriptor, 2 to 9, has no branch."""

    place: str


@dataclass(frozen=True)
class WrongType:
    """The failure of an event that cannot read what is piped to it."""


@dataclass(frozen=True)
class NoList:
    """The failure of an `each` that got something else than a list."""


@dataclass(frozen=True)
class Failed:
    """The failure of a `!` without a `0` branch around it."""

    message: str


NOTHING = object()


@dataclass
class Place:
    """How one place ended; or a `!`, or an `each` without a list, which are not places.

    `order` counts what ran, in reading order and copy by copy. `given` is what the event is given:
    the inputs, the items and its arguments. `opened` is when the copies around it were made.
    """

    id: str
    event: Event | None
    order: int = 0
    given: dict[str, Any] = field(default_factory=dict)
    opened: tuple[int, ...] = ()
    state: str | None = None
    attempts: int = 0
    polls: int = 0
    descriptor: int | None = None
    result: Any = None
    received: Any = None
    started: int = 0
    ended: int = 0
    stops: bool = False


@dataclass(frozen=True)
class End:
    """How a part of a flow ended: when, and with which result or failure.

    `fails` contains each `!` whose failure was not handled in this part, and each `each` without a
    list and without a place that would show its failure.
    """

    at: int
    result: Any = None
    failed_by: Place | None = None
    fails: tuple[Place, ...] = ()

    @property
    def done(self) -> bool:
        return self.failed_by is None


Spot = tuple[int, tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Around:
    """What a part inherits from its surroundings.

    `passes`: a failure that ends here is passed on (`continue`, and something comes next).
    `caught`: an enclosing group has a `0` branch. `retry`: the nearest factor around. `took`: the
    failure that the innermost `0` branch around took. `rounds` and `copies` are the numbers of the
    rounds and copies around, outermost first, `items` the items by name, and `opened` is when the
    copies were made. `inputs` are those of the current file by name, and `here` is the message of
    a `!` in it.
    """

    passes: bool = False
    caught: bool = False
    retry: int | None = None
    took: Any = NOTHING
    rounds: tuple[int, ...] = ()
    copies: tuple[int, ...] = ()
    items: tuple[tuple[str, Any], ...] = ()
    opened: tuple[int, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    here: str = ""

    def at(self, part: object) -> Spot:
        """A part of the program in the rounds and copies around it."""
        return id(part), self.rounds, self.copies


@dataclass
class Meaning:
    """The result of `evaluate`.

    `lists` are the lists of the units with `each` that began (None if there was none), and `rounds`
    what the groups with `again` received.
    """

    places: dict[str, Place]
    success: bool
    result: Any
    failure: Failed | NoList | None = None
    stopped: bool = False
    factors: dict[str, int | None] = field(default_factory=dict)
    lists: dict[Spot, list[Any] | None] = field(default_factory=dict)
    rounds: dict[Spot, Any] = field(default_factory=dict)


def duration(place: str, delay: int) -> int:
    """How long an event takes, with a little more so that no two ever end at the same time.

    That matters only where `stop_on_exception` ends the run.
    """
    return delay * 10**14 + int(hashlib.sha256(place.encode()).hexdigest()[:11], 16)


def stop(meaning: Meaning, by: Place, began: dict[Spot, int]) -> None:
    """End the run at the moment when `by` raised."""
    for place in list(meaning.places.values()):
        made = sum(moment < by.ended for moment in place.opened)
        if made < len(place.opened):
            # Its copies were not made.
            del meaning.places[place.id]
            id_ = "[".join(place.id.split("[")[: made + 1])
            meaning.places[id_] = Place(id_, place.event, state=FAILED)
            continue
        if place.ended < by.ended:
            continue
        place.state = FAILED
        if place is by:
            continue
        place.descriptor = place.result = None
        if place.attempts and place.started >= by.ended:
            place.attempts = place.polls = 0
            place.received = None
    for spot, moment in began.items():
        if moment >= by.ended:
            del meaning.lists[spot]
    meaning.success = False
    meaning.stopped = True
