"""Running a single event: what `process` gets, what it may return, and what its result becomes."""

import asyncio
import functools
import json
import warnings
from enum import IntEnum

import numpy
import pytest

from volnux import EventBase, RetryPolicy, event
from volnux.decorators import event as event_again
from volnux.events import Call, EventDefinitionError, Outcome, run_attempt, run_event
from volnux.events.base import event_class_of
from volnux.events.failures import failure_of
from volnux.events.portable import Carrier
from volnux.events.spec import spec_of
from volnux.graph import Failure


def run(target, previous=None, *, portable=False, **inputs):
    return run_event(
        spec_of("E", target),
        Call("E", "r", inputs, previous, carrier=Carrier() if portable else None),
        sleep=lambda seconds: None,
    )


def returning(value):
    class E(EventBase):
        def process(self):
            return value

    return E


# What it may return.


class Three(IntEnum):
    THREE = 3


@pytest.mark.parametrize(
    ("returned", "descriptor"),
    [
        ((True, "r"), 1),
        ((False, "r"), 0),
        *(((number, "r"), number) for number in range(10)),
        ((Three.THREE, "r"), 3),
        ((numpy.bool_(True), "r"), 1),
        ((numpy.bool_(False), "r"), 0),
        ((numpy.int64(3), "r"), 3),
        ((numpy.uint8(0), "r"), 0),
        ((numpy.array(4), "r"), 4),
        ((numpy.array([True, True]).all(), "r"), 1),
    ],
)
@pytest.mark.parametrize("how", ["return", "goto", "function", "coroutine"])
def test_descriptors(returned, descriptor, how):
    @event
    def function():
        return returned

    @event
    async def coroutine():
        return returned

    @event
    def goto(self):
        self.goto(*returned)

    target = {"function": function, "coroutine": coroutine, "goto": goto}.get(how)
    outcome = run(target or returning(returned))
    assert (outcome.descriptor, outcome.result, outcome.raised) == (descriptor, "r", False)
    assert type(outcome.descriptor) is int


def test_a_predicate_and_a_bypass_may_answer_with_a_numpy_bool():
    class E(EventBase):
        conditions = {3: lambda result: numpy.bool_(result > 1)}  # noqa: RUF012 - as users write it

        def can_bypass(self):
            return numpy.array(self.inputs["kept"]).any(), "kept"

        def process(self, size):
            return numpy.True_, size

    assert run(E, kept=[True], size=0).bypassed is True
    assert [run(E, kept=[False], size=size).descriptor for size in (1, 2)] == [1, 3]


class Several:
    """Behaves like an array with several values."""

    shape = (2,)

    def __repr__(self):
        return "array([True, False])"

    def __index__(self):
        raise TypeError("only integer scalar arrays can be converted to a scalar index")


@pytest.mark.parametrize(
    ("returned", "hint"),
    [
        (None, ""),
        ("done", ""),
        (12, ""),
        (True, ""),
        ((12, "r"), ""),
        ((-1, "r"), ""),
        (("1", "r"), ", not a str"),
        ((None, "r"), ""),
        ((1.0, "r"), ", not a float"),
        ((numpy.int64(12), "r"), ""),
        ((numpy.float64(1), "r"), ", not a numpy.float64"),
        (
            (Several(), "r"),
            f", not a {__name__}.Several of several values (reduce it with .all() or .any())",
        ),
        (
            (numpy.array([True, False]), "r"),
            ", not a numpy.ndarray of several values (reduce it with .all() or .any())",
        ),
        (object, ""),
        ([True, "r"], ""),
        ((True,), ""),
        ((True, 1, 2), ""),
        ({"a": 1}, ""),
    ],
)
def test_anything_else_is_an_error_that_says_what_it_was(returned, hint):
    outcome = run(returning(returned))
    assert (outcome.descriptor, outcome.raised) == (0, True)
    assert str(outcome.result) == (
        f"volnux.EventReturnError: E returned {returned!r}: expected a pair (descriptor, result), "
        f"where the descriptor is True, False or 0 to 9{hint}"
    )
    assert "volnux" not in outcome.result.traceback.replace("volnux.EventReturnError", "")


