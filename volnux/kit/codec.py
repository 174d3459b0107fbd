"""The values of a run that a host stores: plain JSON as it is, everything else as tagged JSON."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from volnux.events.portable import Carrier
from volnux.values.codec import from_json, in_store, to_json
from volnux.values.kinds import TAG

if TYPE_CHECKING:
    from volnux.values.folders import Folder
    from volnux.values.reading import Classes
    from volnux.values.store import Shelf, Store

__all__ = ["Codec", "store_of_environment"]

_log = logging.getLogger(__name__)


def store_of_environment(opener: Callable[[str], Folder] | None = None) -> Store | None:
    """Where large values go; None if they stay part of the JSON.

    Args:
        opener: opens the folder at a URL; None for that of `volnux.values`.

    Raises:
        StoreError: VOLNUX_VALUES is wrong.
    """
    if "VOLNUX_VALUES" not in os.environ:
        return None
    from volnux.values.folders import open_folder
    from volnux.values.store import Store

    return Store.of_environment(opener=opener or open_folder)


class Codec:
    """Writes and reads the values of one run.

    Args:
        run_id: the id of the run.
        classes: the classes that values may be of; None if only the reader knows them.
        reserved: the keys of dicts that the host keeps for itself.
        opener: see `store_of_environment`.
        hide: replaces what must not be seen in texts and bytes.
    """

    def __init__(
        self,
        run_id: str,
        classes: Classes | None,
        *,
        reserved: tuple[str, ...] = (),
        opener: Callable[[str], Folder] | None = None,
        hide: Callable[[Any], Any] | None = None,
    ) -> None:
        self.classes = classes
        self._run_id = run_id
        self._reserved = reserved
        self._opener = opener
        self._hide = hide

    @functools.cached_property
    def store(self) -> Store | None:
        """See `store_of_environment`."""
        return store_of_environment(self._opener)

    def carrier(self) -> Carrier:
        """How the result of an event gets to the host.

        Raises:
            StoreError: VOLNUX_VALUES is wrong.
        """
        return Carrier(self.store, keeps=True, reserved=self._reserved, classes=self.classes)

    def write(self, value: Any, place: str, what: str | None = None) -> Any:
        """A value as JSON for the host.

        Args:
            value: the value.
            place: the place or task that the value belongs to.
            what: how errors call the value; by default, the result of the place.

        Raises:
            NotPortableError: a part of the value is of an unknown type.
            StoreError: a large value cannot be stored.
        """
        what = what or f"the result of {place}"
        shelf = self._shelf(place)
        data = to_json(
            value,
            what=what,
            shelf=shelf,
            reserved=self._reserved,
            classes=self.classes,
            hide=self._hide,
        )
        return in_store(data, what=what, shelf=shelf)

    def pack(self, data: Any, place: str) -> Any:
        """JSON that consists of written values, as one value: a file if it is large."""
        return in_store(data, what=f"the result of {place}", shelf=self._shelf(place))

    def read(self, data: Any) -> Any:
        """The value of JSON from the host.

        Raises:
            FormatError: it is not what `write` returned, or a file with a large value is lost.
            StoreError: VOLNUX_VALUES is wrong.
        """
        if type(data) is not list and type(data) is not dict:
            return data
        return from_json(data, classes=self.classes, store=self.store)

    def read_what_is_left(self, data: Any) -> Any:
        """The value for a report, with None for each part that cannot be read."""
        try:
            return self.read(data)
        except Exception as error:  # noqa: BLE001 - what reads an object is the user's code
            if type(data) is list:
                return list(map(self.read_what_is_left, data))
            if type(data) is dict and TAG not in data:
                return {key: self.read_what_is_left(each) for key, each in data.items()}
            _log.warning("the report lacks a value: %s", error)
            return None

    def _shelf(self, place: str) -> Shelf | None:
        return None if self.store is None else self.store.at(self._run_id, place)
