"""`volnux conformance`: test a backend with the cases and with random programs."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from volnux.cli import output
from volnux.cli.options import Json
from volnux.cli.running import DEFAULT_BACKEND
from volnux.cli.usage import UsageError

if TYPE_CHECKING:
    from volnux.backends import Backend as AnyBackend
    from volnux.backends.gaps import Gap
    from volnux.testing.conformance import Difference

__all__ = ["command"]

_PERIOD = 5.0
"""The seconds between two lines of progress."""


def command(
    backend: Annotated[
        str, typer.Option("--backend", metavar="NAME", help="The backend to test.")
    ] = DEFAULT_BACKEND,
    programs: Annotated[
        int, typer.Option("--programs", metavar="NUMBER", min=0, help="Number of random programs.")
    ] = 100,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="NUMBER",
            min=0,
            help="The seed of the first program; random by default.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--case",
            metavar="TEXT",
            help="Only the cases whose names contain this; 'none' for no cases.",
            show_default=False,
        ),
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Stop at the first difference.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FOLDER",
            help="Write a file and its events for each difference.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Run the conformance suite on a backend.

    First come the cases of the package, then random programs. If a program shows a difference, the
    command searches for a small program that still shows it, and prints that.

    A case that the backend declares as a gap is listed and does not count as a difference.

    Exit code: 0 no difference, 1 differences, 2 could not start.
    """
    from volnux.backends.registry import get_backend

    found = get_backend(backend)
    begin = random.SystemRandom().randrange(10**6) if seed is None else seed
    if json:
        with output.json_only() as result:
            run = _Run(found, save, first=first)
            run.all(only, programs, begin)
            result.write(run.to_json(begin))
    else:
        run = _Run(found, save, first=first)
        run.all(only, programs, begin)
        output.say(run.summary(begin))
    raise typer.Exit(1 if run.differences else 0)


class _Run:
    """One run of the suite, with its progress on standard error."""

    def __init__(self, backend: AnyBackend, save: Path | None, *, first: bool) -> None:
        self.backend = backend
        self.differences: list[Difference] = []
        self.gaps: dict[str, Gap] = {}
        self.cases = 0
        self.programs = 0
        self._save = save
        self._first = first
        self._said = self._begun = time.monotonic()

    def all(self, only: str | None, programs: int, seed: int) -> None:
        from volnux.testing.conformance import check_cases, check_programs

        # Many cases are expected to fail.
        made = tempfile.TemporaryDirectory(prefix="volnux-conformance-")
        with output.failures_said_once(), made as name:
            folder = Path(name)
            if only != "none":
                chosen = check_cases(
                    self.backend, folder, chosen=lambda case: only is None or only in case.name
                )
                self.cases = self._take("case", chosen)
                if not self.cases:
                    raise UsageError([f"--case: no case has {only!r} in its name"])
            if self._over():
                return
            checked = check_programs(self.backend, folder, programs=programs, seed=seed)
            self.programs = self._take("program", checked)

    def _take(self, what: str, checked: Iterable[tuple[Any, Difference | None]]) -> int:
        count = 0
        for name, difference in checked:
            count += 1
            gap = self.backend.gaps.get(difference.case.name) if difference else None
            if gap is not None:
                self._show_gap(name, gap)
            elif difference is not None:
                self._show(difference)
                if self._over():
                    break
            if time.monotonic() - self._said > _PERIOD:
                self._said = time.monotonic()
                taken = self._said - self._begun
                wrong = f", {len(self.differences)} wrong" if self.differences else ""
                plural = "" if count == 1 else "s"
                line = f"[{taken:6.0f}s] {count} {what}{plural}, last {name}{wrong}"
                output.say(line, sys.stderr)
        return count

    def _show_gap(self, case: object, gap: Gap) -> None:
        self.gaps[str(case)] = gap
        output.say(f"{case}: {gap}\n")

    def _over(self) -> bool:
        return self._first and bool(self.differences)

    def _show(self, difference: Difference) -> None:
        self.differences.append(difference)
        colour = output.coloured(sys.stdout)
        head, *rest = str(difference).splitlines()
        output.say(output.paint(head, "bold red", colour=colour))
        for line in rest:
            output.say(f"  {line}")
        if self._save is not None:
            from volnux.testing.conformance import save

            output.say(f"  written to {save(difference, self._save / difference.case.name)}")
        output.say()

    def summary(self, seed: int) -> str:
        """The result in one line, with the command to repeat the run."""
        wrong = len(self.differences)
        text = (
            f"{self.backend.name}: {self.cases} case{'' if self.cases == 1 else 's'}, "
            f"{self.programs} program{'' if self.programs == 1 else 's'}: "
            f"{wrong or 'no'} difference{'' if wrong == 1 else 's'}"
        )
        if self.gaps:
            text += f", {len(self.gaps)} known gap{'' if len(self.gaps) == 1 else 's'}"
        style = "bold red" if wrong else "bold green"
        text = output.paint(text, style, colour=output.coloured(sys.stdout))
        if not self.programs:
            return text
        again = f"--backend {self.backend.name} --programs {self.programs} --seed {seed}"
        return f"{text}\nto run the same programs again: volnux conformance {again}"

    def to_json(self, seed: int) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "backend": self.backend.name,
            "cases": self.cases,
            "programs": self.programs,
            "seed": seed,
            "gaps": {case: str(gap) for case, gap in self.gaps.items()},
            "differences": [
                {
                    "case": each.case.name,
                    "seed": each.seed,
                    "text": each.case.text,
                    "differences": list(each.lines),
                }
                for each in self.differences
            ],
        }
