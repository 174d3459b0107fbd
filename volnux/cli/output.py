"""Everything that the tool writes: plain or coloured text, diagnostics, the one JSON object.

A reader that leaves early (`| head`) is no error: the rest is written to nowhere. Output that
cannot be written for another reason (a full disk) is an `OutputError`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from volnux.errors import Diagnostic, PointyError, Severity, VolnuxError

__all__ = [
    "OutputError",
    "coloured",
    "error",
    "finish",
    "json_only",
    "paint",
    "prepare",
    "refuse",
    "rendered",
    "say",
    "show",
    "warn",
    "write",
]

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
    "bold red": "1;31",
    "bold green": "1;32",
    "bold yellow": "1;33",
    "bold cyan": "1;36",
}

_SEVERITIES = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.NOTE: "bold cyan",
}


class OutputError(VolnuxError):
    """The output cannot be written."""

    def __init__(self, error: OSError | ValueError) -> None:
        reason = error.strerror or error if isinstance(error, OSError) else "it was closed"
        super().__init__(f"the output cannot be written: {reason}")


# Writing.


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Write a line, to standard output unless told otherwise."""
    _write(sys.stdout if stream is None else stream, text + "\n")


def write(text: str) -> None:
    """Write text to standard output as it is."""
    _write(sys.stdout, text)


def error(text: str) -> None:
    """Write an error of the call as a whole to standard error."""
    _labelled("error", "bold red", text)


def warn(text: str) -> None:
    """Write a warning to standard error."""
    _labelled("warning", "bold yellow", text)


def show(diagnostics: Iterable[Diagnostic], stream: TextIO | None = None) -> None:
    """Write diagnostics, to standard error unless told otherwise."""
    stream = sys.stderr if stream is None else stream
    for diagnostic in diagnostics:
        _write(stream, rendered(diagnostic, colour=coloured(stream)) + "\n")


def _labelled(label: str, style: str, text: str) -> None:
    _write(sys.stderr, f"{paint(label, style, colour=coloured(sys.stderr))}: {text}\n")


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # it was closed before we began
        return
    with _guarded(stream):
        stream.write(text)
        stream.flush()


@contextlib.contextmanager
def _guarded(stream: TextIO) -> Iterator[None]:
    """Keep in mind that a stream cannot be written, for `finish`, and go on without it."""
    try:
        yield
    except BrokenPipeError:
        _to_nowhere(stream)
    except (OSError, ValueError) as broken:  # ValueError: an event has closed the stream
        _to_nowhere(stream)
        _broken.append(OutputError(broken))


_broken: list[OutputError] = []


def _to_nowhere(stream: TextIO) -> None:
    """Let what is still buffered, and all that follows, vanish."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# Errors that end a command.


def refuse(fault: VolnuxError) -> int:
    """Show what keeps a command from doing its work; the exit code."""
    from volnux.backends.port import RefusedError
    from volnux.cli.usage import UsageError
    from volnux.events.inputs import InputError
    from volnux.loading import FileError

    match fault:
        case FileError():
            show([fault.diagnostic])
        case PointyError() | RefusedError():
            show(d for d in fault.diagnostics if d.severity is not Severity.NOTE)
        case InputError():
            for text in fault.faults.values():
                error(text)
        case UsageError():
            for text in fault.faults:
                error(text)
        case _:
            error(str(fault))
    return 2


# Beginning and end.


def prepare() -> None:
    """Make the streams take every text, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Write out what is buffered.

    Raises:
        OutputError: it cannot be written, or something before could not.
    """
    _flush()
    if _broken:
        raise _broken.pop(0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with _guarded(stream):
                stream.flush()


class JsonOutput:
    """Where the one JSON object of a command goes."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def write(self, data: Any) -> None:
        """Write the object and nothing else."""
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        if self._descriptor is None:
            return
        with open(
            self._descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False
        ) as stream:
            _write(stream, text)


@contextlib.contextmanager
def json_only() -> Iterator[JsonOutput]:
    """Keep standard output for one JSON object; all else that is printed goes to standard error.

    This holds for the file descriptor, so also for worker processes and for C libraries.
    """
    _flush()
    if sys.stdout is None:  # it was closed before we began
        yield JsonOutput(None)
        return
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield JsonOutput(kept)
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)


# Colour.


def coloured(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal on which colour is wanted."""
    if stream is None or stream.closed:
        return False
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, style: str, *, colour: bool) -> str:
    """The text in a style, or as it is."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour and text else text


def rendered(diagnostic: Diagnostic, *, colour: bool) -> str:
    """`Diagnostic.render()`, in colour if wanted."""
    text = diagnostic.render()
    if not colour:
        return text
    style = _SEVERITIES[diagnostic.severity]
    where = paint(diagnostic.where, "bold", colour=True)
    severity = paint(diagnostic.severity.value, style, colour=True)
    rest = text[len(f"{diagnostic.where}: {diagnostic.severity}") :]
    rest = _CARETS.sub(lambda m: m[1] + paint(m[2], style, colour=True), rest)
    rest = _HINT.sub(lambda m: m[1] + paint("hint", "bold cyan", colour=True), rest, count=1)
    return f"{where}: {severity}{rest}"


_CARETS = re.compile(r"^( +\| [\t ]*)(\^+)$", re.M)
_HINT = re.compile(r"^(  )hint(?=: )", re.M)
