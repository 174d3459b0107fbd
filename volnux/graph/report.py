"""The run report: the result of a run on every backend, as a model and as JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from volnux.errors import VolnuxError, shortened, visible
from volnux.graph.execution import Execution, Source
from volnux.graph.jsonable import failure_as_json, jsonable, writer_of
from volnux.graph.model import Kind
from volnux.graph.outcome import FAILURE, Failure, RunStatus, State, run_too_long
from volnux.graph.places import in_order, without_list

if TYPE_CHECKING:
    from volnux.values.reading import Classes

__all__ = [
    "Details",
    "FlowEnd",
    "PlaceReport",
    "RunFailedError",
    "RunReport",
    "end_of",
    "failure_of_run",
    "jsonable",
    "places_of",
]

REPORT_FORMAT_VERSION = 3
"""The version that `to_json` writes; `from_json` reads earlier versions as well."""


class RunFailedError(VolnuxError):
    """A run did not succeed.

    Attributes:
        report: the report of the run.
        context: its `ExecutionContext`; None if it has none.
    """

    def __init__(self, report: RunReport, context: Any = None) -> None:
        failed = [
            f"{place} ({shortened(str(item.failure))})" if item.failure else place
            for place, item in report.places.items()
            if item.state is State.FAILED and (item.attempts or item.failure) and not item.handled
        ]
        if report.failure is not None:
            failed.append(shortened(str(report.failure)))
        if len(failed) > _MOST_FAILED:
            failed[_MOST_FAILED:] = [f"and {len(failed) - _MOST_FAILED} more"]
        name = visible(report.pipeline)
        super().__init__(
            f"the run {report.run_id} of {name} {_SAID[report.status]}"
            + (f": {', '.join(failed)}" if failed else "")
        )
        self.report = report
        self.context = context

    def __reduce__(self) -> tuple[Any, ...]:
        return RunFailedError, (self.report, self.context)


_MOST_FAILED = 10

_SAID = {
    RunStatus.SUCCESS: "succeeded",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "was cancelled",
}


@dataclass(frozen=True, slots=True)
class PlaceReport:
    """How one place of the flow ended.

    Attributes:
        event: the event's name.
        state: how the place ended.
        descriptor: what its event finished with; None if it never ran, or did not finish.
        attempts: how many attempts were made; 0 if it never ran.
        result: what the event returned; None after an exception, which `failure` describes.
        received: what was piped to it.
        received_from: the place that `received` came from, as its result or its failure; a list of
            places for a parallel group, with None for an arm that was not done.
        failure: the exception that was left after the last attempt.
        started_at, ended_at: the start of the first and the end of the last attempt, aware, UTC.
        bypassed: whether the event's `can_bypass` made `process` unnecessary.
        handled: whether it failed and the failure was handled: by a branch of its own or of a
            group around it, or by a group that needs only one arm.
        reused: whether its outcome is that of the run that this one resumes. It then has no
            attempts and no times.
    """

    event: str
    state: State
    descriptor: int | None = None
    attempts: int = 0
    result: Any = None
    received: Any = None
    failure: Failure | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    bypassed: bool = False
    received_from: Source = field(default=None, compare=False)
    handled: bool = False
    reused: bool = False

    def to_json(self, *, values: bool = False) -> dict[str, Any]:
        """The place as JSON; for `values` see `RunReport.to_json`."""
        write = writer_of(values=values)
        return {
            "event": self.event,
            "state": self.state.value,
            "descriptor": self.descriptor,
            "attempts": self.attempts,
            "result": write(self.result),
            "received": self._received(write),
            "failure": None if self.failure is None else failure_as_json(self.failure),
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
            **({"bypassed": True} if self.bypassed else {}),
            **({"handled": True} if self.handled else {}),
            **({"reused": True} if self.reused else {}),
        }

    def _received(self, write: Callable[[Any], Any]) -> dict[str, Any] | None:
        # The report already has the value at its source; 20 arms would repeat it.
        if self.received_from is not None:
            return {"from": self.received_from}
        return None if self.received is None else {"value": write(self.received)}


@dataclass(frozen=True, slots=True)
class FlowEnd:
    """The value or the failure with which the flow of a run ended.

    Attributes:
        value: what its last part pipes on; None if that is not done.
        origin: the place of the failure that made the flow fail, or the `!`; None if it is done.
        failure: what the event at that place returned, or its `Failure`.
        stopped: whether an exception of an event with `stop_on_exception` ended the run.
    """

    value: Any = None
    origin: str | None = None
    failure: Any = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended; `places` are in reading order.

    `failure` says why the run failed if no place does: at a `!`, or because it took too long.
    `scheduled_at` is the scheduled time of the run. `resumed_from` is the id of the run that it
    resumes.

    If `results_kept` is false, it has only the results of events that ended with descriptor 0, and
    no values that places received. `end` is there if
    `RunOptions.with_end` asked for it; it is not part of the JSON.
    """

    pipeline: str
    backend: str
    run_id: str
    status: RunStatus
    places: Mapping[str, PlaceReport]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    results_kept: bool = True
    failure: Failure | None = None
    scheduled_at: dt.datetime | None = None
    resumed_from: str | None = None
    end: FlowEnd | None = field(default=None, compare=False, repr=False)

    @property
    def succeeded(self) -> bool:
        """Whether the run is a success."""
        return self.status is RunStatus.SUCCESS

    @property
    def results(self) -> dict[str, Any]:
        """The results of the events that returned one, by place."""
        return {
            place: item.result
            for place, item in self.places.items()
            if (item.attempts or item.reused)
            and item.failure is None
            and item.descriptor is not None
        }

    def raise_for_status(self) -> None:
        """Do nothing after a success.

        Raises:
            RunFailedError: the run failed or was cancelled; see `error`.
        """
        if not self.succeeded:
            raise self.error()

    def error(self, context: Any = None) -> RunFailedError:
        """What to raise for a run that is not a success.

        Its cause is the exception of the first event that failed without being handled, with the
        frames of the event; for an event in another process, its traceback as text.

        Args:
            context: the `ExecutionContext` of the run, if it has one.
        """
        failures = (i.failure for i in self.places.values() if i.failure and not i.handled)
        first = next(failures, None)
        error = RunFailedError(self, context)
        error.__cause__ = None if first is None else first.cause()
        return error

    def without_results(self) -> RunReport:
        """The report of the same run without the results: see `results_kept`."""
        if not self.results_kept:
            return self
        places = {
            place: replace(
                report,
                result=report.result if report.descriptor == FAILURE else None,
                received=None,
            )
            for place, report in self.places.items()
        }
        return replace(self, places=places, results_kept=False)

    def to_json(self, *, values: bool = False) -> dict[str, Any]:
        """The report as `volnux run --json` prints it.

        Args:
            values: whether `from_json` shall read values with their types. Otherwise, a value that
                is not JSON is only shown: see `jsonable`.
        """
        write = writer_of(values=values)
        return {
            "format_version": REPORT_FORMAT_VERSION,
            "pipeline": self.pipeline,
            "backend": self.backend,
            "run_id": self.run_id,
            "status": self.status.value,
            "started_at": _iso(self.started_at),
            "ended_at": _iso(self.ended_at),
            **({} if self.scheduled_at is None else {"scheduled_at": _iso(self.scheduled_at)}),
            **({} if self.resumed_from is None else {"resumed_from": self.resumed_from}),
            **({} if self.failure is None else {"failure": failure_as_json(self.failure)}),
            **({} if self.results_kept else {"results_kept": False}),
            **({"values": True} if values else {}),
            "inputs": {name: write(value) for name, value in self.inputs.items()},
            "places": {
                place: report.to_json(values=values) for place, report in self.places.items()
            },
        }

    def dumps(self, *, indent: int | None = None, values: bool = False) -> str:
        """The JSON as text."""
        return json.dumps(self.to_json(values=values), indent=indent, ensure_ascii=False)

    @staticmethod
    def from_json(data: object, *, classes: Iterable[type] | Classes = ()) -> RunReport:
        """The report that `to_json` or `dumps` gave, of this format version or an earlier one.

        Values that were not JSON stay as they were shown, unless the report has all `values`.

        Args:
            data: the JSON, as a value or as text.
            classes: the classes that values may be of, besides registered ones.

        Raises:
            FormatError: it is not such a value or text, or has a later format version, or a value
                is of an unknown class.
        """
        from volnux.graph.reportjson import fields_of

        fields = fields_of(data, newest=REPORT_FORMAT_VERSION, classes=classes)
        places = {place: PlaceReport(**known) for place, known in fields.pop("places").items()}
        return RunReport(**fields, places=places)


