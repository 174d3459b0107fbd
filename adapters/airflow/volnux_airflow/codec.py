"""Values in XComs: plain JSON as it is, and everything else as tagged JSON (`volnux.values`)."""

from __future__ import annotations

from typing import Final

from volnux.events.visible import Visible
from volnux.kit.codec import Codec
from volnux_airflow.objectstorage import open_folder

__all__ = ["RESERVED", "codec_of"]

RESERVED: Final = ("__classname__", "__id__", "__type")
"""The keys of dicts in an XCom that have a meaning for Airflow."""


def codec_of(run_id: str, classes: Visible) -> Codec:
    """What writes and reads the XComs of a run.

    Args:
        run_id: the id of the run.
        classes: the classes that values may be of.
    """
    return Codec(run_id, classes, reserved=RESERVED, opener=open_folder)