def test_a_coroutine_from_a_plain_def_is_told_and_closed():
    async def work():
        return True, 1

    class E(EventBase):
        def process(self):
            return work()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = run(E)
    assert "write `async def process` for a coroutine" in outcome.result.message


def test_a_return_value_that_cannot_be_shown():
    class Odd:
        def __repr__(self):
            raise RuntimeError

    assert "E returned <Odd whose repr raised RuntimeError>" in run(returning(Odd())).result.message


class Endless(list):
    """More items than anybody could read: not all of them may be accessed."""

    def __iter__(self):
        yield from range(10_000)
        raise AssertionError("read to its end")


def test_the_data_of_an_exception_is_cut():
    def process(self):
        try:
            raise KeyError(Endless())
        except KeyError as error:
            raise ValueError(b"x" * 100_000, "of", {"a": 1}) from error

    failure = run(type("E", (EventBase,), {"process": process})).result
    assert failure.message.startswith("(b'xxx")
    assert failure.message.endswith("…, 'of', {'a': 1})")
    assert len(failure.message) < 11_000
    assert "KeyError: [0, 1, 2, " in failure.traceback
    error = ValueError([1, 2])
    assert failure_of(error).message == "[1, 2]"
    assert error.args == ([1, 2],)


def test_a_long_one_is_cut():
    assert len(run(returning("x" * 100_000)).result.message) < 400


# goto and conditions.


def test_goto_from_a_nested_call_passes_every_except_exception():
    class E(EventBase):
        def process(self):
            try:
                self.helper()
            except Exception:
                return True, "caught"

        def helper(self):
            self.goto(4, "gone")

    assert run(E)[:2] == (4, "gone")


@pytest.mark.parametrize("descriptor", [10, -1, None, "3"])
def test_goto_elsewhere_is_an_error(descriptor):
    class E(EventBase):
        def process(self):
            self.goto(descriptor)

    outcome = run(E)
    assert outcome.raised
    assert f"E returned ({descriptor!r}, None)" in outcome.result.message


def test_conditions_are_tried_in_ascending_order_after_a_success():
    asked = []

    def asking(number, answer):
        def predicate(result):
            asked.append((number, result))
            return answer

        return predicate

    class E(EventBase):
        conditions = {9: asking(9, True), 3: asking(3, False), 5: asking(5, True)}  # noqa: RUF012 - as users write it

        def process(self, status):
            return status, "r"

    assert run(E, status=True).descriptor == 5
    assert asked == [(3, "r"), (5, "r")]
    assert run(E, status=False).descriptor == 0
    assert run(E, status=4).descriptor == 4
    assert len(asked) == 2


def test_a_condition_that_raises_is_an_attempt_that_raised():
    class E(EventBase):
        conditions = {3: lambda result: result["missing"]}  # noqa: RUF012 - as users write it
        retry_policy = RetryPolicy(max_attempts=2)

        def process(self):
            return True, {}

    outcome = run(E)
    assert (outcome.attempts, str(outcome.result)) == (2, "KeyError: 'missing'")


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({2: bool}, "a key must be a descriptor from 3 to 9, found 2"),
        ({"3": bool}, "a key must be a descriptor from 3 to 9, found '3'"),
        ({3: "x"}, "the condition 3 must be a function of the result, found 'x'"),
        ([3], r"must be a dict \{3: predicate\}, found \[3\]"),
    ],
)
def test_wrong_conditions(conditions, message):
    made = type("E", (EventBase,), {"process": lambda self: None, "conditions": conditions})
    with pytest.raises(EventDefinitionError, match=message):
        spec_of("E", made)


# Arguments.


def test_process_gets_the_inputs_that_it_names():
    class E(EventBase):
        def process(self, day, size=3):
            return True, (day, size, dict(self.inputs), self.previous_result)

    assert run(E, "piped", day="mon", other=1).result == (
        ("mon", 3, {"day": "mon", "other": 1}, "piped")
    )


def test_kwargs_gets_all_others_and_not_what_was_piped():
    class E(EventBase):
        def process(self, *args, day, **others):
            return True, (args, day, others)

    assert run(E, "piped", day="mon", other=1).result == ((), "mon", {"other": 1})


