"""From files and pipeline classes to DAGs: `to_dag`, and `load_dags` for a loader file."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from volnux.backends.port import refuse
from volnux.errors import Diagnostic, Severity, VolnuxError
from volnux.events.link import Plan
from volnux.files import Found
from volnux.graph.model import Graph
from volnux.loading import load_plan
from volnux.usercode import unless_interrupted_by
from volnux_airflow import compat, storable
from volnux_airflow.backend import AirflowBackend
from volnux_airflow.dangerous import dangerous_imports
from volnux_airflow.files import find_files, id_of, no_such_dags, taken_id
from volnux_airflow.guard import Guard, guarded
from volnux_airflow.translate import build_dag, doc_of
from volnux_airflow.usedfiles import files_outside

__all__ = ["BrokenDag", "PtyDag", "PtyImportError", "dag_of_file", "load_dags", "plan_of", "to_dag"]

log = logging.getLogger(__name__)


class PtyDag(compat.DAG):
    """A DAG of a `.pty` file: its Code tab shows the Pointy text."""

    def __hash__(self) -> int:
        # Airflow's own method reads every attribute, and is called twice for each edge.
        return hash(self.dag_id)

    @property
    def doc_md(self) -> str | None:
        """The description and the drawing of the file, built at the first access."""
        graph = self.__dict__.pop("_graph", None)
        if graph is not None and self.__dict__.get("_doc") is None:
            self.__dict__["_doc"] = doc_of(graph)
        return self.__dict__.get("_doc")

    @doc_md.setter
    def doc_md(self, value: str | None) -> None:
        self.__dict__["_doc"] = value

    @property
    def fileloc(self) -> str:
        """The `.pty` file, whichever Python file made the DAG."""
        own = self.__dict__
        if own.get("_relative_maker") and own.get("_relative") is None and own.get("_made_by"):
            # Airflow is about to make this relative to its bundle, in which the `.pty` is not.
            return str(own["_made_by"])
        return str(own.get("_pty") or own.get("_made_by") or "")

    @fileloc.setter
    def fileloc(self, value: str) -> None:
        self.__dict__["_made_by"] = value

    @property
    def relative_fileloc(self) -> str | None:
        """The path of the Python file that makes the DAG, relative to the bundle, for workers."""
        own = self.__dict__
        if own.get("_relative_maker"):
            return str(own["_relative_maker"])
        relative, pty, maker = own.get("_relative"), own.get("_pty"), own.get("_made_by")
        if relative and pty and maker and pty.endswith(relative):
            # Airflow derived it from `fileloc`. Derive it from the Python file in the same way.
            root = pty.removesuffix(relative)
            return str(maker.removeprefix(root))
        return relative

    @relative_fileloc.setter
    def relative_fileloc(self, value: str | None) -> None:
        self.__dict__["_relative"] = value

    def of_file(self, path: Path, graph: Graph, maker: str | None = None) -> None:
        """Set the `.pty` file of the DAG, and the Python file that makes it if not beside it."""
        self.__dict__["_graph"] = graph
        self.__dict__["_pty"] = str(path)
        self.__dict__["_relative_maker"] = maker


class BrokenDag(compat.DAG):
    """A placeholder for files that cannot become DAGs: Airflow shows why and keeps the others.

    If a DAG cannot be serialised, Airflow's DAG processor records the error under the file of that
    DAG, which is the `.pty`. Everywhere else (a `DagBag` in a test), validation raises the error.
    """

    @property
    def fileloc(self) -> str:
        """The path of the wrong file, once known: Airflow 3.1 records the error under this."""
        return self.relative_fileloc or str(self.__dict__.get("_made_by", ""))

    @fileloc.setter
    def fileloc(self, value: str) -> None:
        self.__dict__["_made_by"] = value

    @property
    def relative_fileloc(self) -> str | None:
        """The path of the wrong file, relative to the bundle."""
        known = self.__dict__.get("_relative")
        beside = self.__dict__.get("_beside")
        return str(Path(known).parent / beside) if known and beside else known

    @relative_fileloc.setter
    def relative_fileloc(self, value: str | None) -> None:
        self.__dict__["_relative"] = value

    def of_fault(self, beside: str, fault: str, all_faults: str) -> None:
        """Set the path of the wrong file, relative to the loader's folder, and its error."""
        self.__dict__.update(_beside=beside, _fault=fault, _faults=all_faults)

    def validate(self) -> None:
        """Raise the error, unless Airflow would then hide the DAGs of the other files."""
        if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") != "client":
            raise PtyImportError(self.__dict__["_faults"])

    def get_serialized_fields(self) -> frozenset[str]:  # type: ignore[override]  # it never returns
        """Raise the error: Airflow calls this first when it serialises a DAG."""
        raise compat.serialization_error("PtyImportError")(self.__dict__["_fault"])


