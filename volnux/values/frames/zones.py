"""Names of the time zones of pandas."""

from __future__ import annotations

import zoneinfo
from typing import Any, Final

import pandas as pd

__all__ = ["zone_name", "zone_named"]

_ZONEINFO: Final = "zoneinfo:"
"""The beginning of the name of a zone of that module: pandas 2 makes zones of pytz from texts."""


def zone_name(zone: Any) -> str | None:
    """The text from which `zone_named` makes a time zone again; None if there is none."""
    name = f"{_ZONEINFO}{zone.key}" if isinstance(zone, zoneinfo.ZoneInfo) else str(zone)
    try:
        same = pd.DatetimeTZDtype("ns", zone_named(name)) == pd.DatetimeTZDtype("ns", zone)
    except (ValueError, LookupError, TypeError, OSError):
        return None
    return name if same else None


def zone_named(name: Any) -> Any:
    """The time zone with a name.

    Raises:
        ValueError: it is not a name.
        LookupError: there is no such zone here.
    """
    # pandas would open the file that is named after "dateutil/".
    if type(name) is not str or name.startswith("dateutil/"):
        raise ValueError("it is not the name of a time zone")
    if name.startswith(_ZONEINFO):
        return zoneinfo.ZoneInfo(name.removeprefix(_ZONEINFO))
    return pd.DatetimeTZDtype("ns", name).tz
