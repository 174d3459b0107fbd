"""The messages for events that cannot work as written."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from volnux import EventBase, ExecutorInitializerConfig, Pipeline, RetryPolicy, VolnuxError
from volnux.decorators import event


def flow_of(made):
    """A pipeline class of one event."""
    return type("One", (Pipeline,), {"meta": {"pointy": made.__name__, "events": [made]}})


def event_with(**attributes):
    def process(self):
        return True, None

    return type("Work", (EventBase,), {"process": process, **attributes})


def test_an_overridden_init_is_refused_at_once():
    with pytest.raises(VolnuxError) as caught:

        class Work(EventBase):
            def __init__(self):
                pass

    assert str(caught.value) == (
        "event Work must not define __init__: volnux creates a new object for each attempt. Use "
        "class attributes for settings, and arguments of process for values that differ from run "
        "to run"
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            type("Work", (EventBase,), {}),
            "event Work does not define process: write `def process(self): return True, result`",
        ),
        (
            event_with(executor=int),
            "an executor is a class of concurrent.futures.Executor (ThreadPoolExecutor, "
            "ProcessPoolExecutor, …), DefaultExecutor or a URL, found <class 'int'>",
        ),
        (
            event_with(executor="proces"),
            "there is no executor 'proces'; did you mean 'process'?",
        ),
        (
            event_with(executor=ThreadPoolExecutor, executor_config={"max_worker": 3}),
            "executor_config has no setting 'max_worker'; did you mean 'max_workers'?",
        ),
        (
            event_with(executor_config={"max_workers": 0}),
            "max_workers is a whole number of at least 1, found 0",
        ),
        (
            event_with(executor_config=3),
            "executor_config is an ExecutorInitializerConfig or a dict of its fields, found 3",
        ),
        (
            event_with(retry_policy={"max_attempt": 3}),
            "a retry policy has no field 'max_attempt'; did you mean 'max_attempts'?",
        ),
        (
            event_with(retry_policy={"retry_on_exceptions": ["ValueError"]}),
            "retry_on_exceptions takes exception classes, found 'ValueError'",
        ),
        (
            event_with(execution_evaluation_state="any"),
            "execution_evaluation_state of Work must be a member of EventExecutionEvaluationState, "
            "found 'any'",
        ),
        (
            event_with(conditions={12: bool}),
            "conditions of Work: a key must be a descriptor from 3 to 9, found 12",
        ),
    ],
)
def test_an_event_that_makes_no_sense_is_refused_before_the_run(made, message):
    with pytest.raises(VolnuxError) as caught:
        flow_of(made)()
    assert caught.value.msg == message


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (None, "None"),
        ("done", "'done'"),
        (("yes", 1), "('yes', 1)"),
        ((12, 1), "(12, 1)"),
        ((True, 1, 2), "(True, 1, 2)"),
        ([True, 1], "[True, 1]"),
    ],
)
def test_what_process_may_not_return(returned, shown):
    @event
    def work():
        return returned

    failure = flow_of(work)().start()["work"].failure
    assert failure.type == "volnux.EventReturnError"
    assert failure.message.startswith(
        f"work returned {shown}: expected a pair (descriptor, result), where the descriptor is "
        "True, False or 0 to 9"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: RetryPolicy(max_attempts=0),
            "max_attempts is a whole number of at least 1, found 0",
        ),
        (
            lambda: RetryPolicy(backoff_factor=-1),
            "backoff_factor is a number of seconds, at least 0, found -1",
        ),
        (
            lambda: ExecutorInitializerConfig(thread_name_prefix=3),
            "thread_name_prefix is a string, found 3",
        ),
        (
            lambda: ExecutorInitializerConfig(max_tasks_per_child="x"),
            "max_tasks_per_child is a whole number of at least 1, found 'x'",
        ),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(VolnuxError) as caught:
        make()
    assert str(caught.value) == message


def test_bypassing_an_event():
    class Work(EventBase):
        def can_bypass(self):
            return True, "kept"

        def process(self):
            raise AssertionError

    place = flow_of(Work)().start()["Work"]
    assert (place.result, place.attempts, place.bypassed) == ("kept", 1, True)
