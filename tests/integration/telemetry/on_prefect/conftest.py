"""The server of the Prefect suite, for the traces of flows."""

from tests.integration.prefect.conftest import pytest_collection_finish, pytest_configure, server

__all__ = ["pytest_collection_finish", "pytest_configure", "server"]
