"""What a graph is made of: nodes, edges, values, groups, inputs. Frozen values."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from volnux.errors import Source, Span
from volnux.pointy.tree import Evaluation

if TYPE_CHECKING:
    from volnux.pointy.parser import PointyFile

__all__ = [
    "Edge",
    "Entry",
    "Group",
    "InputSpec",
    "Kind",
    "Node",
    "ScheduleSpec",
    "Text",
    "Value",
    "ValueKind",
]


class Kind(StrEnum):
    """What a node is: an event runs the user's code, joins and catches cost nothing."""

    EVENT = "event"
    JOIN = "join"
    CATCH = "catch"


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


@dataclass(frozen=True, slots=True)
class Node:
    """A place of an event, a join, or a catch.

    Attributes:
        id: the place (`Z`, `Z__2`), or `join-1`, `catch-1`; unique in the graph.
        entry: how incoming edges combine.
        event: the event's name; None for joins and catches.
        retry: the factor of `* 3`, the nearest one; None where the text has none.
        options: the options in brackets, by name, without `retry_attempts` and `evaluation`.
        receives: index in `Graph.values` of what is piped to it.
        first: of a catch, the id of its group's first event.
        span: where the event's name, or the group, stands in the text.
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


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` before `target`; live when the source ends with a descriptor in `when`."""

    source: str
    target: str
    when: tuple[int, ...] = (1,)


@dataclass(frozen=True, slots=True)
class Value:
    """One entry of the table of values that are piped.

    `result` of `node` (only where its descriptor is in `when`, if that is given); `first_done`,
    `all_of` and `any_of` the values with the indices `of`; `failure_of` the catch `node`.
    """

    kind: ValueKind
    node: str | None = None
    of: tuple[int, ...] = ()
    when: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One `a || b …`: its events stand from `first` to `last` in reading order.

    `evaluation` is that of its option; where it has none, that of the event named `decided_by`
    (its last event, branches not counted), which only linking knows: None until then. `arms` are
    the first events of the arms; the nodes of an arm stand together, its joins and catches last.
    """

    first: str
    last: str
    decided_by: str
    evaluation: Evaluation | None = None
    span: Span | None = None
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A typed input of the pipeline; `type` is one of the eight names of `@input`, or `any`."""

    name: str
    type: str
    required: bool = True
    default: Any = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A cron expression or preset; the time zone is the graph's."""

    expression: str
    span: Span | None = None


@dataclass(frozen=True)
class Text:
    """The Pointy text a graph was made from, for messages and drawings."""

    filename: str
    text: str

    @classmethod
    def of(cls, file: PointyFile) -> Text:
        """The text of a file that is parsed already."""
        made = cls(file.source.filename, file.source.text)
        vars(made)["file"] = file
        return made

    @functools.cached_property
    def file(self) -> PointyFile:
        """The parsed text; that of a graph from JSON is parsed at first use.

        Raises:
            PointyError: the text of a graph from JSON is wrong.
        """
        from volnux.pointy.parser import parse

        return parse(self.text, self.filename)

    def __reduce__(self) -> tuple[type[Text], tuple[str, str]]:
        # A file would be parsed again when it is unpickled, whether it is used or not.
        return Text, (self.filename, self.text)

    def source(self) -> Source:
        """The text as a `Source`."""
        return Source(self.text, self.filename)
