"""From a pipeline class to its plan: `Meta`, the search for the flow, fields as inputs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from volnux.errors import Diagnostic, Source, VolnuxError, nearest, pointy_error
from volnux.events.base import event_class_of
from volnux.events.link import Plan, link
from volnux.events.lookup import Lookup
from volnux.graph.compile import compile
from volnux.graph.model import Graph
from volnux.pointy.parser import analyze, read_source
from volnux.pointy.tree import OnFailure

if TYPE_CHECKING:
    from volnux.fields import InputDataField
    from volnux.pipeline.base import Pipeline

__all__ = ["META_KEYS", "PipelineDefinitionError", "own_meta", "plan_of", "with_fields"]

META_KEYS = ("pointy", "file", "name", "on_failure", "events")
"""What `class Meta` and `meta = {…}` of a pipeline may say."""


class PipelineDefinitionError(VolnuxError, TypeError):
    """A pipeline class is defined in a way that cannot work."""


def own_meta(cls: type) -> dict[str, Any]:
    """What the class itself says in `class Meta` or `meta = {…}`, bases not counted.

    Raises:
        PipelineDefinitionError: it says something that is unknown or makes no sense.
    """
    namespace = vars(cls)
    if "Meta" in namespace and "meta" in namespace:
        raise PipelineDefinitionError(
            f"{cls.__name__} has both a class Meta and a dict meta: leave one of them out"
        )
    meta = namespace.get("Meta", namespace.get("meta"))
    if meta is None:
        return {}
    if isinstance(meta, type):
        meta = {key: value for key, value in vars(meta).items() if not key.startswith("__")}
    if not isinstance(meta, Mapping):
        raise PipelineDefinitionError(
            f"meta of {cls.__name__} is a dict, such as {{'pointy': 'A -> B'}}, found {meta!r}"
        )
    for key in meta:
        if key not in META_KEYS:
            close = nearest(str(key), META_KEYS)
            hint = f"did you mean {close[0]!r}?" if close else f"keys: {', '.join(META_KEYS)}"
            raise PipelineDefinitionError(f"Meta of {cls.__name__} has no key {key!r}; {hint}")
    on_failure = meta.get("on_failure")
    if on_failure is not None and on_failure not in tuple(OnFailure):
        raise PipelineDefinitionError(
            f"Meta.on_failure of {cls.__name__} is 'stop' or 'continue', found {on_failure!r}"
        )
    return dict(meta)


def plan_of(cls: type[Pipeline]) -> Plan:
    """The plan of a pipeline class: its flow found, parsed, compiled and linked.

    Raises:
        PipelineDefinitionError: there is no flow; it says which paths were tried.
        PointyError: the flow is wrong, or does not fit the events and fields.
    """
    flow = _find_flow(cls)
    file, diagnostics = analyze(flow.source)
    if file is None:
        raise pointy_error(diagnostics)
    meta = _merged_meta(cls)
    graph = with_fields(compile(file), cls.fields())
    graph = _named(graph, file.settings.name or meta.get("name") or flow.name)
    modules, extra = _event_sources(cls, meta)
    if flow.path is not None:
        lookup = Lookup.for_file(str(flow.path), graph.events or modules, extra)
    else:
        named = graph.events or modules
        lookup = Lookup(_folder(cls) if named else None, None, named, extra)
    plan = link(graph, lookup, on_failure=meta.get("on_failure"))
    readers = {name: field.read for name, field in cls.fields().items()}
    return Plan(plan.graph, plan.specs, plan.warnings, readers)


def with_fields(graph: Graph, fields: Mapping[str, InputDataField]) -> Graph:
    """The graph with the fields of a pipeline class as inputs, before those of the text.

    Raises:
        PointyError: a name is a field and an `@input`.
    """
    faults = [
        Diagnostic(
            "double-input",
            f"the input '{item.name}' is a field of the pipeline class as well",
            graph.source.filename if graph.source else graph.name,
            item.span,
            "declare it in one of the two places",
            text=graph.source.source().line(item.span.line) if graph.source and item.span else None,
        )
        for item in graph.inputs
        if item.name in fields
    ]
    if faults:
        raise pointy_error(faults)
    return graph.with_inputs((*(field.spec() for field in fields.values()), *graph.inputs))


@dataclass(frozen=True)
class _FlowText:
    """A flow that was found: its text, its file if it has one, the name it gives the pipeline."""

    source: Source
    path: Path | None
    name: str


def _find_flow(cls: type[Pipeline]) -> _FlowText:
    tried: list[Path] = []
    for base in _lineage(cls):
        meta = own_meta(base)
        pointy, file = meta.get("pointy"), meta.get("file")
        if pointy is not None:
            if not isinstance(pointy, str):
                raise PipelineDefinitionError(
                    f"Meta.pointy of {base.__name__} is a string of Pointy, found {pointy!r}"
                )
            name = f"<{base.__module__}.{base.__qualname__}.Meta.pointy>"
            return _FlowText(Source(pointy, name), None, cls.__name__)
        if file is not None:
            path = _folder(base) / Path(file)
            if not path.is_file():
                raise PipelineDefinitionError(
                    f"Meta.file of {base.__name__} is {file!r}, but there is no file {path}"
                )
            return _read(path)
        path = _folder(base) / f"{base.__name__}.pty"
        if path.is_file():
            return _read(path)
        tried.append(path)
    paths = "".join(f"\n  {path}" for path in tried)
    raise PipelineDefinitionError(
        f"{cls.__name__} has no flow: write Meta.pointy or Meta.file, or one of these files:{paths}"
    )


def _read(path: Path) -> _FlowText:
    source, diagnostics = read_source(path)
    if source is None:
        raise pointy_error(diagnostics)
    return _FlowText(source, path, path.stem)


def _merged_meta(cls: type[Pipeline]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for base in reversed(list(_lineage(cls))):
        merged.update(own_meta(base))
    # A name is the class's own: two classes of one name would be one pipeline on an orchestrator.
    if "name" not in own_meta(cls):
        merged.pop("name", None)
    return merged


def _lineage(cls: type[Pipeline]) -> Iterator[type[Pipeline]]:
    """The class and its bases up to `Pipeline`, nearest first."""
    from volnux.pipeline.base import Pipeline

    for base in cls.__mro__:
        if base is Pipeline:
            return
        if issubclass(base, Pipeline):
            yield base


def _folder(cls: type) -> Path:
    """The folder of the module that defines the class; the working directory for a prompt."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()


def _event_sources(
    cls: type[Pipeline], meta: Mapping[str, Any]
) -> tuple[tuple[str, ...], list[ModuleType]]:
    """Dotted modules of `Meta.events`, and the modules searched last: those of the classes."""
    given = meta.get("events", ())
    if isinstance(given, str) or event_class_of(given) is not None:
        given = (given,)
    names: list[str] = []
    listed = ModuleType("Meta.events")
    for item in given:
        if isinstance(item, str):
            names.append(item)
        elif isinstance(item, ModuleType):
            names.append(item.__name__)
        elif event_class_of(item) is not None:
            setattr(listed, item.__name__, item)
        else:
            raise PipelineDefinitionError(
                f"Meta.events of {cls.__name__} lists events and modules, found {item!r}"
            )
    modules = [sys.modules.get(base.__module__) for base in _lineage(cls)]
    unique = list(dict.fromkeys(module for module in modules if module is not None))
    return tuple(names), [listed, *unique]


def _named(graph: Graph, name: str) -> Graph:
    from dataclasses import replace

    return graph if graph.name == name else replace(graph, name=name)
