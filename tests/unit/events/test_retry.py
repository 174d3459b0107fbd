"""Retry policies: forms, faults, waits, and what they cover."""

import pickle

import pytest

from volnux import EventBase, RetryPolicy
from volnux.events import Call, run_event
from volnux.events.retry import RetryPolicyError
from volnux.events.spec import spec_of


def test_defaults():
    assert RetryPolicy() == RetryPolicy(5, 0.05, 100.0, (), (), False)


def test_a_dict_of_fields_is_the_same():
    policy = RetryPolicy(max_attempts=2, retry_on_exceptions=[OSError])
    assert RetryPolicy.of({"max_attempts": 2, "retry_on_exceptions": OSError}) == policy
    assert RetryPolicy.of(policy) is policy
    assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_attempts": 0}, "max_attempts is a whole number of at least 1, found 0"),
        ({"max_attempts": True}, "max_attempts is a whole number of at least 1, found True"),
        ({"max_attempts": 2.0}, "max_attempts is a whole number of at least 1, found 2.0"),
        ({"backoff_factor": -1}, "backoff_factor is a number of seconds, at least 0, found -1"),
        (
            {"max_backoff": float("nan")},
            "max_backoff is a number of seconds, at least 0, found nan",
        ),
        ({"max_backoff": "1"}, "max_backoff is a number of seconds, at least 0, found '1'"),
        (
            {"retry_on_exceptions": "OSError"},
            "retry_on_exceptions is a list of exception classes, found 'OSError'",
        ),
        (
            {"exclude_exceptions": [OSError()]},
            "exclude_exceptions takes exception classes, found OSError()",
        ),
        ({"retry_on_failure": 1}, "retry_on_failure is True or False, found 1"),
        (
            {"max_attempt": 3},
            "a retry policy has no field 'max_attempt'; did you mean 'max_attempts'?",
        ),
        (
            {"x": 3},
            "a retry policy has no field 'x'; fields: max_attempts, backoff_factor, max_backoff, "
            "retry_on_exceptions, exclude_exceptions, retry_on_failure",
        ),
        (3, "a retry policy is a RetryPolicy or a dict of its fields, found 3"),
    ],
)
def test_what_makes_no_sense_is_said(fields, message):
    with pytest.raises(RetryPolicyError) as caught:
        RetryPolicy.of(fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("factor", "most", "waits"),
    [
        (0.05, 100.0, [0.05, 0.1, 0.2, 0.4, 0.8]),
        (1, 5, [1, 2, 4, 5, 5]),
        (0, 5, [0, 0, 0, 0, 0]),
        (10, 3, [3, 3, 3, 3, 3]),
    ],
)
def test_waits(factor, most, waits):
    policy = RetryPolicy(backoff_factor=factor, max_backoff=most)
    assert [policy.wait(n) for n in range(1, 6)] == waits
    assert policy.wait(1_000_000) == (most if factor else 0)


class Child(ConnectionError):
    pass


@pytest.mark.parametrize(
    ("policy", "covered", "others"),
    [
        (RetryPolicy(), [OSError(), SystemExit()], []),
        (
            RetryPolicy(retry_on_exceptions=[ConnectionError]),
            [ConnectionError(), Child()],
            [OSError(), ValueError()],
        ),
        (RetryPolicy(exclude_exceptions=[ConnectionError]), [OSError()], [Child()]),
        (
            RetryPolicy(retry_on_exceptions=[OSError], exclude_exceptions=[Child]),
            [ConnectionError()],
            [Child(), ValueError()],
        ),
    ],
)
def test_what_a_policy_covers(policy, covered, others):
    assert all(policy.covers(error) for error in covered)
    assert not any(policy.covers(error) for error in others)


def attempts_of(event, **place):
    waits = []
    outcome = run_event(spec_of("E", event, **place), Call(), sleep=waits.append)
    return outcome.attempts, waits


class Raises(EventBase):
    def process(self):
        raise OSError(self.attempt)


class WithPolicy(Raises):
    retry_policy = RetryPolicy(max_attempts=4, backoff_factor=1, max_backoff=2)


@pytest.mark.parametrize(
    ("event", "factor", "expected"),
    [
        (Raises, None, (1, [])),
        (Raises, 3, (3, [0.05, 0.1])),
        (WithPolicy, None, (4, [1, 2, 2])),
        (WithPolicy, 2, (2, [1])),
        (WithPolicy, 5, (5, [1, 2, 2, 2])),
    ],
)
def test_a_factor_replaces_the_number_of_attempts_alone(event, factor, expected):
    assert attempts_of(event, factor=factor) == expected


def test_a_returned_failure_is_repeated_only_on_demand():
    class Fails(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0)

        def process(self):
            return False, None

    class Again(Fails):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0, retry_on_failure=True)

    class Three(Again):
        def process(self):
            return 3, None

    assert attempts_of(Fails)[0] == 1
    assert attempts_of(Again)[0] == 3
    assert attempts_of(Three)[0] == 1
