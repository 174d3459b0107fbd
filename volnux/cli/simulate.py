"""`volnux simulate`: shows the path of a pipeline for given outcomes."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import output
from volnux.cli.options import File, Json
from volnux.cli.usage import UsageError
from volnux.errors import Diagnostic, Severity, did_you_mean
from volnux.graph.lists import check_lists
from volnux.graph.outcome import RunStatus, State
from volnux.graph.places import index_of, template_of
from volnux.graph.simulating import ASSUMED_ITEMS, eaches_named, items_of, simulate
from volnux.loading import load_graph

if TYPE_CHECKING:
    from volnux.graph import Graph, RunReport
    from volnux.graph.parts import Each, Group

__all__ = ["command"]

_MOST_PLACES = 1_000_000
"""The maximum number of places of a simulated run, copies included."""


def command(
    file: File,
    outcomes: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            metavar="EVENT=0…9",
            help="The descriptor for every place of an event, or for one place in a use, such as "
            "'clean.Fetch', or one copy, such as 'Fetch[1]'; may be repeated.",
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
    items: Annotated[
        list[str] | None,
        typer.Option(
            "--items",
            metavar="NAME=NUMBER",
            help="The number of items of an 'each', by the name of the item or a place; "
            "two by default; may be repeated.",
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
    faults: list[str] = []
    numbers = _read_items(graph, items or (), faults)
    by_event, by_place = _read_outcomes(graph, numbers, outcomes or (), places or (), faults)
    if faults:
        raise UsageError(faults)
    report = simulate(graph, outcomes=by_event, places=by_place, items=numbers)
    # The rounds of an `again` have the same groups at the same positions.
    output.show(dict.fromkeys([*check_lists(graph), *_assumptions(graph, report, numbers)]))
    if json:
        output.say(report.dumps(indent=2))
    else:
        from volnux.cli.summary import summary

        fold = output.on_terminal(sys.stdout)
        lines = summary(report, colour=output.coloured(sys.stdout), fold=fold)
        output.say("\n".join(lines))
    raise typer.Exit(0 if report.status is RunStatus.SUCCESS else 1)


def _read_items(graph: Graph, given: Sequence[str], faults: list[str]) -> dict[str, int]:
    """Read numbers of items by name from `name=number` texts."""
    numbers: dict[str, int] = {}
    ids = [node.id for node in graph.places()]
    eaches = dict.fromkeys(each.name for each in graph.eaches)
    known = (*eaches, *ids)
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            faults.append(f"--items takes NAME=NUMBER, found '{text}'")
            continue
        if name not in known:
            hint = did_you_mean(name, known, f"names and places: {_some(known)}")
            faults.append(f"there is no each and no place '{name}'; {hint}")
        elif not eaches_named(graph, name):
            faults.append(f"'{name}' is not in a unit with each, so it has no items")
        elif name in numbers:
            faults.append(f"--items is given twice for '{name}'")
        if not (value.isascii() and value.isdigit()):
            faults.append(f"a number of items must be 0 or more, found '{value}' for '{name}'")
        else:
            # Only the limit on places matters for a number of more digits.
            numbers.setdefault(name, int(value) if len(value) < 10 else _MOST_PLACES + 1)
    if not faults and _size(graph, numbers) > _MOST_PLACES:
        faults.append(f"so many items make more than {_MOST_PLACES:,} places: lower --items")
    return numbers


def _size(graph: Graph, numbers: Mapping[str, int]) -> int:
    """The number of places of a run, copies included."""
    items = items_of(graph, numbers)
    total = 0
    for around in graph.topology.around:
        copies = 1
        for each in around:
            copies *= items[each.each]
        total += copies
    return total


def _read_outcomes(
    graph: Graph,
    numbers: Mapping[str, int],
    outcomes: Sequence[str],
    places: Sequence[str],
    faults: list[str],
) -> tuple[dict[str, int], dict[str, int]]:
    """Read the outcomes by event and by place."""
    events = dict.fromkeys(node.event or "" for node in graph.places())
    ids = [node.id for node in graph.places()]
    single = [text for text in outcomes if _is_place(text.partition("=")[0].strip(), events)]
    others = [text for text in outcomes if text not in single]
    by_event = _read("--outcome", "event", others, events, faults)
    by_single = _read("--outcome", "place", single, ids, faults)
    by_place = _read("--place", "place", places, ids, faults)
    items = items_of(graph, numbers) if not faults else {}
    for name in dict.fromkeys((*by_single, *by_place)) if items else ():
        fault = _fault_of_index(graph, name, items)
        if fault is not None:
            faults.append(fault)
    return by_event, {**by_single, **by_place}


def _read(
    option: str, kind: str, given: Sequence[str], known: Collection[str], faults: list[str]
) -> dict[str, int]:
    """Read descriptors by name from `name=descriptor` texts; a place may have an index."""
    values: dict[str, int] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            faults.append(f"{option} takes {kind.upper()}=DESCRIPTOR, found '{text}'")
            continue
        template = template_of(name) if kind == "place" else name
        if template not in known:
            hint = did_you_mean(template, known, f"{kind}s: {_some(known)}")
            faults.append(f"there is no {kind} '{template}'; {hint}")
        elif not _INDEX.fullmatch(name[len(template) :]):
            faults.append(f"an index must be a number in brackets, such as {template}[1]: '{name}'")
        elif name in values:
            faults.append(f"{option} is given twice for '{name}'")
        if len(value) != 1 or value not in "0123456789":
            faults.append(f"a descriptor must be from 0 to 9, found '{value}' for '{name}'")
        else:
            values.setdefault(name, int(value))
    return values


def _is_place(name: str, events: Collection[str]) -> bool:
    """Whether a name means a copy, or a place in a use, and not an event with a dotted name."""
    return "[" in name or ("." in name and name not in events)


_INDEX = re.compile(r"(\[(0|[1-9][0-9]{0,8})\])*")


def _fault_of_index(graph: Graph, place: str, items: Mapping[str, int]) -> str | None:
    """Why there is no copy with this index; None if there is."""
    template, index = template_of(place), index_of(place)
    around = graph.topology.around[graph.topology.index[template]]
    if len(index) > len(around):
        if not around:
            return f"'{template}' is not in a unit with each, so there is no '{place}'"
        return f"there is no '{place}': '{template}' has {len(around)} index{_es(around)}"
    for each, number in zip(around, index, strict=False):
        count = items[each.each]
        if number >= count:
            return (
                f"there is no '{place}': '{each.name}' has {count} item{'' if count == 1 else 's'}"
                f" here; use --items {each.name}={number + 1}"
            )
    return None


def _es(things: Collection[object]) -> str:
    return "" if len(things) == 1 else "es"


def _some(names: Collection[str], most: int = 10) -> str:
    return ", ".join(list(names)[:most]) + (" …" if len(names) > most else "")


def _assumptions(
    graph: Graph, report: RunReport, numbers: Mapping[str, int]
) -> Iterator[Diagnostic]:
    """A note for all that matters here and is not known before a run."""
    given = {each.each for name in numbers for each in eaches_named(graph, name)}
    noted = set()
    for each in graph.eaches:
        # A group that runs again, or a file that is used again, has several at one position.
        if each.each not in given and (each.file, each.span) not in noted:
            noted.add((each.file, each.span))
            yield graph.diagnostic(
                "assumed-items",
                f"this simulation assumes {ASSUMED_ITEMS} items for {each.name}",
                at=each,
                hint=f"give the number of items: --items {each.name}=3",
                severity=Severity.NOTE,
            )
    order = graph.topology.index
    failed = sorted(
        {order[template_of(n)] for n, item in report.places.items() if item.state is State.FAILED}
    )
    for group in graph.groups:
        if group.evaluation is None and _any_between(failed, order[group.first], order[group.last]):
            yield _assumed_all(graph, group, "arms of this group", "{…}[evaluation=…]")
    for each in graph.eaches:
        if each.evaluation is None and _any_between(failed, order[each.each], order[each.gather]):
            option = f"…[each={each.name}, evaluation=…]"
            yield _assumed_all(graph, each, "copies of this unit", option)


def _assumed_all(graph: Graph, group: Group | Each, parts: str, option: str) -> Diagnostic:
    return graph.diagnostic(
        "assumed-evaluation",
        f"this simulation assumes that all {parts} must be done: "
        f"only the class of {group.decided_by} knows whether one is enough",
        at=group,
        hint=f"set it in the file: {option}",
        severity=Severity.NOTE,
    )


def _any_between(ordered: Sequence[int], first: int, last: int) -> bool:
    from bisect import bisect_left

    index = bisect_left(ordered, first)
    return index < len(ordered) and ordered[index] <= last
