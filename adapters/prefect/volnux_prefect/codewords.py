"""Parts of a printed flow for arguments, variables, secrets, times, time limits and `!`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from volnux.events.link import Plan
from volnux.graph.model import Argument, Each, Graph, InputSpec, Kind, Node
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
from volnux_prefect.codeuses import Uses
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
    if graph.uses:
        plain.append("Use")
    if any(used.inputs for used in graph.files):
        plain.append("declared")
    variables = {(n, item.name) for n, declared in graph.declared() for item in declared.variables}
    sources = {(each.file, each.source) for each in graph.eaches if each.source}
    arguments = [part.arguments for parts in (graph.nodes, graph.uses) for part in parts]
    if any(arguments) or sources - variables:
        plain.append("Input")
    plain += ["Variable"] if variables else []
    plain += ["Secret"] if graph.all_secrets else []
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
        uses: the uses of other pipelines.
    """

    def __init__(self, plan: Plan, imports: Imports, names: Names) -> None:
        self._plan = plan
        self._graph = graph = plan.graph
        self._own = imports.own
        self._names = names
        self.constants: list[str] = []
        self.kinds = {item.name: kind for item in graph.inputs if (kind := self._kind(item))}
        self._brought: dict[tuple[int, str], str] = {}
        self._bring()
        self.uses = Uses(graph, imports.own, names, self._given)
        self.fails = {
            node.id: names.fresh(snake(node.id).upper().removesuffix("_1"), "FAIL_HERE")
            for node in graph.nodes
            if node.kind is Kind.FAIL
        }

    def made_place(self, variable: str, node: Node, made: Expression) -> Iterator[str]:
        """The lines that define a place and its arguments."""
        yield assigned(variable, made)
        if node.arguments:
            yield laid_out(call(f"{variable}.given", **self._given(node.file, node.arguments)))

    def made_fail(self, node: Node) -> str:
        """The line that defines a `!`."""
        line = f":{node.span.line}" if node.span else ""
        continues = any(e.source == node.id and 0 in e.when for e in self._graph.edges)
        named = {"continues": literal(True)} if continues else {}
        where = f"{self._graph.file_name(node.file)}{line}"
        made = call(self._own("Fail"), literal(where), **named)
        return assigned(self.fails[node.id], made)

    def source(self, each: Each) -> Expression | None:
        """Where the list of an `each` comes from; None if it is piped to it."""
        if each.source is None:
            return None
        known = self._brought.get((each.file, each.source))
        return known or call(self._own("Input"), literal(each.source))

    def taken(self, node: Node) -> Expression | None:
        """The variables and secrets that `process` has as parameters; None if there are none."""
        given = self._plan.spec(node.id).given
        direct = frozenset() if given is None else given.direct
        taken = [
            variable
            for (file, name), variable in self._brought.items()
            if file == node.file and name in direct
        ]
        if not taken:
            return None
        closing = ",)" if len(taken) == 1 else ")"
        return Bracketed("(", tuple(("", variable) for variable in taken), closing)

    def zone(self) -> str:
        """The call that sets the time zone; empty if none is set, or if `settings` sets it."""
        if self._graph.timezone is None or self._plan.timed or speaks_of_time(self._graph):
            return ""
        return f".in_zone({quoted(self._graph.timezone)})"

    def settings(self, run: str) -> Iterator[str]:
        """The lines that set the scheduled time and the time limit of the run."""
        graph = self._graph
        moments = {item.name: literal((item.type, str(item.moment))) for item in self._plan.timed}
        if moments or speaks_of_time(graph):
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

    def _bring(self) -> None:
        """Define a constant for each variable and secret that the texts declare."""
        known: dict[str, str] = {}
        for number, declared in self._graph.declared():
            for variable in declared.variables:
                default = {} if variable.required else {"default": literal(variable.default)}
                told = literal(variable.name), literal(variable.type)
                made = call(self._own("Variable"), *told, **default)
                self._brought[number, variable.name] = self._constant(variable.name, made, known)
            for secret in declared.secrets:
                made = call(self._own("Secret"), literal(secret.name))
                self._brought[number, secret.name] = self._constant(secret.name, made, known)

    def _constant(self, name: str, made: Expression, known: dict[str, str]) -> str:
        """The constant for a variable or secret. Several texts may declare it in the same way."""
        if (text := laid_out(made)) not in known:
            upper = snake(name).upper()
            kind = text.partition("(")[0].upper()
            known[text] = self._names.fresh(upper, f"{upper}_{kind}")
            self.constants.append(assigned(known[text], made))
        return known[text]

    def _given(self, file: int, arguments: tuple[Argument, ...]) -> dict[str, Expression]:
        """The arguments of a place or of a use, in one of the texts."""
        return {each.name: self._value(file, each.filled(_Name)) for each in arguments}

    def _value(self, file: int, value: Any) -> Expression:
        """The expression of an argument, with each bare name replaced by its object."""
        match value:
            case _Name():
                known = self._brought.get((file, str(value)))
                return known or call(self._own("Input"), literal(str(value)))
            case list():
                return list_of(self._value(file, each) for each in value)
            case dict():
                return mapping_of((key, self._value(file, each)) for key, each in value.items())
            case _:
                return literal(value)


class _Name(str):
    """A bare name in the value of an argument."""

    __slots__ = ()
