"""The variables and secrets of a part of a flow that runs in one task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from volnux.errors import VolnuxError
from volnux.events.outcome import Host

__all__ = ["CarriedHost"]


class CarriedHost:
    """A host that can be sent to a worker process, which has no connection to Airflow.

    The values are read when it is pickled, which is when an attempt is sent to the process.

    Args:
        host: where the values come from.
        variables: the names of the variables of the pipeline.
        secrets: the names of its secrets.
    """

    def __init__(self, host: Host, variables: Iterable[str], secrets: Iterable[str]) -> None:
        self._host = host
        self._variables = tuple(variables)
        self._secrets = tuple(secrets)

    def variable(self, name: str) -> Any:
        """See `Host`."""
        return self._host.variable(name)

    def secret(self, name: str) -> str:
        """See `Host`."""
        return self._host.secret(name)

    def __reduce__(self) -> tuple[Any, ...]:
        variables = {name: _found(self._host.variable, name) for name in self._variables}
        secrets = {name: _found(self._host.secret, name) for name in self._secrets}
        return _Known, (variables, secrets)


_Found = tuple[Any, Exception | None]


class _Known:
    """The host in a worker process: what `CarriedHost` read."""

    def __init__(self, variables: dict[str, _Found], secrets: dict[str, _Found]) -> None:
        self._variables = variables
        self._secrets = secrets

    def variable(self, name: str) -> Any:
        return _value(self._variables[name])

    def secret(self, name: str) -> str:
        return str(_value(self._secrets[name]))


def _found(read: Callable[[str], Any], name: str) -> _Found:
    try:
        return read(name), None
    except (LookupError, VolnuxError) as error:
        return None, error


def _value(found: _Found) -> Any:
    value, error = found
    if error is not None:
        raise error
    return value
