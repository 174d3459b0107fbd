"""The one place that runs an attempt of an event.

Every backend calls it, in whatever process it runs events, so that descriptors, conditions,
bypass, retries and error texts are the same everywhere. `Outcome.retry_after` says whether another
attempt follows, and when; `volnux.events.trying` runs all of them.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import math
import operator
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from volnux import usercode
from volnux.events.base import EventReturnError, Goto, NotPortableError
from volnux.events.files import InputFile, close_files, with_own_files
from volnux.events.modules import display_text
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS, Failure
from volnux.strictjson import FormatError
from volnux.usercode import runs_user_code

__all__ = [
    "DEEPEST",
    "Call",
    "Outcome",
    "failure_of",
    "has_64_bits",
    "not_portable",
    "raised",
    "run_attempt",
    "run_attempt_async",
    "too_long",
    "unstorable",
]


class Call(NamedTuple):
    """What one attempt of an event is given.

    Attributes:
        task_id: the place in the flow.
        run_id: the run.
        inputs: all inputs of the run, by name.
        previous_result: what was piped, or None.
        attempt: counts from 1.
        portable: results must be JSON that every host can store, and are passed on as JSON gives
            them back.
        scope: what the attempt runs within, for telemetry; None where nobody watches.
    """

    task_id: str = ""
    run_id: str = ""
    inputs: Mapping[str, Any] = MappingProxyType({})
    previous_result: Any = None
    attempt: int = 1
    portable: bool = False
    scope: Any = None


class Outcome(NamedTuple):
    """How an event, or one attempt of it, ended.

    Attributes:
        descriptor: 0 to 9.
        result: what was returned; a `Failure` after an exception.
        attempts: attempts made so far.
        started_at, ended_at: seconds since the epoch; of `run_event`, of the first attempt and
            the last.
        retry_after: seconds to wait before the next attempt; None when none is due.
        raised: whether the attempt raised (and did not return a failure).
        bypassed: whether `can_bypass` made `process` unnecessary.
        pid: the process where it ran, if that was another than the one that drives the run.
    """

    descriptor: int
    result: Any = None
    attempts: int = 1
    started_at: float = 0.0
    ended_at: float = 0.0
    retry_after: float | None = None
    raised: bool = False
    bypassed: bool = False
    pid: int | None = None


def run_attempt(
    spec: EventSpec,
    call: Call,
    *,
    convert: Callable[[BaseException], BaseException] | None = None,
) -> Outcome:
    """Run one attempt. Nothing that the event raises gets out, but `KeyboardInterrupt`.

    Args:
        spec: the event.
        call: what the attempt is given.
        convert: makes an exception of the host (its own kind of timeout) one of the language.
    """
    if spec.is_async:
        return _run_to_end(run_attempt_async(spec, call))
    if call.scope is not None:
        with call.scope.entered(call.run_id, call.task_id, call.attempt):
            return run_attempt(spec, call._replace(scope=None), convert=convert)
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
    try:
        event = spec.event_class(
            call.task_id, call.run_id, call.attempt, call.inputs, call.previous_result
        )
        if spec.may_bypass:
            bypass, data = _pair(spec, event.can_bypass())
            if bypass:
                return _bypassed(spec, call, data, started, generation)
        returned = event.process(**spec.arguments(call.inputs, call.previous_result))
    except BaseException as error:  # noqa: BLE001 - SystemExit and the like are failures of the event too
        returned = _left_by(error, generation)
        if returned is None:
            return raised(spec, call, convert(error) if convert else error, started)
    return _returned(spec, call, returned, started, generation)


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
    try:
        event = spec.event_class(
            call.task_id, call.run_id, call.attempt, call.inputs, call.previous_result
        )
        if spec.may_bypass:
            bypass, data = _pair(spec, event.can_bypass())
            if bypass:
                return _bypassed(spec, call, data, started, generation)
        returned = await event.process(**spec.arguments(call.inputs, call.previous_result))
    except BaseException as error:  # noqa: BLE001 - a cancelled coroutine is a failure of its event too
        returned = _left_by(error, generation)
        if returned is None:
            return raised(spec, call, error, started)
    return _returned(spec, call, returned, started, generation)


def _left_by(error: BaseException, generation: int) -> tuple[int, Any] | None:
    """What an event that raised has returned by that: something after `goto`, else None.

    A child that the event has forked ends here.
    """
    if usercode.generation != generation:
        usercode.end_child(None if isinstance(error, Goto) else error)
    if isinstance(error, KeyboardInterrupt):
        raise error
    return (error.descriptor, error.result) if isinstance(error, Goto) else None


def _run_to_end(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a coroutine on an event loop of its own."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # This thread is busy with a loop (a notebook's, a host's) and cannot have two.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _with_own_files(call: Call) -> Call:
    """The call with files that are this attempt's own; the same call where it has no files."""
    inputs = with_own_files(call.inputs) if call.inputs else call.inputs
    previous = call.previous_result
    if isinstance(previous, InputFile):
        previous = previous.fresh()
    elif inputs is call.inputs:
        return call
    return call._replace(inputs=inputs, previous_result=previous)


