"""What pydantic knows about a type, once for each type."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NewType

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["adapter_of", "evaluate_within", "make_adapter"]


def make_adapter(annotation: Any) -> TypeAdapter[Any]:
    """The adapter of a type; classes that pydantic does not know are checked with `isinstance`.

    Raises:
        PydanticUserError, NameError, TypeError: pydantic makes no schema of the type.
    """
    adapter = _adapter(annotation)
    if not getattr(adapter, "pydantic_complete", True):
        # A class names others that did not exist when it was defined.
        adapter.rebuild(raise_errors=True)
    return adapter


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True)
    try:
        return TypeAdapter(annotation, config=config)
    except PydanticUserError:
        # The adapter of a model or dataclass takes no configuration, but by another name, the class
        # takes it for the fields, unless it has one of its own.
        named: Any = NewType
        return TypeAdapter(named("It", annotation), config=config)


_within: Callable[[Any], AbstractContextManager[None]] | None = None


def evaluate_within(context: Callable[[Any], AbstractContextManager[None]]) -> None:
    """From now on, evaluate the annotations of a class within a context that is made of the class.

    A process with modules of equal names in several folders needs this: pydantic looks the names in
    annotations up in `sys.modules`.
    """
    global _within
    _within = context


@functools.lru_cache(maxsize=1024)
def adapter_of(cls: type) -> TypeAdapter[Any]:
    """The adapter of a class.

    Raises:
        PydanticUserError, NameError, TypeError: pydantic makes no schema of the class.
    """
    if _within is None:
        return make_adapter(cls)
    with _within(cls):
        return make_adapter(cls)
