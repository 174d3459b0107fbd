"""The annotations of the arguments of `process`, which say as what values are read."""

from __future__ import annotations

import inspect
import typing
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Annotation", "AnnotationError", "annotation_of"]


class AnnotationError(ValueError):
    """An annotation cannot be evaluated, or pydantic makes no schema of it."""


class Annotation(NamedTuple):
    """What an annotation means.

    Attributes:
        type: the type.
        read: reads a value as this type, by pydantic in lax mode; raises `ValueError`.
    """

    type: Any
    read: Callable[[Any], Any]


_Known = Annotation | AnnotationError | None

_known: weakref.WeakKeyDictionary[Callable[..., Any], dict[str, _Known]] = (
    weakref.WeakKeyDictionary()
)


def annotation_of(function: Callable[..., Any], name: str) -> Annotation | None:
    """The annotation of an argument; None if there is none, or if it allows everything.

    Args:
        function: the `process` of an event.
        name: the argument; if `process` does not name it, `**kwargs` gives its type.

    Raises:
        AnnotationError: the annotation cannot be used.
    """
    known = _known.setdefault(function, {})
    if name not in known:
        try:
            known[name] = _annotation(function, name)
        except AnnotationError as error:
            known[name] = error
    found = known[name]
    if isinstance(found, AnnotationError):
        raise AnnotationError(str(found))
    return found


def _annotation(function: Callable[..., Any], name: str) -> Annotation | None:
    parameters = inspect.signature(function).parameters
    kwargs = (each for each in parameters.values() if each.kind is each.VAR_KEYWORD)
    parameter = parameters.get(name) or next(kwargs, None)
    if parameter is None or parameter.annotation in (parameter.empty, Any, "Any", object):
        return None
    from pydantic import PydanticUserError

    from volnux.values.adapters import make_adapter

    class Annotated:
        """Has only this annotation: others of the function may be impossible to evaluate."""

    holder = Annotated()
    holder.__annotations__ = {name: parameter.annotation}
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        annotation = typing.get_type_hints(holder, globalns=names, include_extras=True)[name]
        return Annotation(annotation, make_adapter(annotation).validate_python)
    except (NameError, TypeError, SyntaxError, AttributeError, PydanticUserError) as error:
        raise AnnotationError(str(error)) from error