def _close_files(call: Call) -> None:
    close_files((*call.inputs.values(), call.previous_result))


def raised(spec: EventSpec, call: Call, error: BaseException, started: float) -> Outcome:
    """The outcome of an attempt that raised `error`, and whether it is to be repeated."""
    retry_after = None
    if call.attempt < spec.retry.max_attempts and spec.retry.covers(error):
        retry_after = spec.retry.wait(call.attempt)
    failure = failure_of(error, attempts=call.attempt)
    if call.portable:
        failure = _portable_failure(failure)
    return Outcome(
        FAILURE,
        failure,
        call.attempt,
        started,
        time.time(),
        retry_after,
        raised=True,
    )


def too_long(spec: EventSpec) -> TimeoutError:
    """The error of an attempt that took longer than its timeout."""
    # Without one of its own, the limit is that of a host.
    limit = "its execution_timeout" if spec.timeout is None else f"{spec.timeout:g} s"
    return TimeoutError(f"{spec.name} took longer than {limit}")


def _bypassed(spec: EventSpec, call: Call, data: Any, started: float, generation: int) -> Outcome:
    outcome = _returned(spec, call, (True, data), started, generation, conditions=False)
    return outcome._replace(bypassed=True)


@runs_user_code
def _returned(
    spec: EventSpec,
    call: Call,
    returned: Any,
    started: float,
    generation: int,
    *,
    conditions: bool = True,
) -> Outcome:
    """The outcome of an attempt that returned, or left by `goto`.

    A child that was forked since `generation` ends here.
    """
    try:
        descriptor, result = _read(spec, returned)
        if descriptor == SUCCESS and conditions:
            for number, predicate in spec.conditions:
                if predicate(result):
                    descriptor = number
                    break
        if call.portable:
            result = _portable(spec, result)
    except BaseException as error:
        # A predicate is the user's code too.
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
    return Outcome(descriptor, result, call.attempt, started, time.time(), retry_after)


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
    return f", not a {_kind_name(type(status))}{hint}"


def _number(status: Any) -> int | None:
    """The descriptor that stands in another kind of number, such as numpy's integers and bools."""
    try:
        # A scalar of an array library has no dimensions. Its bool is not a number to Python.
        if getattr(status, "shape", None) == () and hasattr(status, "item"):
            status = status.item()
        return operator.index(status)
    except Exception:  # noqa: BLE001 - a user's class, or a lazy scalar, may raise anything
        return None


def _pair(spec: EventSpec, returned: Any) -> tuple[Any, Any]:
    """What `can_bypass` returned, which is `(whether, result)`."""
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        from volnux.shown import shown

        raise EventReturnError(
            f"can_bypass of {spec.name} returned {shown(returned)}: expected a pair "
            "(whether to skip process, result)"
        )
    bypass, data = returned
    return bypass, data


