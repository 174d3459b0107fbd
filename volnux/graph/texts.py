"""The texts that a graph was made from, and what they declare. Frozen values."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from volnux.errors import Source, Span
from volnux.pointy.tree import Moment

if TYPE_CHECKING:
    from volnux.pointy.parser import PointyFile

__all__ = ["InputSpec", "ScheduleSpec", "SecretSpec", "Text", "UsedFile", "VariableSpec"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A typed input of the pipeline.

    Attributes:
        type: one of the eight names of `@input`, or `any`.
        default: the value if none is given; None for an input that is required or has a
            `moment`.
        moment: its default as a time of the run, such as `scheduled - 1d`.
        choices: the allowed values; empty if any value is allowed.
        least, most: the ends of its range, both included; None for no limit.
        description: a text that explains it to people.
    """

    name: str
    type: str
    required: bool = True
    default: Any = None
    span: Span | None = None
    choices: tuple[str | int, ...] = ()
    least: int | float | None = None
    most: int | float | None = None
    description: str | None = None
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """A variable from the host's configuration; `type` is one of the eight types of `@input`."""

    name: str
    type: str
    required: bool = True
    default: Any = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A secret that the host's secret store gives."""

    name: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A cron expression or preset; the time zone is the graph's."""

    expression: str
    span: Span | None = None


@dataclass(frozen=True)
class Text:
    """A Pointy text that a graph was made from, for messages and drawings."""

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
        # That of a parsed file knows already where its lines begin.
        file: PointyFile | None = vars(self).get("file")
        return Source(self.text, self.filename) if file is None else file.source


@dataclass(frozen=True, slots=True)
class UsedFile:
    """A file that is used as a part of other pipelines.

    Attributes:
        text: its text.
        inputs, variables, secrets: what it declares.
        events: the modules of its `@events`.
        uses: the number of the text that each of its `@use`s names.
    """

    text: Text
    inputs: tuple[InputSpec, ...] = ()
    variables: tuple[VariableSpec, ...] = ()
    secrets: tuple[SecretSpec, ...] = ()
    events: tuple[str, ...] = ()
    uses: Mapping[str, int] = field(default_factory=dict)
