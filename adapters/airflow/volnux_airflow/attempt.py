"""One call of an event inside an Airflow task: its executor class, its timeout, its signals."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, cast

from volnux.errors import VolnuxError
from volnux.events.outcome import Call, Outcome
from volnux.events.run import raised, run_attempt, too_long
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, Failure
from volnux.hooks import Hooks
from volnux.imported import imported
from volnux.kit.attempt import in_pool, needs_process
from volnux.kit.codec import Codec
from volnux.kit.processes import Surroundings, made_pool, worker_context
from volnux_airflow import compat
from volnux_airflow.child import Supervisor, begin_in_task
from volnux_airflow.flowoperator import Watcher
from volnux_airflow.output import secrets_hidden, takes_secrets

__all__ = ["describe", "run"]


def run(
    spec: EventSpec,
    call: Call,
    hooks: Hooks,
    judged: Callable[[Outcome], Outcome],
    codec: Codec,
    limit: float | None,
) -> Outcome:
    """Make one call. Whatever it raises, including Airflow's timeout, ends up in the outcome.

    Listeners are notified in this process, even if the event runs in another one.

    Args:
        spec: the event.
        call: the arguments of the attempt.
        hooks: the listeners of the task.
        judged: returns the outcome as the flow sees it, including whether Airflow will repeat the
            attempt.
        codec: reads the result of an event that ran in another process.
        limit: seconds that the call may take.
    """

    def execute() -> Outcome:
        within = hooks.call(spec, call)
        hooks.began(spec, within)
        outcome = _limited(spec, within, limit)
        if outcome.pid is not None and (outcome.descriptor == FAILURE or _is_heard(hooks)):
            outcome = _with_result(spec, within, outcome, codec)
        outcome = judged(_as_airflow_means(spec, outcome))
        hooks.attempt_ended(spec, within, outcome)
        return outcome

    return hooks.around_task(execute)


def _limited(spec: EventSpec, call: Call, limit: float | None) -> Outcome:
    """Make the call under Airflow's timeout alarm, which may go off at any point."""
    started = time.time()
    try:
        with _alarm(limit):
            outcome = _made(spec, call)
    except compat.AirflowTaskTimeout as error:
        return raised(spec, call, _converted(spec, error), started)
    result = outcome.result
    if (
        spec.is_async
        and outcome.raised
        and isinstance(result, Failure)
        and result.type.rpartition(".")[2] == compat.AirflowTaskTimeout.__name__
    ):
        # The alarm went off inside the coroutine, where no code converts the exception.
        late = raised(spec, call, too_long(spec), outcome.started_at)
        return late._replace(ended_at=outcome.ended_at)
    return outcome


def _alarm(limit: float | None) -> contextlib.AbstractContextManager[Any]:
    """Raises `AirflowTaskTimeout` in its block after so many seconds."""
    if limit is None:
        return contextlib.nullcontext()
    timeout: Any = compat.timeout
    return cast("contextlib.AbstractContextManager[Any]", timeout(limit))


def _made(spec: EventSpec, call: Call) -> Outcome:
    # A task is a single worker anyway, so only a process pool makes a difference.
    if needs_process(spec):
        with _fit_for_children():
            return in_pool(spec, call, lambda: _pool(spec))
    with secrets_hidden() if takes_secrets(spec) else contextlib.nullcontext():
        return run_attempt(spec, call, convert=lambda error: _converted(spec, error))


def _as_airflow_means(spec: EventSpec, outcome: Outcome) -> Outcome:
    """Turn an exception that has a meaning for Airflow into the outcome with that meaning."""
    failure = outcome.result
    if not outcome.raised or not isinstance(failure, Failure):
        return outcome
    error = failure.exception
    if isinstance(error, compat.AirflowSkipException):
        said = failure.message or None
        return outcome._replace(
            descriptor=_SKIPS, result=said, packed=said, retry_after=None, raised=False
        )
    if isinstance(error, compat.AirflowFailException | compat.AirflowSensorTimeout):
        return outcome._replace(retry_after=None)
    if isinstance(error, _NOT_FROM_EVENTS):
        text = (
            f"{spec.name} raised {type(error).__name__}: an event cannot defer, be rescheduled, "
            "ask a person, trigger another DAG or skip tasks by raising an exception. Wait in the "
            "event, and use branches; or make an event of an operator that does this: "
            "volnux_airflow.operator"
        )
        told = Failure(failure.type, text, failure.traceback, failure.attempts)
        return outcome._replace(result=told.with_exception(error), retry_after=None)
    return outcome


def _is_heard(hooks: Hooks) -> bool:
    """Whether anybody is told about the result of a success."""
    return any(type(each) is not Watcher for each in hooks)


def _with_result(spec: EventSpec, call: Call, outcome: Outcome, codec: Codec) -> Outcome:
    """The outcome of an event in another process, which sends its result only as JSON."""
    if outcome.packed is None:
        return outcome
    try:
        return outcome._replace(result=codec.read(outcome.packed))
    except VolnuxError as error:
        return raised(spec, call, error, outcome.started_at)


_SKIPS = 2
"""The descriptor of an event that raised `AirflowSkipException`."""

_NOT_FROM_EVENTS = (
    compat.TaskDeferred,
    compat.TaskAwaitingInput,
    compat.AirflowRescheduleException,
    compat.DagRunTriggerException,
    compat.DownstreamTasksSkipped,
)
"""Only an operator may raise these: Airflow would act on them, and no outcome would be stored."""


def _pool(spec: EventSpec) -> Executor:
    """A pool of one worker: the task runs one event."""
    where = spec.executor
    assert where.pool is not None
    settings: dict[str, Any] = where.config.settings_for(where.pool)
    own = settings.pop("initializer", None), settings.pop("initargs", ())
    offered = {
        **settings,
        "max_workers": 1,
        "mp_context": worker_context(),
        "initializer": begin_in_task,
        "initargs": (Surroundings(), Supervisor.of_task(), takes_secrets(spec), *own),
    }
    return made_pool(where.pool, offered)


@contextlib.contextmanager
def _fit_for_children() -> Iterator[None]:
    """Allow this process, which runs one attempt, to start child processes.

    A Celery worker runs tasks in processes of the library billiard. They count as daemons, which
    must not have children, and only billiard can pass their authentication key on to a child. A
    child first runs the file of the main program. If that is the `airflow` command, it looks for a
    database that a task has no access to, and dies.
    """
    here: Any = multiprocessing.current_process()
    if here.daemon:
        here._config["daemon"] = False
        key: Any = multiprocessing.process
        here._config["authkey"] = key.AuthenticationString(here.authkey)
    main: Any = imported("__main__")
    file = getattr(main, "__file__", None)
    if file is None or Path(file).stem != "airflow":
        yield
        return
    main.__file__ = None
    try:
        yield
    finally:
        main.__file__ = file


def _converted(spec: EventSpec, error: BaseException) -> BaseException:
    return too_long(spec) if isinstance(error, compat.AirflowTaskTimeout) else error


def describe(outcome: Outcome) -> str:
    """Describe in one line how an event ended."""
    times = f"{outcome.attempts} attempt{'' if outcome.attempts == 1 else 's'}"
    text = f"descriptor {outcome.descriptor} after {times}"
    polls = 0 if outcome.polls is None else outcome.polls.number
    if polls:
        text += f" and {polls} poll{'' if polls == 1 else 's'}"
    if outcome.bypassed:
        text += ", bypassed"
    if outcome.descriptor == FAILURE:
        text += f": {outcome.result}"
    return text