def _portable(spec: EventSpec, result: Any) -> Any:
    """The result as JSON gives it back; a `Failure` in it stays one."""
    where = not_portable(result)
    if where is not None:
        path, problem = where
        raise NotPortableError(
            f"the result of {spec.name} cannot be passed on as JSON: result{path} is {problem}"
        )
    return json.loads(json.dumps(result, default=_failure_out), object_hook=_failure_in)


_FAILURE_KEY: Final = "__volnux_failure__"


def _failure_out(value: Any) -> Any:
    return {_FAILURE_KEY: value.to_json()}


def _failure_in(data: dict[str, Any]) -> Any:
    if data.keys() != {_FAILURE_KEY}:
        return data
    try:
        return Failure.from_json(data[_FAILURE_KEY])
    except FormatError:  # a dict of the user's that happens to have this key
        return data


DEEPEST: Final = 200
"""How deep lists and dicts may be nested in each other: Airflow's limit is about 260."""


def not_portable(value: Any) -> tuple[str, str] | None:
    """The path to the first thing in the value that a host cannot store, and what it is; or None.

    JSON knows no limits, but what carries it does: numbers travel in 64 bits, text as UTF-8, and
    PostgreSQL has no NUL character.
    """
    # An item, how deep it is, and the way to it: its key, and the way to what holds it.
    stack: list[tuple[Any, int, Any]] = [(value, 0, None)]
    while stack:
        item, depth, way = stack.pop()
        if item is None or isinstance(item, bool | Failure):
            continue
        if isinstance(item, str):
            problem = unstorable(item)
            if problem is not None:
                return _path(way), f"a str that has {problem}"
        elif isinstance(item, int):
            if not has_64_bits(item):
                return _path(way), "an int that does not fit into 64 bits"
        elif isinstance(item, float):
            if not math.isfinite(item):
                return _path(way), f"of type float ({item})"
        elif depth > DEEPEST:
            return _path(way), f"of type {type(item).__name__}, nested more than {DEEPEST} deep"
        elif isinstance(item, dict):
            for key in item:
                if not isinstance(key, str):
                    return _path((key, way)), f"of type dict with a key of type {_kind(key)}"
                problem = unstorable(key)
                if problem is not None:
                    return _path((key, way)), f"a dict with a key that has {problem}"
            stack += [(inner, depth + 1, (key, way)) for key, inner in reversed(item.items())]
        elif isinstance(item, list | tuple):
            last = len(item) - 1
            stack += [(inner, depth + 1, (last - i, way)) for i, inner in enumerate(reversed(item))]
        else:
            return _path(way), f"of type {_kind(item)}"
    return None


def has_64_bits(number: int) -> bool:
    """Whether a number fits into 64 bits, signed or not."""
    return -(2**63) <= number < 2**64


def unstorable(text: str) -> str | None:
    """What is in a text that a host cannot store; None where there is nothing of the kind."""
    if "\0" in text:
        return "the character U+0000"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "a lone surrogate, which is not a valid character"
    return None


def _portable_failure(failure: Failure) -> Failure:
    """The failure with what a host cannot store in its texts written as escapes."""
    texts = failure.message, failure.traceback
    if all(unstorable(text) is None for text in texts):
        return failure
    message, shown = (
        text.encode(errors="backslashreplace").decode().replace("\0", "\\x00") for text in texts
    )
    return replace(failure, message=message, traceback=shown).with_exception(failure.exception)


def _path(way: Any) -> str:
    from volnux.shown import shown

    keys: list[str] = []
    while way is not None:
        key, way = way
        keys.append(f"[{shown(key)}]")
    if len(keys) > 20:
        keys[10:-10] = ["…"]
    return "".join(reversed(keys))


def _kind(value: Any) -> str:
    return _kind_name(type(value))


