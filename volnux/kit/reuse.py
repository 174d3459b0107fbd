"""Which places of a resumed run keep the outcome that they had before.

A place keeps its outcome if it was done, its way in the flow is the same, it is given the same as
before, and nothing before it is newer. Everything else runs.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from volnux.events.outcome import Call, Outcome
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, State
from volnux.graph.parts import Kind
from volnux.graph.places import names_of, place_name, template_of

if TYPE_CHECKING:
    from volnux.backends.port import RunOptions
    from volnux.events.link import Plan
    from volnux.events.spec import EventSpec
    from volnux.graph.execution import Execution
    from volnux.hooks import Hooks
    from volnux.kit.calls import Calls
    from volnux.kit.notes import Notes
    from volnux.runs.model import KeptPlace

__all__ = ["Earlier", "EarlierRun", "Reuse"]

_log = logging.getLogger(__name__)


class EarlierRun(NamedTuple):
    """One earlier run.

    Attributes:
        places: what is known of its places, by place.
        anew: the places that it had to run anew, if it resumed another run itself.
        changed: the places that the present text of the flow reaches in another way.
    """

    places: Mapping[str, KeptPlace]
    anew: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Earlier:
    """What a resumed run knows of the earlier ones.

    Attributes:
        run_id: the id of the run that is resumed.
        runs: the run that is resumed, then the one that it resumed itself, and so on.
        given: returns the digest of what an event is given: see `KeptPlace.given`.
        anew: the places that must run anew with everything behind them.
    """

    run_id: str
    runs: Sequence[EarlierRun]
    given: Callable[[EventSpec, Call], str | None]
    anew: frozenset[str] = frozenset()

    def find(self, place: str) -> tuple[KeptPlace, int] | None:
        """What the latest run knows in which the place has begun; and the age of that outcome.

        The age is the number of the run in which the event really ran, counted from 1 for the
        latest. A failure that is the same in several runs has the age of the first of them.
        """
        names = frozenset(names_of(place))
        if names & self.anew:
            return None
        begun: list[tuple[KeptPlace, int]] = []
        template = template_of(place)
        for number, run in enumerate(self.runs, 1):
            kept = run.places.get(place)
            # An event that could not read what was piped to it has ended without an attempt.
            if kept is not None and (kept.attempts or kept.descriptor is not None):
                if template in run.changed:
                    break
                begun.append((kept, number))
            if names & run.anew:
                break
        found: list[tuple[KeptPlace, int]] = []
        for kept, number in reversed(begun):
            # A failed place that was under way again has no newer outcome.
            if not found or _has_ended(kept) or not _has_failed(found[-1][0]):
                found.append((kept, number))
        if not found:
            return None
        latest, age = found[-1]
        for (kept, _), (older, number) in pairwise(reversed(found)):
            if not (kept.reused or _same_failure(kept, older)):
                break
            age = number
        return latest, age


_NEVER: Final = 1 << 30
"""The age of a node that has no outcome of its own."""

_NOW: Final = 0
"""The age of an outcome of this run that differs from the earlier one."""


class Reuse:
    """Ends the places of a run that keep the outcome of an earlier one.

    A backend passes each list of ready places to `settle`, then calls `tell`.

    Args:
        plan: the plan of the run.
        execution: its state machine.
        calls: makes the arguments of its events.
        notes: its notes.
        options: its options. Without `earlier`, nothing is reused.

    Attributes:
        kept: the places that it has ended.
    """

    def __init__(
        self, plan: Plan, execution: Execution, calls: Calls, notes: Notes, options: RunOptions
    ) -> None:
        self._plan = plan
        self._execution = execution
        self._calls = calls
        self._notes = notes
        self._earlier = options.earlier
        if options.earlier is not None:
            notes.resumed_from = options.earlier.run_id
        self._results = options.results
        # The smallest age of a node and of everything before it.
        self._ages: dict[int, int] = {}
        self.kept: dict[str, KeptPlace] = {}
        self._untold: deque[tuple[EventSpec, Call, Outcome, KeptPlace]] = deque()

    def settle(self, ready: list[int]) -> list[int]:
        """End the ready places that keep their outcome, and those that become ready then.

        Returns:
            The places that have to run, in reading order.
        """
        if self._earlier is None:
            return ready
        run: list[int] = []
        waiting = deque(ready)
        while waiting:
            index = waiting.popleft()
            outcome = self._outcome(index)
            if outcome is None:
                run.append(index)
            else:
                waiting += self._execution.finish(index, outcome.descriptor, outcome.result)
        run.sort()
        return run

    def tell(self, hooks: Hooks) -> None:
        """Report the places that `settle` has ended. A lock of the run should not be held."""
        while self._untold:
            try:
                told = self._untold.popleft()
            except IndexError:
                break  # another thread was faster
            hooks.reused(*told)

    def _outcome(self, index: int) -> Outcome | None:
        """The outcome that a ready place keeps; None if it has to run."""
        assert self._earlier is not None
        execution, notes = self._execution, self._notes
        node = execution.nodes[index]
        place = execution.copies.place(index)
        found = self._earlier.find(place)
        if found is None:
            return None
        kept, age = found
        before = self._newest_before(index)
        if before < age or not self._is_done(index, kept):
            return None
        received = None if node.receives is None else execution.received(index)
        spec = self._plan.specs[execution.copies.node(index)]
        assert spec is not None
        call = self._calls.call(execution, index, 1, received)
        if kept.given is None or kept.given != self._earlier.given(spec, call):
            return None
        from volnux.runs.values import read_value

        try:
            result = kept.failure or read_value(kept.result or "null", self._plan.visible)
        except Exception as error:  # noqa: BLE001 - what reads an object is the user's code
            _log.warning("%s runs again, since its result cannot be read: %s", place, error)
            return None
        self._ages[index] = age
        if not self._results or (kept.failure is not None and not kept.failure.attempts):
            received = None  # as in a report of the earlier run
        notes.reuses(index, received, bypassed=kept.bypassed)
        outcome = Outcome(kept.descriptor or FAILURE, result, kept.attempts)
        self.kept[place] = kept
        self._untold.append((spec, call, outcome, kept))
        return outcome

    def _is_done(self, index: int, kept: KeptPlace) -> bool:
        """Whether a place was done, and would be done with the same descriptor now."""
        if kept.state is not State.DONE or kept.unkept is not None or kept.descriptor is None:
            return False
        taken = self._plan.graph.topology.taken[self._execution.copies.node(index)]
        return kept.descriptor == SUCCESS or kept.descriptor in taken

    def _newest_before(self, index: int) -> int:
        """The smallest age of everything before a node; `_NEVER` if nothing has one."""
        before = list(self._execution.copies.before(index))
        stack = list(before)
        while stack:
            current = stack[-1]
            if current in self._ages:
                stack.pop()
                continue
            own_before = list(self._execution.copies.before(current))
            missing = [each for each in own_before if each not in self._ages]
            if missing:
                stack += missing
                continue
            ages = (self._ages[each] for each in own_before)
            self._ages[current] = min(ages, default=_NEVER)
            self._ages[current] = min(self._ages[current], self._age(current))
        return min((self._ages[each] for each in before), default=_NEVER)

    def _age(self, index: int) -> int:
        """The age of a node that has ended and was not reused, without what is before it."""
        assert self._earlier is not None
        execution = self._execution
        kind = execution.nodes[index].kind
        if kind is Kind.GATHER:
            return _NOW if self._had_more_copies(index) else _NEVER
        if kind is not Kind.EVENT:
            return _NEVER
        found = self._earlier.find(execution.copies.place(index))
        if execution.descriptors[index] is None:
            return _NEVER if found is None or found[0].descriptor is None else _NOW
        if found is None:
            return _NOW
        kept, age = found
        return age if _fails_again(kept, execution, index) else _NOW

    def _had_more_copies(self, gather: int) -> bool:
        """Whether the `each` that ends with a gather had more copies in the earlier run."""
        assert self._earlier is not None
        copies, topology = self._execution.copies, self._plan.graph.topology
        nodes = self._plan.graph.nodes
        end = copies.node(gather)
        begin = next(n for n, each in copies.of_each.items() if each.gather == nodes[end].id)
        each = gather - end + begin
        first = next((n for n in range(begin, end) if nodes[n].kind is Kind.EVENT), None)
        if first is None:
            return False
        block = copies.blocks.get(each)
        count = 0 if block is None else len(block.items)
        inner = len(topology.around[first]) - len(topology.around[begin]) - 1
        index = (*copies.index(each), count, *(0,) * inner)
        return self._earlier.find(place_name(nodes[first].id, index)) is not None


def _has_ended(kept: KeptPlace) -> bool:
    # When a run is cut off, the places under way are failed or cancelled without a descriptor.
    return kept.descriptor is not None


def _has_failed(kept: KeptPlace) -> bool:
    return kept.state is State.FAILED and _has_ended(kept)


def _same_failure(one: KeptPlace, other: KeptPlace) -> bool:
    """Whether a place failed twice in the same way."""
    return (
        _has_failed(one)
        and _has_failed(other)
        and one.descriptor == other.descriptor
        and one.result == other.result
        and _said(one.failure) == _said(other.failure)
    )


def _fails_again(kept: KeptPlace, execution: Execution, index: int) -> bool:
    """Whether a place that has ended failed in the same way as before."""
    if not _has_failed(kept) or execution.states[index] is not State.FAILED:
        return False
    result = execution.results[index]
    if isinstance(result, Failure) or kept.failure is not None:
        return isinstance(result, Failure) and _said(kept.failure) == _said(result)
    from volnux.values import NotPortableError
    from volnux.values.codec import dumps

    try:
        return kept.unkept is None and (kept.result or "null") == dumps(result)
    except NotPortableError:
        return False


def _said(failure: Failure | None) -> tuple[str, str, int] | None:
    # Not the traceback: the lines of the code may have moved.
    return None if failure is None else (failure.type, failure.message, failure.attempts)
