"""What the annotation of a value says about it, before there is a value."""

from __future__ import annotations

import collections
import enum
import inspect
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from volnux.events.failures import class_name

__all__ = ["AnyOf", "Parts", "Shape", "Shapes", "item_of", "members_of", "shapes_of", "shown_type"]


class AnyOf(NamedTuple):
    """An annotation: a value of one of these types."""

    types: tuple[Any, ...]


class Parts(NamedTuple):
    """An annotation: a list with one value of each of these types, as a parallel group pipes it."""

    types: tuple[Any, ...]


class Shape(NamedTuple):
    """What is known about some values.

    Attributes:
        cls: their class, or a base class of it.
        parts: what is known about each item, if the number of items is fixed.
        item: what is known about every item of a list, set or tuple, or every value of a dict.
        key: what is known about every key of a dict.
        only: the only value, in a tuple; empty if there may be several values.
    """

    cls: type
    parts: tuple[Shapes, ...] | None = None
    item: Shapes = None
    key: Shapes = None
    only: tuple[Any, ...] = ()


Shapes: TypeAlias = tuple[Shape, ...] | None
"""The alternatives of a union; None if nothing is known."""

_LISTS: Final = (list, set, frozenset, collections.deque)
_DICTS: Final = (dict, collections.defaultdict, collections.OrderedDict)
_WIDER: Final[dict[type, tuple[type, ...]]] = {
    # For type checkers, an int is also a float, and so on.
    float: (float, int),
    complex: (complex, float, int),
    bytes: (bytes, bytearray),
}
_MOST_SHOWN: Final = 6
_ABSTRACT: Final = ("typing", "typing_extensions", "collections.abc", "numbers")


def members_of(annotation: Any) -> Iterator[Any]:
    """The members of a union; the annotation itself if it is not a union.

    `Annotated`, `NewType` and names of types are replaced by what they stand for.
    """
    waiting = [annotation]
    while waiting:
        part = waiting.pop()
        origin = typing.get_origin(part)
        if isinstance(part, AnyOf):
            waiting += reversed(part.types)
        elif origin is typing.Union or origin is types.UnionType:
            waiting += reversed(typing.get_args(part))
        elif origin is typing.Annotated:
            waiting.append(typing.get_args(part)[0])
        elif isinstance(part, typing.NewType):
            waiting.append(part.__supertype__)
        elif type(part).__name__ == "TypeAliasType":  # `type Name = …`, new in Python 3.12
            try:
                waiting.append(part.__value__)
            except Exception:  # noqa: BLE001 - the name may stand for any code of the user
                yield Any
        else:
            yield part


def item_of(annotation: Any) -> Any:
    """The annotation of any item of a list or tuple; `Any` if it is not known."""
    found: list[Any] = []
    for member in members_of(annotation):
        arguments = typing.get_args(member)
        if isinstance(member, Parts):
            found += member.types
        elif typing.get_origin(member) in (list, tuple) and arguments:
            found += arguments
        elif member is not None and member is not types.NoneType:
            return Any
    found = [each for each in found if each is not Ellipsis]
    distinct = [each for number, each in enumerate(found) if each not in found[:number]]
    if not distinct or Any in distinct:
        return Any
    return distinct[0] if len(distinct) == 1 else AnyOf(tuple(distinct))


def shapes_of(annotation: Any) -> Shapes:
    """What an evaluated annotation says about values.

    Abstract classes, protocols and type variables say nothing.
    """
    return _together(map(_of_member, members_of(annotation)))


def _of_member(member: Any) -> Shapes:
    if member is None:
        return (Shape(types.NoneType),)
    if isinstance(member, Parts):
        return (Shape(list, parts=tuple(map(shapes_of, member.types))),)
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if origin is None:
        return _of_class(member) if isinstance(member, type) else None
    if origin is typing.Literal:
        return _together(map(_of_value, arguments))
    if origin is tuple:
        return (_of_tuple(arguments),)
    if origin in _LISTS and len(arguments) == 1:
        return (Shape(origin, item=shapes_of(arguments[0])),)
    if origin in _DICTS and len(arguments) == 2:
        return (Shape(origin, key=shapes_of(arguments[0]), item=shapes_of(arguments[1])),)
    return _of_class(origin) if isinstance(origin, type) else None


def _of_class(cls: type) -> Shapes:
    if cls is object or cls.__module__ in _ABSTRACT or inspect.isabstract(cls):
        return None
    if getattr(cls, "_is_protocol", False):
        return None
    if issubclass(cls, dict) and hasattr(cls, "__total__"):
        return (Shape(dict),)  # a TypedDict
    if issubclass(cls, enum.Flag):
        return Shape(cls), Shape(int)
    if issubclass(cls, enum.Enum):
        return _together(map(_of_value, cls))  # without members, it is a base class of enums
    return tuple(map(Shape, _WIDER.get(cls, (cls,))))


def _of_value(value: Any) -> Shapes:
    if isinstance(value, enum.Enum):
        # Pydantic also reads a member as its value.
        return Shape(type(value), only=(value,)), Shape(type(value.value))
    return (Shape(type(value), only=(value,)),)


def _of_tuple(arguments: Sequence[Any]) -> Shape:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return Shape(tuple, item=shapes_of(arguments[0]))
    for each in arguments:
        # `tuple[int, *tuple[str, ...]]` has any number of items.
        if typing.get_origin(each) is typing.Unpack or getattr(each, "__unpacked__", False):
            return Shape(tuple)
    return Shape(tuple, parts=tuple(map(shapes_of, arguments)))


def _together(parts: Iterable[Shapes]) -> Shapes:
    found: dict[Shape, None] = {}
    for part in parts:
        if part is None:
            return None
        found.update(dict.fromkeys(part))
    return tuple(found) or None


def shown_type(annotation: Any, *, modules: bool = False) -> str:
    """An annotation as text, such as `list[Order] | None`.

    Args:
        annotation: an evaluated annotation.
        modules: whether to write the modules of classes.
    """

    def joined(parts: Iterable[Any], sign: str = ", ") -> str:
        return sign.join(shown_type(part, modules=modules) for part in parts)

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is Ellipsis:
        return "..."
    if isinstance(annotation, Parts | list):
        parts = annotation.types if isinstance(annotation, Parts) else annotation
        return f"[{joined(parts[:_MOST_SHOWN])}{', …' if len(parts) > _MOST_SHOWN else ''}]"
    if isinstance(annotation, AnyOf):
        return joined(annotation.types, " | ")
    if origin is typing.Union or origin is types.UnionType:
        return joined(arguments, " | ")
    if origin is typing.Annotated:
        return joined(arguments[:1])
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and arguments:
        return f"{joined([origin])}[{joined(arguments)}]"
    if isinstance(annotation, type) and modules:
        return class_name(annotation)
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
