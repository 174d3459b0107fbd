"""Keeps the secrets that were read in this process out of everything that is shown.

`remember` is called with each secret before the user's code gets it. From then on, `hide` and the
records of `logging` replace it with `***`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["SHORTEST", "beginning", "hidden", "hide", "masked", "masks", "remember"]

SHORTEST = 3
"""Characters: a shorter secret cannot be hidden, since its text occurs everywhere."""

_HIDDEN = "***"
_DEEPEST = 100

_lock = threading.Lock()
_known: frozenset[str] = frozenset()
_forms: list[str] = []
"""All spellings of the known secrets, the longest first."""


def remember(secrets: Iterable[str]) -> None:
    """From now on keep these secrets out of texts and log records of this process."""
    global _known, _forms
    with _lock:
        added = frozenset(secrets) - _known
        if not added:
            return
        if not _known:
            _watch_logging()
        from volnux.redaction import forms_of

        _known |= added
        _forms = forms_of(_known)


def hide(text: str) -> str:
    """The text with `***` for each secret that this process has read."""
    return _replaced(text, _forms) if _forms else text


def hidden(value: Any) -> Any:
    """The value with `***` for each secret that this process has read, in all of its texts."""
    return _masked(value, _forms, _DEEPEST) if _forms else value


def beginning(text: str, most: int) -> tuple[str, bool]:
    """About the first `most` characters of a text, with `***` for each known secret.

    Returns:
        They contain no part of a secret that is cut; and whether they are the whole text.
    """
    longest = len(_forms[0]) if _forms else 0
    if len(text) <= most + longest:
        return hide(text), True
    # At the end, a secret may be incomplete.
    return hide(text[: most + longest])[: -longest or None], False


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """The value with `***` for each of the secrets, in the texts and containers that it is made of.

    Objects of other types are left alone; `hide` is applied where they are shown.

    Args:
        value: the result of an event.
        secrets: the secrets to replace.
    """
    return masks(secrets)(value)


def masks(secrets: Iterable[str]) -> Callable[[Any], Any]:
    """`masked` for many values and the same secrets."""
    from volnux.redaction import forms_of

    forms = forms_of(secrets)
    return lambda value: _masked(value, forms, _DEEPEST)


def _masked(value: Any, forms: list[str], levels: int) -> Any:
    kind = type(value)
    if kind is str:
        return _replaced(value, forms)
    if kind is bytes:
        for form in forms:
            value = value.replace(form.encode(errors="surrogatepass"), _HIDDEN.encode())
        return value
    if levels == 0:
        return value
    if kind in (list, tuple, set, frozenset):
        return kind(_masked(each, forms, levels - 1) for each in value)
    if kind is dict:
        return {
            _masked(key, forms, levels - 1): _masked(each, forms, levels - 1)
            for key, each in value.items()
        }
    return value


def _replaced(text: str, forms: list[str]) -> str:
    for form in forms:
        text = text.replace(form, _HIDDEN)
    return text


def _watch_logging() -> None:
    """Hide secrets in the log records of this process, for all handlers."""
    make = logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _hide_in(record)
        return record

    logging.setLogRecordFactory(made)


def _hide_in(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - `logging` itself reports a message that has wrong arguments
        return
    hidden = hide(message)
    if hidden != message:
        record.msg, record.args = hidden, ()
    if record.exc_info and record.exc_info[1] is not None:
        text = logging.Formatter().formatException(record.exc_info)
        hidden = hide(text)
        if hidden != text:
            # Handlers that format the traceback themselves would show the message of the exception.
            record.exc_info, record.exc_text = None, hidden
