"""From files and pipeline classes to DAGs: `to_dag`, and `load_dags` for a loader file."""

from __future__ import annotations

import gc
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from volnux.errors import Severity, VolnuxError
from volnux.events.link import Plan
from volnux.graph.model import Graph
from volnux.loading import FileError, load_file, load_plan, read_text
from volnux_airflow import compat
from volnux_airflow.backend import AirflowBackend
from volnux_airflow.files import find_files
from volnux_airflow.translate import build_dag, doc_of

__all__ = ["BrokenDag", "PtyDag", "PtyImportError", "dag_of_file", "load_dags", "plan_of", "to_dag"]

log = logging.getLogger(__name__)


class PtyDag(compat.DAG):
    """A DAG of a `.pty` file: its Code tab shows the Pointy text."""

    @property
    def doc_md(self) -> str | None:
        """What the file says of itself, and its drawing; made when somebody reads it."""
        graph = self.__dict__.pop("_graph", None)
        if graph is not None and self.__dict__.get("_doc") is None:
            self.__dict__["_doc"] = doc_of(graph)
        return self.__dict__.get("_doc")

    @doc_md.setter
    def doc_md(self, value: str | None) -> None:
        self.__dict__["_doc"] = value

    @property
    def fileloc(self) -> str:
        """The `.pty`, whichever Python file made the DAG."""
        return str(self.__dict__.get("_pty") or self.__dict__.get("_made_by") or "")

    @fileloc.setter
    def fileloc(self, value: str) -> None:
        self.__dict__["_made_by"] = value

    @property
    def relative_fileloc(self) -> str | None:
        """Where a worker finds the Python file that makes the DAG, from the bundle's folder on."""
        own = self.__dict__
        if own.get("_relative_maker"):
            return str(own["_relative_maker"])
        relative, pty, maker = own.get("_relative"), own.get("_pty"), own.get("_made_by")
        if relative and pty and maker and pty.endswith(relative):
            # Airflow has taken it from `fileloc`: the same of the Python file.
            root = pty.removesuffix(relative)
            return str(maker.removeprefix(root))
        return relative

    @relative_fileloc.setter
    def relative_fileloc(self, value: str | None) -> None:
        self.__dict__["_relative"] = value

    def of_file(self, path: Path, graph: Graph, maker: str | None = None) -> None:
        """Say which file the DAG is of, and where the Python file that makes it is, if not near."""
        self.__dict__["_graph"] = graph
        self.__dict__["_pty"] = str(path)
        self.__dict__["_relative_maker"] = maker


class BrokenDag(compat.DAG):
    """Stands for files that are no DAGs, so that Airflow shows why and keeps all others.

    Airflow's dag processor records what keeps a DAG from being serialised under that DAG's own
    file: the `.pty`. Anyone else (a `DagBag` in a test) is told on validation.
    """

    @property
    def relative_fileloc(self) -> str | None:
        """The file that is wrong, beside the loader."""
        known = self.__dict__.get("_relative")
        beside = self.__dict__.get("_beside")
        return str(Path(known).parent / beside) if known and beside else known

    @relative_fileloc.setter
    def relative_fileloc(self, value: str | None) -> None:
        self.__dict__["_relative"] = value

    def of_fault(self, beside: str, fault: str, all_faults: str) -> None:
        """Say which file is wrong, by its path from the loader's folder, and how."""
        self.__dict__.update(_beside=beside, _fault=fault, _faults=all_faults)

    def validate(self) -> None:
        """Raise, but where Airflow would then hide the DAGs of the other files."""
        if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") != "client":
            raise PtyImportError(self.__dict__["_faults"])

    def get_serialized_fields(self) -> frozenset[str]:  # type: ignore[override]  # it never returns
        """Raise: this is what Airflow asks first when it serialises a DAG."""
        raise PtyImportError(self.__dict__["_fault"])


class PtyImportError(VolnuxError):
    """A `.pty` is no DAG."""


def to_dag(
    source: str | os.PathLike[str] | type, *, events: Sequence[str] = (), **settings: Any
) -> compat.DAG:
    """The DAG of a `.pty` file or a pipeline class.

    Args:
        source: the file's path, or a `Pipeline` or `BatchPipeline` class.
        events: modules to look events up in; they replace `@events`.
        **settings: further arguments of `DAG`: default_args, access_control, callbacks, …

    Raises:
        PointyError: the file is wrong, or does not fit its events.
        RefusedError: the file says something that Airflow cannot do.
    """
    if isinstance(source, type):
        from volnux.pipeline.batch import BatchPipeline

        if issubclass(source, BatchPipeline):
            from volnux_airflow.batch import batch_dag

            return batch_dag(source, **settings)
    plan = plan_of(source, events=events)
    return build_dag(plan, **settings)


