"""The hooks of a run: they connect a backend to signals, telemetry and progress.

A backend calls `hooks_of` once for each run, or for each task that it runs in another process, and
reports to the hooks what happens. Hooks are false if there is no listener, so a run without
listeners costs only this check. Listeners are not registered: see `_LISTENERS`.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from volnux import usercode
from volnux.imported import imported

if TYPE_CHECKING:
    from volnux.backends.port import RunObserver
    from volnux.events.link import Plan
    from volnux.events.outcome import Call, Outcome
    from volnux.events.spec import EventSpec
    from volnux.graph.model import Node
    from volnux.graph.report import RunReport
    from volnux.runs.model import KeptPlace

__all__ = [
    "About",
    "Hooks",
    "Listener",
    "Observing",
    "hooks_of",
    "network_watched",
    "signals_loaded",
]

_LISTENERS: Final = {
    # If the signals were not imported, they cannot have listeners.
    "volnux.signal.soft": "volnux.signal.announce",
    "volnux.telemetry.records": "volnux.telemetry.watch",
    "volnux.telemetry.logs": "volnux.telemetry.watch",
    # Code that configures an SDK has imported this module.
    "opentelemetry.trace": "volnux.telemetry.watch",
}
"""Our listening module for each module that a program imports in order to listen.

