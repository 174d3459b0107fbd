"""Errors of drawing a graph."""

from __future__ import annotations

from volnux.errors import VolnuxError

__all__ = ["DrawError"]


class DrawError(VolnuxError):
    """A graph cannot be drawn as requested: `what` went wrong, and a `hint` what to do."""

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}" if self.hint else self.what

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (self.what, self.hint)


def _make(what: str, hint: str | None) -> DrawError:
    return DrawError(what, hint=hint)