def plan_of(source: str | os.PathLike[str] | type, *, events: Sequence[str] = ()) -> Plan:
    """The plan of a file or pipeline class, nothing in it that Airflow cannot do.

    Raises:
        PointyError: the file is wrong, or does not fit its events.
        RefusedError: the file says something that Airflow cannot do.
    """
    if isinstance(source, type):
        plan: Plan = source.plan()  # type: ignore[attr-defined]  # a pipeline class
    else:
        plan = load_plan(Path(source), events=events)
    AirflowBackend().refuse(plan)
    for warning in plan.warnings:
        log.warning("%s", warning.render())
    return plan


def dag_of_file(path: Path, *, maker: str | None = None, **settings: Any) -> compat.DAG:
    """The DAG of a `.pty` file, with the file as its source.

    Args:
        path: the file.
        maker: the path, in its bundle, of the Python file that makes the DAG, if not beside it.
        **settings: further arguments of `DAG`.

    Raises:
        PointyError: the file is wrong, or does not fit its events.
        RefusedError: the file says something that Airflow cannot do.
    """
    return _dag_of(plan_of(path), path, maker, settings)


def _dag_of(plan: Plan, path: Path, maker: str | None, settings: dict[str, Any]) -> compat.DAG:
    dag = build_dag(plan, dag_class=PtyDag, **{"doc_md": None, **settings})
    assert isinstance(dag, PtyDag)
    dag.of_file(path, plan.graph, maker)
    return dag


def load_dags(
    loader: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None, **settings: Any
) -> dict[str, compat.DAG]:
    """Make a DAG of every `.pty` in the folder of a loader file and the folders below.

    Called in a Python file of a dags folder, with `__file__`. A file that is wrong appears among
    the import errors, and hides no other. Where Airflow wants one DAG only (a worker that runs a
    task of it), only that one is built.

    Args:
        loader: the Python file that calls.
        folder: where to look; the loader's own folder if None.
        **settings: further arguments of every `DAG`: default_args, access_control, callbacks, …

    Returns:
        The DAGs by their ids.
    """
    base = Path(loader).absolute().parent
    root = base if folder is None else Path(folder).absolute()
    with _uncollected():
        return _load(root, base, settings)


def _load(root: Path, base: Path, settings: dict[str, Any]) -> dict[str, compat.DAG]:
    wanted = compat.get_parsing_context().dag_id
    plans: dict[str, tuple[Path, Plan]] = {}
    faults: dict[Path, Exception] = {}
    found = find_files(root)
    for each in found.diagnostics if wanted is None else ():
        if each.severity is Severity.ERROR:
            faults[Path(each.file)] = PtyImportError(each.render())
        else:
            log.warning("%s", each.render())
    for path in found.files:
        if wanted is not None and _name_of(path) != wanted:
            continue
        try:
            plan = plan_of(path)
            name = plan.graph.name
            if name in plans:
                raise PtyImportError(
                    f"{path}: the DAG id '{name}' is that of {plans[name][0]} already: "
                    "give one of them another @name"
                )
            plans[name] = path, plan
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one file, the others stay
            faults[path] = error
        if wanted is not None:
            break
    # Built when all have been read, not in turn: what works on one file after the other stays in
    # the processor's caches, and takes a third less time.
    dags: dict[str, compat.DAG] = {}
    for name, (path, plan) in plans.items():
        try:
            dags[name] = _dag_of(plan, path, None, settings)
        except Exception as error:  # noqa: BLE001 - the same
            faults[path] = error
    _show(faults, base)
    return dags


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: of what is made here, all stays."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _name_of(path: Path) -> str:
    """The id that the DAG of a file would have; read without its flow where that can be."""
    try:
        source, _ = read_text(path)
    except FileError:
        return path.stem
    if source is not None and "@name" in source.text:
        file, _ = load_file(path)
        if file is not None and file.settings.name:
            return file.settings.name
    return path.stem


def _show(faults: dict[Path, Exception], base: Path) -> None:
    """Let Airflow find what is wrong."""
    together = "\n\n".join(map(str, faults.values()))
    for path, error in faults.items():
        log.error("%s", error)
        beside = os.path.relpath(path, base)
        broken = BrokenDag(re.sub(r"[^\w.-]", "_", beside)[-200:])
        broken.of_fault(beside, str(error), together)
        with broken:
            pass
