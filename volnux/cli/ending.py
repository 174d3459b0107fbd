"""How the process ends: as usual, or at once where code of the user still runs that nobody wants.

A thread cannot be stopped: after a timeout, or a second Ctrl-C, Python would wait for it at exit.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

__all__ = ["leave", "leave_behind"]

_left_behind = False


def leave_behind() -> None:
    """Note that user code still runs which must not keep the process."""
    global _left_behind
    _left_behind = True


def leave(code: int) -> NoReturn:
    """End the process with an exit code."""
    if _left_behind:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
