"""The place of large values if its URL names an Airflow connection: `s3://conn_id@bucket/values`."""

from __future__ import annotations

import re
from typing import Final

from volnux.values import folders

__all__ = ["open_folder"]


def open_folder(url: str) -> folders.Folder:
    """The folder at a URL. What stands before `@` in the URL is the id of a connection, if any.

    Raises:
        Exception: there is no such filesystem or connection.
    """
    if not _CONNECTION.match(url):
        return folders.open_folder(url)
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(url)
    return folders.RemoteFolder(path.fs, path.path)


_CONNECTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9_.-]+@")
