"""Reads the value that is piped to an event as the type that `previous_result` declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from volnux.events.annotated import AnnotationError, annotation_of
from volnux.events.failures import class_name
from volnux.events.given import InputTypeError, reason_of

__all__ = ["Receiver", "receiver_of"]


class Receiver:
    """Reads piped values for one place.

    Args:
        event: the name of the event.
        source: the places from which the value comes, as text.
        annotation: the type of `previous_result`.
        read: reads a value as that type.
    """

    __slots__ = ("_cls", "_read", "annotation", "event", "source")

    def __init__(
        self, event: str, source: str, annotation: Any, read: Callable[[Any], Any]
    ) -> None:
        self.event = event
        self.source = source
        self.annotation = annotation
        # A TypedDict has no instances: its values are plain dicts.
        is_class = isinstance(annotation, type) and not hasattr(annotation, "__total__")
        self._cls = annotation if is_class else None
        self._read = read

    def read(self, value: Any) -> Any:
        """The value as the declared type; the same object if it is an instance of that class.

        Raises:
            InputTypeError: it cannot be read as that type.
        """
        if type(value) is self._cls:
            return value
        try:
            if self._cls is not None and isinstance(value, self._cls):
                return value  # pydantic would make a plain dict of a defaultdict
            found = self._read(value)
            if type(found).__name__ != "ValidatorIterator":
                return found
            # Pydantic reads an Iterable lazily and only once, and its iterator has no length.
            return type(value)(found) if type(value) in (list, tuple) else value
        except Exception as error:  # noqa: BLE001 - a validator is the user's code
            raise InputTypeError(
                f"{self.event} received {_kind_of(value)} from {self.source}, but previous_result "
                f"must be {_shown(self.annotation)}: {reason_of(error)}"
            ) from None


def receiver_of(event: str, function: Callable[..., Any], source: str | None) -> Receiver | None:
    """What reads the values piped to a place.

    Args:
        event: the name of the event.
        function: its `process`.
        source: the places from which values come, as text; None if nothing is piped.

    Returns:
        None if values are passed on as they are: without an annotation, with one that cannot be
        evaluated (linking warns about that), or with a decorator that takes the value itself.
    """
    if source is None or _converts(function):
        return None
    try:
        annotation = annotation_of(function, "previous_result")
    except AnnotationError:
        return None
    if annotation is None:
        return None
    return Receiver(event, source, annotation.type, annotation.read)


def _converts(function: Callable[..., Any]) -> bool:
    """Whether a decorator takes `previous_result` itself, and so may change it before `process`."""
    if not hasattr(function, "__wrapped__"):
        return False
    return "previous_result" in inspect.signature(function, follow_wrapped=False).parameters


def _kind_of(value: Any) -> str:
    if value is None:
        return "None"
    name = class_name(type(value))
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _shown(annotation: Any) -> str:
    from volnux.events.shapes import shown_type

    return shown_type(annotation, modules=True)
