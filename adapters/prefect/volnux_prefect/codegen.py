"""`volnux prefect flow`: a Python flow that does what a `.pty` says, without that file.

The flow is written from the syntax tree, so that it reads as the text does: a sequence is a row of
`await`, a branch a `match`, a parallel group one `all_of`, a branch on a group a `try`. Where the
linked graph settled something (evaluations, continue, the order of places), it is asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from volnux.events.link import Plan
from volnux.graph.model import Graph, InputSpec, Kind, Node
from volnux.kit.export import file_name, import_events, import_owner
from volnux.loading import load_plan
from volnux.pointy.parser import parse
from volnux.pysource import (
    Expression,
    Imports,
    Names,
    PythonSourceError,
    assigned,
    call,
    checked,
    docstring,
    has_literal,
    laid_out,
    literal,
    module_source,
    one_line,
    quoted,
    snake,
)
from volnux_prefect.checks import refuse
from volnux_prefect.codeflow import Walk
from volnux_prefect.parameters import default_of, described
from volnux_prefect.translate import tags_of

__all__ = ["source_of"]

_OWN = {
    "": ("asyncio", "datetime", "importlib"),
    "typing": ("Any",),
    "prefect": ("flow",),
    "prefect.client.schemas.objects": ("State",),
    "volnux_prefect.plain": ("EventFailed", "Place", "Run", "all_of", "any_of"),
}
"""What a file may import for itself, by module."""


def source_of(path: str | Path) -> str:
    """The Python text of a flow that does the same as a `.pty` file.

    Raises:
        FileError, PointyError: the file cannot be used.
        RefusedError: it says something that Prefect cannot do.
        PythonSourceError: it cannot be written as Python.
    """
    plan = load_plan(path)
    refuse(plan)
    name = one_line(str(path))
    try:
        text = _Program(plan).text()
    except RecursionError as error:
        raise PythonSourceError(f"{name} is nested too deep to be written as Python") from error
    return checked(text, name)


class _Program:
    """The text of one flow, from top to bottom."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._graph = plan.graph
        # A parameter has the name of its input, whatever else may have that name.
        self._names = Names(item.name for item in plan.graph.inputs)
        self._imports = Imports(self._names, _OWN)
        self._own = self._imports.own
        self._events = import_events(self._imports, plan)
        self._nodes = [node for node in plan.graph.nodes if node.kind is Kind.EVENT]
        self._places = {
            node.id: self._names.fresh(snake(node.id).upper(), f"{snake(node.id).upper()}_PLACE")
            for node in self._nodes
        }
        self._owner = import_owner(self._imports, plan)
        self._constants: list[str] = []
        self._function = self._names.fresh(plan.graph.name, f"{plan.graph.name}_flow")

    def text(self) -> str:
        """The whole text."""
        places, flow, main = list(self._make_places()), list(self._flow()), list(self._main())
        constants = [*self._constants, ""] if self._constants else []
        return module_source(
            self._about(), self._imports, [*constants, *places, "", "", *flow, *main]
        )

    # The parts, in the order of the text.

    def _about(self) -> str:
        graph = self._graph
        title = f"{graph.name}: {graph.description.strip()}" if graph.description else graph.name
        command = one_line(f"volnux prefect flow {file_name(graph)}")
        return (
            f"{title}\n\n"
            f"Written by `{command}`, and yours to change.\n"
            "It needs the events, which it imports from beside it, and no .pty.\n"
        )

    def _make_places(self) -> Iterator[str]:
        for node in self._nodes:
            positional, named = self._said(node)
            yield assigned(self._places[node.id], call(self._own("Place"), *positional, **named))

    def _said(self, node: Node) -> tuple[list[Expression], dict[str, Expression]]:
        """The arguments of a place."""
        graph, event = self._graph, node.event or ""
        taken = {d for edge in graph.edges if edge.source == node.id for d in edge.when}
        tags, limits = tags_of(graph, node)
        number = int(node.id.removeprefix(event).removeprefix("__") or 1)
        positional: list[Expression] = [self._events[event]]
        if self._plan.spec(node.id).target.__name__ != event:
            positional.append(literal(event))
        told: dict[str, tuple[object, object]] = {
            "number": (number, 1),
            "attempts": (node.retry, None),
            "timeout": (node.options.get("timeout"), None),
            "executor": (node.options.get("executor"), None),
            "branches": (tuple(sorted(taken)), (1,)),
            "tags": (sorted(tags - limits.keys()), []),
            "limits": (limits, {}),
        }
        named = {name: literal(value) for name, (value, usual) in told.items() if value != usual}
        return positional, named

    def _flow(self) -> Iterator[str]:
        graph = self._graph
        run = self._names.fresh("run", "this_run")
        told = literal(graph.description) if graph.description else None
        decorator = call(f"@{self._own('flow')}", name=literal(graph.name), description=told)
        yield laid_out(decorator)
        parameters = [self._parameter(item) for item in _required_first(graph)]
        # Quoted: evaluated, it is a class that no other process finds when the flow is unpickled.
        returns = f' -> "{self._own("State")}[{self._own("Any")}]":'
        yield laid_out(call(f"async def {self._function}", *parameters), after=returns)
        shown = described(self._plan)
        if shown != graph.description:
            yield f"    {docstring(shown or '')}"
        made = call(self._own("Run"), **{item.name: item.name for item in graph.inputs})
        entered = f"{self._run_options()} as {run}:"
        yield laid_out(made, indent=4, before="async with ", after=entered)
        assert graph.source is not None
        walk = Walk(self._plan, self._places, run, self._own, self._names)
        tree = parse(graph.source.text, graph.source.filename).flow
        yield from walk.lines(tree, "        ", f"{run}.value")
        yield f"    return {run}.state"

    def _run_options(self) -> str:
        """What is said to the run besides its inputs."""
        said = ""
        if self._owner:
            said += f".read_by({self._owner})"
        if self._graph.tags:
            said += f".tagged({', '.join(map(quoted, self._graph.tags))})"
        return said

    def _main(self) -> Iterator[str]:
        if not any(item.required for item in self._graph.inputs):
            yield ""
            yield ""
            yield 'if __name__ == "__main__":'
            yield f"    {self._own('asyncio')}.run({self._function}())"

    def _parameter(self, item: InputSpec) -> str:
        kind = self._kind(item.type)
        if item.required:
            return f"{item.name}: {kind}"
        default = default_of(self._plan, item)
        if default is None and item.type != "any":
            kind += " | None"
        return f"{item.name}: {kind} = {self._default(item, default)}"

    def _kind(self, type_: str) -> str:
        match type_:
            case "date" | "datetime":
                return f"{self._own('datetime')}.{type_}"
            case "list":
                return f"list[{self._own('Any')}]"
            case "dict":
                return f"dict[str, {self._own('Any')}]"
            case "any":
                return self._own("Any")
        return type_

    def _default(self, item: InputSpec, value: Any) -> str:
        match value:
            case dt.datetime():
                made = f"{self._own('datetime')}.datetime.fromisoformat"
                return self._constant(item, call(made, literal(value.isoformat())))
            case dt.date():
                parts = f"{value.year}, {value.month}, {value.day}"
                return f"{self._own('datetime')}.date({parts})"
            case list() | dict() if has_literal(value):
                return self._constant(item, literal(value))
        if has_literal(value):
            return laid_out(literal(value))
        if self._owner:
            return f"{self._owner}.{item.name}.default"
        raise PythonSourceError(f"the default of the input {item.name} has no Python literal")

    def _constant(self, item: InputSpec, value: Expression) -> str:
        """A default with a name of its own: in the function, linters would take it for a slip."""
        name = self._names.fresh(f"DEFAULT_{item.name.upper()}")
        self._constants.append(assigned(f"{name}: {self._kind(item.type)}", value))
        return name


def _required_first(graph: Graph) -> list[InputSpec]:
    return sorted(graph.inputs, key=lambda item: not item.required)
