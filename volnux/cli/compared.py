"""The difference between two kept runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from volnux.cli.kept import SHORT, STYLES, aligned, run_as_json, state_of, took
from volnux.cli.output import paint
from volnux.cli.summary import seconds
from volnux.errors import shortened

if TYPE_CHECKING:
    from volnux.runs.model import KeptPlace, KeptRun

__all__ = ["Comparison"]

_LEAST_SECONDS = 0.01
_LEAST_SHARE = 0.1
"""A smaller difference of times is not shown."""

_MOST = 20
"""How many times the text shows."""


class Comparison(NamedTuple):
    """Two runs, and their places."""

    first: KeptRun
    second: KeptRun
    first_places: Sequence[KeptPlace]
    second_places: Sequence[KeptPlace]

    @property
    def inputs(self) -> dict[str, tuple[str | None, str | None]]:
        """The inputs with different values, as tagged JSON texts."""
        first, second = self.first.inputs, self.second.inputs
        names = dict.fromkeys([*first, *second])
        pairs = {name: (first.get(name), second.get(name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    @property
    def places(self) -> dict[str, tuple[KeptPlace | None, KeptPlace | None]]:
        """The places of both runs, in the order of the second one."""
        first = {place.place: place for place in self.first_places}
        second = {place.place: place for place in self.second_places}
        names = dict.fromkeys([*second, *first])
        return {name: (first.get(name), second.get(name)) for name in names}

    @property
    def otherwise(self) -> dict[str, tuple[str, str]]:
        """How the places ended that ended otherwise."""
        shown = {
            name: (_end(first, self.first), _end(second, self.second))
            for name, (first, second) in self.places.items()
        }
        return {name: pair for name, pair in shown.items() if pair[0] != pair[1]}

    @property
    def slower(self) -> dict[str, tuple[float, float]]:
        """The seconds of the places that took longer or shorter, the largest difference first."""
        found = {}
        for name, (first, second) in self.places.items():
            if second is not None and second.reused:
                continue
            times = _seconds(first), _seconds(second)
            if times[0] is None or times[1] is None:
                continue
            difference = abs(times[1] - times[0])
            if difference >= max(_LEAST_SECONDS, _LEAST_SHARE * times[0]):
                found[name] = times[0], times[1]
        return dict(sorted(found.items(), key=lambda each: -abs(each[1][1] - each[1][0])))

    def lines(self, *, colour: bool) -> Iterator[str]:
        """Lines for people."""
        first, second = self.first, self.second
        for name, run in (("A", first), ("B", second)):
            status = paint(run.status.value, STYLES[run.status.value], colour=colour)
            when = f"{run.started:%Y-%m-%d %H:%M:%S} UTC"
            yield f"{name}  {run.id[:SHORT]}  {run.pipeline}  {when}  {status}  {took(run) or '-'}"
        parts = [
            ("input", [(n, _text(a), _text(b)) for n, (a, b) in self.inputs.items()]),
            ("ended otherwise", [(n, a, b) for n, (a, b) in self.otherwise.items()]),
        ]
        for title, rows in parts:
            if rows:
                yield ""
                yield from aligned([(title, "A", "B"), *rows], colour=colour)
        times = [
            (name, seconds(a), seconds(b), f"{'+' if b > a else '-'}{seconds(abs(b - a))}")
            for name, (a, b) in self.slower.items()
        ]
        if times:
            yield ""
            head = ("time", "A", "B", "difference")
            yield from aligned([head, *times[:_MOST]], colour=colour)
            if len(times) > _MOST:
                yield f"and {len(times) - _MOST:,} more"
        if not (times or self.inputs or self.otherwise):
            yield ""
            yield "every place ended in the same way, and took about as long"

    def as_json(self) -> dict[str, Any]:
        """The same as JSON. Times are in seconds."""
        return {
            "runs": [run_as_json(self.first), run_as_json(self.second)],
            "inputs": {name: list(pair) for name, pair in self.inputs.items()},
            "ended_otherwise": {name: list(pair) for name, pair in self.otherwise.items()},
            "seconds": {name: list(pair) for name, pair in self.slower.items()},
        }


def _end(place: KeptPlace | None, run: KeptRun) -> str:
    if place is None:
        return "-"
    state = state_of(place, run)
    return state if place.descriptor is None else f"{state} {place.descriptor}"


def _seconds(place: KeptPlace | None) -> float | None:
    if place is None or place.started is None or place.ended is None:
        return None
    return (place.ended - place.started).total_seconds()


def _text(value: str | None) -> str:
    return "-" if value is None else shortened(value, 40)