def failure_of_run(execution: Execution) -> Failure | None:
    """Why a run failed if no place says why; None if a place does.

    That is its time limit, or the first `!` whose failure was not handled, or an `each` without a
    list that has no place either.
    """
    graph = execution.graph
    if execution.timed_out and graph.run_timeout is not None:
        return run_too_long(graph.run_timeout)
    if execution.status is RunStatus.SUCCESS:
        return None
    if not any(node.kind is Kind.FAIL for node in graph.nodes):
        return None
    nodes = execution.nodes
    shown = set(without_list(execution).values())
    lost = [i for i in _unhandled(execution) - shown if nodes[i].kind is not Kind.EVENT]
    if not lost:
        return None
    first = min(lost, key=execution.copies.order)
    if nodes[first].kind is Kind.EACH:
        failure: Failure = execution.results[first]
        return failure.bare()
    return graph.failure_at(nodes[first])


def end_of(execution: Execution) -> FlowEnd:
    """The value or the failure with which the flow ended, once the run has ended."""
    if execution.status is RunStatus.SUCCESS:
        return FlowEnd(execution.value(execution.graph.result))
    stopped = execution.stopped and not execution.timed_out
    origins = set(map(execution.origin_of, execution.graph.topology.ends))
    failed = [origin for origin in origins if origin is not None]
    if not failed:
        return FlowEnd(stopped=stopped)
    first = min(failed, key=execution.copies.order)
    return FlowEnd(None, execution.copies.place(first), execution.results[first], stopped)


