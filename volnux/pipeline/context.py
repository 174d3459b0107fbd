"""The outcome of a run: its status, its results by place and event, and its report."""

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
    """One run of a pipeline: listeners receive it during the run; `start` returns it at the end.

    Iteration yields the places in reading order; `context["Load__2"]` is one place.

    Attributes:
        pipeline: the pipeline that was started; None in the results of a batch pipeline.
        run_id: the id of the run.
        inputs: the value of every input, by name.
        stopped: whether listeners have been notified that the run is asked to stop.
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
        """The places and failures of the run as HTML, for notebooks."""
        from volnux.pipeline.notebook import report_as_html

        if self._report is None:
            return "<p>the run has not ended</p>"
        return report_as_html(self._report)

    def finish(self, report: RunReport) -> None:
        """Set the report of the run; for code that runs pipelines, not for users."""
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
        """The results of the events that returned one, by place.

        Raises:
            VolnuxError: the run has not ended, or was started with `results=False`.
        """
        self._need_results()
        return self.report.results

    @property
    def first_failed(self) -> PlaceReport | None:
        """The first place in reading order that ran and failed; None if there is none."""
        failed = (i for i in self if i.state is State.FAILED and i.descriptor is not None)
        return next(failed, None)

    def filter_by_event(self, event: Any) -> list[PlaceReport]:
        """The places of an event, given by name, class or function, in reading order."""
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
        """The result of an event at each place where it ran; a `Failure` if it raised an exception.

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
                event whose failure was not handled, with its stack frames, or with the traceback as
                text if the event ran in another process.
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
