"""Sends events that are defined in a notebook or at a prompt to worker processes."""

from __future__ import annotations

import pickle
from typing import Any

from volnux.events.base import NotSentError
from volnux.imported import imported

__all__ = ["packed"]


def packed(value: Any, kind: type) -> bytes:
    """Pickle a value for a worker process that needs the class `kind`.

    A worker process cannot import a class that is defined in a notebook or at a prompt. So the
    class is sent with the value, if cloudpickle is installed.

    Raises:
        NotSentError: cloudpickle is needed and is not installed.
    """
    if kind.__module__ != "__main__" or hasattr(imported("__main__"), "__file__"):
        return pickle.dumps(value)
    try:
        import cloudpickle
    except ImportError as error:
        raise NotSentError(
            f"{kind.__qualname__} is defined in a notebook or at a prompt, where worker processes "
            "cannot find it: put it into a module and import it, or run `pip install cloudpickle`"
        ) from error
    sent: bytes = cloudpickle.dumps(value)
    return sent