def test_previous_result_comes_where_it_is_named():
    class E(EventBase):
        def process(self, previous_result, **others):
            return True, (previous_result, others)

    assert run(E, "piped", x=1).result == ("piped", {"x": 1})


def test_what_an_event_knows():
    class E(EventBase):
        retry_policy = RetryPolicy(max_attempts=3)

        def process(self):
            if self.attempt < 2:
                raise OSError
            return True, (self.task_id, self.run_id, self.attempt)

    assert run(E).result == ("E", "r", 2)


def test_required_arguments():
    class E(EventBase):
        def process(self, a, b=1, *, c, d=2, previous_result):
            return True, None

    assert spec_of("E", E).requires == ("a", "c")


def positional(self, a, /):
    return True, a


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, r"event E does not define process: write"),
        ({"process": positional}, "the argument a of process is positional-only"),
        ({"process": lambda: (True, 1)}, "event E: process must take self"),
        (
            {"process": functools.partialmethod(positional, 1)},
            "process must be a function whose arguments can be read",
        ),
        (
            {"process": lambda self: None, "execution_evaluation_state": "all"},
            "must be a member of EventExecutionEvaluationState, found 'all'",
        ),
    ],
)
def test_classes_that_make_no_sense(attributes, message):
    with pytest.raises(EventDefinitionError, match=message):
        spec_of("E", type("E", (EventBase,), attributes))


# Functions.


def test_a_function_stays_a_function():
    @event
    def plain(day, previous_result=None):
        """Plain."""
        return True, (day, previous_result)

    @event(retry_policy={"max_attempts": 2}, max_workers=2, conditions={3: bool})
    def configured(self):
        if self.attempt == 1:
            raise OSError
        return True, self.task_id

    assert event is event_again
    assert plain("mon") == (True, ("mon", None))
    assert plain.__doc__ == "Plain."
    assert run(plain, 7, day="tue").result == ("tue", 7)
    assert run(configured)[:3] == (3, "E", 2)
    assert event_class_of(plain).__name__ == "plain"


def test_a_decorator_above_an_event_is_part_of_it():
    def doubled(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            status, result = function(*args, **kwargs)
            return status, result * 2

        return wrapper

    @doubled
    @event(retry_policy={"max_attempts": 7})
    def number(size):
        return True, size

    assert run(number, size=4).result == 8
    assert spec_of("number", number).retry.max_attempts == 7


@pytest.mark.parametrize("target", [len, functools.partial(int), EventBase, 3])
def test_what_is_no_function(target):
    with pytest.raises(EventDefinitionError, match="@event must decorate a function"):
        event()(target)


# Coroutines and bypass.


def test_an_async_process_runs_on_a_loop():
    class E(EventBase):
        async def process(self):
            await asyncio.sleep(0)
            return True, "async"

    assert run(E).result == "async"

    async def inside_a_loop():
        return run(E).result

    assert asyncio.run(inside_a_loop()) == "async"


@pytest.mark.parametrize("is_async", [False, True])
def test_bypass(is_async):
    class E(EventBase):
        conditions = {3: lambda result: True}  # noqa: RUF012 - as users write it

        def can_bypass(self):
            return bool(self.inputs), "kept"

        def process(self):
            return True, "made"

    if is_async:

        async def process(self):
            return True, "made"

        E.process = process
    kept, made = run(E, x=1), run(E)
    assert (kept.descriptor, kept.result, kept.attempts, kept.bypassed) == (1, "kept", 1, True)
    assert (made.descriptor, made.result, made.bypassed) == (3, "made", False)


@pytest.mark.parametrize("answer", [None, True, (True,), OSError()])
def test_a_bypass_that_answers_nonsense_fails_its_event(answer):
    class E(EventBase):
        def can_bypass(self):
            if isinstance(answer, Exception):
                raise answer
            return answer

        def process(self):
            return True, None

    assert run(E).raised


# Failures.


def test_keyboard_interrupt_gets_out():
    class E(EventBase):
        def process(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(E)


def test_a_failure_shows_the_frames_of_the_user_alone():
    class E(EventBase):
        def process(self):
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise ValueError("outer") from error

    traceback = run(E).result.traceback
    assert traceback.count("File ") == 2
    assert traceback.count("test_running.py") == 2
    assert "KeyError: 'inner'" in traceback
    assert traceback.rstrip().endswith("ValueError: outer")


class Broken(Exception):
    def __str__(self):
        raise SystemExit


class NoNotes(Exception):
    __notes__ = 3


class NotText(Exception):
    def __str__(self):
        return 3


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Broken(), "<str failed: SystemExit>"),
        (NotText(), "<str failed: TypeError>"),
        (NoNotes("x"), "x"),
        (ExceptionGroup("many", [ValueError("a"), ExceptionGroup("b", [KeyError()])]), "many"),
    ],
)
def test_odd_exceptions(error, message):
    failure = failure_of(error)
    assert failure.message.startswith(message)
    assert json.loads(json.dumps(failure.to_json())) == failure.to_json()


