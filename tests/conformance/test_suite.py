"""The suite itself: what it covers, which gaps are known, and whether it finds errors."""

import functools
import random
from collections import Counter
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest
from tiny_backend import TinyBackend

from tests.property import endings, naive
from tools.conformance_tables import PAGES, filled
from volnux.graph import Execution
from volnux.testing import (
    CaseError,
    Gap,
    GapKind,
    all_cases,
    case_of,
    load_case,
    random_case_program,
    shrink,
)
from volnux.testing.behaviour import key_of, scripts
from volnux.testing.cases import CASES, case_json
from volnux.testing.conformance import check_program
from volnux.testing.constructs import CONSTRUCTS, constructs
from volnux.testing.predicting import GIVEN, RAISED, TOO_LATE, in_case
from volnux.testing.programs import (
    places,
)
from volnux.testing.sentences import SENTENCES
from volnux.testing.shapes import Line
from volnux.testing.shrinking import size
from volnux.testing.typed import WRONG_TYPE


def test_there_are_enough_cases():
    names = [case.name for case in all_cases()]
    assert len(names) >= 150
    assert {f"table_{number:02}" for number in range(1, 25)} <= set(names)


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_a_case_is_written_as_it_is_read(case):
    folder = CASES / case.name
    assert (folder / "case.json").read_text(encoding="utf-8") == case_json(case)
    assert case.about.endswith(".")
    assert case.shows, "it says which sentences it shows"
    assert set(case.shows) <= set(SENTENCES)


def test_every_sentence_has_a_case():
    shown = Counter(name for case in all_cases() for name in case.shows)
    assert [name for name in SENTENCES if not shown[name]] == []


def test_every_pair_of_constructs_has_a_case():
    held = [constructs(case) for case in all_cases()]
    missing = [
        pair for pair in combinations(CONSTRUCTS, 2) if not any(set(pair) <= f for f in held)
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_is_there(page):
    text = page.read_text(encoding="utf-8")
    assert text == filled(text), "run: python -m tools.conformance_tables"


# Gaps.


@pytest.mark.parametrize("reason", ["", "later", "not yet"])
def test_a_gap_has_a_reason(reason):
    with pytest.raises(ValueError, match="reason"):
        Gap(GapKind.NOT_DONE, reason)


# Cases that make no sense.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{}", None),
        ("{", "is not a case"),
        ('{"scripts": {}}', "did you mean 'script'"),
        ('{"script": {"A": {"descriptr": 1}}}', "did you mean 'descriptor'"),
        ('{"expected": {"places": {"A": {"state": "done", "tries": 1}}}}', "tries"),
    ],
)
def test_a_case_that_makes_no_sense(data, message, own_folder):
    (own_folder / "flow.pty").write_text("A\n")
    (own_folder / "case.json").write_text(data)
    if message is None:
        assert load_case(own_folder).text == "A\n"
    else:
        with pytest.raises(CaseError, match=message):
            load_case(own_folder)


# Random programs: what must come out is worked out a second time, by plain recursion.


@pytest.mark.slow
def test_what_must_come_out_of_programs():
    for seed in range(1, 500):
        program = random_case_program(seed)
        expected = case_of(program, "program").expected
        meaning = naive.evaluate(program)
        assert expected.status == ("success" if meaning.success else "failed"), seed
        given = {place: found.given for place, found in meaning.places.items()}
        named = functools.partial(
            _named, given=given if program.inputs else {}, scripts=scripts(program)
        )
        if not meaning.stopped:
            assert expected.failure == named(meaning.failure), seed
        for place, wanted in expected.places.items():
            found = meaning.places[place]
            assert (wanted.state, wanted.descriptor, wanted.attempts, wanted.polls) == (
                found.state,
                found.descriptor,
                found.attempts,
                found.polls,
            ), f"seed {seed}: {place}"
            assert wanted.received == named(found.received), f"seed {seed}: {place}"
            assert (wanted.failure or wanted.result) == named(found.result), f"seed {seed}"


def _named(value, given, scripts):
    """The result of the naive evaluator in the words of a report.

    `given` is what each place was given, if that is what its event returns. A message is the same
    for all copies that have one script.
    """
    match value:
        case endings.Failed(message=message):
            return {"type": "Failed", "message": message}
        case endings.Raised(place=place):
            return {"type": RAISED, "message": key_of(scripts, place)}
        case endings.TooLate():
            return {"type": TOO_LATE, "message": "poll 1"}
        case endings.NoBranch():
            return _Failed("UnhandledDescriptor")
        case endings.NoList():
            return _Failed("EachError")
        case str():
            place = value.removeprefix("r:")
            # An item of a list is not the whole result.
            return {GIVEN: _named(given[place], given, scripts)} if place in given else place
        case endings.WrongType():
            return _Failed(WRONG_TYPE)
        case Line() | tuple() | Decimal():
            return in_case(value)
        case list():
            return [_named(item, given, scripts) for item in value]
        case dict():
            return {name: _named(item, given, scripts) for name, item in value.items()}
    return value


class _Failed:
    """Equals every failure of a type."""

    def __init__(self, kind):
        self.kind = kind

    def __eq__(self, other):
        return isinstance(other, dict) and other["type"] == self.kind


# Whether it finds what is wrong, and makes it small.


class _Forgetful(Execution):
    """A state machine that forgets the last item of a list that is piped."""

    def received(self, index):
        value = super().received(index)
        return value[:-1] if isinstance(value, list) and len(value) > 2 else value


class _Wrong(TinyBackend):
    name = "wrong"

    def run(self, plan, inputs, options=None):
        import tiny_backend

        right, tiny_backend.Execution = tiny_backend.Execution, _Forgetful
        try:
            return super().run(plan, inputs, options)
        finally:
            tiny_backend.Execution = right


@pytest.mark.slow
def test_a_difference_is_found_and_made_small(own_folder):
    found = (check_program(seed, _Wrong(), own_folder) for seed in range(1000))
    difference = next(each for each in found if each is not None)
    # `A |-> B` is all that it takes, if A returns a list of three; or a copy is missing.
    assert len(difference.case.expected.places) <= 5, str(difference)
    assert "received" in str(difference) or "places: " in str(difference)
    assert list(Path(own_folder).iterdir()) == [], "it leaves no files"


@pytest.mark.slow
def test_shrinking_keeps_what_a_program_shows():
    source = random.Random(3)
    for seed in range(100):
        program = random_case_program(seed)
        names = sorted({event.name for event in places(program).values()})
        if not names:
            continue  # every unit is a `!`
        wanted = source.choice(names)

        def shows(smaller, wanted=wanted):
            return any(event.name == wanted for event in places(smaller).values())

        smallest = shrink(program, shows, tries=2000)
        assert size(smallest) == (1, 0), f"seed {seed}: {case_of(smallest, 'x').text}"
