"""What the language explains by other words of it: both texts end in the same way."""

from dataclasses import replace

import pytest

from volnux.testing import Case, EventScript, PlaceScript, report_of_case
from volnux.testing.cases import Expected
from volnux.testing.comparing import plain

ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"
INSTANT = "2026-03-30T02:30:00+02:00"
ZONE = "@timezone: Europe/Berlin\n"
LIST = '@input: tables: list = ["a", "b", "c"]\n'

MEANINGS = [
    ("Copy()", "Copy"),
    ('Copy(table="a",)', 'Copy(table="a")'),
    ('Copy(table="a")', '@input: table: str = "a"\nCopy'),
    ("@input: limit: int = 3\nCopy(table=limit)", "@input: limit: int = 3\nCopy(table=3)"),
    (
        '@input: limit: int = 3\nCopy(table=[{"a": limit}])',
        '@input: limit: int = 3\nCopy(table=[{"a": 3}])',
    ),
    ('@variable: region: str = "eu"\nCopy(table=region)', 'Copy(table="eu")'),
    (
        f"{ZONE}@input: table: datetime = scheduled - 1d\nCopy",
        f'{ZONE}@input: table: datetime = "2026-03-29T03:30:00+02:00"\nCopy',
    ),
    (
        f"{ZONE}@input: table: date = scheduled - 3h\nCopy",
        f'{ZONE}@input: table: date = "2026-03-29"\nCopy',
    ),
    (
        f'{ZONE}@schedule: "0 6 * * *"\n@input: table: date = previous\nCopy',
        f'{ZONE}@schedule: "0 6 * * *"\n@input: table: date = "2026-03-29"\nCopy',
    ),
    ("@run-timeout: 90m\nCopy", "Copy"),
    ('@input: table: "a" | "b" = "b"\nCopy', '@input: table: str = "b"\nCopy'),
    ("@input: table: int(1..9) = 3\nCopy", "@input: table: int = 3\nCopy"),
    ("{A |-> Three |-> Copy}[task=tidy] |-> B", "{A |-> Three |-> Copy} |-> B"),
    ("{A || Bad}[task=tidy] (0 |-> B) -> Copy", "{A || Bad} (0 |-> B) -> Copy"),
    (f"{{{{A -> Bad}}[task=tidy] || B}}{ANY} |-> C", f"{{{{A -> Bad}} || B}}{ANY} |-> C"),
    ("@on-failure: continue\n{A -> Bad}[task=t] |-> B", "@on-failure: continue\n{A -> Bad} |-> B"),
    (f"{LIST}Copy[each=table, in=tables, batch=2]", f"{LIST}Copy[each=table, in=tables]"),
    (f"{LIST}Copy[each=table, in=tables, at_once=1]", f"{LIST}Copy[each=table, in=tables]"),
    (f"{LIST}A |-> Copy[each=table, in=tables]", f"{LIST}A -> {{Copy}}[each=table, in=tables]"),
    (
        f"{LIST}Copy[each=table, in=tables] * 2 (0 -> A, 1 |-> B)",
        f"{LIST}{{Copy[each=table, in=tables, retry_attempts=2]}} (0 -> A, 1 |-> B)",
    ),
]
"""A text with the new word, and the same without it."""

FAILING = [
    "A || !",
    "A -> !",
    "A -> {!}",
    "{A || !} (0 |-> B) -> C",
    "{!} (0 -> B, 1 -> C) -> D",
    "{! || B} (0 -> C)",
    f"{{A || !}}{ANY} |-> B",
    f"{{Three || !}}{ANY} (0 -> B)",
    "Three (3 -> A -> !) -> B",
    "{Three (3 -> !)} * 3 (0 -> B)",
    "@on-failure: continue\n{A || !} -> B",
    "@on-failure: continue\n{A -> !} -> B (1 -> !)",
    "@on-failure: continue\n{{A -> !} -> B} (0 |-> C) -> D",
    "A (0 -> !, 1 -> B) -> C",
    "Bad (1 -> !) -> C",
]
"""Flows in which an event that returns the failure may stand for the `!`."""


def outcome(backend, folder, text, **more):
    """The status of a run, and its places without those of `Fail`."""
    case = Case(
        name="meaning",
        text=text + "\n",
        expected=Expected(),
        events={"Copy": EventScript(arguments=["table=None"])},
        script={
            "Copy": PlaceScript(reads=["table"]),
            "Bad": PlaceScript(descriptor=0),
            "Three": PlaceScript(descriptor=3),
            **{fail: PlaceScript(descriptor=0) for fail in ("Fail", "Fail__2")},
        },
        **more,
    )
    report = report_of_case(case, backend, folder)
    return report.status, {
        name: replace(
            place,
            started_at=None,
            ended_at=None,
            result=plain(place.result),
            received=_without_failure(place.received),
        )
        for name, place in report.places.items()
        if place.event != "Fail"
    }


def _without_failure(value):
    """What was received; what a failure says differs between a `!` and an event."""
    value = plain(value)
    if isinstance(value, list):
        return [_without_failure(item) for item in value]
    failed = value == "Fail" or (isinstance(value, dict) and value.get("type") == "Failed")
    return "a failure" if failed else value


@pytest.mark.parametrize(("new", "old"), MEANINGS, ids=[new for new, _ in MEANINGS])
def test_a_word_means_the_same_as_older_words(backend, new, old, own_folder):
    found = outcome(backend, own_folder / "new", new, scheduled_at=INSTANT)
    assert found == outcome(backend, own_folder / "old", old, scheduled_at=INSTANT)


@pytest.mark.parametrize("text", FAILING)
def test_a_fail_means_an_event_that_returned_a_failure(backend, text, own_folder):
    found = outcome(backend, own_folder / "new", text)
    assert found == outcome(backend, own_folder / "old", text.replace("!", "Fail"))
