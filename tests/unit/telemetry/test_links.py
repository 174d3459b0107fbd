"""Which events' results were piped to an event."""

import pytest

from volnux.graph import compile
from volnux.pointy import parse
from volnux.telemetry.links import Sources


@pytest.mark.parametrize(
    ("flow", "place", "ended", "expected"),
    [
        ("A |-> B", "B", {"A": 1}, ["A"]),
        ("A -> B", "B", {"A": 1}, []),
        ("A || B |-> C", "C", {"A": 1, "B": 1}, ["A", "B"]),
        ("A (0 -> X, 1 -> Y) |-> C", "C", {"A": 0, "X": 1}, ["X"]),
        ("A (0 -> X, 1 -> Y) |-> C", "C", {"A": 1, "Y": 1}, ["Y"]),
        ("A (0 |-> H)", "H", {"A": 0}, ["A"]),
        ("{A -> B} (0 |-> H)", "H", {"A": 1, "B": 0}, ["B"]),
        ("{A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> C", "C", {"B": 1}, ["B"]),
        ("A |-> B |-> C", "C", {"A": 1, "B": 1}, ["B"]),
        ("A || B |-> C || D", "D", {"A": 1, "B": 1}, ["A", "B"]),
    ],
)
def test_sources(flow, place, ended, expected):
    sources = Sources(compile(parse(flow, filename="flow.pty")))
    assert sources.of(place, ended.get) == expected
    assert all(sources.wants(source) for source in expected)


def test_what_nobody_receives_is_not_wanted():
    sources = Sources(compile(parse("A -> B |-> C", filename="flow.pty")))
    assert [sources.wants(place) for place in "ABC"] == [False, True, False]
