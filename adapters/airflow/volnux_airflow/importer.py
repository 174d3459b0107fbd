"""For Airflow 3.4 and later: a DAG importer that turns a `.pty` into a DAG without a Python file.

In `airflow.cfg`, section `[dag_processor]`:
`dag_importer_configs = ["volnux_airflow.importer.PtyDagImporter"]`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.sdk.importers import (
    AbstractDagImporter,
    DagDefinition,
    DagImportError,
    DagImportResult,
    DagSourceCode,
)
from airflow.sdk.importers.base import FilesystemDagDefinition, get_file_suffix

from volnux.errors import Severity
from volnux_airflow import storable
from volnux_airflow.files import find_files, id_of, taken_id

__all__ = ["PtyDagImporter"]

log = logging.getLogger(__name__)


class PtyDagImporter(AbstractDagImporter[FilesystemDagDefinition]):
    """Builds a DAG from each `.pty` file of a bundle.

    Args:
        extensions: the suffixes of the files; `.pty` if None.
        settings: further arguments of every `DAG`, as JSON values: default_args, tags, …
        dags: extra arguments for single DAGs, by DAG id; they override `settings`.
    """

    def __init__(
        self,
        extensions: list[str] | None = None,
        settings: dict[str, Any] | None = None,
        dags: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.supported_extensions = extensions or [".pty"]
        self._settings = settings or {}
        self._dags = dags or {}

    def can_handle(self, definition: DagDefinition | str | Path) -> bool:
        """Whether the file is a `.pty`."""
        return get_file_suffix(definition) in self.supported_extensions

    def list_dag_definitions(
        self, bundle: Any, *, safe_mode: bool = True
    ) -> Iterator[FilesystemDagDefinition | DagImportError]:
        """List the files, and an error for each path that cannot be a DAG. No file is opened.

        Airflow calls this for a whole bundle, and again for a single file in the process that
        imports that file.
        """
        root = Path(bundle.path)
        if root.is_file():
            if self.can_handle(root):
                yield FilesystemDagDefinition(root)
            return
        found = find_files(root, self.supported_extensions)
        yield from (FilesystemDagDefinition(path) for path in found.files)
        for each in found.diagnostics:
            if each.severity is Severity.ERROR:
                yield DagImportError(
                    source_reference=storable.clean_name(each.file),
                    message=storable.clean(each.render()),
                    error_type="import",
                )
            else:
                log.warning("%s", each.render())

    def import_definition(
        self, definition: FilesystemDagDefinition, bundle: Any
    ) -> DagImportResult:
        """Build the DAG of a file, or report its errors."""
        from volnux_airflow.dags import dag_of_file

        result = DagImportResult(definition=definition)
        file: Path | None = None
        root = Path(bundle.path)
        try:
            with definition.import_context(), definition.as_file() as path:
                file = Path(path)
                name = id_of(file)
                self._refuse_taken(file, name, root)
                own = self._dags.get(name, {})
                folder = root if root.is_dir() else None
                dag = dag_of_file(file, root=folder, **{**self._settings, **own})
        except Exception as error:  # noqa: BLE001 - an error in one file must not affect the others
            result.errors.append(_import_error(definition, file, error))
            return result
        dag.bundle_name = bundle.name
        dag.fileloc = repr(definition)
        dag.relative_fileloc = definition.get_relative_loc(bundle.path)
        result.dags.append(dag)
        return result

    def _refuse_taken(self, path: Path, name: str, root: Path) -> None:
        """Raise an error if an earlier file of the bundle has the same id."""
        from volnux_airflow.dags import PtyImportError

        files = find_files(root, self.supported_extensions).files if root.is_dir() else []
        first = next((file for file in files if id_of(file) == name), path)
        if not first.samefile(path):
            raise PtyImportError(taken_id(path, name, first))

    def get_source_code(
        self, definition: DagDefinition, dag_id: str | None = None
    ) -> DagSourceCode:
        """The Pointy text."""
        return DagSourceCode(definition.read_text(), "pointy")


def _import_error(
    definition: FilesystemDagDefinition, file: Path | None, error: Exception
) -> DagImportError:
    """The error of a file. If it is in a file that this one uses, only the message says where."""
    found = next(iter(getattr(error, "diagnostics", ())), None)
    is_own = found is not None and Path(found.file) == file
    span = found.span if found is not None and is_own else None
    return DagImportError(
        source_reference=repr(definition),
        message=str(error),
        error_type="import",
        line_number=getattr(span, "line", None),
        column_number=getattr(span, "column", None),
    )
