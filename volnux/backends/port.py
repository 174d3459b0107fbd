"""The port: the interface of a backend. `docs/backends.md` shows how to write one."""

from __future__ import annotations

import abc
import datetime as dt
import threading
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from volnux.backends.gaps import Gap
from volnux.errors import Diagnostic, Severity, VolnuxError
from volnux.events.executors import ExecutorKind
from volnux.events.link import Plan
from volnux.events.native import Native
from volnux.events.outcome import Host, Outcome
from volnux.graph.model import Node
from volnux.graph.report import RunReport
from volnux.pointy.options import HINTS

if TYPE_CHECKING:
    from volnux.events.answers import Answers
    from volnux.events.portable import Carrier
    from volnux.kit.backfill import Fill, HostCommand, PastRuns
    from volnux.kit.reuse import Earlier
    from volnux.runs.store import StoreLike

__all__ = [
    "Backend",
    "BackendError",
    "Capabilities",
    "RefusedError",
    "RunControl",
    "RunObserver",
    "RunOptions",
    "refuse",
    "require_host",
]


class BackendError(VolnuxError):
    """A backend is not available, or cannot run this plan."""


class RefusedError(BackendError):
    """A file needs something that a backend does not support; `diagnostics` says where."""

    def __init__(self, backend: str, diagnostics: list[Diagnostic]) -> None:
        super().__init__("\n".join(d.render() for d in diagnostics))
        self.backend = backend
        self.diagnostics = tuple(diagnostics)

    def __reduce__(self) -> tuple[type[RefusedError], tuple[str, list[Diagnostic]]]:
        return type(self), (self.backend, list(self.diagnostics))


@dataclass(frozen=True)
class Capabilities:
    """The features that a backend supports; it refuses others, but ignores hints with a note.

    Attributes:
        hints: the names of the hints in brackets that it uses.
        url_schemes: the schemes of executor URLs that it can send events to.
        pools: whether an event may run in a pool of its own executor class.
        timeout: whether it can end an attempt after `timeout` seconds.
        stop_on_exception: whether an event can end the whole run.
        catchup: whether it can run missed schedules later.
        approvals: whether it can ask a person and wait for the answer.
        resume: whether a run can keep the outcomes of an earlier one: `RunOptions.earlier`.
    """

    hints: frozenset[str] = frozenset()
    url_schemes: Set[str] = frozenset()
    pools: bool = True
    timeout: bool = True
    stop_on_exception: bool = True
    catchup: bool = False
    approvals: bool = False
    resume: bool = False

    def check(self, plan: Plan, backend: str) -> list[Diagnostic]:
        """Errors for what a backend of this name refuses in a plan; notes for what it ignores."""
        found: list[Diagnostic] = []
        graph = plan.graph
        if graph.catchup and graph.schedules and not self.catchup:
            directive = graph.directive("catchup")
            span = directive.span if directive else None
            text = f"{backend} does not support catchup"
            found.append(graph.diagnostic("refused", text, span=span))
        for node, spec in zip(graph.nodes, plan.specs, strict=True):
            if spec is None:
                continue
            where = spec.executor
            if where.kind is ExecutorKind.URL and where.url is not None:
                scheme = where.url.partition("://")[0]
                if scheme not in self.url_schemes:
                    text = f"{backend} cannot send an event to {where.describe()}"
                    hint = f"schemes: {', '.join(sorted(self.url_schemes)) or 'none'}"
                    found.append(graph.diagnostic("refused", text, at=node, hint=hint))
            elif where.kind is ExecutorKind.POOL and not self.pools:
                text = f"{backend} has no pool of {where.describe()} for an event"
                found.append(graph.diagnostic("refused", text, at=node))
            if spec.timeout is not None and not self.timeout:
                text = f"{backend} cannot end an attempt after a timeout"
                found.append(graph.diagnostic("refused", text, at=node))
            if not self.approvals and spec.asks:
                text = f"{backend} cannot ask a person, as {spec.name} does"
                found.append(graph.diagnostic("refused", text, at=node))
            native = getattr(spec.event_class, "native", None)
            if isinstance(native, Native) and native.backend != backend and not native.has_local:
                text = f"{spec.name} is {native}: {backend} cannot run it"
                hint = "give it local=…, an event that other backends run in its place"
                found.append(graph.diagnostic("refused", text, at=node, hint=hint))
            if spec.stop_on_exception and not self.stop_on_exception:
                text = f"{backend} cannot end a run for stop_on_exception of {spec.name}"
                found.append(graph.diagnostic("refused", text, at=node))
            for option in node.options:
                if option in HINTS and option not in self.hints:
                    text = f"{backend} ignores the hint '{option}'"
                    note = Severity.NOTE
                    found.append(graph.diagnostic("ignored-hint", text, at=node, severity=note))
        # The rounds of a group with `again` have the same positions, and so have several uses.
        return list(dict.fromkeys(found))


