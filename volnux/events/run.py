"""Runs an attempt of an event; nothing else does.

Every backend calls this module, in every process that runs events, so that descriptors, conditions,
bypass, retries and error texts are the same everywhere. `Outcome.retry_after` says whether another
attempt follows, and when; `volnux.events.trying` runs all of them.
"""

from __future__ import annotations

import inspect
import operator
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from volnux import usercode
from volnux.events.base import EventReturnError, Goto, NotYet
from volnux.events.failures import class_name, failure_of, message_of
from volnux.events.files import InputFile, close_files, with_own_files
from volnux.events.given import NOTHING, InputTypeError, NotGivenError, Resolved
from volnux.events.outcome import Call, Outcome, Polls
from volnux.events.portable import portable_failure
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.masking import masked
from volnux.usercode import runs_user_code

__all__ = ["raised", "run_attempt", "run_attempt_async", "too_long"]

_EARLY: Final = 0.001
"""How many seconds a host's timer may be early, so that a call at the deadline is the last one."""


def run_attempt(
    spec: EventSpec,
    call: Call,
    *,
    convert: Callable[[BaseException], BaseException] | None = None,
) -> Outcome:
    """Run one attempt. Only `KeyboardInterrupt` is raised; other exceptions become failures.

    Args:
        spec: the event.
        call: the arguments of the attempt.
        convert: turns an exception of the host (such as its own timeout) into one of the language.
    """
    if spec.is_async:
        return _run_to_end(run_attempt_async(spec, call))
    if call.scope is None:
        return _run_with_files(spec, call, convert)
    with call.scope.entered(call.run_id, call.task_id, call.attempt):
        return _run_with_files(spec, call, convert)


def _run_with_files(
    spec: EventSpec, call: Call, convert: Callable[[BaseException], BaseException] | None
) -> Outcome:
    own = _with_own_files(call)
    try:
        return _run_attempt(spec, own, convert)
    finally:
        if own is not call:
            _close_files(own)


@runs_user_code
def _run_attempt(
    spec: EventSpec, call: Call, convert: Callable[[BaseException], BaseException] | None
) -> Outcome:
    started = time.time()
    generation = usercode.generation
    resolved = NOTHING
    try:
        inputs = call.inputs
        if spec.given is not None or call.items:
            inputs = spec.inputs(call)
        if spec.given is not None:
            resolved = spec.given.resolve(call, inputs, spec.reader)
        previous = call.previous_result
        if spec.receiver is not None:
            previous = spec.receiver.read(previous)
        event = spec.event_class(
            call.task_id,
            call.run_id,
            call.attempt,
            inputs,
            previous,
            call.scheduled_at,
            resolved.arguments,
        )
        if call.numbers:
            # Elsewhere, a class may have an attribute of its own with this name.
            event.index = call.numbers
        if call.polls is not None:
            event.polls = call.polls.number
            if call.answer is not None:
                event.answer = call.answer  # type: ignore[attr-defined]  # of ApprovalEvent
        if spec.may_bypass:
            bypass, data = _pair(spec, event.can_bypass())
            if bypass:
                return _bypassed(spec, call, data, started, generation, resolved)
        returned = event.process(**spec.keywords(inputs, previous, resolved))
    except BaseException as error:  # noqa: BLE001 - SystemExit is also a failure of the event
        returned = _left_by(error, generation)
        if returned is None:
            return raised(spec, call, convert(error) if convert else error, started)
    return _returned(spec, call, returned, started, generation, resolved)


async def run_attempt_async(spec: EventSpec, call: Call) -> Outcome:
    """Run one attempt of an `async def process` on the running event loop."""
    if call.scope is not None:
        with call.scope.entered(call.run_id, call.task_id, call.attempt):
            return await run_attempt_async(spec, call._replace(scope=None))
    own = _with_own_files(call)
    try:
        return await _run_attempt_async(spec, own)
    finally:
        if own is not call:
            _close_files(own)


