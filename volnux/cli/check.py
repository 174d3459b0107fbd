"""`volnux check`: every error, warning and note of files."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import disk, output
from volnux.cli.options import Backend, Events, Json, Paths
from volnux.cli.usage import UsageError, event_modules
from volnux.errors import Diagnostic, Severity
from volnux.files import UNREADABLE
from volnux.loading import FileError, link_graph, load_file, schedule_faults

if TYPE_CHECKING:
    from volnux.backends import Backend as AnyBackend
    from volnux.events.link import Plan
    from volnux.graph import Graph

__all__ = ["command"]


def command(
    paths: Paths,
    json: Json = False,
    link: Annotated[
        bool, typer.Option("--link", help="Also find the events, which imports their modules.")
    ] = False,
    events: Events = None,
    backend: Backend = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Also check the installation of --backend: pools, queues, connections, limits.",
        ),
    ] = False,
) -> None:
    """Show errors, warnings and notes of files.

    Nothing is run, and no Python code of the user is imported unless events are linked.

    --backend also shows what that backend refuses or ignores, and the variables and secrets that a
    file reads; it implies --link, as does --events.
    --live also shows what is missing in its installation, as configured on this machine.

    Exit code: 0 no errors, 1 errors, 2 a path cannot be read.
    """
    modules = event_modules(events or ())
    target = None
    if backend is not None:
        from volnux.backends.registry import get_backend

        target = get_backend(backend)
    elif live:
        raise UsageError(["--live needs a backend: add --backend NAME"])
    linked = link or bool(modules) or target is not None
    known, found = disk.find(paths)
    if not known and not found:
        output.warn(f"no .pty files in {', '.join(map(str, paths))}")
    if json:
        with output.json_only() as result:
            found += _check_all(known, modules, target, linked=linked, live=live)
            result.write({"diagnostics": [diagnostic.to_json() for diagnostic in found]})
    else:
        output.show(found, sys.stdout)
        checked = _check_all(known, modules, target, linked=linked, live=live)
        for _, of_file in itertools.groupby(checked, key=lambda diagnostic: diagnostic.file):
            together = list(of_file)
            found += together
            output.show(together, sys.stdout)
        output.say(_total(len(known), found))
    if any(diagnostic.code == UNREADABLE for diagnostic in found):
        raise typer.Exit(2)
    raise typer.Exit(1 if any(d.severity is Severity.ERROR for d in found) else 0)


def _check_all(
    paths: Sequence[Path],
    events: Sequence[str],
    backend: AnyBackend | None,
    *,
    linked: bool,
    live: bool,
) -> Iterator[Diagnostic]:
    for path in paths:
        try:
            yield from _check(path, events, backend, linked=linked, live=live)
        except FileError as fault:
            yield fault.diagnostic


def _check(
    path: Path, events: Sequence[str], backend: AnyBackend | None, *, linked: bool, live: bool
) -> list[Diagnostic]:
    """All diagnostics of one file, in the order of its text."""
    from volnux.events.link import LinkError
    from volnux.graph.compile import compile
    from volnux.graph.lists import check_lists
    from volnux.graph.names import check_names

    file, found = load_file(path)
    diagnostics = list(found)
    if file is not None:
        graph = compile(file)
        if linked:
            # The output of a module of events must not appear between the findings.
            with contextlib.redirect_stdout(sys.stderr):
                try:
                    plan = link_graph(graph, events=events)
                except LinkError as error:
                    diagnostics += error.diagnostics
                else:
                    graph = plan.graph
                    diagnostics += plan.warnings
                    diagnostics += _needs(graph) if backend else ()
                    diagnostics += _check_on(backend, plan, live=live) if backend else ()
        else:
            # A Pipeline class, which only linking sees, may declare what the text does not.
            diagnostics += (replace(d, severity=Severity.WARNING) for d in check_names(graph))
            diagnostics += check_lists(graph)
        diagnostics += schedule_faults(graph)
        if graph.schedules:
            from volnux.schedules import schedule_warnings

            diagnostics += schedule_warnings(graph, backend=backend.name if backend else None)
    return sorted(diagnostics, key=lambda d: d.span or (0, 0, 0, 0))


def _needs(graph: Graph) -> Iterator[Diagnostic]:
    """A note on each variable and secret that the host has to give."""
    from volnux.graph.model import At

    for file, declared in graph.declared():
        for spec in declared.variables:
            kind = spec.type if spec.required else f"{spec.type}, with a default"
            yield graph.diagnostic(
                "needs-variable",
                f"it reads the variable '{spec.name}' ({kind})",
                at=At(spec.span, file),
                severity=Severity.NOTE,
            )
        for secret in declared.secrets:
            yield graph.diagnostic(
                "needs-secret",
                f"it reads the secret '{secret.name}'",
                at=At(secret.span, file),
                severity=Severity.NOTE,
            )


def _check_on(backend: AnyBackend, plan: Plan, *, live: bool) -> list[Diagnostic]:
    """The diagnostics of a backend for a plan, and of its installation if there are no errors."""
    found = backend.check(plan)
    if live and not any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        found += backend.check_live(plan)
    return found


def _total(checked: int, found: Sequence[Diagnostic]) -> str:
    counts = Counter(diagnostic.severity for diagnostic in found)
    parts = [
        f"{counts[severity]} {severity}{'' if counts[severity] == 1 else 's'}"
        for severity in Severity
        if counts[severity]
    ]
    files_ = f"{checked} file{'' if checked == 1 else 's'}"
    text = f"checked {files_}: {', '.join(parts) or 'no errors'}"
    style = "bold red" if counts[Severity.ERROR] else "bold green"
    return output.paint(text, style, colour=output.coloured(sys.stdout))
