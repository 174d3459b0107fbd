"""Where an event runs: the executor it names, and the settings of that executor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final

from volnux.errors import VolnuxError, nearest

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
"""A setting that is not given: the executor's own default holds."""


class ExecutorConfigError(VolnuxError, ValueError):
    """An executor, or a setting of one, makes no sense."""


class DefaultExecutor:
    """The executor of an event that names none: the run's own workers, shared by all such events.

    It is a name, not a pool: how many workers there are is the run's business (`--workers`).
    """


@dataclass(frozen=True)
class ExecutorInitializerConfig:
    """Settings of the pool that an event's executor class makes.

    Attributes:
        max_workers: how many workers; EMPTY leaves it to the executor class.
        max_tasks_per_child: after how many tasks a worker process is replaced.
        thread_name_prefix: how the names of a thread pool's threads begin.

    A setting that an executor class does not have is left out when its pool is made.
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
        """The configuration itself, or the one that a mapping describes; empty for None.

        Raises:
            ExecutorConfigError: the value is neither, or has an unknown key.
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
                close = nearest(str(key), known)
                hint = f"did you mean {close[0]!r}?" if close else f"settings: {', '.join(known)}"
                raise ExecutorConfigError(f"executor_config has no setting {key!r}; {hint}")
        return cls(**value)

    def settings_for(self, executor: type) -> dict[str, Any]:
        """The settings that are given and that the executor class takes."""
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
                # From Python 3.14 it hands other arguments on, and has no use for this one.
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
    """What runs an event: the run's own workers, a pool of an executor class, or a URL."""

    kind: ExecutorKind = ExecutorKind.DEFAULT
    pool: type[Executor] | None = None
    url: str | None = field(default=None, repr=False)
    config: ExecutorInitializerConfig = ExecutorInitializerConfig()

    def describe(self) -> str:
        """The executor in a word, without the password of its URL."""
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
        ExecutorConfigError: either makes no sense.
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
