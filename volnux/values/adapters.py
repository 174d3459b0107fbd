"""What pydantic knows about a type, once for each type."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NewType

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["adapter_of", "make_adapter"]


def make_adapter(annotation: Any) -> TypeAdapter[Any]:
    """The adapter of a type; classes that pydantic does not know are checked with `isinstance`.

    Raises:
        PydanticUserError: pydantic makes no schema of the type.
    """
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    config = ConfigDict(arbitrary_types_allowed=True)
    try:
        return TypeAdapter(annotation, config=config)
    except PydanticUserError:
        # The adapter of a model or dataclass takes no configuration, but by another name, the class
        # takes it for the fields, unless it has one of its own.
        named: Any = NewType
        return TypeAdapter(named("It", annotation), config=config)


@functools.lru_cache(maxsize=1024)
def adapter_of(cls: type) -> TypeAdapter[Any]:
    """The adapter of a class."""
    return make_adapter(cls)
