"""The versions of what a run used."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from volnux._version import __version__

__all__ = ["versions"]

_HOSTS = {"airflow": "apache-airflow", "prefect": "prefect"}
"""The packages of the orchestrators, by the name of the backend."""


def versions(backend: str) -> dict[str, str]:
    """The versions of this process, by name: of Volnux, Python, the orchestrator and the system.

    Args:
        backend: the name of the backend of the run.
    """
    found = {"Volnux": __version__, "Python": platform.python_version()}
    if backend in _HOSTS:
        with suppress(PackageNotFoundError):
            found[_HOSTS[backend]] = version(_HOSTS[backend])
    return {**found, "system": f"{platform.system()} {platform.release()}"}
