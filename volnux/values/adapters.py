"""What pydantic knows about a type, once for each type."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["adapter_of", "make_adapter"]


def make_adapter(annotation: Any) -> TypeAdapter[Any]:
    """The adapter of a type; classes that pydantic does not know are checked with `isinstance`.

    Raises:
        PydanticUserError: pydantic makes no schema of the type.
    """
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:
        return TypeAdapter(annotation)  # a model has a configuration of its own


@functools.lru_cache(maxsize=1024)
def adapter_of(cls: type) -> TypeAdapter[Any]:
    """The adapter of a class."""
    return make_adapter(cls)
