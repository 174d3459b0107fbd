"""Checks the names in a graph: each is declared only once, and each bare name is declared."""

from __future__ import annotations

from collections.abc import Iterator

from volnux.errors import Diagnostic, nearest
from volnux.graph.model import Graph
from volnux.graph.parts import Argument

__all__ = ["check_names"]


def check_names(graph: Graph) -> list[Diagnostic]:
    """What is wrong with the names of a graph whose inputs are complete, in reading order.

    It finds bare names in arguments that are not declared, inputs of the Pipeline class that are
    also variables or secrets of the text, and `previous` without a schedule.
    """
    known = {item.name for item in graph.inputs}
    known.update(item.name for item in graph.variables)
    known.update(item.name for item in graph.secrets)
    found = [*_doubles(graph), *_without_schedule(graph)]
    for node in graph.nodes:
        for argument in node.arguments:
            found += _unknown(graph, argument, known)
    return found


def _doubles(graph: Graph) -> Iterator[Diagnostic]:
    # Inputs with a position are those of the text, which the parser has checked.
    fields = {item.name for item in graph.inputs if item.span is None}
    for what, items in (("variable", graph.variables), ("secret", graph.secrets)):
        for item in items:
            if item.name in fields:
                message = f"the {what} '{item.name}' is an input of the pipeline class as well"
                hint = "a name is declared only once: rename one of the two"
                yield graph.diagnostic("double-name", message, hint=hint, span=item.span)


def _without_schedule(graph: Graph) -> Iterator[Diagnostic]:
    for item in graph.inputs:
        if item.moment and item.moment.base == "previous" and not graph.schedules:
            message = f"the default of '{item.name}' is 'previous', but there is no schedule"
            hint = 'add @schedule: "0 6 * * *", or write scheduled - 1d'
            yield graph.diagnostic("no-schedule", message, hint=hint, span=item.span)


def _unknown(graph: Graph, argument: Argument, known: set[str]) -> Iterator[Diagnostic]:
    for name in dict.fromkeys(at.name for at in argument.names if at.name not in known):
        close = nearest(name, known)
        meant = f"did you mean '{close[0]}'? " if close else ""
        yield graph.diagnostic(
            "unknown-name",
            f"'{name}' is not an input, a variable or a secret of this file",
            hint=f'{meant}A text is written in quotes: {argument.name}="{name}"',
            span=argument.span,
        )