class PtyImportError(VolnuxError):
    """A `.pty` cannot become a DAG. Airflow can store the message.

    `diagnostics` has the places in the file, if there are any.
    """

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(storable.clean(message))
        self.diagnostics = tuple(diagnostics)


def to_dag(
    source: str | os.PathLike[str] | type, *, events: Sequence[str] = (), **settings: Any
) -> compat.DAG:
    """Build the DAG of a `.pty` file or a pipeline class.

    Args:
        source: the file's path, or a `Pipeline` or `BatchPipeline` class.
        events: modules in which to look up events; they replace `@events`.
        **settings: further arguments of `DAG`: default_args, access_control, callbacks, …

    Raises:
        PointyError: the file is wrong, or does not match its events.
        RefusedError: the file asks for something that Airflow cannot do.
    """
    if isinstance(source, type):
        from volnux.pipeline.batch import BatchPipeline

        if issubclass(source, BatchPipeline):
            from volnux_airflow.batch import batch_dag

            return batch_dag(source, **settings)
    plan = plan_of(source, events=events)
    return build_dag(plan, **settings)


def plan_of(
    source: str | os.PathLike[str] | type,
    *,
    events: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> Plan:
    """The plan of a file or pipeline class, after checking that Airflow can do all of it.

    Args:
        source: the file's path, or the class.
        events: modules in which to look up events; they replace `@events`.
        folders: the folders that workers have; files that it uses must be in one of them. Not
            checked if there are none.

    Raises:
        PointyError: the file is wrong, or does not match its events.
        RefusedError: the file asks for something that Airflow cannot do.
    """
    # Do not handle the exception of Airflow's time limit: Airflow reports it itself.
    unless_interrupted_by(compat.AirflowTaskTimeout)
    if isinstance(source, type):
        plan: Plan = source.plan()  # type: ignore[attr-defined]  # a pipeline class
    else:
        plan = load_plan(Path(source), events=events)
    AirflowBackend().refuse(plan)
    if folders:
        refuse("airflow", files_outside(plan.graph, folders))
    for warning in plan.warnings:
        log.warning("%s", warning.render())
    return plan


def dag_of_file(
    path: Path, *, root: Path | None = None, maker: str | None = None, **settings: Any
) -> compat.DAG:
    """Build the DAG of a `.pty` file, and show the file as its source code.

    Args:
        path: the file.
        root: the folder of the bundle, if known.
        maker: the path of the Python file that makes the DAG, relative to the bundle; None if it is
            beside the file.
        **settings: further arguments of `DAG`.

    Raises:
        PtyImportError: the file cannot become a DAG. The message says why, and Airflow can store
            it.
    """
    # The message has all that the user needs. Our own frames, or the original error, would hide it.
    try:
        with guarded(path) as guard:
            for fault in _dangerous(guard, [path]).values():
                raise fault
            plan = plan_of(path, folders=_folders(path.parent, root))
        return _dag_of(plan, path, maker, settings)
    except PtyImportError:
        raise
    except VolnuxError as error:
        raise PtyImportError(str(error), getattr(error, "diagnostics", ())) from None
    except Exception as error:
        log.exception("%s", storable.clean_name(path))
        raise PtyImportError(_unexpected(path, error)) from None


def _dag_of(plan: Plan, path: Path, maker: str | None, settings: dict[str, Any]) -> compat.DAG:
    fault = storable.fault_of(settings)
    if fault is not None:
        raise PtyImportError(
            f"{path}: error: Airflow cannot store the DAG's settings: they have {fault}"
        )
    dag = build_dag(plan, dag_class=PtyDag, **{"doc_md": None, **settings})
    assert isinstance(dag, PtyDag)
    dag.of_file(path, plan.graph, maker)
    return dag


def load_dags(
    loader: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    **common: Any,
) -> dict[str, compat.DAG]:
    """Build a DAG from each `.pty` file in the folder of a loader file and its subfolders.

    Call it in a Python file of a dags folder, with `__file__`. A file with an error appears among
    the import errors and does not hide the others. If importing the events of a file crashes or
    hangs, Airflow's DAG processor gets no DAGs from its first parse of the loader. From the second
    parse on, this is an import error too. If Airflow needs only one DAG (a worker that runs a
    task), only that DAG is built.

    Args:
        loader: the Python file that makes the call.
        folder: where to look; the loader's own folder if None.
        settings: extra arguments for single DAGs, by DAG id; they override `common`.
        **common: further arguments of every `DAG`: default_args, access_control, callbacks, …

    Returns:
        The DAGs by their ids.
    """
    base = Path(loader).absolute().parent
    root = base if folder is None else Path(folder).absolute()
    with _uncollected(), guarded(loader) as guard:
        try:
            return _load(root, base, guard, common, settings or {})
        except compat.AirflowTaskTimeout:
            guard.give_up()
            raise


def _load(
    root: Path,
    base: Path,
    guard: Guard,
    common: dict[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, compat.DAG]:
    wanted = compat.get_parsing_context().dag_id
    plans: dict[str, tuple[Path, Plan]] = {}
    found = find_files(root)
    faults = _unreadable(found) if wanted is None else {}
    dangerous = _dangerous(guard, found.files)
    folders = _folders(base, root, base)
    for path in found.files:
        if wanted is not None and id_of(path) != wanted:
            continue
        try:
            if path in dangerous:
                raise dangerous[path]
            plan = plan_of(path, folders=folders)
            name = plan.graph.name
            if name in plans:
                raise PtyImportError(taken_id(path, name, plans[name][0]))
            plans[name] = path, plan
        except Exception as error:  # noqa: BLE001 - an error in one file must not affect the others
            faults[path] = error
        if wanted is not None:
            break
    # The DAGs are built after all files have been read. Doing each step for all files before the
    # next step makes better use of the processor's caches and takes a third less time.
    dags: dict[str, compat.DAG] = {}
    for name, (path, plan) in plans.items():
        try:
            dags[name] = _dag_of(plan, path, None, {**common, **settings.get(name, {})})
        except Exception as error:  # noqa: BLE001 - the same
            faults[path] = error
    if wanted is None and not faults:
        for name, fault in no_such_dags(settings, list(plans)).items():
            faults[root / f"{name}.pty"] = PtyImportError(fault)
    _show(faults, base)
    return dags


def _unreadable(found: Found) -> dict[Path, Exception]:
    faults: dict[Path, Exception] = {}
    for each in found.diagnostics:
        if each.severity is Severity.ERROR:
            faults[Path(each.file)] = PtyImportError(each.render())
        else:
            log.warning("%s", each.render())
    return faults


def _dangerous(guard: Guard, files: Sequence[Path]) -> dict[Path, PtyImportError]:
    """The files with a module that must not be imported here, and the reason for each."""
    found = dangerous_imports(guard, files)
    return {path: PtyImportError(each.render(), [each]) for path, each in found.items()}


def _folders(around: Path, *known: Path | None) -> list[Path]:
    """The folders that workers have: the known ones, and folders on the import path.

    Airflow puts the folder of a bundle on the import path.

    Args:
        around: a folder of DAGs; only folders around it count.
        *known: folders, if known.
    """
    on_path = (Path(entry) for entry in sys.path if Path(entry).is_absolute())
    found = [folder.absolute() for folder in known if folder is not None]
    return [*found, *(folder for folder in on_path if around.is_relative_to(folder))]


def _unexpected(path: Path, error: Exception) -> str:
    return f"{storable.clean_name(path)}: error: {type(error).__qualname__}: {error}"


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector: all objects that are made here are kept."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _show(faults: dict[Path, Exception], base: Path) -> None:
    """Add DAGs that make Airflow show the errors."""
    texts = {
        path: storable.clean(
            str(error) if isinstance(error, VolnuxError) else _unexpected(path, error)
        )
        for path, error in faults.items()
    }
    together = "\n\n".join(texts.values())
    for path, text in texts.items():
        log.error("%s", text)
        beside = storable.clean_name(os.path.relpath(path, base))[-1000:]
        # The digest makes the ids of two files differ, even if their paths differ only in
        # characters that an id cannot have.
        digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
        broken = BrokenDag(f"{re.sub(r'[^a-zA-Z0-9_.-]', '_', beside)[-200:]}.{digest}")
        broken.of_fault(beside, text, together)
        with broken:
            pass