@runs_user_code
async def _run_attempt_async(spec: EventSpec, call: Call) -> Outcome:
    started = time.time()
    generation = usercode.generation
    resolved = NOTHING
    try:
        inputs = call.inputs
        if spec.given is not None or call.items:
            inputs = spec.inputs(call)
        if spec.given is not None:
            resolved = spec.given.resolve(call, inputs, spec.reader)
        previous = call.previous_result
        if spec.receiver is not None:
            previous = spec.receiver.read(previous)
        event = spec.event_class(
            call.task_id,
            call.run_id,
            call.attempt,
            inputs,
            previous,
            call.scheduled_at,
            resolved.arguments,
        )
        if call.numbers:
            # Elsewhere, a class may have an attribute of its own with this name.
            event.index = call.numbers
        if call.polls is not None:
            event.polls = call.polls.number
            if call.answer is not None:
                event.answer = call.answer  # type: ignore[attr-defined]  # of ApprovalEvent
        if spec.may_bypass:
            bypass, data = _pair(spec, event.can_bypass())
            if bypass:
                return _bypassed(spec, call, data, started, generation, resolved)
        returned = await event.process(**spec.keywords(inputs, previous, resolved))
    except BaseException as error:  # noqa: BLE001 - a cancelled coroutine is also a failure
        returned = _left_by(error, generation)
        if returned is None:
            return raised(spec, call, error, started)
    return _returned(spec, call, returned, started, generation, resolved)


def _left_by(error: BaseException, generation: int) -> tuple[int, Any] | None:
    """The value passed to `goto` if that was raised, else None.

    A child process that the event forked ends here.
    """
    if usercode.generation != generation:
        usercode.end_child(None if isinstance(error, Goto) else error)
    if isinstance(error, KeyboardInterrupt):
        raise error
    return (error.descriptor, error.result) if isinstance(error, Goto) else None


