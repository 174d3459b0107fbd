"""For Airflow before 3.4: a DAG bundle with a small Python file for each `.pty` of a folder.

These versions look for Python files only. Airflow imports this module in its long-lived processes,
so the rest of Volnux is imported only when needed, and user code only in the process that parses a
file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.dag_processing.bundles.base import BaseDagBundle

if TYPE_CHECKING:
    from volnux_airflow.files import Ids

__all__ = ["PtyDagBundle", "dag_of", "refuse"]

log = logging.getLogger(__name__)

_SHIM = """\
# Generated: the Airflow DAG of {path!r}. Changes in this file are lost.
from volnux_airflow.bundle import dag_of

dag = dag_of({path!r}, {name!r}, {settings!r}, root={root!r})
"""

_NO_DAG = """\
# Generated: {path!r} cannot become an Airflow DAG. Changes in this file are lost.
from volnux_airflow.bundle import refuse

FAULT = {fault!r}
refuse(FAULT)
"""


_LONGEST_NAME = 200
"""The longest name, in bytes, of the Python file for a `.pty`. Longer names are shortened."""


class PtyDagBundle(BaseDagBundle):
    """Turns each `.pty` file of a folder into a DAG.

    Each file is parsed in its own process, so a broken file does not affect the others.

    Args:
        path: the folder; the dags folder if None.
        settings: further arguments of every `DAG`, as JSON values: default_args, tags, …
        dags: extra arguments for single DAGs, by DAG id; they override `settings`.
        **kwargs: as for `BaseDagBundle`; `refresh_interval` is the number of seconds between two
            searches for new files.
    """

    supports_versioning = False

    def __init__(
        self,
        *,
        path: str | None = None,
        settings: dict[str, Any] | None = None,
        dags: dict[str, dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if path is None:
            from airflow import settings as airflow_settings

            path = airflow_settings.DAGS_FOLDER
        self._source = Path(path).expanduser()
        self._settings = settings or {}
        self._dags = dags or {}
        self._ids: Ids | None = None

    @property
    def path(self) -> Path:
        """The folder with the Python files, inside Airflow's own storage."""
        return self.base_dir / "files"

    def get_current_version(self) -> None:
        """Return None, because a folder has no versions."""

    def initialize(self) -> None:
        """Bring the Python files up to date."""
        self.refresh()
        super().initialize()

    def refresh(self) -> None:
        """Generate a Python file for each new `.pty`, and remove those whose `.pty` is gone."""
        from volnux.errors import Severity
        from volnux_airflow import storable
        from volnux_airflow.files import Ids, find_files, no_such_dags, repeated

        self.path.mkdir(parents=True, exist_ok=True)
        self._ids = self._ids or Ids()
        wanted = {}
        unreadable = []
        root = self._source.resolve()
        if not root.is_dir():
            log.warning(
                "%s is not a folder: the DAGs of the bundle '%s' are left as they are",
                root,
                self.name,
            )
            return
        found = find_files(root)
        for each in found.diagnostics:
            fault = storable.clean(each.render())
            log.warning("%s", fault)
            if each.severity is Severity.ERROR:
                path = _shortened(storable.clean_name(Path(each.file).relative_to(root)))
                unreadable.append(self.path / path)
                text = _NO_DAG.format(path=each.file, fault=fault)
                wanted[self.path / f"{path}.py"] = text
        ids = self._ids.of(found.files)
        taken = repeated(ids)
        for file in found.files:
            name = f"{_shortened(str(file.relative_to(root)))}.py"
            if file in taken:
                text = _NO_DAG.format(path=str(file), fault=taken[file])
            else:
                settings = {**self._settings, **self._dags.get(ids[file], {})}
                text = _SHIM.format(
                    path=str(file),
                    name=name,
                    settings=json.dumps(settings, sort_keys=True),
                    root=str(root),
                )
            wanted[self.path / name] = text
        misspelt = no_such_dags(self._dags, list(ids.values())).values()
        if misspelt and not unreadable:
            fault = storable.clean("\n".join(misspelt))
            wanted[self.path / "dags.py"] = _NO_DAG.format(path="dags", fault=fault)
        for shim, text in wanted.items():
            try:
                if not (shim.is_file() and shim.read_text(encoding="utf-8") == text):
                    _write(shim, text)
            except OSError as error:
                log.error("%s cannot be written, so its DAG is left as it is: %s", shim, error)
        for shim in self.path.rglob("*.py"):
            # Keep the Python file if its `.pty` cannot be read at the moment: it may still exist.
            if shim not in wanted and not any(shim.is_relative_to(path) for path in unreadable):
                with contextlib.suppress(OSError):
                    shim.unlink()


def _shortened(path: str) -> str:
    """Shorten each name in a path, so that a suffix still fits: file systems allow 255 bytes."""
    names = []
    for name in path.split("/"):
        data = name.encode()
        if len(data) > _LONGEST_NAME:
            digest = hashlib.sha256(data).hexdigest()[:32]
            name = f"{data[: _LONGEST_NAME - 33].decode(errors='ignore')}-{digest}"
        names.append(name)
    return "/".join(names)


def dag_of(path: str, name: str, settings: str, *, root: str | None = None) -> Any:
    """Build the DAG of a `.pty` for a Python file of its bundle.

    Args:
        path: the `.pty` file.
        name: the path of the Python file in the bundle.
        settings: further arguments of `DAG`, as JSON.
        root: the folder with the `.pty` files.
    """
    from volnux_airflow.dags import dag_of_file

    folder = None if root is None else Path(root)
    return dag_of_file(Path(path), root=folder, maker=name, **json.loads(settings))


def refuse(fault: str) -> None:
    """Raise the error that says why a file cannot become a DAG.

    Raises:
        PtyImportError: always.
    """
    from volnux_airflow.dags import PtyImportError

    raise PtyImportError(fault)


def _write(path: Path, text: str) -> None:
    """Write a file atomically: a reader sees either the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(path)
