"""Runs the suite on one backend: all cases, then random programs, which are shrunk."""

from __future__ import annotations

import itertools
import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from volnux.backends.port import Backend, RunOptions
from volnux.errors import PointyError
from volnux.testing.cases import Case, all_cases
from volnux.testing.predicting import case_of, is_certain, random_case_program
from volnux.testing.programs import Program
from volnux.testing.running import run_case
from volnux.testing.shrinking import shrink
from volnux.testing.writing import write_case

__all__ = ["Difference", "check_case", "check_cases", "check_program", "check_programs"]

_names = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between the result of a backend and the expected result.

    Attributes:
        case: the case that shows it; for a random program, the smallest one that was found.
        lines: the differences, one line each.
        seed: the seed of a random program; None for a case of the package.
    """

    case: Case
    lines: tuple[str, ...]
    seed: int | None = None

    def __str__(self) -> str:
        head = self.case.name if self.seed is None else f"the program of seed {self.seed}"
        script = [f"    {place}: {_shown(said)}" for place, said in self.case.script.items()]
        flow = [f"    {line}" for line in self.case.text.splitlines()]
        takes = [
            f"    {event}({', '.join(said.arguments)})"
            for event, said in self.case.events.items()
            if said.arguments
        ]
        about = [self.case.about] if self.case.about else []
        return "\n".join([head, *about, *flow, *takes, *script, *self.lines])


def _shown(said: object) -> str:
    from volnux.testing.scripts import written

    return ", ".join(f"{key} {value!r}" for key, value in written(said).items()) or "succeeds"


def check_case(case: Case, backend: Backend, folder: Path) -> Difference | None:
    """Run one case, and return the difference or None.

    Args:
        case: the case.
        backend: the backend.
        folder: where its files are written; they are removed afterwards.
    """
    lines = _run(case, backend, folder)
    return Difference(case, tuple(lines)) if lines else None


def check_cases(
    backend: Backend, folder: Path, *, chosen: Callable[[Case], bool] = lambda case: True
) -> Iterator[tuple[Case, Difference | None]]:
    """Run the cases of the package, one after the other.

    Args:
        backend: the backend.
        folder: where files are written.
        chosen: which of them.
    """
    for case in all_cases():
        if chosen(case):
            yield case, check_case(case, backend, folder)


def check_program(
    seed: int,
    backend: Backend,
    folder: Path,
    *,
    tries: int = 100,
    options: RunOptions | None = None,
) -> Difference | None:
    """Run the random program of a seed; return the smallest program with a difference, or None.

    Args:
        seed: the seed of the program.
        backend: the backend.
        folder: where files are written.
        tries: the maximum number of smaller programs to run.
        options: how to run.
    """

    def lines_of(program: Program) -> list[str]:
        # Each program gets a new name, because some hosts remember names.
        case = case_of(program, f"program_{seed}_{next(_names)}")
        return _run(case, backend, folder, options)

    program = random_case_program(seed)
    first = lines_of(program)
    if not first:
        return None

    def shows(smaller: Program) -> bool:
        try:
            return is_certain(smaller) and bool(lines_of(smaller))
        except PointyError:
            return False  # without its file, an `each` has the name of another one

    smallest = shrink(program, shows, tries=tries)
    lines = lines_of(smallest)
    if not lines:
        smallest, lines = program, ["it differs in some runs only:", *first]
    return Difference(case_of(smallest, f"program_{seed}"), tuple(lines), seed)


def check_programs(
    backend: Backend, folder: Path, *, programs: int, seed: int
) -> Iterator[tuple[int, Difference | None]]:
    """Run random programs one after the other; yields seeds and differences.

    Args:
        backend: the backend.
        folder: where files are written.
        programs: the number of programs.
        seed: the seed of the first program; each further program uses the next number.
    """
    for number in range(seed, seed + programs):
        yield number, check_program(number, backend, folder)


def save(difference: Difference, folder: Path) -> Path:
    """Write the case of a difference as files that can be run; return the path of the flow."""
    return write_case(difference.case, folder)


def _run(
    case: Case, backend: Backend, folder: Path, options: RunOptions | None = None
) -> list[str]:
    own = folder / case.name
    try:
        return run_case(case, backend, own, options=options)
    except Exception as error:  # noqa: BLE001 - a backend that is not ours may raise anything
        frames = "".join(traceback.format_tb(error.__traceback__)[-2:])
        return [f"{backend.name} raised {type(error).__name__}: {error}", *frames.splitlines()]
    finally:
        shutil.rmtree(own, ignore_errors=True)
