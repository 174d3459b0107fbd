"""The outcome of a run: its status, its results by place and by event, its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from volnux.errors import VolnuxError
from volnux.events.base import event_class_of
from volnux.graph.outcome import RunStatus, State
from volnux.graph.report import PlaceReport, RunFailedError, RunReport
from volnux.shown import shown

__all__ = ["ExecutionContext", "RunFailedError"]


class ExecutionContext:
    """One run of a pipeline, during it (as listeners see it) and after it.

    Iteration gives the places in reading order; `context["Load__2"]` is one place.

    Attributes:
        pipeline: the pipeline that was started; None for a batch, which does not keep it.
        run_id: the run.
        inputs: the value of every input.
        stopped: listeners have been told that the run is to stop.
    """

    def __init__(self, pipeline: Any, run_id: str, inputs: Mapping[str, Any]) -> None:
        self.pipeline = pipeline
        self.run_id = run_id
        self.inputs = inputs
        self.stopped = False
        self._report: RunReport | None = None

    def __repr__(self) -> str:
        status = self._report.status.value if self._report else "running"
        return f"<ExecutionContext {self.run_id} {status}>"

    def _repr_html_(self) -> str:
        """The places of the run and its failures, for notebooks."""
        from volnux.pipeline.notebook import report_as_html

        if self._report is None:
            return "<p>the run has not ended</p>"
        return report_as_html(self._report)

    def finish(self, report: RunReport) -> None:
        """Set the report of the run: for code that runs pipelines, not for their users."""
        self._report = report

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self._report is not None

    @property
    def report(self) -> RunReport:
        """The run report.

        Raises:
            VolnuxError: the run has not ended.
        """
        if self._report is None:
            raise VolnuxError(f"the run {self.run_id} has not ended: it has no report yet")
        return self._report

    @property
    def status(self) -> RunStatus:
        """How the run ended."""
        return self.report.status

    @property
    def succeeded(self) -> bool:
        """Whether the run is a success."""
        return self.status is RunStatus.SUCCESS

    @property
    def results(self) -> dict[str, Any]:
        """By place, the results of the events that returned one.

        Raises:
            VolnuxError: the run has not ended, or was started with `results=False`.
        """
        self._need_results()
        return self.report.results

    @property
    def first_failed(self) -> PlaceReport | None:
        """The first place, in reading order, that ran and failed; None if none did."""
        failed = (i for i in self if i.state is State.FAILED and i.descriptor is not None)
        return next(failed, None)

    def filter_by_event(self, event: Any) -> list[PlaceReport]:
        """The places of an event in reading order, given by its name, class or function."""
        if isinstance(event, str):
            wanted = {event}
        else:
            class_ = event_class_of(event)
            if class_ is None:
                raise TypeError(f"an event, or the name of one, is expected: found {shown(event)}")
            # The flow may write the name in another case, or with its module.
            wanted = {class_.__name__, *self._names_of(class_)}
        places = self.report.places.values()
        return [item for item in places if wanted & {item.event, item.event.rpartition(".")[2]}]

    def results_of(self, event: Any) -> list[Any]:
        """What an event returned at each of its places that ran, a `Failure` where it raised.

        Raises:
            VolnuxError: the run has not ended, or was started with `results=False`.
        """
        self._need_results()
        return [
            item.result if item.failure is None else item.failure
            for item in self.filter_by_event(event)
            if item.descriptor is not None
        ]

    def _need_results(self) -> None:
        if not self.report.results_kept:
            raise VolnuxError(
                f"the results of the run {self.run_id} were not kept: start it with results=True"
            )

    def _names_of(self, class_: type) -> set[str]:
        if self.pipeline is None:
            return set()
        specs = type(self.pipeline).plan().specs
        return {spec.name for spec in specs if spec is not None and spec.event_class is class_}

    def raise_for_status(self) -> None:
        """Do nothing after a success.

        Raises:
            RunFailedError: the run failed or was cancelled. Its cause is the exception of the first
                event that failed without being handled, with the frames of the event; of an event
                in another process, its traceback as text.
        """
        if self.succeeded:
            return
        raise self.report.error(self)

    def __iter__(self) -> Iterator[PlaceReport]:
        return iter(self.report.places.values())

    def __len__(self) -> int:
        return len(self.report.places)

    def __contains__(self, place: object) -> bool:
        return place in self.report.places

    def __getitem__(self, place: str) -> PlaceReport:
        return self.report.places[place]
