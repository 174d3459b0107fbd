"""What an event was given, as a digest: a resumed run compares it with what it would give."""

from __future__ import annotations

from volnux.events.outcome import Call
from volnux.events.spec import EventSpec

__all__ = ["given_of"]


def given_of(spec: EventSpec, call: Call) -> str | None:
    """The SHA-256 in hex of what an attempt is given: arguments, inputs, items, the piped value.

    Arguments count as written, with the values of inputs and items. Variables and secrets count
    by their names only. The number of the attempt does not count.

    Args:
        spec: the event.
        call: the arguments of the attempt.

    Returns:
        None if a value cannot be written as JSON.
    """
    raise NotImplementedError