def test_endless_recursion_of_an_event_is_its_failure():
    class E(EventBase):
        def process(self):
            return self.process()

    outcome = run(E)
    assert outcome.result.type == "RecursionError"
    assert outcome.result.traceback.count("File ") <= 20


def test_a_failure_survives_json():
    failure = Failure("ValueError", "x", "trace", 3)
    assert Failure.from_json(json.loads(json.dumps(failure.to_json()))) == failure


# Portable.


@pytest.mark.parametrize(
    "result",
    [
        (1, (2, {"a": (3,)})),
        ["ü", {"ü": 2**64}, -(2**63) - 1],
        {"a": {1: {frozenset({b""})}}, "\ud800": "\0"},
        [float("inf")],
        Failure("E", "m", "t", 2),
        {"errors": [Failure("E", "m"), None]},
        1.5,
    ],
)
def test_portable_results_are_equal_and_of_the_same_type(result):
    carried = run(returning((True, result)), portable=True).result
    assert carried == result
    assert repr(carried) == repr(result)
    assert run(returning((True, result))).result is result


@pytest.mark.parametrize("result", [[[1], {"a": [2]}], ([1],)])
def test_a_portable_result_shares_no_part_with_what_was_returned(result):
    carried = run(returning((True, result)), portable=True).result
    carried[0].append(3)
    assert result[0] == [1]


def endless():
    loop = {}
    loop["a"] = loop["b"] = [loop]
    return loop


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([{"x": Outcome}], "the result of E[0]['x'] is of type type: "),
        ({"a": {1: lambda: 1}}, "the result of E['a'][1] is of type function: "),
        ((1, object()), "the result of E[1] is of type object: "),
        (endless(), "nested more than 200 levels deep"),
        (deep(201), "nested more than 200 levels deep"),
        (deep(100_000), "nested more than 200 levels deep"),
    ],
)
def test_what_is_not_portable_is_named_with_its_path(result, message):
    outcome = run(returning((True, result)), portable=True)
    assert outcome.result.type == "volnux.NotPortableError"
    assert message in outcome.result.message
    assert len(outcome.result.message) < 500


def test_texts_of_an_exception_are_portable():
    class E(EventBase):
        def process(self):
            raise ValueError("caf\udce9 \0")

    failure = run(E, portable=True).result
    assert failure.message == "caf\\udce9 \\x00"
    assert failure.traceback.endswith("ValueError: caf\\udce9 \\x00\n")
    assert run(E).result.message == "caf\udce9 \0"


# try_out.


def test_try_out():
    class E(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=100)

        def process(self, day, previous_result):
            if self.attempt == 1:
                raise OSError
            return 3, (day, previous_result, self.attempt)

    outcome = E.try_out(day="mon", previous_result=7)
    assert isinstance(outcome, Outcome)
    assert (outcome.descriptor, outcome.result) == (3, ("mon", 7, 2))
    with pytest.raises(EventDefinitionError, match=r"requires the argument 'day': E.try_out\(day="):
        E.try_out()


def test_one_attempt_says_when_the_next_is_due():
    class E(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=2)

        def process(self):
            raise OSError

    spec = spec_of("E", E)
    due = [run_attempt(spec, Call(attempt=number)).retry_after for number in (1, 2, 3)]
    assert due == [2, 4, None]
