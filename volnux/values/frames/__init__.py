"""Arrays and frames of numpy, pandas, polars and pyarrow, in the formats of these packages.

Each package has a module here, which is imported when a value of the package is written or read.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from volnux.strictjson import FormatError
from volnux.values.kinds import Kind

__all__ = ["kinds"]


def kinds(package: str) -> Mapping[type, Kind]:
    """The kinds of the classes of one of the four packages.

    Raises:
        FormatError: the package is not installed.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise FormatError(
            f"a stored value is of a class of {package}, which cannot be imported here: {error}"
        ) from None
    found: Mapping[type, Kind] = importlib.import_module(f"{__name__}.of_{package}").KINDS
    return found
