"""Makes the plan of a pipeline class: reads `Meta`, finds the flow, adds fields as inputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from volnux.errors import Severity, Source, VolnuxError, did_you_mean, pointy_error
from volnux.events.base import event_class_of
from volnux.events.link import Plan, link
from volnux.events.lookup import Lookup
from volnux.events.modules import module_of
from volnux.graph.compiling import compile
from volnux.graph.model import Graph
from volnux.imported import imported
from volnux.pipeline.fields import InputDataField
from volnux.pipeline.schedule import SCHEDULE_KEYS, schedule_fault, with_schedule
from volnux.pointy.parser import analyze
from volnux.pointy.tree import OnFailure
from volnux.programs import gather
from volnux.reading import read_text

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline

__all__ = [
    "META_KEYS",
    "PipelineDefinitionError",
    "fields_of",
    "is_stale",
    "link_class",
    "own_meta",
    "owns",
    "plan_of",
    "with_fields",
]

META_KEYS = ("pointy", "file", "name", "on_failure", "events", *SCHEDULE_KEYS)
"""The keys that `class Meta` and `meta = {…}` of a pipeline may have."""

_META_TYPES = (
    ("pointy", "a string of Pointy", str),
    ("file", "the path of a .pty file", (str, os.PathLike)),
    ("name", "a string", str),
)


class PipelineDefinitionError(VolnuxError, TypeError):
    """A pipeline class is defined in a way that cannot work."""


def own_meta(cls: type) -> dict[str, Any]:
    """The settings in `class Meta` or `meta = {…}` of the class itself, without those of its bases.

    Raises:
        PipelineDefinitionError: a key is unknown, or a value is not valid.
    """
    namespace = vars(cls)
    if "Meta" in namespace and "meta" in namespace:
        raise PipelineDefinitionError(
            f"{cls.__name__} has both a class Meta and a dict meta: remove one of them"
        )
    meta = namespace.get("Meta", namespace.get("meta"))
    if meta is None:
        return {}
    if isinstance(meta, type):
        # `class Meta(Base.Meta)` inherits all settings except `name`, which belongs to one class.
        own = meta
        meta = {
            key: value
            for base in reversed(own.__mro__[:-1])
            for key, value in vars(base).items()
            if not key.startswith("__") and (key != "name" or base is own)
        }
    if not isinstance(meta, Mapping):
        raise PipelineDefinitionError(
            f"meta of {cls.__name__} must be a dict, such as {{'pointy': 'A -> B'}}, found {meta!r}"
        )
    for key in meta:
        if key not in META_KEYS:
            hint = did_you_mean(str(key), META_KEYS, f"keys: {', '.join(META_KEYS)}")
            raise PipelineDefinitionError(f"Meta of {cls.__name__} has no key {key!r}; {hint}")
    for key, what, kinds in _META_TYPES:
        value = meta.get(key)
        if value is not None and not isinstance(value, kinds):
            raise PipelineDefinitionError(
                f"Meta.{key} of {cls.__name__} is {what}, found {value!r}"
            )
    on_failure = meta.get("on_failure")
    if on_failure is not None and on_failure not in tuple(OnFailure):
        raise PipelineDefinitionError(
            f"Meta.on_failure of {cls.__name__} must be 'stop' or 'continue', found {on_failure!r}"
        )
    if any(key in meta for key in SCHEDULE_KEYS) and (fault := schedule_fault(meta)):
        raise PipelineDefinitionError(f"Meta.{fault[0]} of {cls.__name__} {fault[1]}")
    return dict(meta)


def plan_of(cls: type[Pipeline]) -> Plan:
    """Find, parse, compile and link the flow of a pipeline class.

    Raises:
        PipelineDefinitionError: there is no flow; the message lists the paths that were tried.
        PointyError: the flow is wrong, or does not fit the events and fields.
    """
    flow = _find_flow(cls)
    file, diagnostics = analyze(flow.source)
    if file is None:
        raise pointy_error(diagnostics)
    program, found = gather(file, folder=flow.folder)
    if program is None:
        raise pointy_error((*diagnostics, *found))
    name = file.settings.name or _merged_meta(cls).get("name") or flow.name
    warnings = tuple(d for d in (*diagnostics, *found) if d.severity is Severity.WARNING)
    plan = link_class(cls, _named(compile(program), name), flow.path)
    return replace(plan, warnings=(*warnings, *plan.warnings))


def is_stale(plan: Plan) -> bool:
    """Whether an event of the plan was redefined in a notebook or at a prompt."""
    if not _at_prompt():
        return False
    kinds = {spec.event_class for spec in plan.specs if spec is not None}
    return any(event_class_of(_newest(kind)) is not kind for kind in kinds)


def _at_prompt() -> bool:
    """Whether this Python is interactive, so that definitions may change."""
    return hasattr(sys, "ps1") or not hasattr(imported("__main__"), "__file__")


def _newest(event: Any) -> Any:
    """The current event with this name in its module, or the event itself if there is none."""
    kind = event_class_of(event)
    if kind is None:
        return event
    found = getattr(module_of(kind), kind.__qualname__, None)
    return event if event_class_of(found) is None else found


def link_class(
    cls: type[Pipeline], graph: Graph, path: Path | None, *, events: Sequence[str] = ()
) -> Plan:
    """Link a flow, using the fields, the `Meta` and the events of a pipeline class.

    Args:
        cls: the class.
        graph: its flow.
        path: the file of the flow, if it has one.
        events: dotted modules to look events up in; they replace `@events` and `Meta.events`.

    Raises:
        PointyError: the flow does not fit the events or the fields.
    """
    meta = _merged_meta(cls)
    modules, extra = _event_sources(cls, meta)
    modules = tuple(events) or graph.events or modules
    if path is not None:
        lookup = Lookup.for_file(str(path), modules, extra)
    else:
        lookup = Lookup(_folder(cls) if modules else None, None, modules, extra)
    graph = with_schedule(with_fields(graph, cls.fields()), meta)
    plan = link(graph, lookup, on_failure=meta.get("on_failure"))
    readers = {name: field.read for name, field in cls.fields().items()}
    kinds = {name: field.kind for name, field in cls.fields().items()}
    return replace(plan, readers=readers, kinds=kinds, owner=cls)


def owns(cls: type[Pipeline], path: Path) -> bool:
    """Whether that file is the flow of this class itself, not an inherited one."""
    meta = own_meta(cls)
    if meta.get("pointy") is not None:
        return False
    own = _folder(cls) / meta["file"] if meta.get("file") else _beside(cls)
    return own is not None and own.is_file() and own.samefile(path)


def with_fields(graph: Graph, fields: Mapping[str, InputDataField]) -> Graph:
    """The graph with the fields of a pipeline class as inputs, before those of the text.

    Raises:
        PointyError: a name is both a field and an `@input`.
    """
    faults = [
        graph.diagnostic(
            "double-input",
            f"the input '{item.name}' is also a field of the pipeline class",
            span=item.span,
            hint="declare it in only one of the two places",
        )
        for item in graph.inputs
        if item.name in fields
    ]
    if faults:
        raise pointy_error(faults)
    return graph.with_inputs((*(field.spec() for field in fields.values()), *graph.inputs))


def fields_of(cls: type[Pipeline], taken: Collection[str]) -> dict[str, InputDataField]:
    """The fields of a class, those of its bases first; a base need not be a pipeline.

    Args:
        cls: the class.
        taken: the names that a field must not have.

    Raises:
        PipelineDefinitionError: a field has such a name, or is also another field.
    """
    fields: dict[str, InputDataField] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if not isinstance(value, InputDataField):
                # An attribute that a subclass replaces by something else is no longer a field.
                fields.pop(name, None)
                continue
            if name in taken:
                raise PipelineDefinitionError(
                    f"the field {name!r} of {cls.__name__} hides Pipeline.{name}: "
                    "give it another name"
                )
            if value.name != name:
                raise PipelineDefinitionError(
                    f"the field {name!r} of {cls.__name__} is the same object as the field "
                    f"{value.name!r}: make one for each"
                )
            fields[name] = value
    return fields


@dataclass(frozen=True)
class _FlowText:
    """A flow that was found.

    Attributes:
        source: its text.
        folder: the folder that the paths in it are relative to.
        path: its file, if it has one.
        name: the name of the pipeline that it implies.
    """

    source: Source
    folder: Path
    path: Path | None
    name: str


def _find_flow(cls: type[Pipeline]) -> _FlowText:
    tried: list[Path] = []
    for base in cls._lineage:
        meta = own_meta(base)
        pointy, file = meta.get("pointy"), meta.get("file")
        if pointy is not None:
            name = f"<{base.__module__}.{base.__qualname__}.Meta.pointy>"
            return _FlowText(Source(pointy, name), _folder(base), None, cls.__name__)
        path = _beside(base) if file is None else _folder(base) / file
        if path is not None and path.is_file():
            source, diagnostics = read_text(path)
            if source is None:
                raise pointy_error(diagnostics)
            # An inherited flow must not give two pipelines the same name.
            implied = path.stem if base is cls else cls.__name__
            return _FlowText(source, path.parent, path, implied)
        if file is not None:
            raise PipelineDefinitionError(
                f"Meta.file of {base.__name__} is {os.fspath(file)!r}, but there is no file {path}"
            )
        tried.append(_folder(base) / f"{base.__name__}.pty")
    paths = "".join(f"\n  {path}" for path in tried)
    raise PipelineDefinitionError(
        f"{cls.__name__} has no flow: write Meta.pointy or Meta.file, or one of these files:{paths}"
    )


def _beside(cls: type[Pipeline]) -> Path | None:
    """The file with the class's name beside its module, in any case; None if there is none."""
    folder = _folder(cls)
    path = folder / f"{cls.__name__}.pty"
    if path.is_file():
        return path
    try:
        names = [p for p in folder.glob("*.pty") if p.stem.casefold() == cls.__name__.casefold()]
    except OSError:
        return None
    return names[0] if len(names) == 1 else None


def _merged_meta(cls: type[Pipeline]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for base in reversed(cls._lineage):
        merged.update(own_meta(base))
    # The name is not inherited: on an orchestrator, two classes with one name would be one
    # pipeline.
    if "name" not in own_meta(cls):
        merged.pop("name", None)
    return merged


def _folder(cls: type) -> Path:
    """The folder of the module that defines the class; at a prompt, the working directory."""
    file = getattr(module_of(cls), "__file__", None)
    return Path(file).resolve().parent if file else Path.cwd()


def _event_sources(
    cls: type[Pipeline], meta: Mapping[str, Any]
) -> tuple[tuple[str, ...], list[ModuleType]]:
    """The modules of `Meta.events`, and the modules of the classes, which are searched last."""
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
            setattr(listed, item.__name__, _newest(item) if _at_prompt() else item)
        else:
            raise PipelineDefinitionError(
                f"Meta.events of {cls.__name__} may contain only events and modules, found {item!r}"
            )
    modules = [module_of(base) for base in cls._lineage]
    unique = list(dict.fromkeys(module for module in modules if module is not None))
    return tuple(names), [listed, *unique]


def _named(graph: Graph, name: str) -> Graph:
    return graph if graph.name == name else replace(graph, name=name)
