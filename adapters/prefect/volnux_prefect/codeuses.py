"""Parts of a printed flow for the pipelines that it uses: their inputs, and each use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from volnux.graph.model import Argument, Each, Graph, InputSpec, Node, Use
from volnux.graph.topology import ROOT
from volnux.pysource import (
    Bracketed,
    Expression,
    Names,
    assigned,
    call,
    laid_out,
    literal,
    snake,
)

__all__ = ["Uses"]


class Uses:
    """Writes the uses of one flow.

    Args:
        graph: the graph of the pipeline.
        own: a function that returns the local name of an imported object.
        names: the names of the file.
        given: a function that writes the arguments of a place, with the number of their text.
    """

    def __init__(
        self,
        graph: Graph,
        own: Callable[[str], str],
        names: Names,
        given: Callable[[int, tuple[Argument, ...]], Mapping[str, Expression]],
    ) -> None:
        self._graph = graph
        self._own = own
        self._given = given
        # A use in a later round has the same place, and its inputs have the same values.
        self._uses = {use.place: use for use in graph.uses}
        self._variables = {place: names.fresh(snake(place).upper()) for place in self._uses}
        self._inputs: dict[int, str] = {}
        for use in self._uses.values():
            if use.of not in self._inputs and graph.files[use.of - 1].inputs:
                self._inputs[use.of] = names.fresh(f"{snake(use.name).upper()}_INPUTS")

    def lines(self) -> Iterator[str]:
        """The lines that define the inputs of the used pipelines, and the uses."""
        for number, variable in self._inputs.items():
            inputs = self._graph.files[number - 1].inputs
            items = tuple(("", self._declared(item)) for item in inputs)
            closing = ",)" if len(items) == 1 else ")"
            yield f"# The inputs of {self._graph.file_name(number)}."
            yield assigned(variable, Bracketed("(", items, closing))
        for place, use in self._uses.items():
            yield assigned(self._variables[place], self._made(use))
            if use.arguments:
                given = self._given(use.file, use.arguments)
                yield laid_out(call(f"{self._variables[place]}.given", **given))

    def of_node(self, node: Node) -> Use | None:
        """The innermost use that a node belongs to."""
        use = self._graph.topology.use_around(node.id)
        return None if use == ROOT else self._graph.uses[use]

    def of_each(self, each: Each) -> str | None:
        """The variable of the use that names the list of an `each`; None if there is none."""
        if each.source is None:
            return None
        node = self._graph.nodes[self._graph.topology.index[each.each]]
        return self.variable(self.of_node(node))

    def variable(self, use: Use | None) -> str | None:
        """The variable of a use; None for the pipeline itself."""
        return None if use is None else self._variables[use.place]

    def _made(self, use: Use) -> Expression:
        graph = self._graph
        inputs = [f"*{self._inputs[use.of]}"] if use.of in self._inputs else []
        moments = [str(item.moment) for item in graph.files[use.of - 1].inputs if item.moment]
        named: dict[str, Expression | None] = {
            "within": None if use.within is None else self.variable(graph.uses[use.within])
        }
        items = len(graph.topology.around[graph.topology.index[use.first]])
        if items:
            named["items"] = literal(items)
        if moments and graph.timezone is not None:
            named["timezone"] = literal(graph.timezone)
        if any("previous" in moment for moment in moments):
            named["schedules"] = literal(tuple(each.expression for each in graph.schedules))
        return call(self._own("Use"), literal(use.place), *inputs, **named)

    def _declared(self, item: InputSpec) -> Expression:
        told: dict[str, Any] = {}
        if item.moment is not None:
            told["moment"] = str(item.moment)
        elif not item.required:
            told["default"] = item.default
        if item.choices:
            told["choices"] = item.choices
        told |= {
            name: end for name in ("least", "most") if (end := getattr(item, name)) is not None
        }
        named = {name: literal(value) for name, value in told.items()}
        return call(self._own("declared"), literal(item.name), literal(item.type), **named)
