"""A longer timeout for the server that Prefect starts if none is configured."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from volnux_prefect import compat

__all__ = ["patience"]

_LONGEST = 300
"""The time that a temporary server may need on a very busy machine, in seconds."""


@contextlib.contextmanager
def patience() -> Iterator[Callable[[], object]]:
    """Wait longer for a temporary server, and log this each time Prefect would have given up.

    Yields a function to call when the server has started.
    """
    if PREFECT_API_URL.value():
        yield lambda: None
        return
    usual = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    there = threading.Event()

    def tell() -> None:
        waited = 0
        while not there.wait(usual):
            waited += usual
            compat.logger().warning(
                "Prefect's temporary server is still starting after %d s "
                "(to use a running server, set PREFECT_API_URL)",
                waited,
            )

    longest = {PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: max(usual, _LONGEST)}
    with temporary_settings(longest):
        threading.Thread(target=tell, name="volnux-patience", daemon=True).start()
        try:
            yield there.set
        finally:
            there.set()
