"""All output of the tool: plain or coloured text, diagnostics, and the JSON object.

Control characters from users never reach a terminal: all text goes through `visible`, and only the
colours of `paint` become escape sequences.

If the reader closes the pipe early (`| head`), that is not an error: the rest is discarded. Any
other failure (such as a full disk) is an `OutputError`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from volnux.errors import Diagnostic, PointyError, Severity, VolnuxError, most_shown, visible

__all__ = [
    "OutputError",
    "coloured",
    "error",
    "failures_said_once",
    "finish",
    "finished",
    "json_only",
    "paint",
    "prepare",
    "prompt",
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
    """Write a line, by default to standard output."""
    _write(sys.stdout if stream is None else stream, finished(text) + "\n")


def prompt(text: str, stream: TextIO) -> None:
    """Write the beginning of a line, which a person completes."""
    _write(stream, finished(text))


def write(text: str) -> None:
    """Write a document to standard output: unchanged, unless that is a terminal."""
    _write(sys.stdout, visible(text) if on_terminal(sys.stdout) else text)


def finished(text: str) -> str:
    """The final form of a text: styles of `paint` as escape sequences, all else made visible."""
    parts = _MARK.split(text)
    parts[::2] = map(visible, parts[::2])
    parts[1::2] = [f"\x1b[{code}m" for code in parts[1::2]]
    return "".join(parts)


def error(text: str) -> None:
    """Write an error that concerns the whole command to standard error."""
    _labelled("error", "bold red", text)


def warn(text: str) -> None:
    """Write a warning to standard error."""
    _labelled("warning", "bold yellow", text)


def show(diagnostics: Iterable[Diagnostic], stream: TextIO | None = None) -> None:
    """Write the first diagnostics of each file, by default to standard error."""
    stream = sys.stderr if stream is None else stream
    shown, left_out = most_shown(diagnostics)
    for diagnostic in shown:
        text = rendered(diagnostic, colour=False)
        bounded = _bounded(text)
        # Never cut a text between a colour code and its reset code.
        say(rendered(diagnostic, colour=coloured(stream)) if bounded is text else bounded, stream)
    for line in left_out:
        say(line, stream)


def _labelled(label: str, style: str, text: str) -> None:
    say(f"{paint(label, style, colour=coloured(sys.stderr))}: {_bounded(text)}", sys.stderr)


_LONGEST_LINE = 4000


def _bounded(text: str) -> str:
    """Cut the lines of a message: names and values in it may have any length."""
    if len(text) <= _LONGEST_LINE:
        return text
    return "\n".join(
        line
        if len(line) <= _LONGEST_LINE
        else f"{line[:_LONGEST_LINE]}… ({len(line):,} characters)"
        for line in text.split("\n")
    )


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # it was already closed at the start
        return
    with _guarded(stream):
        stream.write(text)
        stream.flush()


@contextlib.contextmanager
def _guarded(stream: TextIO) -> Iterator[None]:
    """Record for `finish` that a stream cannot be written, and continue without it."""
    try:
        yield
    except BrokenPipeError:
        _to_nowhere(stream)
    except (OSError, ValueError) as broken:  # ValueError: an event has closed the stream
        _to_nowhere(stream)
        _broken.append(OutputError(broken))


_broken: list[OutputError] = []


def _to_nowhere(stream: TextIO) -> None:
    """Discard buffered data and all later output."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


# Errors that end a command.


def refuse(fault: VolnuxError) -> int:
    """Show why a command cannot run, and return the exit code."""
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


# Start and end of the output.


def prepare() -> None:
    """Make the streams accept every text, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Flush the buffers.

    Raises:
        OutputError: this output, or earlier output, could not be written.
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
    """The destination of the JSON object of a command."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def write(self, data: Any) -> None:
        """Write the object and nothing else."""
        text = visible(json.dumps(data, indent=2, ensure_ascii=False)) + "\n"
        if self._descriptor is None:
            return
        with open(
            self._descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False
        ) as stream:
            _write(stream, text)


@contextlib.contextmanager
def json_only() -> Iterator[JsonOutput]:
    """Reserve standard output for one JSON object; all other output goes to standard error.

    This applies to the file descriptor, and therefore to worker processes and C libraries too.
    """
    _flush()
    if sys.stdout is None:  # it was already closed at the start
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


@contextlib.contextmanager
def failures_said_once() -> Iterator[None]:
    """Keep the log of runs off standard error, where it goes if logging is not configured.

    The tool shows failures itself. The user's handlers still receive every record.
    """
    import logging

    log = logging.getLogger("volnux.run")
    handler = logging.NullHandler()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


# Colour.


def on_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; an event may have closed it."""
    return stream is not None and not stream.closed and stream.isatty()


def coloured(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal on which colour is wanted."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return on_terminal(stream)


# Marks a style until the text is written; it is random, so that no text can contain it.
_SECRET = f"\ufdd0{os.urandom(8).hex()}"
_MARK = re.compile(_SECRET + r"([0-9;]{1,4})\ufdd1")


def paint(text: str, style: str, *, colour: bool) -> str:
    """Mark a text with a style for the other functions here, if colour is wanted."""
    if not (colour and text):
        return text
    return f"{_SECRET}{_CODES[style]}\ufdd1{text}{_SECRET}0\ufdd1"


def rendered(diagnostic: Diagnostic, *, colour: bool) -> str:
    """The text of `Diagnostic.render()`, with colours if wanted."""
    text = diagnostic.render()
    if not colour:
        return text
    style = _SEVERITIES[diagnostic.severity]
    place = visible(diagnostic.where)
    where = paint(place, "bold", colour=True)
    severity = paint(diagnostic.severity.value, style, colour=True)
    rest = text[len(f"{place}: {diagnostic.severity}") :]
    rest = _CARETS.sub(lambda m: m[1] + paint(m[2], style, colour=True), rest)
    rest = _HINT.sub(lambda m: m[1] + paint("hint", "bold cyan", colour=True), rest, count=1)
    return f"{where}: {severity}{rest}"


_CARETS = re.compile(r"^( +\| [\t ]*)(\^+)$", re.M)
_HINT = re.compile(r"^(  )hint(?=: )", re.M)
