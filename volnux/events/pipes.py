"""Warnings about pipes: what one event returns cannot be read as what the next one takes."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from volnux.errors import Diagnostic, Severity
from volnux.events.annotated import AnnotationError, annotation_of
from volnux.events.fitting import Refusal, may_be
from volnux.events.pairs import result_type
from volnux.events.shapes import AnyOf, Parts, Shapes, item_of, shapes_of, shown_type
from volnux.events.spec import EventSpec
from volnux.graph.model import Each, Graph, Node, Value, ValueKind

__all__ = ["check_pipes"]

_DEEPEST: Final = 20
"""How deeply groups may be nested for anything to be known about the lists that they pipe."""

_MOST_LABELS: Final = 4
_SEVERAL: Final = "{…}"


def check_pipes(graph: Graph, specs: Sequence[EventSpec | None]) -> Iterator[Diagnostic]:
    """A warning for each place to which values are piped that it certainly cannot read.

    Also one for each event that reads nothing because its annotation cannot be used.

    Args:
        graph: the linked graph.
        specs: the spec of each node's event.
    """
    pipes = _Pipes(graph, specs)
    readers = _Readers()
    eaches = {each.each: each for each in graph.eaches if each.source is None}
    unusable: set[Any] = set()
    for node, spec in zip(graph.nodes, specs, strict=True):
        if node.receives is None:
            continue
        if spec is None:
            if node.id in eaches:
                yield from _check_each(graph, node, eaches[node.id], pipes)
        elif spec.receiver is not None:
            for sent in pipes.sent_to(node):
                problem = readers.problem(sent, spec)
                if problem is not None:
                    yield _warning(
                        graph,
                        node,
                        problem,
                        "change one of the two annotations, or convert the value in an event "
                        "between them",
                    )
        elif spec.function not in unusable:
            reason = _why_unusable(spec)
            if reason is not None:
                unusable.add(spec.function)
                yield graph.diagnostic(
                    "bad-annotation",
                    f"the annotation of previous_result of {spec.name} cannot be used, so values "
                    f"are passed on unread: {reason}",
                    at=node,
                    hint="a name that is only imported under TYPE_CHECKING does not exist in a run"
                    if "is not defined" in reason
                    else None,
                    severity=Severity.WARNING,
                )


def _check_each(graph: Graph, node: Node, each: Each, pipes: _Pipes) -> Iterator[Diagnostic]:
    for sent in pipes.sent_to(node):
        if sent.shapes is not None and not any(
            may_be(shape.cls, list) or may_be(shape.cls, tuple) for shape in sent.shapes
        ):
            yield _warning(
                graph,
                node,
                f"{sent.subject} {shown_type(sent.type)}, but each={each.name} needs a list",
                "return a list, or remove the each",
            )


def _warning(graph: Graph, node: Node, message: str, hint: str) -> Diagnostic:
    return graph.diagnostic("pipe-type", message, at=node, hint=hint, severity=Severity.WARNING)


def _why_unusable(spec: EventSpec) -> str | None:
    if "previous_result" not in getattr(spec.function, "__annotations__", {}):
        return None
    try:
        annotation_of(spec.function, "previous_result")
    except AnnotationError as error:
        return str(error).partition("\n")[0]
    return None


class _Sent(NamedTuple):
    """Some values that are piped on.

    Attributes:
        type: their annotation.
        shapes: what it says.
        subject: the beginning of a sentence that the annotation ends: `Load returns`.
        what: the values in the middle of a sentence: `what Load returns`.
        label: what pipes them, inside of a group: `Load`, `Load[each=x]` or `{…}`.
        depth: how many groups and units with `each` are around each other in it.
    """

    type: Any
    shapes: Shapes
    subject: str
    what: str
    label: str
    depth: int = 0


class _Readers:
    """What the events of a flow read; each pair of annotations is compared once."""

    def __init__(self) -> None:
        self._refusals: dict[Any, Refusal] = {}
        self._problems: dict[Any, str | None] = {}

    def problem(self, sent: _Sent, spec: EventSpec) -> str | None:
        """What is wrong with a pipe; None if nothing is for certain."""
        # The same object stands for all values of the same event.
        key = id(sent), spec.function, spec.name
        if key not in self._problems:
            self._problems[key] = self._compare(sent, spec)
        return self._problems[key]

    def _compare(self, sent: _Sent, spec: EventSpec) -> str | None:
        annotation = annotation_of(spec.function, "previous_result")
        assert annotation is not None
        wanted = annotation.type
        # An instance of that class is not read at all.
        if sent.shapes is None or any(wanted in shape.cls.__mro__ for shape in sent.shapes):
            return None
        try:
            if spec.function not in self._refusals:
                self._refusals[spec.function] = Refusal(annotation.schema)
            if not self._refusals[spec.function].of(sent.shapes):
                return None
            same = shown_type(sent.type) == shown_type(wanted)
            return (
                f"{sent.subject} {shown_type(sent.type, modules=same)}, but previous_result of "
                f"{spec.name} must be {shown_type(wanted, modules=same)}"
            )
        except Exception:  # noqa: BLE001 - classes of the user are asked about their subclasses
            return None


class _Pipes:
    """What is piped to each node of a graph."""

    def __init__(self, graph: Graph, specs: Sequence[EventSpec | None]) -> None:
        self._graph = graph
        self._specs = specs
        self._rows = graph.values
        self._eaches = {each.each: each for each in graph.eaches}
        self._known: dict[int, tuple[_Sent, ...]] = {}
        self._made: dict[Any, _Sent] = {}

    def sent_to(self, node: Node) -> tuple[_Sent, ...]:
        """What may be piped to a node: the alternatives of branches."""
        assert node.receives is not None
        row = self._rows[node.receives]
        if row.kind is ValueKind.RESULT and row.when is None:
            topology = self._graph.topology
            edges = topology.before[topology.index[node.id]]
            # A later round has no edge from the sender: it begins in the `0` branch of the first.
            taken = {number for edge in edges if edge.source == row.node for number in edge.when}
            return self._results(row, taken)
        return self._value(node.receives)

    def _value(self, number: int) -> tuple[_Sent, ...]:
        known = self._known
        stack = [number]
        while stack:
            current = stack[-1]
            missing = [part for part in self._parts(current) if part not in known]
            if missing:
                stack += missing
                continue
            stack.pop()
            if current not in known:
                known[current] = self._combined(self._rows[current])
        return known[number]

    def _parts(self, number: int) -> Sequence[int]:
        """The values that one is made from; they come before it."""
        row = self._rows[number]
        if row.kind is not ValueKind.ITEM:
            return row.of
        receives = self._begin(row).receives
        return (receives,) if receives is not None and receives < number else ()

    def _combined(self, row: Value) -> tuple[_Sent, ...]:
        parts = [self._known[part] for part in row.of]
        match row.kind:
            case ValueKind.RESULT:
                return self._results(row, {1} if row.when is None else set(row.when))
            case ValueKind.FIRST_DONE:
                distinct = {id(sent): sent for part in parts for sent in part}
                return tuple(distinct.values()) or (_UNKNOWN,)
            case ValueKind.ALL_OF | ValueKind.ANY_OF:
                return (self._list(parts, may_be_none=row.kind is ValueKind.ANY_OF),)
            case ValueKind.ALL_EACH | ValueKind.ANY_EACH:
                [part] = parts
                return (self._of_copies(row, part),)
            case ValueKind.ITEM:
                return self._items(row)
            case _:
                return (_UNKNOWN,)

    def _results(self, row: Value, taken: set[int]) -> tuple[_Sent, ...]:
        """What an event pipes on after some descriptors."""
        assert row.node is not None
        spec = self._specs[self._graph.topology.index[row.node]]
        if spec is None or not taken:
            return (_UNKNOWN,)
        found = []
        for descriptor in sorted(taken):
            key = spec.event_class, spec.name, descriptor
            if key not in self._made:
                type_ = result_type(spec, descriptor)
                self._made[key] = _sent(type_, f"{spec.name} returns", spec.name)
            found.append(self._made[key])
        return tuple(found)

    def _list(self, parts: Sequence[tuple[_Sent, ...]], *, may_be_none: bool) -> _Sent:
        """What a parallel group pipes on."""
        key = (may_be_none, *(tuple(map(id, part)) for part in parts))
        if key not in self._made:
            types_ = tuple(_either(part, may_be_none=may_be_none) for part in parts)
            labels = [_label(part) for part in parts[:_MOST_LABELS]]
            labels += ["…"] * (len(parts) > _MOST_LABELS)
            self._made[key] = _sent(
                Parts(types_),
                f"{' || '.join(labels)} pipes",
                _SEVERAL,
                depth=1 + max((sent.depth for part in parts for sent in part), default=0),
            )
        return self._made[key]

    def _of_copies(self, row: Value, part: tuple[_Sent, ...]) -> _Sent:
        """What a unit with `each` pipes on."""
        assert row.node is not None
        name = self._eaches[row.node].name
        key = (row.kind, name, *map(id, part))
        if key not in self._made:
            item = _either(part, may_be_none=row.kind is ValueKind.ANY_EACH)
            label = f"{_label(part)}[each={name}]"
            type_ = types.GenericAlias(list, (item,))
            depth = 1 + max(sent.depth for sent in part)
            self._made[key] = _sent(type_, f"{label} pipes", label, depth=depth)
        return self._made[key]

    def _items(self, row: Value) -> tuple[_Sent, ...]:
        """What each copy of a unit with `each` is given."""
        begin = self._begin(row)
        if begin.receives is None:
            return (_UNKNOWN,)
        found = []
        for sent in self.sent_to(begin):
            key = row.kind, id(sent)
            if key not in self._made:
                what = f"an item of {sent.what}"
                self._made[key] = _sent(item_of(sent.type), f"{what} is", _SEVERAL, what=what)
            found.append(self._made[key])
        return tuple(found)

    def _begin(self, row: Value) -> Node:
        """The node that begins the `each` of a value."""
        assert row.node is not None
        return self._graph.nodes[self._graph.topology.index[row.node]]


_UNKNOWN: Final = _Sent(Any, None, "", "", _SEVERAL)


def _sent(
    type_: Any, subject: str, label: str, *, what: str | None = None, depth: int = 0
) -> _Sent:
    shapes = None
    if depth <= _DEEPEST:
        # Classes of the user are asked about their base classes.
        with contextlib.suppress(Exception):
            shapes = shapes_of(type_)
    return _Sent(type_, shapes, subject, what or f"what {subject}", label, depth)


def _either(part: Sequence[_Sent], *, may_be_none: bool) -> Any:
    """The annotation of a value with alternatives."""
    found = [Any if sent.shapes is None else sent.type for sent in part] + [None] * may_be_none
    return found[0] if len(found) == 1 else AnyOf(tuple(found))


def _label(part: Sequence[_Sent]) -> str:
    return part[0].label if len(part) == 1 else _SEVERAL
