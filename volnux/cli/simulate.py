"""`volnux simulate`: shows the path of a pipeline for given outcomes."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import output
from volnux.cli.options import File, Json
from volnux.cli.usage import UsageError
from volnux.errors import Diagnostic, Severity, did_you_mean
from volnux.graph.outcome import RunStatus, State
from volnux.graph.simulate import simulate
from volnux.loading import load_graph

if TYPE_CHECKING:
    from volnux.graph import Graph, RunReport

__all__ = ["command"]


def command(
    file: File,
    outcomes: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="EVENT=0…9",
            help="The descriptor for every place of an event; may be repeated.",
            show_default=False,
        ),
    ] = None,
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--place",
            metavar="PLACE=0…9",
            help="The descriptor for one place, which overrides --outcome; may be repeated.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the path for given outcomes.

    Other events succeed. No Python code of the pipeline is imported.

    Exit code: 0 success, 1 failed, 2 could not start.
    """
    graph = load_graph(file)
    events = dict.fromkeys(node.event or "" for node in graph.places())
    faults: list[str] = []
    by_event = _read("--outcome", "event", outcomes or (), events, faults)
    ids = [node.id for node in graph.places()]
    by_place = _read("--place", "place", places or (), ids, faults)
    if faults:
        raise UsageError(faults)
    report = simulate(graph, outcomes=by_event, places=by_place)
    output.show(_assumptions(graph, report))
    if json:
        output.say(report.dumps(indent=2))
    else:
        from volnux.cli.summary import summary

        output.say("\n".join(summary(report, colour=output.coloured(sys.stdout))))
    raise typer.Exit(0 if report.status is RunStatus.SUCCESS else 1)


def _read(
    option: str, kind: str, given: Sequence[str], known: Collection[str], faults: list[str]
) -> dict[str, int]:
    """Read descriptors by name from `name=descriptor` texts."""
    values: dict[str, int] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            faults.append(f"{option} takes {kind.upper()}=DESCRIPTOR, found '{text}'")
            continue
        if name not in known:
            hint = did_you_mean(name, known, f"{kind}s: {_some(known)}")
            faults.append(f"there is no {kind} '{name}'; {hint}")
        elif name in values:
            faults.append(f"{option} is given twice for '{name}'")
        if len(value) != 1 or value not in "0123456789":
            faults.append(f"a descriptor must be from 0 to 9, found '{value}' for '{name}'")
        else:
            values.setdefault(name, int(value))
    return values


def _some(names: Collection[str], most: int = 10) -> str:
    return ", ".join(list(names)[:most]) + (" …" if len(names) > most else "")


def _assumptions(graph: Graph, report: RunReport) -> Iterator[Diagnostic]:
    """A note for each group whose evaluation matters here, but is known only to an event class."""
    order = graph.topology.index
    failed = [order[name] for name, place in report.places.items() if place.state is State.FAILED]
    for group in graph.groups:
        first, last = order[group.first], order[group.last]
        if group.evaluation is not None or not _any_between(failed, first, last):
            continue
        yield graph.diagnostic(
            "assumed-evaluation",
            "this simulation assumes that all arms of this group must be done: "
            f"only the class of {group.decided_by} knows whether one is enough",
            span=group.span,
            hint="set it in the file: {…}[evaluation=…]",
            severity=Severity.NOTE,
        )


def _any_between(ordered: Sequence[int], first: int, last: int) -> bool:
    from bisect import bisect_left

    index = bisect_left(ordered, first)
    return index < len(ordered) and ordered[index] <= last