class Details(NamedTuple):
    """The fields of a `PlaceReport` that only the backend of a run knows."""

    attempts: int = 0
    received: Any = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    bypassed: bool = False
    reused: bool = False


def places_of(execution: Execution, details: Callable[[int], Details]) -> dict[str, PlaceReport]:
    """The places of a run that has ended, from its state machine.

    Args:
        execution: the run.
        details: what the backend knows about an instance of an event.
    """
    states, descriptors, results = execution.states, execution.descriptors, execution.results
    nodes, lost = execution.nodes, _unhandled(execution)
    no_list = without_list(execution)
    places = {}
    for index, place in in_order(execution):
        node = nodes[index]
        attempts, received, started_at, ended_at, bypassed, reused = details(index)
        result, descriptor = results[index], descriptors[index]
        handled = descriptor == FAILURE and index not in lost
        failure = None
        if isinstance(result, Failure):
            failure = result.bare() if handled else result
            result = None
        elif no_list and index in no_list:
            each = no_list[index]
            handled = each not in lost
            failure = results[each]
        source = None
        ran = attempts or (reused and (failure is None or failure.attempts))
        if node.receives is not None and ran:
            source = execution.received_from(index)
        places[place] = PlaceReport(
            node.event or "",
            states[index] or State.CANCELLED,
            descriptor,
            attempts,
            result,
            received,
            failure,
            started_at,
            ended_at,
            bypassed,
            source,
            handled,
            reused,
        )
    return places


def _unhandled(execution: Execution) -> set[int]:
    if execution.status is RunStatus.SUCCESS:
        return set()
    from volnux.graph.handling import unhandled

    nodes, descriptors = execution.nodes, execution.descriptors
    ran = (Kind.EVENT, Kind.FAIL, Kind.EACH)
    return unhandled(
        execution.copies,
        execution.states,
        lambda index: descriptors[index] == FAILURE and nodes[index].kind in ran,
    )


def _iso(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
