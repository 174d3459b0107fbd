"""Values in XComs: plain JSON as it is, and everything else as tagged JSON (`volnux.values`)."""

from __future__ import annotations

import functools
import logging
import os
from typing import TYPE_CHECKING, Any, Final

from volnux.events.portable import Carrier
from volnux.events.visible import Visible
from volnux.values.codec import from_json, in_store, to_json
from volnux.values.kinds import TAG

if TYPE_CHECKING:
    from volnux.values.store import Shelf, Store

__all__ = ["RESERVED", "Codec"]

_log = logging.getLogger(__name__)

RESERVED: Final = ("__classname__", "__id__", "__type")
"""The keys of dicts in an XCom that have a meaning for Airflow."""


class Codec:
    """Writes and reads the values of a run.

    Args:
        run_id: the id of the run.
        classes: the classes that values may be of.
    """

    def __init__(self, run_id: str, classes: Visible) -> None:
        self._run_id = run_id
        self.classes = classes

    @functools.cached_property
    def store(self) -> Store | None:
        """Where large values go; None if they are part of the XCom.

        Raises:
            StoreError: VOLNUX_VALUES is wrong.
        """
        if "VOLNUX_VALUES" not in os.environ:
            return None
        from volnux.values.store import Store
        from volnux_airflow.objectstorage import open_folder

        return Store.of_environment(opener=open_folder)

    def carrier(self) -> Carrier:
        """How the result of an event gets into an XCom.

        Raises:
            StoreError: VOLNUX_VALUES is wrong.
        """
        return Carrier(self.store, keeps=True, reserved=RESERVED)

    def write(self, value: Any, place: str, what: str | None = None) -> Any:
        """A value as JSON for an XCom.

        Args:
            value: the value.
            place: the place or task that the value belongs to.
            what: how errors call the value.

        Raises:
            NotPortableError: a part of the value is of an unknown type.
            StoreError: a large value cannot be stored.
        """
        what = what or f"the result of {place}"
        shelf = self._shelf(place)
        data = to_json(value, what=what, shelf=shelf, reserved=RESERVED, classes=self.classes)
        return in_store(data, what=what, shelf=shelf)

    def pack(self, data: Any, place: str) -> Any:
        """JSON that consists of written values, as one XCom: it goes into a file if it is large."""
        return in_store(data, what=f"the result of {place}", shelf=self._shelf(place))

    def read(self, data: Any) -> Any:
        """The value of JSON from an XCom.

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