The former has a function `listener(about, loaded)`, which returns a `Listener` or None.
"""


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class About:
    """The subject of the hooks: a whole run, or one task of a host in its own process.

    Attributes:
        pipeline: the name of the pipeline.
        backend: the name of the backend.
        run_id: the id of the run.
        plan: the plan of a whole run; None for a task.
        context: the `execution_context` for listeners to signals.
        carrier: the trace context that the host of a task passes on, as W3C headers.
        sampled: whether to treat the context of a task as sampled, even if it is not marked so.
    """

    pipeline: str
    backend: str
    run_id: str
    plan: Plan | None = None
    context: Any = None
    carrier: Mapping[str, str] | None = None
    sampled: bool = False


class Listener:
    """Receives what happens in a run; every method is optional.

    Attempts are reported from any thread of the backend, several at the same time.
    """

    def run_begins(self) -> None:
        """The run begins, in this thread."""

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        """The run has ended with a report or an error, in the thread where it began.

        A task of a host has no report.
        """

    def call(self, spec: EventSpec, call: Call) -> Call:
        """Return the call with its scope; called first for each attempt."""
        return call

    def began(self, spec: EventSpec, call: Call) -> None:
        """An attempt begins."""

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """An attempt has failed; another follows after `outcome.retry_after` seconds."""

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """The last attempt of an event has ended."""

    def ended_elsewhere(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """An attempt has ended in another process, which has reported it to its own hooks."""

    def reused(self, spec: EventSpec, call: Call, outcome: Outcome, kept: KeptPlace) -> None:
        """A place keeps its outcome, as it was kept of the run that this one resumes."""

    def stops(self, running: int | None) -> None:
        """The run is asked to stop. `running` events may finish; None: an event ended the run."""


class Hooks(list[Listener]):
    """All listeners of one run; false if there are none. The methods are those of `Listener`."""

    def around(self, execute: Callable[[], RunReport]) -> RunReport:
        """Execute a run, and report its beginning and its end."""
        return self._around(execute, lambda report: report) if self else execute()

    def around_task(self, execute: Callable[[], Outcome]) -> Outcome:
        """Execute an attempt in a task of a host, and report the beginning and end of the task."""
        return self._around(execute, lambda outcome: None) if self else execute()

    def _around(self, execute: Callable[[], _T], report_of: Callable[[_T], RunReport | None]) -> _T:
        report: RunReport | None = None
        error: BaseException | None = None
        try:
            with ExitStack() as stack:
                for listener in self:
                    listener.run_begins()
                    stack.callback(lambda each: each.run_ended(report, error), listener)
                try:
                    result = execute()
                except BaseException as raised:
                    error = raised
                    raise
                report = report_of(result)
            return result
        finally:
            error = None  # It would keep this frame and the variables of the event alive.

    def call(self, spec: EventSpec, call: Call) -> Call:
        for listener in self:
            call = listener.call(spec, call)
        return call

    def began(self, spec: EventSpec, call: Call) -> None:
        for listener in self:
            listener.began(spec, call)

    def attempt_ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """Report the end of an attempt as `retries` or `ended`: see `outcome.retry_after`."""
        if outcome.retry_after is not None:
            self.retries(spec, call, outcome)
        else:
            self.ended(spec, call, outcome)

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        for listener in self:
            listener.retries(spec, call, outcome)

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        for listener in self:
            listener.ended(spec, call, outcome)

    def ended_elsewhere(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        for listener in self:
            listener.ended_elsewhere(spec, call, outcome)

    def reused(self, spec: EventSpec, call: Call, outcome: Outcome, kept: KeptPlace) -> None:
        for listener in self:
            listener.reused(spec, call, outcome, kept)

    def stops(self, running: int | None) -> None:
        for listener in self:
            listener.stops(running)


def hooks_of(
    about: About,
    *others: Listener,
    observer: RunObserver | None = None,
    keeper: Listener | None = None,
) -> Hooks:
    """Make the hooks of a run or task that is about to begin.

    Args:
        about: the run or task.
        others: listeners of the backend itself; they are notified first.
        observer: the observer of the run, notified next.
        keeper: what keeps the run; it is notified last, and of the end of the run first.
    """
    hooks = Hooks(others)
    if observer is not None:
        hooks.append(Observing(observer, about))
    loaded = frozenset(name for name in _LISTENERS if imported(name) is not None)
    for module in dict.fromkeys(_LISTENERS[name] for name in _LISTENERS if name in loaded):
        found = importlib.import_module(module).listener(about, loaded)
        if found is not None:
            hooks.append(found)
    if keeper is not None:
        hooks.append(keeper)
    return hooks


def network_watched() -> bool:
    """Whether operations on other machines may have a listener."""
    return imported("volnux.telemetry.records") is not None


def signals_loaded() -> bool:
    """Whether a signal may have a listener in this process."""
    return imported("volnux.signal.soft") is not None


class Observing(Listener):
    """Reports what happens to a `RunObserver`, one call at a time.

    An exception of an observer is logged; one that is not an `Exception` goes to `on_fatal`.

    Args:
        observer: the observer.
        about: the run.
        on_fatal: called with an exception that must end the run; if None, it is raised.
    """

    def __init__(
        self,
        observer: RunObserver,
        about: About,
        on_fatal: Callable[[BaseException], object] | None = None,
    ) -> None:
        assert about.plan is not None
        self._observer = observer
        self._plan = about.plan
        self._run_id = about.run_id
        self._on_fatal = on_fatal
        self._log = logging.getLogger(f"volnux.{about.backend}")
        self._lock = threading.RLock()

    def run_begins(self) -> None:
        self._tell(lambda: self._observer.run_started(self._plan, self._run_id))

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        if report is not None:
            self._tell(lambda: self._observer.run_ended(report))

    def began(self, spec: EventSpec, call: Call) -> None:
        node = self._node(call)
        self._tell(lambda: self._observer.place_started(node, call.attempt))

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        node = self._node(call)
        self._tell(lambda: self._observer.place_retries(node, outcome))

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        node = self._node(call)
        self._tell(lambda: self._observer.place_ended(node, outcome))

    def reused(self, spec: EventSpec, call: Call, outcome: Outcome, kept: KeptPlace) -> None:
        node = self._node(call)
        self._tell(lambda: self._observer.place_reused(node, outcome))

    def stops(self, running: int | None) -> None:
        if running is not None:
            self._tell(lambda: self._observer.cancelling(running))

    def _node(self, call: Call) -> Node:
        return self._plan.graph.node_of(call.task_id)

    def _tell(self, tell: Callable[[], object]) -> None:
        generation = usercode.generation
        with self._lock:
            try:
                tell()
            except BaseException as error:
                if usercode.generation != generation:
                    usercode.end_child(error)
                if isinstance(error, Exception):
                    self._log.exception("an observer of the run failed")
                elif self._on_fatal is None:
                    raise
                else:
                    self._on_fatal(error)
        if usercode.generation != generation:
            usercode.end_child()
