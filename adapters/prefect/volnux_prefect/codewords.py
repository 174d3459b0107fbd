"""Parts of a printed flow for arguments, variables, secrets, times, time limits and `!`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from volnux.events.link import Plan
from volnux.graph.model import Each, Graph, InputSpec, Kind, Node
from volnux.kit.export import file_name
from volnux.pysource import (
    Bracketed,
    Expression,
    Imports,
    Names,
    assigned,
    call,
    laid_out,
    list_of,
    literal,
    mapping_of,
    quoted,
    snake,
)
from volnux_prefect.instants import PARAMETER, speaks_of_time
from volnux_prefect.parameters import ends_of

__all__ = ["Words", "uses"]

_PLAIN = "volnux_prefect.plain"


def uses(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return the names that the file imports for these parts, by module.

    Names that are not needed are not imported, so that events can have them.
    """
    found: dict[str, tuple[str, ...]] = {}
    typing = ["Literal"] if any(item.choices for item in graph.inputs) else []
    if any(ends_of(item) for item in graph.inputs):
        typing.append("Annotated")
        found["pydantic"] = ("Field",)
    plain = ["Fail"] if any(node.kind is Kind.FAIL for node in graph.nodes) else []
    if graph.eaches:
        plain.append("Each")
    variables = {item.name for item in graph.variables}
    sources = {each.source for each in graph.eaches if each.source}
    if any(node.arguments for node in graph.nodes) or sources - variables:
        plain.append("Input")
    plain += ["Variable"] if graph.variables else []
    plain += ["Secret"] if graph.secrets else []
    return {**found, "typing": tuple(typing), _PLAIN: tuple(plain)}


class Words:
    """Writes these parts of one file.

    Args:
        plan: the linked graph.
        imports: the imports of the file.
        names: the names of the file.

    Attributes:
        constants: the lines that define constants other than places.
        kinds: the constant for the type of each input that needs one, by input name.
        fails: the variable of each `!`, by node id.
    """

    def __init__(self, plan: Plan, imports: Imports, names: Names) -> None:
        self._plan = plan
        self._graph = graph = plan.graph
        self._own = imports.own
        self._names = names
        self.constants: list[str] = []
        self.kinds = {item.name: kind for item in graph.inputs if (kind := self._kind(item))}
        self._brought = {
            **{item.name: self._constant(item.name, "Variable") for item in graph.variables},
            **{item.name: self._constant(item.name, "Secret") for item in graph.secrets},
        }
        for variable in graph.variables:
            default = {} if variable.required else {"default": literal(variable.default)}
            told = literal(variable.name), literal(variable.type)
            self._make(variable.name, call(self._own("Variable"), *told, **default))
        for secret in graph.secrets:
            self._make(secret.name, call(self._own("Secret"), literal(secret.name)))
        self.fails = {
            node.id: names.fresh(snake(node.id).upper().removesuffix("_1"), "FAIL_HERE")
            for node in graph.nodes
            if node.kind is Kind.FAIL
        }

    def made_place(self, variable: str, node: Node, made: Expression) -> Iterator[str]:
        """The lines that define a place and its arguments."""
        yield assigned(variable, made)
        if node.arguments:
            given = {each.name: self._value(each.filled(_Name)) for each in node.arguments}
            yield laid_out(call(f"{variable}.given", **given))

    def made_fail(self, node: Node) -> str:
        """The line that defines a `!`."""
        line = f":{node.span.line}" if node.span else ""
        continues = any(e.source == node.id and 0 in e.when for e in self._graph.edges)
        named = {"continues": literal(True)} if continues else {}
        where = literal(f"{file_name(self._graph)}{line}")
        return assigned(self.fails[node.id], call(self._own("Fail"), where, **named))

    def source(self, each: Each) -> Expression | None:
        """Where the list of an `each` comes from; None if it is piped to it."""
        if each.source is None:
            return None
        return self._brought.get(each.source) or call(self._own("Input"), literal(each.source))

    def taken(self, node: Node) -> Expression | None:
        """The variables and secrets that `process` has as parameters; None if there are none."""
        given = self._plan.spec(node.id).given
        names = [name for name in self._brought if given is not None and name in given.direct]
        if not names:
            return None
        closing = ",)" if len(names) == 1 else ")"
        return Bracketed("(", tuple(("", self._brought[name]) for name in names), closing)

    def zone(self) -> str:
        """The call that sets the time zone; empty if none is set, or if `settings` sets it."""
        if self._graph.timezone is None or self._plan.timed:
            return ""
        return f".in_zone({quoted(self._graph.timezone)})"

    def settings(self, run: str) -> Iterator[str]:
        """The lines that set the scheduled time and the time limit of the run."""
        graph = self._graph
        moments = {item.name: literal((item.type, str(item.moment))) for item in self._plan.timed}
        if moments:
            told: list[Expression] = [PARAMETER if speaks_of_time(graph) else "None"]
            needs_schedules = any("previous" in str(item.moment) for item in self._plan.timed)
            if graph.timezone or needs_schedules:
                told.append(literal(graph.timezone or "UTC"))
            if needs_schedules:
                told.append(literal(tuple(each.expression for each in graph.schedules)))
            yield laid_out(call(f"{run}.at", *told, **moments), indent=4)
        if graph.run_timeout is not None:
            yield laid_out(call(f"{run}.within", literal(graph.run_timeout)), indent=4)

    def _kind(self, item: InputSpec) -> str | None:
        """Define a constant for the type of an input with choices or a range; None for others."""
        ends = ends_of(item)
        if item.choices:
            items = tuple(("", literal(choice)) for choice in item.choices)
            kind: Expression = Bracketed(f"{self._own('Literal')}[", items, "]")
        elif ends:
            field = call(self._own("Field"), **{n: literal(end) for n, end in ends.items()})
            parts = (("", item.type), ("", field))
            kind = Bracketed(f"{self._own('Annotated')}[", parts, "]")
        else:
            return None
        title = "".join(word.capitalize() for word in snake(item.name).split("_"))
        name = self._names.fresh(title, f"{title}Input")
        self.constants.append(assigned(name, kind))
        return name

    def _constant(self, name: str, kind: str) -> str:
        upper = snake(name).upper()
        return self._names.fresh(upper, f"{upper}_{kind.upper()}")

    def _make(self, name: str, made: Expression) -> None:
        self.constants.append(assigned(self._brought[name], made))

    def _value(self, value: Any) -> Expression:
        """The expression of an argument, with each bare name replaced by its object."""
        match value:
            case _Name():
                known = self._brought.get(str(value))
                return known or call(self._own("Input"), literal(str(value)))
            case list():
                return list_of(map(self._value, value))
            case dict():
                return mapping_of((key, self._value(each)) for key, each in value.items())
            case _:
                return literal(value)


class _Name(str):
    """A bare name in the value of an argument."""

    __slots__ = ()
