"""What the parts of a printed flow consist of, and what they inherit from the code around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from volnux.pysource import Expression, laid_out

__all__ = ["Body", "Context"]


class Context(NamedTuple):
    """What a part of the flow inherits from its surroundings; see `volnux.graph.compiling`.

    Attributes:
        indent: the white space that its lines begin with.
        receives: the expression that is piped to its first events; None if there is none.
        wanted: whether its value is used.
        into: the variable that its value must be assigned to; None to choose a new one.
        widen: whether the next part also starts after a failure (`@on-failure: continue`).
        caught: whether a group around it has a `0` branch.
        blocks: the number of Python blocks around it in its function.
        failure: the expression of the failure that the innermost enclosing `0` branch handles; None
            if no `0` branch encloses it.
    """

    indent: str
    receives: str | None = None
    wanted: bool = True
    into: str | None = None
    widen: bool = False
    caught: bool = False
    blocks: int = 0
    failure: str | None = None

    def deeper(self, levels: int = 1, *, blocks: int = 0) -> Context:
        indent = self.indent + "    " * levels
        return self._replace(indent=indent, blocks=self.blocks + blocks)

    def line(self, expression: Expression, before: str = "") -> str:
        return laid_out(expression, indent=len(self.indent), before=before)

    def in_function(self) -> Context:
        return self.deeper()._replace(blocks=0, wanted=True, into=None)


@dataclass
class Body:
    """Lines of code, the expression of their value, and the places in them."""

    lines: list[str] = field(default_factory=list)
    value: str = "None"
    places: list[str] = field(default_factory=list)
