"""Events on a dask cluster: `dask`, `dask://host:8786`, `dask+tls://host:8786?ca=…&cert=…`."""

from __future__ import annotations

import contextlib
import importlib
import logging
from concurrent.futures import Executor, Future
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from volnux.errors import did_you_mean
from volnux.events.base import WorkerLost
from volnux.events.executors import EMPTY, ExecutorConfigError, ExecutorInitializerConfig
from volnux.redaction import redacted

__all__ = ["dask_executor"]

# It has no type information.
distributed: Any = importlib.import_module("distributed")
dask_config: Any = importlib.import_module("dask.config")

_TLS = {"ca": "tls_ca_file", "cert": "tls_client_cert", "key": "tls_client_key"}
_OPTIONS = (*_TLS, "timeout", "processes", "threads")


def dask_executor(url: str, config: ExecutorInitializerConfig) -> Executor:
    """The executor of a dask URL.

    If the URL has an address, the executor uses that scheduler. Otherwise it starts a cluster on
    this machine for this run only, which listens on loopback only and has no dashboard.

    Options in the query: `timeout` (seconds to wait for the scheduler); for TLS `ca`, `cert` and
    `key` (paths of PEM files); for a cluster on this machine `processes` and `threads` (in each
    process).

    Raises:
        ExecutorConfigError: the URL is invalid.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in _OPTIONS:
            hint = did_you_mean(name, _OPTIONS, f"options: {', '.join(_OPTIONS)}")
            raise ExecutorConfigError(f"{redacted(url)} has an unknown option {name!r}; {hint}")
    tls = any(name in options for name in _TLS)
    if tls and parts.scheme == "dask+tcp":
        raise ExecutorConfigError(
            f"{redacted(url)} has certificates but does not use TLS: write dask+tls://"
        )
    if not parts.netloc:
        return _DaskExecutor(url, *_local(url, options, config))
    scheme = "tls" if tls or parts.scheme == "dask+tls" else "tcp"
    security = None
    if scheme == "tls":
        files = {_TLS[name]: path for name, path in options.items() if name in _TLS}
        security = distributed.Security(require_encryption=True, **files)
    client = distributed.Client(
        f"{scheme}://{parts.netloc}",
        security=security,
        timeout=_number(url, options, "timeout") or 10,
        set_as_default=False,
    )
    return _DaskExecutor(url, client, None)


def _local(url: str, options: dict[str, str], config: ExecutorInitializerConfig) -> tuple[Any, Any]:
    workers = None if config.max_workers is EMPTY else int(config.max_workers)
    # Only the retry policy repeats an event. By default, dask would also repeat it after a worker
    # died.
    with dask_config.set({"distributed.scheduler.allowed-failures": 0}):
        cluster = distributed.LocalCluster(
            n_workers=workers or _number(url, options, "processes"),
            threads_per_worker=_number(url, options, "threads") or 1,
            processes=True,
            # Anyone who can connect to a scheduler or a worker can run code there, so only allow
            # this machine.
            host="127.0.0.1",
            # The dashboard has no password. The port is only for the health checks.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=50,
        )
    return distributed.Client(cluster, set_as_default=False), cluster


def _number(url: str, options: dict[str, str], name: str) -> int | None:
    if name not in options:
        return None
    if not options[name].isdecimal() or int(options[name]) < 1:
        raise ExecutorConfigError(
            f"{name} in {redacted(url)} must be a whole number of at least 1, "
            f"found {options[name]!r}"
        )
    return int(options[name])


class _DaskExecutor(Executor):
    """The executor of a dask client. Its shutdown closes the client."""

    def __init__(self, url: str, client: Any, cluster: Any) -> None:
        self._url = redacted(url)
        self._client = client
        self._cluster = cluster
        self._executor = client.get_executor(pure=False, retries=0)

    @property
    def broken(self) -> bool:
        """Whether the client has lost the scheduler and no longer tries to reconnect."""
        return self._client.status in ("closing", "closed")

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`. A worker or scheduler that died raises `WorkerLost`."""
        inner: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        outer: Future[Any] = Future()

        def ended(_: Future[Any]) -> None:
            if outer.set_running_or_notify_cancel():
                error: BaseException | None
                if inner.cancelled():
                    error = WorkerLost(f"the connection to the scheduler at {self._url} was lost")
                else:
                    error = inner.exception()
                if isinstance(error, distributed.scheduler.KilledWorker):
                    error = WorkerLost(f"a worker of {self._url} died")
                if error is None:
                    outer.set_result(inner.result())
                else:
                    outer.set_exception(error)

        inner.add_done_callback(ended)
        outer.add_done_callback(lambda future: inner.cancel() if future.cancelled() else None)
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the signature of Executor
        """Close the client, and the cluster that was started for it."""
        with contextlib.suppress(Exception):
            self._executor.shutdown(wait=wait)
        # A client that is trying to reconnect logs an error when it is closed.
        with distributed.utils.silence_logging_cmgr(logging.CRITICAL):
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()
