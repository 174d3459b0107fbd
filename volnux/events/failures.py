"""Failures: the type, the message and the frames of the user's code of an exception."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any, Final

from volnux.events.modules import display_text
from volnux.graph.outcome import Failure
from volnux.masking import hide

__all__ = ["class_name", "failure_of", "message_of"]

_MOST_FRAMES: Final = 20

_LONGEST_PART: Final = 10_000
"""The maximum length of one part of a traceback (a frame or a message), in characters."""

_LONGEST_ARGUMENT: Final = 10_000

# Python's own accessors: an exception class may redefine these names.
_ARGUMENTS: Final[Any] = vars(BaseException)["args"]
_CAUSE: Final[Any] = vars(BaseException)["__cause__"]
_CONTEXT: Final[Any] = vars(BaseException)["__context__"]
_CONTAINERS: Final = (bytes, bytearray, list, tuple, dict, set, frozenset)


def failure_of(error: BaseException, *, attempts: int = 1) -> Failure:
    """Keep the type and the message of an exception, and the frames of the user's code."""
    with _arguments_cut(error):
        message = _message(error)
        _drop_our_frames(error)
        frames = _traceback(error)
        text, shown = hide(message), hide(frames)
        failure = Failure(
            class_name(type(error)), display_text(text), display_text(shown), attempts
        )
        # An exception with a secret in it is not kept: whatever shows it would show the secret.
        return failure.with_exception(error) if (text, shown) == (message, frames) else failure


def message_of(error: BaseException) -> str:
    """The message of an exception, without secrets."""
    with _arguments_cut(error):
        return display_text(hide(_message(error)))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # noqa: BLE001 - a user's __str__ may do anything
        return f"<str failed: {type(broken).__name__}>"


def class_name(kind: type) -> str:
    """The name of a class, with its module unless that is builtins or the main program."""
    if kind.__module__ in ("builtins", "__main__", "__mp_main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


@contextlib.contextmanager
def _arguments_cut(error: BaseException) -> Iterator[None]:
    """Inside the context, long arguments of the exceptions are shortened for their `repr`."""
    whole: list[tuple[BaseException, tuple[Any, ...]]] = []
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        each = chain.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        chain += [_CAUSE.__get__(each), _CONTEXT.__get__(each)]
        arguments = _ARGUMENTS.__get__(each)
        if any(isinstance(argument, _CONTAINERS) for argument in arguments):
            whole.append((each, arguments))
    try:
        for each, arguments in whole:
            cut = tuple(_Cut(a) if isinstance(a, _CONTAINERS) else a for a in arguments)
            _ARGUMENTS.__set__(each, cut)
        yield
    finally:
        for each, arguments in whole:
            _ARGUMENTS.__set__(each, arguments)


class _Cut:
    """Replaces an argument of an exception by its shortened text."""

    def __init__(self, argument: Any) -> None:
        from volnux.shown import shown

        self._text = shown(argument, _LONGEST_ARGUMENT)

    def __repr__(self) -> str:
        return self._text


def _drop_our_frames(error: BaseException) -> None:
    """Remove our own frames from the traceback: they would keep the whole call alive."""
    frame = error.__traceback__
    while frame is not None and _ours(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    error.__traceback__ = frame


def _traceback(error: BaseException) -> str:
    import traceback

    try:
        shown = traceback.TracebackException.from_exception(error, compact=True)
        parts: list[traceback.TracebackException | None] = [shown]
        while parts:
            part = parts.pop()
            if part is None:
                continue
            frames = [frame for frame in part.stack if not _ours(frame.filename)]
            part.stack = traceback.StackSummary.from_list(frames[-_MOST_FRAMES:])
            parts += [part.__cause__, part.__context__, *(part.exceptions or ())]
        return "".join(map(_cut, shown.format()))
    except Exception:  # noqa: BLE001 - the exception's own attributes may be broken
        return ""


def _cut(part: str) -> str:
    if len(part) <= _LONGEST_PART:
        return part
    return f"{part[:_LONGEST_PART]}… ({len(part):,} characters)\n"


_OURS: Final = __file__.rpartition("events")[0]
_IMPORTLIB: Final = importlib.__file__.rpartition("__init__")[0]


def _ours(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _OURS, _IMPORTLIB)) or any(
        package in filename for package in ("volnux_standalone", "volnux_prefect")
    )
