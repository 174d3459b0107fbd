"""What `airflow providers list` shows (entry point `apache_airflow_provider`)."""

from __future__ import annotations

from typing import Any

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Name, description and modules of the package as an Airflow provider."""
    return {
        "package-name": "volnux",
        "name": "Volnux",
        "description": "Workflows written in Pointy, a small language: a .pty file is a DAG.",
    }
