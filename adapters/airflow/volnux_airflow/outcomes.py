"""The outcome of a task, which other tasks read from a small XCom beside the returned value.

Under the key `volnux`, each of our tasks stores what Airflow's own state cannot express: the
descriptor, the attempts, the failure. The result itself is the task's `return_value`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from volnux.graph.model import Value, ValueKind
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.graph.places import place_name
from volnux.graph.sources import sources_in
from volnux.graph.values import MISSING, Values, needed
from volnux.kit.codec import Codec
from volnux.strictjson import built

__all__ = ["NOT_STARTED", "OUTCOME_KEY", "Outcomes", "Piped", "TaskOutcome"]

OUTCOME_KEY = "volnux"
"""The XCom key of a task's outcome."""


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """What one of our tasks stores when it has ended.

    Attributes:
        done: whether the flow continues from here (also after a failure that is handled).
        descriptor: 0 to 9; None if the event did not run because the run was stopped.
        attempts: the number of attempts that were made.
        failure: the stored form of an exception, from `Failure.to_json`.
        started_at, ended_at: the start of the first call, as far as it is known, and the end of the
            last one, in seconds since the epoch.
        bypassed: whether `process` was not called because `can_bypass` returned true.
        returned: whether there is also a result under `return_value`; None does not count as a
            result.
        stops: whether the task ended the whole run, because of `stop_on_exception`.
        number: the map index of a mapped task.
        items: of a task for several items of an `each`, the outcome of each; the `return_value` is
            then the list of their stored results.
        polls: how many calls said "not yet".
    """

    done: bool
    descriptor: int | None
    attempts: int = 1
    returned: bool = False
    failure: dict[str, Any] | None = None
    started_at: float | None = None
    ended_at: float | None = None
    bypassed: bool = False
    stops: bool = False
    number: int | None = None
    items: list[dict[str, Any]] | None = None
    polls: int = 0

    def to_json(self) -> dict[str, Any]:
        """The outcome in the form that the XCom stores."""
        found = asdict(self)
        for name in ("stops", "number", "items"):
            if found[name] is None or found[name] is False:
                del found[name]
        if not self.polls:
            del found["polls"]
        return found

    @staticmethod
    def of(descriptor: int, result: Any, *, done: bool) -> TaskOutcome:
        """The outcome of a task that runs no event; its result is a `Failure` or a value."""
        failure = result.to_json() if isinstance(result, Failure) else None
        returned = failure is None and result is not None
        return TaskOutcome(done=done, descriptor=descriptor, returned=returned, failure=failure)

    def of_item(self, number: int) -> TaskOutcome:
        """The outcome of one item, of a task for several items."""
        return self if self.items is None else TaskOutcome.from_json(self.items[number])

    @property
    def has_value(self) -> bool:
        """Whether the result is the `return_value`."""
        return self.failure is None and self.returned

    def read(self, stored: Any, codec: Codec) -> Any:
        """The result: the value of the stored `return_value`, or the `Failure` after an exception.

        Raises:
            FormatError: the value cannot be read.
        """
        if self.failure is not None:
            return Failure.from_json(self.failure)
        return codec.read(stored) if self.returned else None

    def stored(self, returned: Any, codec: Codec, place: str) -> Any:
        """The result as JSON for another XCom: the `return_value`, or a tagged `Failure`."""
        if self.failure is not None:
            return codec.write(Failure.from_json(self.failure), place)
        return returned if self.returned else None

    @staticmethod
    def from_json(data: object) -> TaskOutcome:
        """Restore an outcome from `to_json`.

        Raises:
            FormatError: the value is not an outcome.
        """
        return built(TaskOutcome, data, what="this XCom is not the outcome of an event")


NOT_STARTED = TaskOutcome(done=False, descriptor=None, attempts=0)
"""The outcome of a task that may not start."""


