"""The place of large values if its URL names an Airflow connection: `s3://conn_id@bucket/values`."""

from __future__ import annotations

import re
from typing import Final

from volnux.values import folders

__all__ = ["open_folder"]


def open_folder(url: str) -> folders.Folder:
    """The folder at a URL. What stands before `@` in the URL is the id of a connection, if any.

    Raises:
        StoreError: there is no such filesystem.
        Exception: there is no such connection, or it is not valid.
    """
    if not _CONNECTION.match(url):
        return folders.open_folder(url)
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import has_fs

    path = ObjectStoragePath(url)
    if not has_fs(path.protocol):
        raise folders.StoreError(
            f"Airflow has no filesystem for '{path.protocol}': install the provider package that "
            "has it"
        )
    return folders.RemoteFolder(path.fs, path.path)


_CONNECTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9_.-]+@")
