"""`volnux fmt`: formats files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from volnux.cli import disk, output
from volnux.cli.options import Paths
from volnux.cli.usage import UsageError
from volnux.errors import Severity, Source
from volnux.files import SUFFIX
from volnux.loading import FileError, check_kind, read_text

if TYPE_CHECKING:
    from volnux.errors import Diagnostic
    from volnux.pointy.parser import PointyFile

__all__ = ["command"]

STDIN = Path("-")


def command(
    paths: Paths,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change.")
    ] = False,
) -> None:
    """Format files, and files that they use.

    Files that are used from packages stay as they are. `-` formats standard input to standard
    output. A file with errors is never written.

    Exit code: 0 fine, 1 --check found something to change,
    2 a file has errors or cannot be read.
    """
    if STDIN in paths:
        if len(paths) > 1:
            raise UsageError(["'-' is standard input and cannot be combined with paths"])
        _standard_input(check=check, diff=diff)
        return
    found, diagnostics = disk.find(paths)
    output.show(diagnostics)
    if not found and not diagnostics:
        output.warn(f"no .pty files in {', '.join(map(str, paths))}")
    unreadable = any(each.severity is Severity.ERROR for each in diagnostics)
    known = {os.path.realpath(path) for path in found}
    changed = broken = 0
    for path in found:  # the list grows by the files that are used
        try:
            check_kind(path)
            result = _formatted(*read_text(path))
        except FileError as error:
            output.show([error.diagnostic])
            result = None
        if result is None:
            broken += 1
            continue
        for used in _used_by(path, result.file):
            real = os.path.realpath(used)
            if real not in known:
                known.add(real)
                found.append(used)
        before, after = result.before, result.after
        if before == after:
            continue
        changed += 1
        if diff:
            _show_diff(str(path), before, after)
        elif not check:
            try:
                disk.write(path, after.encode())
            except disk.WriteError as error:
                output.error(str(error))
                broken += 1
                changed -= 1
                continue
        if not diff:
            output.say(f"{'would reformat' if check else 'reformatted'} {path}")
    if not diff:
        output.say(_total(len(found) - broken, changed, broken, would=check))
    raise typer.Exit(2 if broken or unreadable else 1 if check and changed else 0)


def _standard_input(*, check: bool, diff: bool) -> None:
    data = sys.stdin.buffer.read() if sys.stdin is not None else b""
    name = "<stdin>"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(name, f"the byte 0x{data[error.start]:02X} is not UTF-8") from error
    result = _formatted(Source(text, name), ())
    if result is None:
        raise typer.Exit(2)
    before, after = result.before, result.after
    if diff:
        _show_diff(name, before, after)
    elif not check:
        output.write(after)
    raise typer.Exit(1 if check and before != after else 0)


class _Formatted(NamedTuple):
    """A file, and its text before and after formatting."""

    file: PointyFile
    before: str
    after: str


def _formatted(source: Source | None, found: tuple[Diagnostic, ...]) -> _Formatted | None:
    """A file with its formatted text; None if it has errors, which are shown."""
    from volnux.pointy.formatter import format_file
    from volnux.pointy.parser import analyze

    file = None
    if source is not None:
        file, found = analyze(source)
    if source is None or file is None:
        output.show(d for d in found if d.severity is Severity.ERROR)
        return None
    return _Formatted(file, source.text, format_file(file))


def _used_by(path: Path, file: PointyFile) -> Iterator[Path]:
    """The files that a file uses by path, and not from a package, if they are there."""
    if not file.settings.uses:
        return
    from volnux.pointy.uses import package_path
    from volnux.programs.paths import find

    for use in file.settings.uses:
        if package_path(use.path) is None:
            used = find(use.path, path.parent)
            # `volnux check` reports every other path.
            if used.suffix.lower() == SUFFIX and used.is_file():
                yield used


def _show_diff(name: str, before: str, after: str) -> None:
    colour = output.coloured(sys.stdout)
    for line in _diff(name, before, after):
        style = "bold"
        if not line.startswith(("---", "+++")):
            style = {"-": "red", "+": "green", "@": "cyan"}.get(line[0], "")
        output.say(output.paint(line, style, colour=colour) if style else line)


def _diff(name: str, before: str, after: str) -> Iterator[str]:
    import difflib

    old, new = before.splitlines(), after.splitlines()
    yield from difflib.unified_diff(old, new, name, f"{name} (formatted)", lineterm="")
    if old == new:
        yield f"{name}: only line breaks differ"


def _total(fine: int, changed: int, broken: int, *, would: bool) -> str:
    parts = []
    if changed:
        parts.append(f"{_files(changed)} {'would be ' if would else ''}reformatted")
    if fine - changed or not (changed or broken):
        parts.append(f"{_files(fine - changed)} already formatted")
    if broken:
        parts.append(f"{_files(broken)} left as {'it is' if broken == 1 else 'they are'}")
    return ", ".join(parts)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
