"""The places of a flow that `volnux prefect flow` printed, and how they end."""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import cloudpickle

from volnux.errors import VolnuxError
from volnux.events.given import Given
from volnux.events.modules import at_home, home_of, module_of
from volnux.events.spec import EventSpec, spec_of
from volnux.events.visible import Visible
from volnux.graph.copies import Items
from volnux.graph.places import place_name
from volnux_prefect.endings import reason
from volnux_prefect.plain.names import (
    Input,
    Secret,
    Variable,
    argument_of,
    secrets_in,
    variables_in,
)
from volnux_prefect.plain.uses import Use
from volnux_prefect.serializer import know
from volnux_prefect.translate import task_of

__all__ = ["WITHIN", "Each", "Ended", "EventFailed", "Fail", "Place", "RunStopped", "Within"]

_ORDER = itertools.count(start=2, step=2)


@dataclass(frozen=True)
class Within:
    """The items around a piece of code.

    Attributes:
        numbers: their indices, starting with the outermost `each`.
        items: the names of the items, and the items.
        order: the position of the copy among all places of the run.
    """

    numbers: tuple[int, ...] = ()
    items: Items = ()
    order: tuple[int, ...] = ()


_NOTHING = Within()

WITHIN: contextvars.ContextVar[Within] = contextvars.ContextVar("volnux_within", default=_NOTHING)
"""The items around the code that runs. Each copy of a part has a context of its own."""


class Place:
    """An event at one place of a flow.

    Places are created in reading order. If several arms fail, the failure of the first one counts.

    Args:
        event: the event class or decorated function.
        name: its name in the flow; by default, the name of the event.
        number: its number among the places of this event. The id of number 2 ends with `__2`.
        rounds: the round of its group with `again`, that of the outermost group first. The id of
            round 2 ends with `.2`.
        attempts: the maximum number of attempts; by default, the event's retry policy applies.
        timeout: the seconds that one attempt may take; by default, the event's own timeout applies.
        every: the seconds between two calls after "not yet"; by default, the event's own.
        within: the seconds after which such an event has failed; by default, its own.
        executor: where it runs; by default, the event's own executor.
        branches: the descriptors after which the flow continues. Any other except 1 is a failure.
        tags: tags of its task runs.
        limits: tag concurrency limits, which the run creates. The place also has these tags.
        takes: the variables and secrets whose names are parameters of `process`.
        use: the use of another pipeline that it belongs to.
        receives: where its piped value comes from, as text for messages.

    Attributes:
        id: the name of its task runs, without the numbers of items.
        task: the Prefect task.
    """

    def __init__(
        self,
        event: Any,
        name: str | None = None,
        *,
        number: int = 1,
        rounds: Iterable[int] = (),
        attempts: int | None = None,
        timeout: float | None = None,
        every: float | None = None,
        within: float | None = None,
        executor: str | None = None,
        branches: Iterable[int] = (1,),
        tags: Iterable[str] = (),
        limits: dict[str, int] | None = None,
        takes: Iterable[Variable | Secret] = (),
        use: Use | None = None,
        receives: str = "the flow",
    ) -> None:
        name = name or event.__name__
        self.spec: EventSpec = spec_of(
            name,
            event,
            factor=attempts,
            executor=executor,
            timeout=timeout,
            every=every,
            within=within,
            home=home_of(module_of(event)),
        )
        own = name if number == 1 else f"{name}__{number}"
        prefix = () if use is None else (use.place,)
        self.id = ".".join([*prefix, own, *map(str, rounds)])
        self.branches = frozenset(branches)
        self.limits = limits or {}
        self._tags = frozenset({*tags, *self.limits})
        self._takes = tuple(takes)
        self._scope = None if use is None else use.scope
        self._source = receives
        self.order = next(_ORDER)
        self.given()
        visible = self.spec.visible
        know((self.spec.event_class, self.id), lambda: visible)

    @property
    def name(self) -> str:
        """The name of its task run: its id, and the indices of the items around it."""
        return place_name(self.id, WITHIN.get().numbers)

    def spec_in(self, visible: Visible, *, piped: bool) -> EventSpec:
        """The spec of the event in a run.

        Args:
            visible: the classes that all places of the run know.
            piped: whether a value is piped to it, which is read as `previous_result` declares.
        """
        visible.add(self.spec)
        made = self.spec.receives_from(self._source if piped else None).copy()
        made.visible = visible
        return made

    def given(self, /, **arguments: Any) -> Self:
        """Pass these arguments to the event in each run.

        Args:
            **arguments: JSON values. They may contain an `Input`, a `Variable` or a `Secret`.
        """
        told = tuple(argument_of(name, value) for name, value in arguments.items())
        named = [self._takes, *arguments.values()]
        taken = [each.name for each in self._takes]
        if self._scope is not None:
            taken += self._scope.late.intersection(self.spec.named)
        self.spec.given = Given.of(
            told,
            taken,
            {spec.name: spec for spec in variables_in(named)},
            secrets_in(named),
            self._scope,
        )
        self.task = task_of(self.spec, self._tags, self.id)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process may have to import the event from a folder that it does not know.
        with at_home(self.spec.home):
            return _restored, (self.spec.home, cloudpickle.dumps(vars(self)))

    def __repr__(self) -> str:
        return f"<Place {self.id}>"


