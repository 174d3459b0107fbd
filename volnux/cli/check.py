"""`volnux check`: every error, warning and note of files."""

from __future__ import annotations

import contextlib
import os
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
from volnux.loading import FileError, link_graph, schedule_faults
from volnux.programs import load_program

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

    It also checks the files that they use.

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
    checks = _Checks(modules, target, linked=linked, live=live)
    if json:
        with output.json_only() as result:
            found += checks.run(known)
            result.write({"diagnostics": [diagnostic.to_json() for diagnostic in found]})
    else:
        found += checks.run(known)
        output.show(found, sys.stdout)
        output.say(_total(len(checks.files), found))
    if any(diagnostic.code == UNREADABLE for diagnostic in found):
        raise typer.Exit(2)
    raise typer.Exit(1 if any(d.severity is Severity.ERROR for d in found) else 0)


class _Checks:
    """The checks of some files and of all files that they use.

    Args:
        events: the modules of `--events`.
        backend: the backend to check for, or None.
        linked: whether to link.
        live: whether to check the installation of the backend.

    Attributes:
        files: the files that were checked, in order, by their real path.
    """

    def __init__(
        self, events: Sequence[str], backend: AnyBackend | None, *, linked: bool, live: bool
    ) -> None:
        self.files: dict[str, int] = {}
        self._used: set[int] = set()
        self._events = events
        self._backend = backend
        self._linked = linked
        self._live = live

    def run(self, paths: Sequence[Path]) -> list[Diagnostic]:
        """All diagnostics, each once, by file and position.

        The files come first in the order given, then those that they use.
        """
        for path in paths:
            self._number(str(path))
        checked = []
        for path in paths:
            try:
                checked.append((path, self._check(path)))
            except FileError as fault:
                checked.append((path, [fault.diagnostic]))
        found: dict[object, Diagnostic] = {}
        for path, diagnostics in checked:
            is_used = self._number(str(path)) in self._used
            for each in diagnostics:
                # The schedule of a step is that of the file that uses it.
                if is_used and each.code == "no-schedule":
                    continue
                # A used file is checked with each file that uses it, and by itself.
                key = (self._number(each.file), each.span, each.code, each.message)
                found.setdefault(key, each)
        return sorted(
            found.values(), key=lambda each: (self._number(each.file), each.span or (0, 0, 0, 0))
        )

    def _number(self, file: str) -> int:
        return self.files.setdefault(os.path.realpath(file), len(self.files))

    def _check(self, path: Path) -> list[Diagnostic]:
        """The diagnostics of a file and of those that it uses."""
        from volnux.events.link import LinkError
        from volnux.graph.compiling import compile
        from volnux.graph.lists import check_lists, check_secrets
        from volnux.graph.names import check_names

        program, found = load_program(path)
        diagnostics = list(found)
        if program is None:
            return diagnostics
        graph = compile(program)
        self._used.update(map(self._number, graph.filenames[1:]))
        if self._linked:
            # The output of a module of events must not appear between the findings.
            with contextlib.redirect_stdout(sys.stderr):
                try:
                    plan = link_graph(graph, events=self._events)
                except LinkError as error:
                    diagnostics += error.diagnostics
                else:
                    graph = plan.graph
                    diagnostics += plan.warnings
                    if self._backend is not None:
                        diagnostics += _needs(graph)
                        diagnostics += _check_on(self._backend, plan, live=self._live)
        else:
            # A Pipeline class, which only linking sees, may declare what the text does not.
            diagnostics += (replace(d, severity=Severity.WARNING) for d in check_names(graph))
            diagnostics += check_lists(graph)
            diagnostics += check_secrets(graph)
        diagnostics += schedule_faults(graph)
        if graph.schedules:
            from volnux.schedules import schedule_warnings

            backend = self._backend.name if self._backend else None
            diagnostics += schedule_warnings(graph, backend=backend)
        return diagnostics


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
