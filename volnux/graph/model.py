"""The graph of a pipeline, independent of any backend: frozen, readable and writable as JSON.

`compile` makes a `Graph` from a syntax tree, `link` adds what only Python knows, and a backend runs
it. `docs/graph.md` defines its meaning; `Execution` implements it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from volnux.errors import Diagnostic, Severity, Span, VolnuxError
from volnux.graph.jsonable import jsonable
from volnux.graph.outcome import Failure
from volnux.graph.parts import (
    Argument,
    Each,
    Edge,
    Entry,
    Group,
    Kind,
    NameAt,
    Node,
    TaskGroup,
    Use,
    Value,
    ValueKind,
)
from volnux.graph.places import template_of
from volnux.graph.references import first_fault
from volnux.graph.texts import (
    InputSpec,
    ScheduleSpec,
    SecretSpec,
    Text,
    UsedFile,
    VariableSpec,
)
from volnux.graph.topology import Topology
from volnux.pointy.tree import OnFailure
from volnux.strictjson import FormatError, read_json, refusal

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from volnux.pointy.program import Program
    from volnux.pointy.tree import Directive

__all__ = [
    "Argument",
    "At",
    "Each",
    "Edge",
    "Entry",
    "Graph",
    "GraphFormatError",
    "Group",
    "InputSpec",
    "Kind",
    "Located",
    "NameAt",
    "Node",
    "ScheduleSpec",
    "SecretSpec",
    "TaskGroup",
    "Text",
    "Use",
    "UsedFile",
    "Value",
    "ValueKind",
    "VariableSpec",
]

FORMAT_VERSION = 4


class GraphFormatError(FormatError):
    """A JSON text is not a graph, or has another format version."""


class Located(Protocol):
    """A part of a text."""

    @property
    def file(self) -> int:
        """The number of its text, as for `Graph.text`."""

    @property
    def span(self) -> Span | None:
        """Its position in that text; None if it has none."""


class At(NamedTuple):
    """A position in one of the texts of a graph."""

    span: Span | None
    file: int = 0


@dataclass(frozen=True)
class Graph:
    """A pipeline: nodes in reading order, edges by source and target, values, settings.

    `result` is the index of the value of the whole flow. `files` are the files that the text uses,
    directly or through others; `names` has the number of the text that each `@use` of the text
    itself names. `on_failure` is None until linking if the text does not set it. `run_timeout` is
    in seconds. Equality compares everything; `fingerprint` ignores positions and the texts.
    """

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    values: tuple[Value, ...]
    result: int
    groups: tuple[Group, ...] = ()
    eaches: tuple[Each, ...] = ()
    tasks: tuple[TaskGroup, ...] = ()
    uses: tuple[Use, ...] = ()
    files: tuple[UsedFile, ...] = ()
    names: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[InputSpec, ...] = ()
    variables: tuple[VariableSpec, ...] = ()
    secrets: tuple[SecretSpec, ...] = ()
    events: tuple[str, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()
    timezone: str | None = None
    start_date: str | None = None
    catchup: bool = False
    max_active_runs: int | None = None
    on_failure: OnFailure | None = None
    run_timeout: float | None = None
    source: Text | None = None
    format_version: ClassVar[int] = FORMAT_VERSION

    @functools.cached_property
    def topology(self) -> Topology:
        """How the nodes are connected, by index."""
        return Topology(self)

    def __getstate__(self) -> dict[str, Any]:
        # The topology is computed again when it is needed.
        return {name: value for name, value in vars(self).items() if name != "topology"}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical JSON without positions, in hex: equal on every machine."""
        text = _adapter().dump_json(self._plain(), exclude=_WITHOUT_POSITIONS)
        version = f',"format_version":{FORMAT_VERSION}}}'
        return hashlib.sha256(text[:-1] + version.encode()).hexdigest()

    def _repr_html_(self) -> str:
        """A picture of the graph, for notebooks."""
        from volnux.graph.draw.notebook import as_html

        return as_html(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """The graph as JSON, `fingerprint` included; the same graph gives the same bytes.

        A default that JSON cannot represent is written as `jsonable` shows it.
        """
        text = _adapter().dump_json(self._plain(), indent=indent).decode()
        last = f'"fingerprint": "{self.fingerprint}"'
        if indent is None:
            return f'{text[:-1]},"format_version":{FORMAT_VERSION},{last}}}'
        tab = " " * indent
        return f'{text[:-2]},\n{tab}"format_version": {FORMAT_VERSION},\n{tab}{last}\n}}'

    @staticmethod
    def from_json(text: str | bytes) -> Graph:
        """The graph of a text that `to_json` wrote.

        Raises:
            GraphFormatError: it is not such a text, or has another format version.
        """
        from pydantic import ValidationError

        try:
            data = read_json(text)
        except FormatError as error:
            raise GraphFormatError(str(error)) from error
        if not isinstance(data, dict) or data.get("format_version") != FORMAT_VERSION:
            raise GraphFormatError(f"this is not a graph of format version {FORMAT_VERSION}")
        for name in ("format_version", "fingerprint"):
            data.pop(name, None)
        try:
            graph = _adapter().validate_python(data)
        except ValidationError as error:
            raise refusal(error, data, "this JSON is not a graph", GraphFormatError) from error
        fault = first_fault(graph)
        if fault is not None:
            raise GraphFormatError(f"this JSON is not a graph: {fault}")
        return graph

    def _plain(self) -> Graph:
        # Defaults in texts are JSON; those of a pipeline class may be anything.
        if all(item.default is None for item in self.inputs):
            return self
        inputs = tuple(replace(item, default=jsonable(item.default)) for item in self.inputs)
        return self.with_inputs(inputs)

    def places(self) -> tuple[Node, ...]:
        """The nodes that are events, in reading order."""
        return tuple(node for node in self.nodes if node.kind is Kind.EVENT)

    def node_of(self, place: str) -> Node:
        """The node of a place; that of a copy, such as `Fetch[3]`, has the place as its id."""
        node = self.nodes[self.topology.index[template_of(place)]]
        return node if node.id == place else replace(node, id=place)

    def failure_at(self, node: Node) -> Failure:
        """The failure of a `!` that is not inside a `0` branch."""
        file = self.file_name(node.file)
        line = f":{node.span.line}" if node.span else ""
        return Failure("Failed", f"the flow fails here: {file}{line}")

    def directive(self, name: str) -> Directive | None:
        """The directive of that name in the text that the graph was made from, if there is one."""
        directives = self.source.file.directives if self.source is not None else ()
        return next((each for each in directives if each.name == name), None)

    def text(self, number: int) -> Text | None:
        """One of the texts that the graph was made from: 0 is the pipeline's own."""
        return self.files[number - 1].text if number else self.source

    def file_name(self, number: int = 0) -> str:
        """The name of the file of a text, without its folder; without a text, that of the graph."""
        text = self.text(number)
        return PurePath(text.filename).name if text else self.name

    def names_in(self, number: int) -> Mapping[str, int]:
        """The number of the text that each `@use` in a text names."""
        return self.files[number - 1].uses if number else self.names

    @property
    def filenames(self) -> tuple[str, ...]:
        """The names of all text files that the graph was made from, the pipeline's own first."""
        own = (self.source.filename,) if self.source else ()
        return (*own, *(used.text.filename for used in self.files))

    @property
    def program(self) -> Program:
        """The parsed texts.

        Raises:
            PointyError: a text of a graph from JSON is wrong.
            VolnuxError: the graph has no text, or not a text that it uses.
        """
        from volnux.pointy.program import Program

        if self.source is None:
            raise VolnuxError(f"the graph of {self.name} has no source text")
        program = Program(
            (self.source.file, *(used.text.file for used in self.files)),
            (self.names, *(used.uses for used in self.files)),
        )
        for file, known in zip(program.files, program.uses, strict=True):
            for use in file.settings.uses:
                if use.name not in known:  # the graph is from JSON
                    name = file.source.filename
                    raise VolnuxError(f"the graph does not have the file '{use.name}' of {name}")
        return program

    def declaring(self, number: int) -> Graph | UsedFile:
        """What declares the names in a text: the pipeline itself, or a used file."""
        return self.files[number - 1] if number else self

    def declared(self) -> Iterator[tuple[int, Graph | UsedFile]]:
        """The pipeline itself and each used file, by the number of its text."""
        yield from enumerate((self, *self.files))

    @property
    def all_variables(self) -> tuple[VariableSpec, ...]:
        """The variables of all texts; a name that is declared in several ways occurs repeatedly."""
        found: dict[object, VariableSpec] = {}
        for _, declared in self.declared():
            for spec in declared.variables:
                key = spec.name, spec.type, spec.required, repr(spec.default)
                found.setdefault(key, spec)
        return tuple(found.values())

    @property
    def all_secrets(self) -> tuple[SecretSpec, ...]:
        """The secrets of all texts, each once."""
        found: dict[str, SecretSpec] = {}
        for _, declared in self.declared():
            for spec in declared.secrets:
                found.setdefault(spec.name, spec)
        return tuple(found.values())

    def with_inputs(self, inputs: tuple[InputSpec, ...]) -> Graph:
        """The same graph with other inputs."""
        return replace(self, inputs=inputs)

    def diagnostic(
        self,
        code: str,
        message: str,
        *,
        at: Located | None = None,
        span: Span | None = None,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> Diagnostic:
        """A diagnostic about one of the files that the graph was made from.

        Args:
            code: the code of the diagnostic.
            message: what is wrong.
            at: the part of a text that it is about; None for the pipeline's own file.
            span: a position in that file, instead of the one of `at`.
            hint: how to fix it.
            severity: the severity of the diagnostic.
        """
        text = self.text(at.file if at else 0)
        source = text.source() if text else None
        span = span or (at.span if at else None)
        return Diagnostic(
            code=code,
            message=message,
            file=source.filename if source else self.name,
            span=span,
            hint=hint,
            severity=severity,
            text=source.line(span.line) if source and span else None,
        )


_WITHOUT_POSITIONS: Any = {
    "source": True,
    "files": {
        "__all__": {
            "text": True,
            "inputs": {"__all__": {"span"}},
            "variables": {"__all__": {"span"}},
            "secrets": {"__all__": {"span"}},
        }
    },
    "uses": {"__all__": {"span": True, "arguments": {"__all__": {"span"}}}},
    "nodes": {"__all__": {"span": True, "arguments": {"__all__": {"span"}}}},
    "groups": {"__all__": {"span"}},
    "eaches": {"__all__": {"span"}},
    "tasks": {"__all__": {"span"}},
    "inputs": {"__all__": {"span"}},
    "variables": {"__all__": {"span"}},
    "secrets": {"__all__": {"span"}},
    "schedules": {"__all__": {"span"}},
}


_PARTS = (
    Argument,
    Each,
    Edge,
    Group,
    InputSpec,
    NameAt,
    Node,
    ScheduleSpec,
    SecretSpec,
    TaskGroup,
    Text,
    Use,
    UsedFile,
    Value,
    VariableSpec,
)


@functools.cache
def _adapter() -> TypeAdapter[Graph]:
    # pydantic is imported late: a run without JSON and inputs does not need it.
    from pydantic import ConfigDict, TypeAdapter

    for model in (Graph, *_PARTS):
        setattr(model, "__pydantic_config__", ConfigDict(extra="forbid"))  # noqa: B010 - unknown to type checkers
    return TypeAdapter(Graph)
