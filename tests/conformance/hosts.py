"""What the hosts of backends need in tests."""

from __future__ import annotations

import pytest

from tests.integration.airflow import quick as airflow
from tests.integration.prefect import server as prefect

_OLD_WAYS = {
    "airflow": (
        "ignore::DeprecationWarning",
        "ignore::PendingDeprecationWarning",
        "ignore::ResourceWarning",
        "ignore::UserWarning:airflow",
        "ignore::FutureWarning:airflow",
        "ignore::pytest.PytestUnraisableExceptionWarning",
    ),
    "prefect": prefect.WARNINGS,
}
"""Warnings that are the host's own: old ways of other packages, and files left to the collector."""


def settle(name: str, config: pytest.Config) -> tuple[str, ...]:
    """Set what a host reads when it is imported, and filters for its warnings.

    Args:
        name: the backend's.
        config: of this process.
    """
    if name == "prefect":
        prefect.own_server(config)
    if name == "airflow":
        airflow.shorten_pauses()
    return _OLD_WAYS.get(name, ())


def start(name: str) -> None:
    """Start what a host needs. It is stopped at the end of the tests.

    Args:
        name: the backend's.
    """
    if name == "prefect":
        prefect.started()