class Fail:
    """A `!`: the flow fails here.

    Args:
        where: the file and line of the `!`.
        continues: whether the flow continues after it, because of `@on-failure: continue`.
    """

    def __init__(self, where: str, *, continues: bool = False) -> None:
        self.message = f"the flow fails here: {where}"
        self.continues = continues
        self.order = next(_ORDER)


class Each:
    """A part of the flow that runs once for every item of a list.

    Args:
        name: the name of the item. Events in the part may take it as an input.
        *inside: the places, and the `Fail`s, in the part.
        items: where the list comes from; if omitted, it is the value that `Run.each` receives.
        at_once: how many items may run at once; by default, all of them.
        any: whether one successful item is enough.
        continues: whether the flow continues if there is no list, because of
            `@on-failure: continue`.
        use: the use that the part belongs to.
    """

    def __init__(
        self,
        name: str,
        *inside: Place | Fail,
        items: Input | Variable | None = None,
        at_once: int | None = None,
        any: bool = False,
        continues: bool = False,
        use: Use | None = None,
    ) -> None:
        self.name = name
        self.places = tuple(each for each in inside if isinstance(each, Place))
        self.items = items
        self.at_once = at_once
        self.any = any
        self.continues = continues
        self.scope = None if use is None else use.scope
        # In reading order, it comes directly before what is inside.
        self.order = inside[0].order - 1


class Ended(NamedTuple):
    """How a place ended: 0 is a failure, 1 a success, and 2 to 9 are defined by the event."""

    descriptor: int
    result: Any


class EventFailed(VolnuxError):
    """A place failed, and it has no branch for that. The places after it do not start.

    Attributes:
        place: the place, the `!`, or the `each` that received no list.
        result: the result of the event, or the `Failure` of its last attempt.
        name: the name of the place; empty if it is not a place.
        order: the position of the place in reading order, copy by copy.
        others: failures of places in other arms, in reading order.
    """

    def __init__(self, place: Place | Fail | Each, result: Any) -> None:
        match place:
            case Fail():
                super().__init__(place.message)
            case Each():
                super().__init__(f"[each={place.name}] failed: {reason(result)}")
            case _:
                super().__init__(f"{place.name} failed: {reason(result)}")
        self.name = place.name if isinstance(place, Place) else ""
        self.order = (*WITHIN.get().order, place.order)
        self.place = place
        self.result = result
        self.others: list[EventFailed] = []

    def __str__(self) -> str:
        return "; ".join([super().__str__(), *map(str, self.others)])


class RunStopped(VolnuxError):
    """An event with `stop_on_exception` ended the run."""


def _restored(home: str | None, parts: bytes) -> Place:
    place = Place.__new__(Place)
    with at_home(home):
        vars(place).update(cloudpickle.loads(parts))
    return place
