"""`each`, `again` and `task` on a real server: the same report, and task runs with these names."""

from dataclasses import replace

import pytest

from tests.integration.prefect.states import (
    expected_task_runs,
    flow_run_of,
    letters,
    task_runs,
    wait_for_flow_run,
    wait_for_states,
)
from volnux.backends import get_backend
from volnux.loading import load_plan

EVENTS = """
from volnux import EventBase, event

@event
def List():
    return True, ["a", "b", "c"]

@event
def Empty():
    return True, []

@event
def Lists():
    return True, [[1, 2], [], [3]]

@event
def Word():
    return True, "word"

class Fetch(EventBase):
    def process(self, previous_result):
        return True, [self.task_id, list(self.index), previous_result]

class Take(EventBase):
    def process(self, **inputs):
        return True, [self.task_id, sorted(inputs.items())]

@event
def Save(previous_result):
    return True, previous_result

class Odd(EventBase):
    def process(self):
        if self.index[-1] % 2:
            raise ValueError(self.task_id)
        return True, self.task_id

class Three(EventBase):
    def process(self):
        return (3 if self.index[-1] == 1 else True), self.task_id

class Twice(EventBase):
    calls = {}
    def process(self):
        key = self.run_id, self.task_id
        made = self.calls[key] = self.calls.get(key, 0) + 1
        if made < 2:
            raise OSError("not yet")
        return True, made

@event
def Boom():
    raise ValueError("boom")

class Round(EventBase):
    def process(self, previous_result=None):
        if self.task_id.partition("[")[0].endswith(".2"):
            return True, previous_result
        raise OSError(self.task_id)

@event
def Last(previous_result=None):
    return True, previous_result

class Stop(EventBase):
    stop_on_exception = True
    def process(self):
        raise ValueError("stop")

class Late(EventBase):
    async def process(self):
        return True, self.task_id
"""

PROGRAMS = [
    "List |-> Fetch[each=url] |-> Save",
    "List |-> {Fetch |-> Save}[each=url] |-> Last",
    "Lists |-> {Save |-> Fetch[each=word, in=page] |-> Save}[each=page] |-> Last",
    "List |-> Take[each=url, at_once=1] -> Last",
    "Empty |-> {Fetch |-> Save}[each=url] |-> Last",
    "Empty |-> Fetch[each=url] (1 |-> Save, 0 -> Last)",
    "Word |-> Fetch[each=url] (1 |-> Save, 0 |-> Last)",
    "Word |-> {Fetch -> Save}[each=url] -> Last",
    "@input: urls: list = [1, 2]\nFetch[each=url, in=urls] |-> Save",
    "@input: urls: list = []\n{Fetch -> Last}[each=url, in=urls] |-> Save",
    "@variable: urls: list = [4, 5]\nFetch[each=url, in=urls, at_once=1] |-> Save",
    "List |-> Odd[each=url] (0 -> Last, 1 |-> Save)",
    "List |-> Odd[each=url] |-> Save",
    "List |-> Odd[each=url, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Save",
    "List |-> {Odd (0 -> Last, 1 -> Save)}[each=url] |-> Save",
    "List |-> {Three (3 -> Last)}[each=url, at_once=2] |-> Save",
    "List |-> Three[each=url] |-> Save",
    "List |-> Twice[each=url] * 3 |-> Save",
    "List |-> {Odd -> Save}[each=url] (0 -> Last)",
    "List |-> {! }[each=url, at_once=1] (0 -> Last)",
    "{! || List} -> Fetch[each=url]",
    "@on-failure: continue\nList |-> {Odd -> Save}[each=url, at_once=1] |-> Last",
    "@on-failure: continue\nBoom |-> Last -> Fetch[each=url] |-> Save",
    "Boom (1 |-> Fetch[each=url] |-> Save) -> Last",
    "{Fetch -> Round |-> Save}[again=3] |-> Last",
    "{Round}[again=3] (1 |-> Last)",
    "{Boom -> Last}[again=2] (0 |-> Save)",
    "{{Boom}[again=2]}[again=2] (0 |-> Save)",
    "List |-> {Fetch -> Round |-> Save}[each=url, again=2, at_once=2] |-> Last",
    "{List |-> Fetch[each=url] -> Boom}[again=2] (0 |-> Last)",
    "List |-> Late[each=url] |-> Save",
    "List |-> Stop[each=url] |-> Save",
    "{List -> Last}[task=tidy] |-> Save",
    "List |-> {Fetch |-> Save -> Last}[task=tidy] |-> Save",
    "List |-> {Fetch || Late || Save}[task=tidy] |-> Save",
    "List |-> {Fetch[each=url] |-> Save}[task=tidy] |-> Save",
    "List |-> {Fetch |-> Save}[each=url, task=tidy] |-> Last",
    "List |-> {Odd |-> Save}[each=url, task=tidy] |-> Last",
    "List |-> {Odd |-> Save}[each=url, task=tidy] (0 |-> Last)",
    "List |-> {Twice * 3 |-> Save}[each=url, task=tidy, at_once=1] |-> Last",
    "List |-> {Boom (0 |-> Save) || Word}[task=tidy] |-> Last",
    "{Boom -> Last}[task=tidy] (0 |-> Save, 1 -> Word)",
    "{Word -> Boom -> Last}[task=tidy, again=2] (0 |-> Save)",
    "Boom (0 |-> {Save -> !}[task=tidy] -> Last)",
    "Word (0 -> {Save -> Last}[task=tidy], 1 -> Last) -> Save",
    "{List -> {Stop -> Last}[task=tidy]} (0 -> Save)",
    "{Empty |-> Fetch[each=url] |-> Last}[task=tidy] |-> Save",
    "Word |-> {Fetch[each=url] |-> Last}[task=tidy] |-> Save",
    "Lists |-> {Save |-> {Fetch[each=word, in=page] |-> Last}[task=tidy] |-> Save}[each=page]",
    "{{List -> Last}[task=inner] |-> Save}[task=outer] |-> Last",
]


def comparable(report):
    """A report without what differs from run to run."""
    return {
        name: (
            place.event,
            place.state,
            place.descriptor,
            place.attempts,
            place.result,
            place.received and str(place.received),
            place.received_from,
            place.failure and (place.failure.type, place.failure.message),
            place.handled,
        )
        for name, place in report.places.items()
    }


@pytest.mark.parametrize("text", PROGRAMS)
def test_the_report_is_that_of_standalone(run, text):
    report = run(text, EVENTS)
    plan = load_plan("flow.pty")
    expected = get_backend("standalone").run(plan, plan.bind({}))
    assert comparable(report) == comparable(expected)
    assert list(report.places) == list(expected.places)
    assert report.status == expected.status
    assert report.failure == expected.failure
    if "task=" in text or "Stop" in text:
        return
    handled = [place for place, item in expected.places.items() if item.handled]
    wanted = expected_task_runs(letters(replace(expected)), handled)
    assert wait_for_states(flow_run_of(report), wanted) == wanted
