"""The annotations of `process`: as what values are read, and what it returns."""

from __future__ import annotations

import inspect
import typing
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

from volnux.events.modules import at_home_of

__all__ = ["Annotation", "AnnotationError", "Outcome", "annotation_of", "returned_by"]

_T = TypeVar("_T")

Outcome: TypeAlias = tuple[bool | int, _T]
"""What `process` returns: a descriptor, and a result of a type, as in `-> Outcome[Order]`."""


class AnnotationError(ValueError):
    """An annotation cannot be evaluated, or pydantic makes no schema of it."""


class Annotation(NamedTuple):
    """What an annotation means.

    Attributes:
        type: the type.
        read: reads a value as this type, by pydantic in lax mode; raises `ValueError`.
        schema: the schema of pydantic that it reads by.
    """

    type: Any
    read: Callable[[Any], Any]
    schema: Any


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
    from volnux.values.adapters import make_adapter

    try:
        annotation = _evaluated(function, parameter.annotation)
        if _is_for_type_checkers(annotation):
            return None
        with at_home_of(inspect.unwrap(function)):
            adapter = make_adapter(annotation)
        return Annotation(annotation, adapter.validate_python, adapter.core_schema)
    except Exception as error:
        # An annotation, and the schema of a class that it names, is the user's code.
        raise AnnotationError(str(error)) from error


def _is_for_type_checkers(annotation: Any) -> bool:
    """Whether `isinstance` says nothing about it: most protocols, and `TextIO` of any open file."""
    cls = typing.get_origin(annotation) or annotation
    if isinstance(cls, type) and issubclass(cls, typing.IO):
        return True
    return getattr(annotation, "_is_protocol", False) and not getattr(
        annotation, "_is_runtime_protocol", False
    )


def returned_by(function: Callable[..., Any]) -> Any:
    """The annotation of what an event returns.

    Args:
        function: its `process`.

    Returns:
        None if there is none, or if it cannot be evaluated. A decorator may change what a function
        returns without changing its annotation, so that of a decorated function does not count.
    """
    annotation = getattr(function, "__annotations__", {}).get("return")
    if annotation is None or hasattr(function, "__wrapped__"):
        return None
    try:
        return _evaluated(function, annotation)
    except Exception:  # noqa: BLE001 - an annotation is the user's code
        return None


def _evaluated(function: Callable[..., Any], annotation: Any) -> Any:
    """An annotation, which may be text that uses names of the function's module."""

    class Annotated:
        """Has only this annotation: others of the function may be impossible to evaluate."""

    holder = Annotated()
    holder.__annotations__ = {"it": annotation}
    function = inspect.unwrap(function)
    names = getattr(function, "__globals__", {})
    variables = {each.__name__: each for each in getattr(function, "__type_params__", ())}
    return typing.get_type_hints(holder, names, variables, include_extras=True)["it"]
