"""Variables and secrets of a run: Prefect's variables, and its blocks of the type Secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.context import SyncClientContext
from prefect.exceptions import ObjectNotFound

from volnux.redaction import redacted

__all__ = ["SECRET_TYPE", "PrefectHost", "block_name", "client_here", "variable_name"]

SECRET_TYPE = "secret"
"""The slug of Prefect's block type Secret."""


def variable_name(name: str) -> str:
    """Prefect's name of a variable. Prefect allows no capital letters there."""
    return name.lower()


def block_name(name: str) -> str:
    """The name of the block of a secret. Prefect allows no capital letters or underscores."""
    return name.lower().replace("_", "-")


@dataclass(frozen=True)
class PrefectHost:
    """The `Host` of a run. It reads from the configured Prefect server."""

    def variable(self, name: str) -> Any:
        """See `Host`."""
        with client_here() as client:
            found = client.read_variable_by_name(variable_name(name))
            if found is None:
                raise LookupError(f"{_server(client)} has no variable '{variable_name(name)}'")
        return found.value

    def secret(self, name: str) -> str:
        """See `Host`."""
        own = block_name(name)
        with client_here() as client:
            try:
                data = client.read_block_document_by_name(own, SECRET_TYPE).data
            except ObjectNotFound:
                raise LookupError(f"{_server(client)} has no Secret block '{own}'") from None
            # `Secret.get` parses a string as JSON, and would turn "0123" into a number.
            value = data.get("value")
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise LookupError(
                    f"the Secret block '{own}' on {_server(client)} holds a "
                    f"{type(value).__name__}, not a text"
                )
        return str(value)


@contextmanager
def client_here() -> Iterator[SyncPrefectClient]:
    """The client of the run. A new client would load the system's certificates again."""
    with SyncClientContext.get_or_create() as context:
        yield context.client


def _server(client: SyncPrefectClient) -> str:
    return f"prefect's server at {redacted(str(client.api_url))}"
