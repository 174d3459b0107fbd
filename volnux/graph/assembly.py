"""A graph under construction: its nodes, edges and values, by index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from volnux.errors import Span
from volnux.graph.parts import (
    Argument,
    Each,
    Edge,
    Entry,
    Kind,
    NameAt,
    Node,
    TaskGroup,
    Use,
    Value,
    ValueKind,
)
from volnux.pointy import tree
from volnux.pointy.options import SHAPING

__all__ = ["Assembly", "Exit"]

Exit = tuple[int, tuple[int, ...]]
"""The index of a node that ends a part, and the descriptors with which the part is done."""

_ValueRow = tuple[ValueKind, str | None, tuple[int, ...], tuple[int, ...] | None]
"""The fields of a `Value`."""

_OF: Final = 2
_NO_OPTIONS: Final[dict[str, bool | int | float | str]] = {}


class Assembly:
    """The nodes, edges and values so far.

    Attributes:
        nodes: in reading order.
        last_place: the name of the place of the latest event, or of a later `!`.
        eaches, tasks, uses: in reading order.
        rounds: the current round of each group around that runs again, outermost first.
        file: the number of the current text.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.last_place = ""
        self._edges: list[tuple[int, int, tuple[int, ...]]] = []
        # Plain rows for now: in the end, nothing refers to most of them.
        self._values: list[_ValueRow] = []
        self._places: dict[str, int] = {}
        self._joins = 0
        self._catches = 0
        self._begun = 0
        self._fails: list[Node] = []
        self.eaches: list[Each] = []
        self.tasks: list[TaskGroup] = []
        self.uses: list[Use] = []
        self.rounds: list[int] = []
        self.file = 0
        self._prefix = ""
        # Of each use around: its index, the index of its first node, and the prefix outside of it.
        self._around: list[tuple[int, int, str]] = []
        # The place in the first round, by the use around and the event or use in the tree.
        self._first_rounds: dict[tuple[str, int], str] = {}

    def event(
        self, unit: tree.Unit, event: tree.Event, retry: int | None, receives: int | None
    ) -> int:
        """Add an event's node; return its index."""
        place = self._place(event)
        if self.rounds:
            place = self.in_round(place)
        options = _options(unit) if unit.options else _NO_OPTIONS
        node = Node(
            id=place,
            event=event.name,
            retry=retry,
            options=options,
            receives=receives,
            span=event.span,
            file=self.file,
        )
        if type(event) is not tree.Event and event.arguments:
            node = replace(node, arguments=tuple(map(_argument, event.arguments)))
        self.nodes.append(node)
        self.last_place = place
        return len(self.nodes) - 1

    def _place(self, item: tree.Event | tree.Used) -> str:
        """The place of an event, or of a use, in the first round."""
        key = (self._prefix, id(item))
        if self.rounds and key in self._first_rounds:
            return self._first_rounds[key]
        place = self._prefix + item.name
        number = self._places[place] = self._places.get(place, 0) + 1
        if number > 1:
            place = f"{place}__{number}"
        if self.rounds:
            self._first_rounds[key] = place
        return place

    def enter(self, used: tree.Used, of: int) -> None:
        """Begin a use of a text; `leave` ends it.

        Args:
            used: the use in the current text.
            of: the number of the text that is used.
        """
        use = Use(
            place=self._place(used),
            name=used.name,
            file=self.file,
            of=of,
            first="",
            last="",
            arguments=tuple(map(_argument, used.arguments)),
            span=used.span,
            within=self._around[-1][0] if self._around else None,
        )
        self._around.append((len(self.uses), len(self.nodes), self._prefix))
        self.uses.append(use)
        self._prefix, self.file = f"{use.place}.", of

    def leave(self) -> None:
        """End the latest use that has begun."""
        slot, first, self._prefix = self._around.pop()
        use = self.uses[slot]
        self.uses[slot] = replace(use, first=self.nodes[first].id, last=self.nodes[-1].id)
        self.file = use.file

    def task_name(self, name: str) -> str:
        """The name of a task in the current use and round."""
        return self.in_round(self._prefix + name)

    def in_round(self, name: str) -> str:
        """A name with the current round: `A` in the second round is `A.2`."""
        rounds = "".join(f".{number}" for number in self.rounds)
        while rounds.endswith(".1"):
            rounds = rounds[:-2]
        return name + rounds

    def each(self, span: Span, receives: int | None) -> int:
        """Add the node that begins an `each`; return its index."""
        self._begun += 1
        node = Node(
            id=f"each-{self._begun}",
            kind=Kind.EACH,
            receives=receives,
            span=span,
            file=self.file,
        )
        self.nodes.append(node)
        return len(self.nodes) - 1

    def gather(self, each: int, entry: Entry) -> int:
        """Add the node that ends an `each`; return its index."""
        number = self.nodes[each].id.partition("-")[2]
        self.nodes.append(Node(id=f"gather-{number}", kind=Kind.GATHER, entry=entry))
        return len(self.nodes) - 1

    def fail(self, span: Span, failure: int | None) -> int:
        """Add a `!`, which fails with the value `failure`; return its index."""
        self.last_place = f"fail-{len(self._fails) + 1}"
        node = Node(id=self.last_place, kind=Kind.FAIL, span=span, failure=failure, file=self.file)
        self._fails.append(node)
        self.nodes.append(node)
        return len(self.nodes) - 1

    def join(self, exits: list[Exit], entry: Entry) -> int:
        """Add a join behind the exits; return its index."""
        self._joins += 1
        self.nodes.append(Node(id=f"join-{self._joins}", kind=Kind.JOIN, entry=entry))
        index = len(self.nodes) - 1
        self.connect(exits, [index])
        return index

    def catch(self, first: int, exits: list[Exit], span: Span) -> int:
        """Add the catch of a group, which begins with node `first`; return the catch's index."""
        self._catches += 1
        self.nodes.append(
            Node(
                id=f"catch-{self._catches}",
                kind=Kind.CATCH,
                first=self.nodes[first].id,
                span=span,
                file=self.file,
            )
        )
        index = len(self.nodes) - 1
        self.connect(exits, [index])
        return index

    def connect(self, exits: list[Exit], heads: list[int]) -> None:
        """Add an edge from each exit to each head."""
        for source, when in exits:
            for target in heads:
                self._edges.append((source, target, when))

    def value(
        self,
        kind: ValueKind,
        *,
        node: str | None = None,
        of: tuple[int, ...] = (),
        when: tuple[int, ...] | None = None,
    ) -> int:
        """Add a value; return its index."""
        self._values.append((kind, node, of, when))
        return len(self._values) - 1

    def finish(self, result: int) -> tuple[tuple[Node, ...], tuple[Value, ...], int]:
        """The nodes, the values that something refers to, and the new index of `result`.

        Afterwards `eaches` and `tasks` have the new indices, too.
        """
        used = {node.receives for node in self.nodes if node.receives is not None} | {result}
        used |= {node.failure for node in self._fails if node.failure is not None}
        used |= {each.value for each in self.eaches} | {task.value for task in self.tasks}
        for index in range(len(self._values) - 1, -1, -1):
            if index in used:
                used.update(self._values[index][_OF])
        new = {old: index for index, old in enumerate(sorted(used))}
        values = tuple(
            Value(kind, node, tuple(new[i] for i in of) if of else of, when)
            for kind, node, of, when in map(self._values.__getitem__, new)
        )
        self.eaches = [replace(each, value=new[each.value]) for each in self.eaches]
        self.tasks = [replace(task, value=new[task.value]) for task in self.tasks]
        if len(new) == len(self._values):
            return tuple(self.nodes), values, result
        return tuple(_renumbered(node, new) for node in self.nodes), values, new[result]

    def edges(self) -> tuple[Edge, ...]:
        """The edges, sorted by source and target in reading order."""
        nodes = self.nodes
        return tuple(
            Edge(nodes[source].id, nodes[target].id, when)
            for source, target, when in sorted(self._edges)
        )


def _renumbered(node: Node, new: dict[int, int]) -> Node:
    if node.receives is not None:
        return replace(node, receives=new[node.receives])
    return node if node.failure is None else replace(node, failure=new[node.failure])


def _argument(argument: tree.Argument) -> Argument:
    names: list[NameAt] = []
    value = _value(argument.value, (), names)
    return Argument(argument.name, value, tuple(names), argument.span)


def _value(value: Any, path: tuple[str | int, ...], names: list[NameAt]) -> Any:
    """The JSON of an argument's value; the names in it go into the list."""
    match value:
        case tree.Name(name=name):
            names.append(NameAt(path, name))
            return None
        case list():
            return [_value(each, (*path, place), names) for place, each in enumerate(value)]
        case dict():
            return {key: _value(each, (*path, key), names) for key, each in value.items()}
        case _:
            return value


def _options(unit: tree.Unit) -> dict[str, bool | int | float | str]:
    """The options of an event's node, by name; the edges and values express the other options."""
    return {
        option.name: option.value
        for option in sorted(unit.options, key=lambda option: option.name)
        if option.name not in SHAPING
    }
