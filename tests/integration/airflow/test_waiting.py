"""What a waiting task keeps for the next start, after which Airflow counts in its own way."""

import time
from types import SimpleNamespace

import pytest
from volnux_airflow import compat, retries, waiting
from volnux_airflow.operators import VolnuxEventOperator

from volnux import EventBase
from volnux.events.outcome import Outcome, Polls
from volnux.graph.outcome import Failure

LONG_AGO = time.time() - 3600


class Store(dict):
    """Airflow's task state store, of one task."""

    def set(self, key, value, retention):
        self[key] = value


@pytest.mark.parametrize(
    ("under_way", "started", "goes_on"),
    [
        # (max_tries, try_number, clear_number) of the next start; before, they were (2, 1, 0).
        (True, (2, 1, 0), Polls(LONG_AGO, 3, True)),
        (True, (2, 1, 1), Polls(LONG_AGO, 3, True)),
        (True, (2, 2, 0), Polls(LONG_AGO, 3, False)),
        (False, (2, 2, 0), Polls(LONG_AGO, 3, False)),
        (False, (2, 2, 1), Polls(LONG_AGO, 3, False)),
        (True, (3, 2, 1), None),
        (False, (3, 2, 1), None),
        (True, (2, 2, 1), None),
    ],
    ids=[
        "the next call",
        "the next call, after another task was cleared",
        "its worker died",
        "a retry",
        "a retry, after another task was cleared",
        "cleared while it waited",
        "cleared after it failed",
        "cleared while it ran",
    ],
)
def test_the_time_counts_on_until_the_task_is_cleared(under_way, started, goes_on):
    store = Store()

    def context(max_tries, try_number, clear_number):
        return {
            "ti": SimpleNamespace(max_tries=max_tries, try_number=try_number),
            "dag_run": SimpleNamespace(clear_number=clear_number),
            "task_state_store": store,
        }

    polls = Polls(LONG_AGO, 3, under_way)
    outcome = Outcome(0, Failure("volnux.NotYetError", "no file"), polls=polls)
    waiting.keep(context(2, 1, 0), outcome, waiting.after(5))
    assert waiting.kept(context(*started)) == goes_on


class Looks(EventBase):
    def process(self):
        return True, None


class LooksOften(Looks):
    within = 600


def context_before_3_3():
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="Looks", map_index=-1)
    ti.max_tries, ti.try_number = 2, 1
    return {
        "ti": ti,
        "dag_run": SimpleNamespace(clear_number=0),
        "task_reschedule_count": 0,
    }


def test_before_airflow_3_3_the_triggerer_keeps_the_calls():
    task = VolnuxEventOperator(task_id="Looks", event=Looks, attempts=3)
    context = context_before_3_3()
    polls = Polls(LONG_AGO, 3, True)
    outcome = Outcome(0, Failure("volnux.NotYetError", "no file"), polls=polls, retry_after=60)
    with pytest.raises(compat.TaskDeferred) as raised:
        waiting.wait(task, context, outcome, 2, keeps_slot=False)
    assert task.outcome.startswith("not yet: no file; next call at ")
    deferred = raised.value
    assert (deferred.method_name, deferred.timeout) == ("execute", None)
    assert deferred.trigger.moment.timestamp() >= time.time() + 50

    went_on = []
    task._go_on_from = lambda context, number, polls: went_on.append((number, polls))
    task.resume_execution("execute", {**deferred.kwargs, "event": "the time"}, context)
    assert went_on == [(2, polls)]


def test_a_triggerer_that_failed_fails_the_try():
    task = VolnuxEventOperator(task_id="Looks", event=Looks)
    with pytest.raises(Exception, match="no triggerer"):
        task.resume_execution("__fail__", {"error": "no triggerer"}, context_before_3_3())


@pytest.mark.parametrize(
    ("event", "polls", "is_same"),
    [
        (Looks, 0, False),
        (Looks, 1, True),
        (LooksOften, 0, True),
    ],
    ids=["nothing to forget", "a poll", "within counts from the first call"],
)
def test_before_airflow_3_3_a_new_try_would_forget_the_calls(event, polls, is_same, monkeypatch):
    task = VolnuxEventOperator(task_id="Looks", event=event, attempts=3)
    monkeypatch.setattr(task, "seconds_left", lambda context: None)
    failed = Outcome(0, Failure("OSError", ""), polls=Polls(LONG_AGO, polls), retry_after=100)
    assert retries.in_same_try(task, context_before_3_3(), failed) is is_same
    assert not retries.in_same_try(task, {"task_state_store": Store()}, failed)
