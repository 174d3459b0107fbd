"""The canvas for terminal pictures: rows of text with vertical lines (rails) on the left."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from volnux.graph.outcome import State

__all__ = ["PLAIN", "UNICODE", "Canvas", "Signs"]


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters of a picture; all leads of a set have the same width."""

    then: str
    pipe: str
    down: str
    down_pipe: str
    first_arm: str
    arm: str
    last_arm: str
    any_head: str
    rail: str
    side: str
    branches: tuple[str, str, str, str]
    corners: tuple[str, str, str, str, str]
    line: str
    nothing: str
    times: str
    part: str
    states: dict[State, str]

    def branch(self, label: str, *, last: bool, pipe: bool) -> str:
        """The lead of a branch, such as `├─0─▶ `."""
        lead = self.branches[2 * pipe + last]
        return lead.replace("0", label)


UNICODE = Signs(
    then="→",
    pipe="⇒",
    down="↓",
    down_pipe="⇓",
    first_arm="┏━ ",
    arm="┣━ ",
    last_arm="┗━ ",
    any_head="┏━",
    rail="┃",
    side="│",
    branches=("├─0─▶ ", "╰─0─▶ ", "╞═0═▶ ", "╘═0═▶ "),
    corners=("╭", "╮", "├", "╯", "╰"),
    line="─",
    nothing="·",
    times="×",  # noqa: RUF001 - the sign of a factor
    part="▸",
    states={
        State.DONE: "✓",
        State.SKIPPED: "–",  # noqa: RUF001 - an en dash, as long as the other marks
        State.FAILED: "✗",
        State.CANCELLED: "!",
    },
)

PLAIN = Signs(
    then="->",
    pipe="|->",
    down="v",
    down_pipe="v |->",
    first_arm="/- ",
    arm="|- ",
    last_arm="\\- ",
    any_head="/-",
    rail="|",
    side="|",
    branches=("+-0-> ", "+-0-> ", "+=0=> ", "+=0=> "),
    corners=("+", "+", "+", "+", "+"),
    line="-",
    nothing=".",
    times="x",
    part=">>",
    states={
        State.DONE: "(ok)",
        State.SKIPPED: "(--)",
        State.FAILED: "(no)",
        State.CANCELLED: "(!!)",
    },
)


class Canvas:
    """Rows of text; each begins with the rails that are open when it is written.

    Events that follow each other share a row while there is room.
    """

    def __init__(self, signs: Signs, columns: int) -> None:
        self.signs = signs
        self._columns = columns
        self._rows: list[str] = []
        self._widths: list[int] = []
        self._next = ""
        self._rest = ""
        self._around: list[str] = []
        self._frames: list[tuple[int, str, str]] = []
        self._event: str | None = None
        self._event_width = 0
        self._arrow: bool | None = None

    @property
    def indent(self) -> int:
        """Columns that the open rails take."""
        return len(self._rest)

    def text(self) -> str:
        """All rows, each with its line break."""
        self._flush()
        return "\n".join([*self._rows, ""])

    def row(self, text: str) -> None:
        """Write one row."""
        self._flush()
        self._write(text, _width(text))

    def arrow(self, *, pipe: bool) -> None:
        """Join the next item to the last one with an arrow."""
        self._arrow = pipe

    def event(self, label: str) -> None:
        """An event without branches: in the row of the event before it, if there is room."""
        size = _width(label)
        if self._event is not None and self._arrow is not None:
            sign = self.signs.pipe if self._arrow else self.signs.then
            together = self._event_width + len(sign) + 2 + size
            if len(self._next) + together <= self._columns:
                self._event += f" {sign} {label}"
                self._event_width = together
                self._arrow = None
                return
        self.block()
        self._event, self._event_width = label, size

    def block(self) -> None:
        """Begin an item that has its own rows."""
        self._flush()
        if self._arrow is not None:
            sign = self.signs.down_pipe if self._arrow else self.signs.down
            self._arrow = None
            self._write(sign, len(sign))

    def push(self, first: str, rest: str) -> None:
        """Open a rail: the next row begins with `first`, those after it with `rest`."""
        self._flush()
        self._around.append(self._rest)
        self._next += first
        self._rest += rest

    def pop(self) -> None:
        """Close the rail that was opened last."""
        self._flush()
        self._next = self._rest = self._around.pop()

    def open_frame(self, title: str = "") -> None:
        """Begin a frame; its rows begin with a rail as wide as `side` and a space.

        Args:
            title: a text in its upper edge.
        """
        self._flush()
        self._frames.append((len(self._rows), self._next, title and f" {title} "))
        self._write("", 0)

    def close_frame(self, *, branches: bool) -> None:
        """Draw the frame around the rows since `open_frame`.

        Args:
            branches: whether branches leave it at the bottom.
        """
        start, lead, title = self._frames.pop()
        signs, widths = self.signs, self._widths
        indent = len(lead)
        after_title = _width(title) + 1 if title else 0
        inner = max(*widths[start + 1 :], indent + after_title)
        bar = signs.line * (inner - indent)
        top = f"{signs.line}{title}{signs.line * (inner - indent - after_title)}" if title else bar
        self._rows[start] = f"{lead}{signs.corners[0]}{top}{signs.corners[1]}"
        self._widths[start] = inner + 2
        for index in range(start + 1, len(self._rows)):
            self._rows[index] += " " * (inner - widths[index]) + f" {signs.side}"
            widths[index] = inner + 2
        foot = signs.corners[2 if branches else 4]
        self._write(f"{foot}{bar}{signs.corners[3]}", inner - indent + 2)

    def _write(self, text: str, size: int) -> None:
        self._rows.append(self._next + text)
        self._widths.append(len(self._next) + size)
        self._next = self._rest

    def _flush(self) -> None:
        if self._event is not None:
            event, self._event = self._event, None
            self._write(event, self._event_width)


def _width(text: str) -> int:
    """The number of columns of a text; box-drawing characters count as one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
