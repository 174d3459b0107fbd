"""Where an event runs: its executor, and the settings of that executor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final

from volnux.errors import VolnuxError, did_you_mean, nearest

__all__ = [
    "EMPTY",
    "DefaultExecutor",
    "ExecutorConfigError",
    "ExecutorInitializerConfig",
    "ExecutorKind",
    "ExecutorSpec",
]


class _Empty(Enum):
    EMPTY = "EMPTY"

    def __repr__(self) -> str:
        return "EMPTY"


EMPTY: Final = _Empty.EMPTY
"""Stands for a missing setting: the executor's own default applies."""


class ExecutorConfigError(VolnuxError, ValueError):
    """An executor, or a setting of an executor, is not valid."""


class DefaultExecutor:
    """The executor of events that do not set one: the run's own workers, which they share.

    It is only a name, not a pool: the run sets the number of workers (`--workers`).
    """


@dataclass(frozen=True)
class ExecutorInitializerConfig:
    """Settings of the pool that is created from an event's executor class.

    Attributes:
        max_workers: the number of workers; EMPTY means the default of the executor class.
        max_tasks_per_child: the number of tasks after which a worker process is replaced.
        thread_name_prefix: the prefix of the thread names in a thread pool.

    Settings that the executor class does not accept are ignored.
    """

    max_workers: int | _Empty = EMPTY
    max_tasks_per_child: int | _Empty = EMPTY
    thread_name_prefix: str | _Empty = EMPTY

    def __post_init__(self) -> None:
        for name in ("max_workers", "max_tasks_per_child"):
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, EMPTY)
            elif value is not EMPTY and (
                not isinstance(value, int) or isinstance(value, bool) or value < 1
            ):
                raise ExecutorConfigError(
                    f"{name} is a whole number of at least 1, found {value!r}"
                )
        prefix = self.thread_name_prefix
        if prefix is not EMPTY and not isinstance(prefix, str):
            raise ExecutorConfigError(f"thread_name_prefix is a string, found {prefix!r}")

    @classmethod
    def of(
        cls, value: ExecutorInitializerConfig | Mapping[str, Any] | None
    ) -> ExecutorInitializerConfig:
        """The value as a configuration: itself, one made from a mapping, or an empty one for None.

        Raises:
            ExecutorConfigError: the value is none of these, or has an unknown key.
        """
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ExecutorConfigError(
                "executor_config is an ExecutorInitializerConfig or a dict of its fields, "
                f"found {value!r}"
            )
        known = [each.name for each in fields(cls)]
        for key in value:
            if key not in known:
                hint = did_you_mean(str(key), known, f"settings: {', '.join(known)}")
                raise ExecutorConfigError(f"executor_config has no setting {key!r}; {hint}")
        return cls(**value)

    def settings_for(self, executor: type) -> dict[str, Any]:
        """The given settings that the executor class accepts."""
        given = {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) is not EMPTY
        }
        from concurrent.futures import ThreadPoolExecutor

        try:
            parameters = inspect.signature(executor).parameters
        except (TypeError, ValueError):
            return given
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            if issubclass(executor, ThreadPoolExecutor):
                # From Python 3.14, it passes other arguments on but does not use this one.
                given.pop("max_tasks_per_child", None)
            return given
        return {name: value for name, value in given.items() if name in parameters}


class ExecutorKind(Enum):
    """The ways to run an event that a backend must tell apart."""

    DEFAULT = "default"
    POOL = "pool"
    URL = "url"


@dataclass(frozen=True)
class ExecutorSpec:
    """Where an event runs: on the run's own workers, in its own pool, or at a URL."""

    kind: ExecutorKind = ExecutorKind.DEFAULT
    pool: type[Executor] | None = None
    url: str | None = field(default=None, repr=False)
    config: ExecutorInitializerConfig = ExecutorInitializerConfig()

    def describe(self) -> str:
        """A short text for the executor, without the password of its URL."""
        if self.pool is not None:
            return self.pool.__name__
        if self.url is None:
            return "default"
        from volnux.redaction import redacted

        return redacted(self.url)


def executor_spec(executor: Any, config: Any) -> ExecutorSpec:
    """The spec of an event's `executor` and `executor_config` attributes.

    Args:
        executor: None or `DefaultExecutor`; a class of `concurrent.futures.Executor`; or a
            string: `inline`, `thread`, `process`, `dask`, or a URL such as `dask://host:8786`.
        config: an `ExecutorInitializerConfig`, a dict of its fields, or None.

    Raises:
        ExecutorConfigError: one of them is not valid.
    """
    settings = ExecutorInitializerConfig.of(config)
    if executor is None or executor is DefaultExecutor or executor == "inline":
        return ExecutorSpec(config=settings)
    if isinstance(executor, str):
        if executor in ("thread", "process"):
            return ExecutorSpec(ExecutorKind.POOL, _named_pool(executor), config=settings)
        if executor == "dask":
            executor = "dask://"
        if "://" in executor:
            return ExecutorSpec(ExecutorKind.URL, url=executor, config=settings)
        close = nearest(executor, ("inline", "thread", "process", "dask"))
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ExecutorConfigError(f"there is no executor {executor!r}{hint}")
    if isinstance(executor, type) and issubclass(executor, Executor):
        return ExecutorSpec(ExecutorKind.POOL, executor, config=settings)
    raise ExecutorConfigError(
        "an executor is a class of concurrent.futures.Executor (ThreadPoolExecutor, "
        f"ProcessPoolExecutor, …), DefaultExecutor or a URL, found {executor!r}"
    )


def _named_pool(name: str) -> type[Executor]:
    import concurrent.futures

    if name == "thread":
        return concurrent.futures.ThreadPoolExecutor
    return concurrent.futures.ProcessPoolExecutor