def refuse(backend: str, found: Iterable[Diagnostic]) -> None:
    """Raise if a diagnostic is an error.

    Args:
        backend: the name of the backend.
        found: what its check found.

    Raises:
        RefusedError: with all errors.
    """
    errors = [each for each in found if each.severity is Severity.ERROR]
    if errors:
        raise RefusedError(backend, errors)


def require_host(name: str) -> None:
    """Raise if the orchestrator that a backend needs is not installed.

    Args:
        name: the name of its package, and of the extra that installs it.

    Raises:
        BackendError: with the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec(name) is None:
        from volnux.extras import how_to_install

        raise BackendError(f"{name.capitalize()} is not installed: {how_to_install(name)}")


class RunObserver:
    """Receives what happens in a run, for progress and summaries; every method is optional.

    Methods are called from any thread of the backend, but only one at a time.
    """

    def run_started(self, plan: Plan, run_id: str) -> None:
        """The run begins."""

    def place_started(self, node: Node, attempt: int) -> None:
        """An attempt of a place begins."""

    def place_retries(self, node: Node, outcome: Outcome) -> None:
        """An attempt failed and another follows after `outcome.retry_after` seconds."""

    def place_waits(self, node: Node, outcome: Outcome) -> None:
        """An event said "not yet"; it is called again after `outcome.retry_after` seconds."""

    def place_ended(self, node: Node, outcome: Outcome) -> None:
        """The last attempt of a place ended; a descriptor without a branch counts as a failure."""

    def place_reused(self, node: Node, outcome: Outcome) -> None:
        """A place keeps the outcome that it had in the run that this one resumes."""

    def cancelling(self, running: int) -> None:
        """The run was cancelled; `running` places may still finish."""

    def run_ended(self, report: RunReport) -> None:
        """The run is over."""


class RunControl:
    """A handle to a run from outside: `cancel()` lets running events finish, `give_up()` does not.

    Attributes:
        cancelled: whether `cancel` was called.
        interrupted: set by the backend if Ctrl-C reached the run. The run then ends with a report,
            and the caller raises `KeyboardInterrupt` after closing the run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancels: list[Callable[[], object]] = []
        self._gives_up: list[Callable[[], object]] = []
        self.cancelled = False
        self.interrupted = False
        self._given_up = False

    def cancel(self) -> None:
        """Start nothing more; running events may finish. Safe from any thread, at any time."""
        with self._lock:
            self.cancelled = True
            callbacks, self._cancels = self._cancels, []
        for callback in callbacks:
            callback()

    @property
    def can_give_up(self) -> bool:
        """Whether the backend can stop waiting for running events."""
        return bool(self._gives_up)

    def give_up(self) -> None:
        """Cancel, and stop waiting for running events if the backend can."""
        with self._lock:
            self._given_up = True
            callbacks = list(self._gives_up)
        self.cancel()
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call back when the run is cancelled, or immediately if it already is."""
        with self._lock:
            if not self.cancelled:
                self._cancels.append(callback)
                return
        callback()

    def on_give_up(self, callback: Callable[[], object]) -> None:
        """Call back when the run is given up, or immediately if it already is."""
        with self._lock:
            self._gives_up.append(callback)
            if not self._given_up:
                return
        callback()

    def raise_if_interrupted(self) -> None:
        """Raise if Ctrl-C reached the run; the caller of the run calls this after closing it.

        Raises:
            KeyboardInterrupt: Ctrl-C reached the run.
        """
        if self.interrupted:
            raise KeyboardInterrupt


@dataclass(frozen=True)
class RunOptions:
    """How to run a plan.

    Attributes:
        run_id: the run's id; a new one if None.
        workers: the maximum number of events of the default executor that run at once; None for the
            default.
        portable: whether results must be JSON and are passed on as JSON.
        carrier: how results leave their process, if not as `portable` says.
        observer: an object whose methods are called when something happens in the run.
        control: a handle for other threads to cancel the run; it also records whether Ctrl-C did.
        context: the `execution_context` for listeners to signals.
        results: whether to keep the results. If false, a backend with results in memory releases
            each one after its last reader, and the report has none; other backends may ignore this.
        scheduled_at: the scheduled time of the run, aware; its start if None.
        variables: values of variables, in place of the host's.
        secrets: values of secrets, in place of the host's; for tests.
        host: where variables and secrets come from; None for those of the backend itself.
        index: the indices of the items, if the plan is a part that runs for an item.
        items: the names and values of these items, the outermost first.
        given: the values from outside, if the plan is a part of another one, by their index in
            `Graph.values`.
        answers: where the answers of people come from; None if nobody can be asked.
        with_end: whether the report has `RunReport.end`, if the backend can tell.
        store: where the run is kept, as a `volnux.runs.Store` or a path; None if it is not.
        earlier: what is known of the run that this one resumes; None if it begins anew.
    """

    run_id: str | None = None
    workers: int | None = None
    portable: bool = False
    carrier: Carrier | None = None
    observer: RunObserver | None = None
    control: RunControl = field(default_factory=RunControl)
    context: Any = None
    results: bool = True
    scheduled_at: dt.datetime | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    host: Host | None = None
    index: tuple[int, ...] = ()
    items: tuple[tuple[str, Any], ...] = ()
    given: Mapping[int, Any] = field(default_factory=dict)
    answers: Answers | None = None
    with_end: bool = False
    store: StoreLike | None = None
    earlier: Earlier | None = None


class Backend(abc.ABC):
    """Something that runs plans. Registered under the entry point group `volnux.backends`."""

    name: str
    capabilities: Capabilities
    gaps: ClassVar[Mapping[str, Gap]] = MappingProxyType({})
    """The conformance cases that the backend does not pass, by name; see `volnux.backends.gaps`."""
    logs_failures: ClassVar[bool] = False
    """Whether `run` logs failures to `volnux.run` as they happen; otherwise `Pipeline.start`
    does."""
    left_behind: bool = False
    """Whether threads of an ended run still run the user's code in this process."""

    @abc.abstractmethod
    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """Run a plan to its end and report.

        A Ctrl-C that reaches the run cancels it and sets `options.control.interrupted`.

        Args:
            plan: the linked graph; `check` has found no errors in it.
            inputs: a value for every input by name, as returned by `bind_inputs`.
            options: how to run.

        Raises:
            RefusedError: the plan needs something that this backend does not support.
        """

    def check(self, plan: Plan) -> list[Diagnostic]:
        """Errors for what this backend refuses in a plan, and notes, in reading order."""
        return self.capabilities.check(plan, self.name)

    def check_live(self, plan: Plan) -> list[Diagnostic]:
        """Diagnostics for what the installation of this backend lacks for a plan, in reading order.

        This checks what only the installation knows: pools, queues, connections, limits. `check`
        has found no errors in the plan. It may be called for many plans.

        Raises:
            BackendError: there is no installation, or it does not answer.
        """
        raise BackendError(f"{self.name} has no installation to check: remove --live")

    def past_runs(self, plan: Plan, fill: Fill) -> AbstractContextManager[PastRuns] | None:
        """What runs past times on the host of this backend; None if `run` does, in this process.

        Raises:
            VolnuxError: the host cannot run them.
        """
        return None

    def backfill_command(self, plan: Plan, fill: Fill) -> HostCommand | None:
        """The command of a host that fills past times by itself; None if this one does not.

        Raises:
            VolnuxError: the host cannot do what is asked.
        """
        return None

    def refuse(self, plan: Plan) -> None:
        """Raise if `check` finds an error.

        Raises:
            RefusedError: with all errors.
        """
        refuse(self.name, self.check(plan))
