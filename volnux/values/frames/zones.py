"""Names of the time zones of pandas."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["zone_name", "zone_named"]


def zone_name(zone: Any) -> str | None:
    """The text from which pandas makes a time zone again; None if there is none."""
    try:
        same = pd.DatetimeTZDtype("ns", zone_named(str(zone))) == pd.DatetimeTZDtype("ns", zone)
    except (ValueError, LookupError, TypeError, OSError):
        return None
    return str(zone) if same else None


def zone_named(name: Any) -> Any:
    """The time zone with a name.

    Raises:
        ValueError: there is no such zone here.
    """
    # pandas would open the file that is named after "dateutil/".
    if type(name) is not str or name.startswith("dateutil/"):
        raise ValueError("it is not the name of a time zone")
    return pd.DatetimeTZDtype("ns", name).tz