def _run_to_end(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a coroutine to its end on a new event loop."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # This thread already runs an event loop (of a notebook or host) and cannot run a second one.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _with_own_files(call: Call) -> Call:
    """The call with separate file objects for this attempt; the same call if it has no files."""
    inputs = with_own_files(call.inputs) if call.inputs else call.inputs
    items = call.items
    if items and any(isinstance(item, InputFile) for _, item in items):
        items = tuple(
            (name, item.fresh() if isinstance(item, InputFile) else item) for name, item in items
        )
    previous = call.previous_result
    if isinstance(previous, InputFile):
        previous = previous.fresh()
    elif inputs is call.inputs and items is call.items:
        return call
    return call._replace(inputs=inputs, items=items, previous_result=previous)


def _close_files(call: Call) -> None:
    items = (value for _, value in call.items)
    close_files((*call.inputs.values(), *items, call.previous_result))


def raised(spec: EventSpec, call: Call, error: BaseException, started: float) -> Outcome:
    """The outcome of a call that raised `error`, with the wait before the next one, if any."""
    if isinstance(error, NotYet):
        return _not_yet(spec, call, error, started)
    retry_after = None
    polls = _ended(call.polls)
    if (
        call.attempt < spec.retry.max_attempts
        and spec.retry.covers(error)
        and not isinstance(error, NotGivenError)
    ):
        retry_after = spec.retry.wait(call.attempt)
        polls = polls or Polls(started)
    # An attempt that is not started because of the piped value does not count.
    attempts = call.attempt - isinstance(error, InputTypeError)
    failure = failure_of(error, attempts=attempts)
    if call.carrier is not None:
        failure = portable_failure(failure)
    return Outcome(
        FAILURE,
        failure,
        attempts,
        started,
        time.time(),
        retry_after,
        raised=True,
        polls=polls,
    )


def _not_yet(spec: EventSpec, call: Call, error: NotYet, started: float) -> Outcome:
    """The outcome of a call that said "not yet": another one follows, or it was the last one."""
    now = time.time()
    earlier = call.polls or Polls(started)
    polls = Polls(earlier.since, earlier.number + error.is_poll, under_way=True)
    reason = message_of(error)
    left = earlier.since + spec.within - now
    if left > _EARLY:
        failure = Failure(type(error).__name__, reason, attempts=call.attempt)
        # Who asks is called again when there is an answer, and at the end.
        wait = left if spec.asks else min(spec.every, left)
        return Outcome(FAILURE, failure, call.attempt, started, now, wait, polls=polls)
    reason = reason or f'{spec.name} said "not yet" for {spec.within:g} s'
    failure = Failure("NotYetError", reason, attempts=call.attempt)
    return Outcome(FAILURE, failure, call.attempt, started, now, raised=True, polls=_ended(polls))


def _ended(polls: Polls | None) -> Polls | None:
    """The polls of an attempt that has ended."""
    return None if polls is None else polls._replace(under_way=False)


def too_long(spec: EventSpec) -> TimeoutError:
    """The error of an attempt that took longer than its timeout."""
    # If the event has no timeout, the limit came from the host.
    limit = "its execution_timeout" if spec.timeout is None else f"{spec.timeout:g} s"
    return TimeoutError(f"{spec.name} took longer than {limit}")


def _bypassed(
    spec: EventSpec, call: Call, data: Any, started: float, generation: int, resolved: Resolved
) -> Outcome:
    outcome = _returned(spec, call, (True, data), started, generation, resolved, conditions=False)
    return outcome._replace(bypassed=True)


@runs_user_code
def _returned(
    spec: EventSpec,
    call: Call,
    returned: Any,
    started: float,
    generation: int,
    resolved: Resolved,
    *,
    conditions: bool = True,
) -> Outcome:
    """The outcome of an attempt that returned or called `goto`.

    A child process that was forked after `generation` was read ends here.
    """
    try:
        descriptor, result = _read(spec, returned)
        if descriptor == SUCCESS and conditions:
            for number, predicate in spec.conditions:
                if predicate(result):
                    descriptor = number
                    break
        packed = None
        if resolved.secrets:
            result = masked(result, resolved.secrets)
        if call.carrier is not None:
            result, packed = call.carrier.carry(spec, call, result, resolved.secrets)
    except BaseException as error:
        # A predicate is also the user's code.
        if usercode.generation != generation:
            usercode.end_child(error)
        if isinstance(error, KeyboardInterrupt):
            raise
        return raised(spec, call, error, started)
    if usercode.generation != generation:
        usercode.end_child()
    retry_after = None
    if (
        descriptor == FAILURE
        and spec.retry.retry_on_failure
        and call.attempt < spec.retry.max_attempts
    ):
        retry_after = spec.retry.wait(call.attempt)
    outcome = Outcome(descriptor, result, call.attempt, started, time.time(), retry_after)
    if packed is not None:
        outcome = outcome._replace(packed=packed)
    if call.polls is not None or retry_after is not None:
        outcome = outcome._replace(polls=_ended(call.polls or Polls(started)))
    return outcome


def _read(spec: EventSpec, returned: Any) -> tuple[int, Any]:
    if type(returned) is tuple and len(returned) == 2:
        status, result = returned
        if status is True:
            return SUCCESS, result
        if status is False:
            return FAILURE, result
        number = status if type(status) is int else _number(status)
        if number is not None and 0 <= number <= 9:
            return number, result
    from volnux.shown import shown

    raise EventReturnError(
        f"{spec.name} returned {shown(returned)}: expected a pair (descriptor, result), where the "
        f"descriptor is True, False or 0 to 9{_what_is_wrong(returned)}"
    )


def _what_is_wrong(returned: Any) -> str:
    if inspect.iscoroutine(returned):
        returned.close()
        return " (write `async def process` for a coroutine)"
    if type(returned) is not tuple or len(returned) != 2:
        return ""
    status = returned[0]
    if status is None or _number(status) is not None:
        return ""
    several = getattr(status, "shape", None)
    hint = " of several values (reduce it with .all() or .any())" if several else ""
    return f", not a {class_name(type(status))}{hint}"


def _number(status: Any) -> int | None:
    """The descriptor from another kind of number, such as numpy's integers and bools."""
    try:
        # A scalar of an array library has no dimensions. Python does not treat its bool as a
        # number.
        if getattr(status, "shape", None) == () and hasattr(status, "item"):
            status = status.item()
        return operator.index(status)
    except Exception:  # noqa: BLE001 - a user's class, or a lazy scalar, may raise anything
        return None


def _pair(spec: EventSpec, returned: Any) -> tuple[Any, Any]:
    """Check the pair `(whether to skip, result)` that `can_bypass` returned."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        from volnux.shown import shown

        raise EventReturnError(
            f"can_bypass of {spec.name} returned {shown(returned)}: expected a pair "
            "(whether to skip process, result)"
        )
    bypass, data = returned
    return bypass, data
