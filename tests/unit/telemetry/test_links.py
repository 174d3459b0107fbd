"""Which events' results were piped to an event."""

import pytest

from volnux.graph import compile
from volnux.pointy import parse
from volnux.telemetry.links import MOST_SOURCES, Ended, Sources

ANY = "evaluation=SUCCESS_FOR_PARTIAL_SUCCESS"


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
        ("L |-> F[each=x]", "F[7]", {"L": 1}, ["L"]),
        ("L |-> {F |-> S}[each=x]", "S[1]", {"L": 1, "F[0]": 1, "F[1]": 1}, ["F[1]"]),
        ("L |-> F[each=x] |-> S", "S", {"L": 1, "F[10]": 1, "F[9]": 1}, ["F[9]", "F[10]"]),
        (
            f"{{A |-> F[each=x, {ANY}]}} |-> S",
            "S",
            {"A": 1, "F[0]": 0, "F[1]": 1},
            ["F[0]", "F[1]"],
        ),
        (
            "L |-> {F |-> S[each=y]}[each=x] |-> T",
            "T",
            {"F[0]": 1, "F[1]": 1, "S[0][0]": 1, "S[1][0]": 1, "S[1][1]": 1},
            ["S[0][0]", "S[1][0]", "S[1][1]"],
        ),
        ("L |-> {F |-> S[each=y]}[each=x]", "S[1][4]", {"F[0]": 1, "F[1]": 1}, ["F[1]"]),
        ("L |-> {{F}[each=y]}[each=x]", "F[1][4]", {"L": 1}, ["L"]),
        ("L |-> F[each=x] (0 |-> H)", "H", {"F[0]": 1, "F[1]": 0}, ["F[1]"]),
        ("{A -> B}[again=2] |-> C", "C", {"A": 1, "B": 0, "A.2": 1, "B.2": 1}, ["B.2"]),
    ],
)
def test_sources(flow, place, ended, expected):
    sources = Sources(compile(parse(flow, filename="flow.pty")))
    assert sources.of(place, all_of(ended)) == expected
    assert all(sources.wants(source) for source in expected)


def all_of(descriptors):
    ended = Ended()
    for place, descriptor in descriptors.items():
        ended.add(place, descriptor)
    return ended


def test_an_event_that_receives_many_results_has_a_limited_number_of_sources():
    sources = Sources(compile(parse("L |-> F[each=x] |-> S", filename="flow.pty")))
    ended = all_of({f"F[{number}]": 1 for number in range(1_000)})
    assert sources.of("S", ended) == [f"F[{number}]" for number in range(MOST_SOURCES)]


def test_what_nobody_receives_is_not_wanted():
    sources = Sources(compile(parse("A -> B |-> C", filename="flow.pty")))
    assert [sources.wants(place) for place in "ABC"] == [False, True, False]