def _kind_name(kind: type) -> str:
    """The name of a class: dotted, unless it is a builtin or of the main program."""
    if kind.__module__ in ("builtins", "__main__", "__mp_main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


_MOST_FRAMES: Final = 20

_LONGEST_PART: Final = 10_000
"""Characters of one part of a traceback: a frame, or what an exception says."""


class _Cut:
    """In the place of an argument of an exception: what is shown of it."""

    def __init__(self, argument: Any) -> None:
        from volnux.shown import shown

        self._text = shown(argument, _LONGEST_ARGUMENT)

    def __repr__(self) -> str:
        return self._text


_LONGEST_ARGUMENT: Final = 10_000
# Python's own: an exception class may have made something else of these names.
_ARGUMENTS: Final[Any] = vars(BaseException)["args"]
_CAUSE: Final[Any] = vars(BaseException)["__cause__"]
_CONTEXT: Final[Any] = vars(BaseException)["__context__"]
_CONTAINERS: Final = (bytes, bytearray, list, tuple, dict, set, frozenset)


def _with_cut_arguments(function: Callable[..., Failure]) -> Callable[..., Failure]:
    """While the function runs, exceptions hold their data cut: its `repr` would be all of it."""

    @functools.wraps(function)
    def wrapped(error: BaseException, **options: Any) -> Failure:
        whole: list[tuple[BaseException, tuple[Any, ...]]] = []
        seen: set[int] = set()
        chain: list[BaseException | None] = [error]
        while chain:
            each = chain.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            chain += [_CAUSE.__get__(each), _CONTEXT.__get__(each)]
            arguments = _ARGUMENTS.__get__(each)
            if any(isinstance(argument, _CONTAINERS) for argument in arguments):
                whole.append((each, arguments))
        try:
            for each, arguments in whole:
                cut = tuple(_Cut(a) if isinstance(a, _CONTAINERS) else a for a in arguments)
                _ARGUMENTS.__set__(each, cut)
            return function(error, **options)
        finally:
            for each, arguments in whole:
                _ARGUMENTS.__set__(each, arguments)

    return wrapped


@_with_cut_arguments
def failure_of(error: BaseException, *, attempts: int = 1) -> Failure:
    """What is kept of an exception: its type, its message, and the frames of the user's code."""
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # noqa: BLE001 - a user's __str__ may do anything
        message = f"<str failed: {type(broken).__name__}>"
    _drop_our_frames(error)
    shown = display_text(_traceback(error))
    failure = Failure(_kind_name(type(error)), display_text(message), shown, attempts)
    return failure.with_exception(error)


def _drop_our_frames(error: BaseException) -> None:
    """Have the traceback begin in the user's code: our frames would keep the whole call alive."""
    frame = error.__traceback__
    while frame is not None and _ours(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    error.__traceback__ = frame


def _traceback(error: BaseException) -> str:
    import traceback

    try:
        shown = traceback.TracebackException.from_exception(error, compact=True)
        parts: list[traceback.TracebackException | None] = [shown]
        while parts:
            part = parts.pop()
            if part is None:
                continue
            frames = [frame for frame in part.stack if not _ours(frame.filename)]
            part.stack = traceback.StackSummary.from_list(frames[-_MOST_FRAMES:])
            parts += [part.__cause__, part.__context__, *(part.exceptions or ())]
        return "".join(map(_cut, shown.format()))
    except Exception:  # noqa: BLE001 - the exception's own attributes may be broken
        return ""


def _cut(part: str) -> str:
    if len(part) <= _LONGEST_PART:
        return part
    return f"{part[:_LONGEST_PART]}… ({len(part):,} characters)\n"


_OURS: Final = __file__.rpartition("events")[0]
_IMPORTLIB: Final = importlib.__file__.rpartition("__init__")[0]


def _ours(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _OURS, _IMPORTLIB)) or (
        "volnux_standalone" in filename
    )
