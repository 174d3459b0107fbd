"""The form of tagged values, and what a kind of value is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from volnux.errors import VolnuxError

if TYPE_CHECKING:
    from volnux.values.reading import Reader
    from volnux.values.writing import Writer

__all__ = ["TAG", "VALUE", "Kind", "NotPortableError"]

TAG: Final = "$volnux"
"""The key of a tagged value whose value is the name of its kind."""

VALUE: Final = "value"
"""The key of a tagged value that has its content."""


class NotPortableError(VolnuxError, TypeError):
    """A value cannot leave its process: nothing is known of how to write it."""

    __module__ = "volnux"


class Kind(NamedTuple):
    """How values of one class are written and read.

    Attributes:
        name: the name in the tag.
        write: returns the content as JSON; gets the value and the `Writer`, for parts and bytes.
        read: returns the value; gets the content and the `Reader`. It raises `ValueError` if the
            content is not what `write` returned.
    """

    name: str
    write: Callable[[Any, Writer], Any]
    read: Callable[[Any, Reader], Any]
