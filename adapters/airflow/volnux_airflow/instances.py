"""What the task instances of a DAG run stored about the places of the flow."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from volnux.events.given import NotGivenError, inputs_of
from volnux.events.link import Plan
from volnux.events.outcome import Call
from volnux.graph.execution import Execution
from volnux.graph.model import Each, Graph, Node, TaskGroup
from volnux.graph.outcome import FAILURE, UNHANDLED, Failure, NoItems, State
from volnux.graph.places import index_of, place_name, template_of
from volnux.graph.report import PlaceReport
from volnux.kit.calls import given_by_name
from volnux.kit.codec import Codec
from volnux.kit.notes import moment
from volnux_airflow.outcomes import OUTCOME_KEY, TaskOutcome
from volnux_airflow.partreport import PLACES_KEY, places_from
from volnux_airflow.reduced import inside, reduced

__all__ = ["Instances", "Places"]


@dataclass(frozen=True)
class Instances:
    """The task instances of a DAG run.

    An instance of a mapped task is named like a place: `Fetch[3]`. The others are named by the id
    of the task.

    Attributes:
        states: Airflow's state of each instance.
        tries: the number of tries that Airflow counted, for instances that stored no outcome.
        first_tries: the start of the first try of each instance that was tried again.
        outcome_of: the outcome that an instance stored, or None.
        result_of: what it returned, or a `Failure` after an exception; None if that cannot be read.
        places_of: the places that a part stored, by name, or None.
    """

    states: Mapping[str, str | None]
    tries: Mapping[str, int]
    first_tries: Mapping[str, dt.datetime]
    outcome_of: Callable[[str], TaskOutcome | None]
    result_of: Callable[[str], Any]
    places_of: Callable[[str], Mapping[str, PlaceReport] | None]

    @staticmethod
    def of(
        codec: Codec,
        xcom: Callable[[str, str], Any],
        *,
        states: Mapping[str, str | None],
        tries: Mapping[str, int],
        first_tries: Mapping[str, dt.datetime],
    ) -> Instances:
        """The instances of a run whose XComs can be read.

        Args:
            codec: reads the values of the run.
            xcom: returns the XCom of an instance with a key, or None.
            states: see `Instances`.
            tries: see `Instances`.
            first_tries: see `Instances`.
        """

        @functools.cache
        def outcome_of(name: str) -> TaskOutcome | None:
            data = xcom(name, OUTCOME_KEY)
            return None if data is None else TaskOutcome.from_json(data)

        @functools.cache
        def result_of(name: str) -> Any:
            outcome, stored = outcome_of(name), xcom(name, "return_value")
            if outcome is None:
                return stored
            if outcome.failure is not None:
                return Failure.from_json(outcome.failure)
            return codec.read_what_is_left(stored) if outcome.returned else None

        def places_of(name: str) -> Mapping[str, PlaceReport] | None:
            stored = codec.read_what_is_left(xcom(name, PLACES_KEY))
            return None if stored is None else places_from(stored)

        return Instances(states, tries, first_tries, outcome_of, result_of, places_of)


class Places:
    """The places of a run, by name, as far as its task instances say how they ended.

    Args:
        plan: the plan that the DAG was built from.
        instances: the instances.
        inputs: the inputs of the run.
        scheduled_at: the scheduled time of the run.
        cancelled: whether somebody ended the run, so that places that never began are cancelled.

    Attributes:
        known: the places.
        stopping: the names of those that ended the whole run by an exception.
    """

    def __init__(
        self,
        plan: Plan,
        instances: Instances,
        inputs: Mapping[str, Any],
        *,
        scheduled_at: dt.datetime | None,
        cancelled: bool,
    ) -> None:
        self._plan = plan
        self._graph = plan.graph
        self._reduced = reduced(plan)
        self._instances = instances
        self._call = Call(inputs=inputs, scheduled_at=scheduled_at)
        self._cancelled = cancelled
        self.stopping: set[str] = set()
        self.known = {
            name: place for node in self._reduced.graph.nodes for name, place in self._of(node)
        }
        self._counts = _counts(plan.graph, self.known)

    def _failure(self, execution: Execution, instance: int) -> Failure | None:
        """The failure of an `each` without a list; None if it had a list or did not begin."""
        copies = execution.copies
        each = copies.of_each[copies.node(instance)]
        if each.each in self._reduced.eaches:
            found = self._list(each)
            return found if isinstance(found, Failure) else None
        first = next((node.id for node in _events(self._graph, each)), "")
        place = self.known.get(place_name(first, copies.index(instance)))
        return None if place is None or place.attempts else place.failure

    def items(self, execution: Execution, instance: int) -> object:
        """The list of an `each`, or `NoItems` if there was none.

        The items of an `each` inside a task may be only as many as there were.
        """
        failure = self._failure(execution, instance)
        if failure is not None:
            return NoItems(failure)
        copies = execution.copies
        each = copies.of_each[copies.node(instance)]
        if each.each in self._reduced.eaches:
            return self._list(each)
        count = self._counts.get((each.each, copies.index(instance)), 0)
        if each.source is None:
            found = execution.received(instance)
        else:
            found = self._named(execution, instance, each.source)
        is_list = isinstance(found, list | tuple)
        return found if is_list and len(found) == count else [None] * count

    def _named(self, execution: Execution, instance: int, name: str) -> Any:
        """The value of an input or item; None for what only the task could read."""
        copies = execution.copies
        node = copies.node(instance)
        call = self._call._replace(items=copies.located(instance)[2])
        given = given_by_name(self._plan, node, name)
        try:
            return (inputs_of(call) if given is None else given.inputs(call)).get(name)
        except NotGivenError:
            return None

    def _list(self, each: Each) -> Sequence[Any] | Failure:
        outcome = self._instances.outcome_of(each.each)
        if outcome is None or outcome.descriptor is None:
            return _lost(each.each)
        found: Sequence[Any] | Failure | None = self._instances.result_of(each.each)
        if found is None:  # it could not be read
            return ()
        if each.batch is None or isinstance(found, Failure):
            return found
        return [item for items in found for item in items]

    def _of(self, node: Node) -> Iterator[tuple[str, PlaceReport]]:
        """The places that a node of the reduced graph stands for."""
        each = self._reduced.eaches.get(node.id)
        if each is None:
            yield from self._of_instance(node, (), ())
            return
        if node.id in (each.each, each.gather):
            return
        begin = self._instances.outcome_of(each.each)
        items = self._list(each)
        if begin is None or isinstance(items, Failure) or not items:
            yield from self._without_copies(each)
            return
        size = each.batch or 1
        for start in range(0, len(items), size):
            numbers = range(start, min(start + size, len(items)))
            yield from self._of_instance(node, (start // size,), numbers)

    def _without_copies(self, each: Each) -> Iterator[tuple[str, PlaceReport]]:
        """The places of an `each` without copies."""
        found = self._instances.states.get(each.each)
        begin = self._instances.outcome_of(each.each)
        state = self._state(found, never_ran=True)
        failure = None
        if begin is None and found == "failed":
            failure = _lost(each.each)
        elif begin is not None and begin.failure is not None:
            state, failure = State.FAILED, Failure.from_json(begin.failure)
        elif begin is not None and begin.done:
            state = State.SKIPPED
        for node in _events(self._graph, each):
            yield node.id, PlaceReport(node.event or "", state, failure=failure)
            failure = None

    def _of_instance(
        self, node: Node, index: tuple[int, ...], numbers: Iterable[int]
    ) -> Iterator[tuple[str, PlaceReport]]:
        name = place_name(node.id, index)
        part = self._reduced.parts.get(node.id)
        if part is None:
            if node.event is not None:
                yield name, self._of_event(name, node.event)
            return
        stored = self._instances.places_of(name)
        outcome, found = self._instances.outcome_of(name), self._instances.states.get(name)
        if stored is not None:
            if outcome is not None and outcome.stops:
                self.stopping.update(self._stopping_in(stored))
            yield from stored.items()
            return
        place: PlaceReport | None = None
        if outcome is None and found == "failed":
            place = self._lost(name)
        elif outcome is not None and outcome.failure is not None:
            # A value from outside could not be read, or the results could not be stored.
            failure = Failure.from_json(outcome.failure)
            place = PlaceReport("", State.FAILED, FAILURE, failure=failure)
        state = self._state(found, never_ran=place is None)
        for event in _events(self._graph, part):
            for number in numbers or (None,):
                at = place_name(event.id, () if number is None else (number,))
                yield at, replace(place or PlaceReport("", state), event=event.event or "")
            place = None

    def _stopping_in(self, stored: Mapping[str, PlaceReport]) -> Iterator[str]:
        """The places of a part that ended the whole run."""
        index = self._graph.topology.index
        for name, place in stored.items():
            spec = self._plan.specs[index[template_of(name)]]
            stops = spec is not None and spec.stop_on_exception and place.state is State.FAILED
            if stops and place.failure and place.failure.type != UNHANDLED:
                yield name

    def _lost(self, name: str) -> PlaceReport:
        """The place of an event whose worker was killed before it could store an outcome."""
        tries = self._instances.tries.get(name, 1)
        return PlaceReport("", State.FAILED, FAILURE, tries, failure=_lost(name))

    def _of_event(self, name: str, event: str) -> PlaceReport:
        instances = self._instances
        state, outcome = instances.states.get(name), instances.outcome_of(name)
        if outcome is None:
            if state == "failed":
                began = instances.first_tries.get(name)
                return replace(self._lost(name), event=event, started_at=began)
            return PlaceReport(event, self._state(state, never_ran=True))
        result = instances.result_of(name) if outcome.descriptor is not None else None
        failed = isinstance(result, Failure)
        if outcome.stops:
            self.stopping.add(name)
        starts = (instances.first_tries.get(name), moment(outcome.started_at))
        began = min((start for start in starts if start is not None), default=None)
        ended = moment(outcome.ended_at)
        return PlaceReport(
            event=event,
            state=self._state(state, never_ran=outcome.descriptor is None),
            descriptor=outcome.descriptor,
            attempts=outcome.attempts,
            result=None if failed else result,
            failure=result if failed else None,
            started_at=began if outcome.attempts else None,
            ended_at=ended if outcome.attempts else None,
            bypassed=outcome.bypassed,
            polls=outcome.polls,
        )

    def _state(self, state: str | None, *, never_ran: bool) -> State:
        if self._cancelled and never_ran and state != "skipped":
            return State.CANCELLED
        return _STATES.get(state or "", State.CANCELLED)


_STATES = {
    "success": State.DONE,
    "skipped": State.SKIPPED,
    "failed": State.FAILED,
    "upstream_failed": State.FAILED,
}


def _lost(instance: str) -> Failure:
    """The failure of a task whose worker was killed before it could store an outcome."""
    return Failure("volnux.WorkerLost", f"the worker that ran {instance} died")


def _events(graph: Graph, part: Each | TaskGroup) -> list[Node]:
    """The events of a part, in reading order."""
    nodes = (graph.nodes[i] for i in inside(graph, part))
    return [node for node in nodes if node.event is not None]


def _counts(
    graph: Graph, places: Mapping[str, PlaceReport]
) -> dict[tuple[str, tuple[int, ...]], int]:
    """How many items each `each` had, by the numbers of the items around it."""
    topology = graph.topology
    found: dict[tuple[str, tuple[int, ...]], int] = {}
    for name in places:
        numbers = index_of(name)
        around = topology.around[topology.index[template_of(name)]]
        for depth, number in enumerate(numbers):
            key = around[depth].each, numbers[:depth]
            found[key] = max(found.get(key, 0), number + 1)
    return found
