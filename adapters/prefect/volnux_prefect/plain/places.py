"""The places of a flow that `volnux prefect flow` printed, and how they end."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from volnux.errors import VolnuxError
from volnux.events.given import Given
from volnux.events.spec import EventSpec, spec_of
from volnux_prefect.endings import reason
from volnux_prefect.plain.names import Secret, Variable, argument_of, secrets_in, variables_in
from volnux_prefect.translate import task_of

__all__ = ["Ended", "EventFailed", "Fail", "Place", "RunStopped"]

_ORDER = itertools.count()


class Place:
    """An event at one place of a flow.

    Places are created in reading order. If several arms fail, the failure of the first one counts.

    Args:
        event: the event class or decorated function.
        name: its name in the flow; by default, the name of the event.
        number: its number among the places of this event. The id of number 2 ends with `__2`.
        attempts: the maximum number of attempts; by default, the event's retry policy applies.
        timeout: the seconds that one attempt may take; by default, the event's own timeout applies.
        executor: where it runs; by default, the event's own executor.
        branches: the descriptors after which the flow continues. Any other except 1 is a failure.
        tags: tags of its task runs.
        limits: tag concurrency limits, which the run creates. The place also has these tags.
        takes: the variables and secrets whose names are parameters of `process`.

    Attributes:
        id: the name of its task runs.
        task: the Prefect task.
    """

    def __init__(
        self,
        event: Any,
        name: str | None = None,
        *,
        number: int = 1,
        attempts: int | None = None,
        timeout: float | None = None,
        executor: str | None = None,
        branches: Iterable[int] = (1,),
        tags: Iterable[str] = (),
        limits: dict[str, int] | None = None,
        takes: Iterable[Variable | Secret] = (),
    ) -> None:
        name = name or event.__name__
        self.spec: EventSpec = spec_of(
            name, event, factor=attempts, executor=executor, timeout=timeout
        )
        self.id = name if number == 1 else f"{name}__{number}"
        self.branches = frozenset(branches)
        self.limits = limits or {}
        self._tags = frozenset({*tags, *self.limits})
        self._takes = tuple(takes)
        self.order = next(_ORDER)
        self.given()

    def given(self, /, **arguments: Any) -> Self:
        """Pass these arguments to the event in each run.

        Args:
            **arguments: JSON values. They may contain an `Input`, a `Variable` or a `Secret`.
        """
        told = tuple(argument_of(name, value) for name, value in arguments.items())
        named = [self._takes, *arguments.values()]
        if told or self._takes:
            self.spec.given = Given(
                told,
                variables_in(named),
                secrets_in(named),
                frozenset(each.name for each in self._takes),
            )
        self.task = task_of(self.spec, self._tags, self.id)
        return self

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


class Ended(NamedTuple):
    """How a place ended: 0 is a failure, 1 a success, and 2 to 9 are defined by the event."""

    descriptor: int
    result: Any


class EventFailed(VolnuxError):
    """A place failed, and it has no branch for that. The places after it do not start.

    Attributes:
        place: the place, or the `!`.
        result: the result of the event, or the `Failure` of its last attempt.
        others: failures of places in other arms, in reading order.
    """

    def __init__(self, place: Place | Fail, result: Any) -> None:
        if isinstance(place, Fail):
            super().__init__(place.message)
        else:
            super().__init__(f"{place.id} failed: {reason(result)}")
        self.place = place
        self.result = result
        self.others: list[EventFailed] = []

    def __str__(self) -> str:
        return "; ".join([super().__str__(), *map(str, self.others)])


class RunStopped(VolnuxError):
    """An event with `stop_on_exception` ended the run."""
