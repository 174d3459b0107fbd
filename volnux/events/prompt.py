"""Events that are defined in a notebook or at a prompt, on their way to a worker process."""

from __future__ import annotations

import pickle
from typing import Any

from volnux.events.base import NotSentError
from volnux.imported import imported

__all__ = ["packed"]


def packed(value: Any, kind: type) -> bytes:
    """A value pickled for a worker process that must find the class `kind`.

    What a notebook or a prompt defines is in no file that a worker process could import. It is sent
    along, if cloudpickle is installed.

    Raises:
        NotSentError: it is not installed.
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
