"""`volnux.run` and `volnux.testing.run`: pipelines, texts and stubs in one call."""

import asyncio

import pytest

import volnux
from volnux import EventBase, Pipeline, event
from volnux.testing import StubError, run


@event(retry_policy={"max_attempts": 3, "backoff_factor": 60})
def fetch(n: int = 1):
    raise OSError("no network")


@event
def double(previous_result, by=2):
    return True, previous_result * by


TEXT = "@input: n: int = 1\nFetch |-> Double (3 -> Double)"
EVENTS = [fetch, double]


class Flow(Pipeline):
    class Meta:
        pointy = TEXT
        events = EVENTS


def test_a_class_and_a_text():
    for report in (
        volnux.run(text="@input: who: str\nHello", events=[hello], who="Ada"),
        volnux.run(Greets, who="Ada"),
        volnux.run(Greets, {"who": "Ada"}, run_id="mine"),
        asyncio.run(volnux.arun(Greets, who="Ada")),
    ):
        assert report.succeeded
        assert report.results == {"Hello": "Hello Ada"}


@event
def hello(who):
    return True, f"Hello {who}"


class Greets(Pipeline):
    class Meta:
        pointy = "@input: who: str\nHello"
        events = (hello,)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {}, "exactly one of them"),
        ((Flow,), {"text": "A"}, "exactly one of them"),
        ((int,), {}, "a pipeline class was expected, found int"),
        ((3,), {}, "a path or a pipeline class was expected, found int"),
        ((Flow, {"n": 1}), {"n": 2}, "the input 'n' is given twice"),
    ],
)
def test_what_cannot_be_run(arguments, options, said):
    with pytest.raises(TypeError, match=said):
        volnux.run(*arguments, **options)


@pytest.mark.parametrize(
    ("stubs", "results", "attempts"),
    [
        ({"Fetch": (1, 21)}, {"Fetch": 21, "Double": 42}, 1),
        ({"Fetch": [OSError("once"), OSError, (1, 4)]}, {"Fetch": 4, "Double": 8}, 3),
        ({"Fetch": lambda n: (1, n + 10)}, {"Fetch": 15, "Double": 30}, 1),
        ({"Fetch": lambda **all: (1, all["n"])}, {"Fetch": 5, "Double": 10}, 1),
        ({"Fetch": (1, 1), "Double": lambda previous_result: (1, -previous_result)},
         {"Fetch": 1, "Double": -1}, 1),
        ({"Fetch": (1, 1), "Double": (3, 7), "Double__2": (1, 8)},
         {"Fetch": 1, "Double": 7, "Double__2": 8}, 1),
    ],
)  # fmt: skip
def test_stubs(stubs, results, attempts):
    report = run(Flow, stubs=stubs, n=5)
    assert report.results == results
    assert report.places["Fetch"].attempts == attempts


def test_without_stubs_nothing_waits_between_attempts():
    assert run(Flow).places["Fetch"].attempts == 3


def test_the_last_of_a_list_stands_for_further_attempts():
    assert run(Flow, stubs={"Fetch": [OSError]}).places["Fetch"].attempts == 3


EACH = "Fetch |-> Double[each=shop] * 2"


@pytest.mark.parametrize(
    ("stubs", "results"),
    [
        ({"Double": (1, 0)}, {"Double[0]": 0, "Double[1]": 0, "Double[2]": 0}),
        ({"Double[1]": (1, 0)}, {"Double[0]": 2, "Double[1]": 0, "Double[2]": 6}),
        ({"Double": (1, 0), "Double[2]": (1, 9)}, {"Double[1]": 0, "Double[2]": 9}),
        ({"Double": lambda shop, self: (1, [shop, *self.index])}, {"Double[1]": [2, 1]}),
        # A tuple is a list.
        ({"Fetch": (1, (4, 5))}, {"Double[0]": 8, "Double[1]": 10}),
        ({"Double[0]": [OSError, (1, 5)]}, {"Double[0]": 5, "Double[1]": 4}),
    ],
)
def test_a_stub_is_for_all_copies_or_for_one(stubs, results):
    report = run(text=EACH, events=EVENTS, stubs={"Fetch": (1, [1, 2, 3]), **stubs})
    assert {place: report.places[place].result for place in results} == results


@pytest.mark.parametrize("name", ["Double[x]", "Double[0][1]", "Fetch[0]", "Double[]"])
def test_a_stub_is_for_a_copy_that_may_exist(name):
    with pytest.raises(StubError, match="no event or place"):
        run(text=EACH, events=EVENTS, stubs={name: (1, 0)})


@pytest.mark.parametrize("form", ["coroutine", "function"])
def test_copies_without_a_stub_run_as_they_are(form):
    class Copy(EventBase):
        async def process(self, shop):
            return True, shop

    @event
    def copy(shop, **more):
        return True, shop

    report = run(
        text="Fetch |-> Copy[each=shop]",
        events=[fetch, Copy if form == "coroutine" else copy],
        stubs={"Fetch": (1, ["a", "b"]), "Copy[1]": (0, "no")},
    )
    found = {place: item.result for place, item in report.places.items()}
    assert found == {"Fetch": ["a", "b"], "Copy[0]": "a", "Copy[1]": "no"}


def test_arguments_reach_a_stub():
    stubs = {"Fetch": (1, 2), "Double": lambda by: (1, by)}
    report = run(text='Fetch |-> Double(by="3")', events=EVENTS, stubs=stubs)
    assert report.results["Double"] == "3"


@pytest.mark.parametrize(
    ("stubs", "said"),
    [
        ({"Fetsch": (1, 2)}, "no event or place 'Fetsch' to stub; did you mean 'Fetch'"),
        ({"Fetch": 3}, "must be a pair"),
        ({"Fetch": [(1, 2), len]}, "must be a pair"),
        ({"Fetch": []}, "an empty list"),
    ],
)
def test_what_is_no_stub(stubs, said):
    with pytest.raises(StubError, match=said):
        run(Flow, stubs=stubs)