class Outcomes:
    """Reads what other tasks of the same run stored. Each task is read once.

    Args:
        ti: the running task instance.
        codec: reads the values of the run.
        others: the tasks of the DAG that are not ours.
    """

    def __init__(self, ti: Any, codec: Codec, others: Collection[str] = ()) -> None:
        self._ti = ti
        self.codec = codec
        self._others = others
        self._left_out: set[str] = set()
        self._known: dict[str, TaskOutcome | None] = {}

    def of(self, task_ids: Iterable[str]) -> list[TaskOutcome | None]:
        """The outcomes of tasks, in the given order; None for a task that stored none."""
        task_ids = list(task_ids)
        for task in task_ids:
            if task not in self._known:
                data = self._pull(task, OUTCOME_KEY)
                self._known[task] = None if data is None else TaskOutcome.from_json(data)
        return [self._known[task] for task in task_ids]

    def end(self, task_id: str) -> TaskOutcome | None:
        """The outcome of a task; a task that is not ours is done if it returned something."""
        if task_id not in self._others or task_id in self._left_out:
            return self.of([task_id])[0]
        return None if self.stored(task_id) is None else _RETURNED

    def result(self, task_id: str) -> Any:
        """What a task returned, or a `Failure` after an exception.

        The result of a task that is not ours (in a DAG written by hand) is its `return_value`, as
        Airflow reads it.

        Raises:
            FormatError: the value cannot be read.
        """
        outcome = self.of([task_id])[0]
        if outcome is None:
            return self._pull(task_id, "return_value")
        stored = self._pull(task_id, "return_value") if outcome.has_value else None
        return outcome.read(stored, self.codec)

    def stored(self, task_id: str) -> Any:
        """What a task stored as its `return_value`, not read."""
        return self._pull(task_id, "return_value")

    def of_mapped(self, task_id: str, count: int) -> list[tuple[TaskOutcome | None, Any]]:
        """The outcomes of the first instances of a mapped task, each with its stored result.

        All XComs are pulled at once. The results stay JSON, because a list of them is what the
        gather stores. An instance may have stored none, and there may be more instances from an
        earlier, longer list.
        """
        outcomes = list(map(TaskOutcome.from_json, self._pull_all(task_id, OUTCOME_KEY)))
        with_value = [outcome for outcome in outcomes if outcome.has_value]
        values = self._pull_all(task_id, "return_value") if with_value else []
        if len(values) != len(with_value):
            # A worker was killed after it had stored only one of the two.
            numbers = [outcome.number for outcome in with_value]
            values = self._ti.xcom_pull(task_ids=[task_id], map_indexes=numbers)
        results = {o.number: v for o, v in zip(with_value, values, strict=True)}
        known = {outcome.number: outcome for outcome in outcomes}

        def of(number: int) -> tuple[TaskOutcome | None, Any]:
            outcome = known.get(number)
            if outcome is None:
                return None, None
            place = place_name(task_id, (number,))
            return outcome, outcome.stored(results.get(number), self.codec, place)

        return list(map(of, range(count)))

    def any_stops(self, task_id: str) -> bool:
        """Whether an instance of a mapped task has ended the run."""
        outcomes = map(TaskOutcome.from_json, self._pull_all(task_id, OUTCOME_KEY))
        stopped = [f"{task_id}_{outcome.number}" for outcome in outcomes if outcome.stops]
        # An instance that was cleared still has the outcome from the last time.
        states = self.states([task_id]) if stopped else {}
        return any(states.get(instance) in _RAN for instance in stopped)

    def leave_out_unfinished(self, task_ids: Iterable[str]) -> None:
        """Treat tasks that have not run as if they stored nothing.

        A task that was cleared and is skipped this time still has the values from the last time.
        """
        task_ids = list(task_ids)
        states = self.states(task_ids)
        for task in task_ids:
            if states.get(task) not in _RAN:
                self._known[task] = None
                self._left_out.add(task)

    def states(self, task_ids: Sequence[str]) -> dict[str, str]:
        """The states of tasks of this run, by task id."""
        found = self._ti.get_task_states(
            dag_id=self._ti.dag_id, task_ids=list(task_ids), run_ids=[self._ti.run_id]
        )
        states: dict[str, str] = found.get(self._ti.run_id, {})
        return states

    def _pull(self, task_id: str, key: str) -> Any:
        found = self._pull_all(task_id, key)
        return found[0] if found else None

    def _pull_all(self, task_id: str, key: str) -> list[Any]:
        """The values that the instances of a task stored, in the order of their map indices."""
        # For a list of tasks, a missing XCom gives None or an empty list. For a single task,
        # Airflow would log an error ("XCom not found").
        found = self._ti.xcom_pull(task_ids=[task_id], key=key)
        return [value for value in found if value is not None]


_RETURNED = TaskOutcome(done=True, descriptor=SUCCESS, returned=True)

_RAN = ("success", "failed")
"""The states of tasks that ran."""


@dataclass(frozen=True, slots=True)
class Piped:
    """The value that is piped to a task: entry `index` of a table of values (`Graph.values`).

    Node names in the table are task ids.
    """

    values: tuple[Value, ...]
    index: int

    def read(self, outcomes: Outcomes) -> Any:
        """The value, computed from the stored outcomes; None if it is not done."""
        nodes = dict.fromkeys(self.values[i].node for i in needed(self.values, [self.index]))
        tasks = [node for node in nodes if node is not None]
        if len(tasks) > 1:
            outcomes.leave_out_unfinished(tasks)
        return self.make(outcomes.end, outcomes.result)

    def make(
        self, end_of: Callable[[str], TaskOutcome | None], result_of: Callable[[str], Any]
    ) -> Any:
        """Compute the value from how each task ended and what it returned."""

        def leaf(index: int, _: int) -> Any:
            value = self.values[index]
            assert value.node is not None
            end = end_of(value.node)
            when = (FAILURE,) if value.kind is ValueKind.FAILURE_OF else value.when
            if end is None or not end.done or (when is not None and end.descriptor not in when):
                return MISSING
            return result_of(value.node)

        value = Values(self.values, leaf).get(self.index)
        return None if value is MISSING else value

    @property
    def sources(self) -> str:
        """The tasks from which the value comes, as text."""
        return sources_in(self.values, self.index, lambda value: value.node or "outside")
