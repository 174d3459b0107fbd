"""Executors that are named by a URL: a dask cluster, and those that installed packages provide.

A package provides one in the entry point group `volnux.executors`: the name is the URL scheme, and
the object is a function `(url, config) -> concurrent.futures.Executor`, where `config` is the
event's `ExecutorInitializerConfig`. The `shutdown` of the executor is called at the end of the run.
An executor that has lost its connection sets an attribute `broken`. Then the next event gets a new
executor.
"""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Callable, Iterator, Set
from concurrent.futures import BrokenExecutor, Executor, Future
from importlib.metadata import entry_points
from typing import Any

from volnux.errors import VolnuxError
from volnux.events.base import NotSentError, WorkerLost
from volnux.events.executors import ExecutorConfigError, ExecutorInitializerConfig, ExecutorSpec
from volnux.events.outcome import Call, Outcome
from volnux.events.remote import read_outcome
from volnux.events.spec import EventSpec
from volnux.hooks import network_watched
from volnux_standalone.pools import Done, Handle, Pool, Submitted
from volnux_standalone.shipping import shipped_task

__all__ = ["GROUP", "Factory", "InstalledSchemes", "UrlPool", "executor_of", "url_schemes"]

GROUP = "volnux.executors"

Factory = Callable[[str, ExecutorInitializerConfig], Executor]
"""Creates the executor of a URL."""

_DASK = ("dask", "dask+tcp", "dask+tls")


@functools.cache
def url_schemes() -> frozenset[str]:
    """The schemes of the installed executors."""
    ours = _DASK if importlib.util.find_spec("distributed") is not None else ()
    return frozenset({*ours, *(point.name for point in entry_points(group=GROUP))})


class InstalledSchemes(Set[str]):
    """`url_schemes` as a set that searches the installed packages only when it is used."""

    def __contains__(self, scheme: object) -> bool:
        return scheme in url_schemes()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(url_schemes()))

    def __len__(self) -> int:
        return len(url_schemes())

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self))}}}"


def executor_of(url: str, config: ExecutorInitializerConfig) -> Executor:
    """The executor of a URL.

    Raises:
        VolnuxError: no installed package knows the scheme, or the executor cannot be created.
    """
    scheme = url.partition("://")[0]
    for point in entry_points(group=GROUP, name=scheme):
        return _made(url, point.load(), config)
    if scheme in _DASK:
        try:
            from volnux_standalone.dask_cluster import dask_executor
        except ImportError as error:
            from volnux.extras import how_to_install

            raise ExecutorConfigError(
                f"{_shown(url)} needs dask, which is not installed: {how_to_install('dask')}"
            ) from error
        return _made(url, dask_executor, config)
    known = ", ".join(sorted(url_schemes())) or "none"
    raise ExecutorConfigError(f"there is no executor for {_shown(url)}; schemes: {known}")


def _made(url: str, factory: Factory, config: ExecutorInitializerConfig) -> Executor:
    try:
        return factory(url, config)
    except VolnuxError:
        raise
    except Exception as error:  # noqa: BLE001 - the factory is third-party code
        from volnux.redaction import redacted, secrets_of

        why = redacted(f"{type(error).__name__}: {error}", secrets_of(url))
        raise ExecutorConfigError(f"the executor {_shown(url)} cannot be created: {why}") from None


def _shown(url: str) -> str:
    """A URL without user and password. Imported late, because most runs do not show a URL."""
    from volnux.redaction import redacted

    return redacted(url)


class UrlPool(Pool):
    """An executor on other machines. The source of the events is sent with them."""

    stoppable = True

    def __init__(self, spec: ExecutorSpec) -> None:
        assert spec.url is not None
        self._url = spec.url
        started = time.time()
        try:
            self._executor = executor_of(spec.url, spec.config)
        except VolnuxError as error:
            if network_watched():
                from volnux.telemetry.network import network_operation

                network_operation(
                    spec.url,
                    operation="connect",
                    started_at=started,
                    error=error.__context__ or error,
                )
            raise

    def submit(
        self, spec: EventSpec, call: Call, began: Callable[[], object], done: Done
    ) -> Handle:
        """See `Pool.submit`."""
        # The other machine does not report when the attempt begins.
        began()
        try:
            task = shipped_task(spec, call)
        except NotSentError as error:
            done(error)
            return _Away(Future(), lambda _: None)
        sent = None
        if network_watched():
            from volnux.telemetry.network import Sent

            sent = Sent(self._url, spec.name, call, task.size)
        future = self._executor.submit(task)

        def ended(future: Future[Any]) -> None:
            outcome = self._outcome(future, spec)
            if sent is not None:
                nothing = future.cancelled() or future.exception()
                sent.came_back(None if nothing else future.result(), outcome)
            done(outcome)

        return _Away(future, ended)

    @property
    def broken(self) -> bool:
        """See `Pool.broken`."""
        return bool(getattr(self._executor, "broken", False))

    def _outcome(self, future: Future[Any], spec: EventSpec) -> Outcome | BaseException:
        if future.cancelled():
            return WorkerLost(f"{_shown(self._url)} cancelled {spec.name}")
        error = future.exception()
        if error is None:
            return read_outcome(future.result(), spec)
        if isinstance(error, WorkerLost | KeyboardInterrupt):
            return error
        if isinstance(error, BrokenExecutor):
            return WorkerLost(f"a worker of {_shown(self._url)} that ran {spec.name} died")
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        return NotSentError(
            f"{spec.name} cannot be run at {_shown(self._url)}: {kind}: {_shown(str(error))}"
        )


class _Away(Submitted):
    """An attempt on another machine, which can be stopped."""

    def abandon(self) -> None:
        self.take_back()
