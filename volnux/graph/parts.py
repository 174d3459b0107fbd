"""What a graph is made of: nodes, edges, values, groups. Frozen values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from volnux.errors import Span
from volnux.pointy.tree import Evaluation

__all__ = [
    "Argument",
    "Each",
    "Edge",
    "Entry",
    "Group",
    "Kind",
    "NameAt",
    "Node",
    "TaskGroup",
    "Use",
    "Value",
    "ValueKind",
]


class Kind(StrEnum):
    """What a node is: an event runs the user's code, the others cost nothing."""

    EVENT = "event"
    JOIN = "join"
    CATCH = "catch"
    FAIL = "fail"
    EACH = "each"
    GATHER = "gather"


class Entry(StrEnum):
    """How a node combines its incoming edges when all of them have ended."""

    ALL = "all"
    ANY = "any"


class ValueKind(StrEnum):
    """How a value of the table is made from nodes and other values."""

    RESULT = "result"
    FIRST_DONE = "first_done"
    ALL_OF = "all_of"
    ANY_OF = "any_of"
    FAILURE_OF = "failure_of"
    ITEM = "item"
    ALL_EACH = "all_each"
    ANY_EACH = "any_each"
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class NameAt:
    """A bare name in the value of an argument, and the keys and positions that lead to it."""

    path: tuple[str | int, ...]
    name: str


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an event at a place.

    Attributes:
        name: the argument of `process`.
        value: JSON, with null in place of each bare name.
        names: the bare names, which stand for inputs, variables and secrets.
        span: its position in the text.
    """

    name: str
    value: Any
    names: tuple[NameAt, ...] = ()
    span: Span | None = None

    def filled(self, values: Callable[[str], Any]) -> Any:
        """A copy of the value in which each name is replaced by its value.

        Args:
            values: a function that returns the value of a name.
        """
        whole = [_copied(self.value)]
        for at in self.names:
            holder: Any = whole
            *way, last = (0, *at.path)
            for key in way:
                holder = holder[key]
            holder[last] = values(at.name)
        return whole[0]

    def __str__(self) -> str:
        """The value as a Pointy text writes it."""
        return _written(self.filled(_Bare))


@dataclass(frozen=True, slots=True)
class Node:
    """A place of an event, a join, a catch, a `!`, or the beginning or end of an `each`.

    Attributes:
        id: the place (`Z`, `Z__2`, `Z.2`, `clean.Z`), or `join-1`, `catch-1`, `fail-1`, `each-1`,
            `gather-1`; unique in the graph.
        entry: how incoming edges combine.
        event: the event's name; None for other nodes.
        retry: the nearest retry factor (3 in `* 3`); None if the text has none.
        options: the options in brackets, by name, without those that shape the graph.
        receives: index in `Graph.values` of what is piped to it.
        first: for a catch, the id of its group's first event or `!`, or of the node that begins its
            `each`.
        span: the position of the event's name, the group or the `!` in the text.
        arguments: what the event is given at this place, in the order written.
        failure: for a `!`, the index in `Graph.values` of the failure that it fails with; None if
            it is not inside a `0` branch.
        file: the number of its text, as for `Graph.text`: that of `span` and of the event's name.
    """

    id: str
    kind: Kind = Kind.EVENT
    entry: Entry = Entry.ALL
    event: str | None = None
    retry: int | None = None
    options: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    receives: int | None = None
    first: str | None = None
    span: Span | None = None
    arguments: tuple[Argument, ...] = ()
    failure: int | None = None
    file: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """From `source` to `target`; live if the source ends with a descriptor in `when`."""

    source: str
    target: str
    when: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Value:
    """One entry of the table of values that are piped.

    `result` is that of `node` (if `when` is given, only if its descriptor is in it). `first_done`,
    `all_of` and `any_of` combine the values with the indices `of`. `failure_of` is the failure of
    the catch `node`. `item` is the item of a copy of the each `node`; `all_each` and `any_each` are
    the list of the value `of` in all copies of the each `node`. `given` is a value from outside of
    the graph.
    """

    kind: ValueKind
    node: str | None = None
    of: tuple[int, ...] = ()
    when: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One `a || b …`: its events are those from `first` to `last` in reading order.

    `evaluation` is that of its option. Without the option, linking takes it from the event named
    `decided_by` in the text `decided_in` (its last event, branches not counted); until then it is
    None. `arms` are the first events of the arms; the nodes of an arm are adjacent, its joins and
    catches last. `file` is the number of its text.
    """

    first: str
    last: str
    decided_by: str
    evaluation: Evaluation | None = None
    span: Span | None = None
    arms: tuple[str, ...] = ()
    file: int = 0
    decided_in: int = 0


@dataclass(frozen=True, slots=True)
class Each:
    """One `U[each=name]`; the nodes between `each` and `gather` are the template of one copy of U.

    Attributes:
        each: the id of the node that begins it and makes the copies.
        gather: the id of the node that ends it.
        name: the name of the item.
        decided_by, decided_in, evaluation: as of a group.
        value: the index in `Graph.values` of what one copy pipes on.
        source: the input, variable or `each` name with the list; None for the piped value.
        at_once: how many copies may run at once; None for no limit.
        batch: how many items may share one task of an orchestrator.
        span: the position of U in the text.
        file: the number of its text.
    """

    each: str
    gather: str
    name: str
    decided_by: str
    value: int
    evaluation: Evaluation | None = None
    source: str | None = None
    at_once: int | None = None
    batch: int | None = None
    span: Span | None = None
    file: int = 0
    decided_in: int = 0


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """One `{…}[task=name]`: a group that an orchestrator runs as one task.

    Attributes:
        name: the name of the task.
        first: the id of its first node.
        last: the id of its last node, a join, which is the only one with edges out of the group.
        value: the index in `Graph.values` of what the group pipes on.
        span: the position of the group in the text.
        file: the number of its text.
    """

    name: str
    first: str
    last: str
    value: int
    span: Span | None = None
    file: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a used pipeline: all nodes from `first` to `last` belong to it.

    A use in a later round of `again` is a separate one with the same place.

    Attributes:
        place: what the names of its places begin with: `clean`, `clean__2`, `outer.clean`.
        name: its name in the text that uses it.
        file: the number of the text that uses it.
        of: the number of the text that is used.
        first: the id of its first node.
        last: the id of its last node.
        arguments: the inputs that it is given, in the order written.
        span: the position of its name in the text.
        within: the index in `Graph.uses` of the use around it; None if there is none.
    """

    place: str
    name: str
    file: int
    of: int
    first: str
    last: str
    arguments: tuple[Argument, ...] = ()
    span: Span | None = None
    within: int | None = None


class _Bare(str):
    """A bare name, which is written without quotes."""

    __slots__ = ()


def _copied(value: Any) -> Any:
    match value:
        case list():
            return [_copied(each) for each in value]
        case dict():
            return {key: _copied(each) for key, each in value.items()}
        case _:
            return value


def _written(value: Any) -> str:
    match value:
        case _Bare():
            return str(value)
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            items = (
                f"{json.dumps(k, ensure_ascii=False)}: {_written(v)}" for k, v in value.items()
            )
            return f"{{{', '.join(items)}}}"
        case _:
            return json.dumps(value, ensure_ascii=False)
