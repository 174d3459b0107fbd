"""Words of other tools that Pointy does not have, and their equivalents."""

from __future__ import annotations

__all__ = ["USE", "directive_hint", "event_hint", "option_hint", "use_hint"]


def directive_hint(name: str) -> str | None:
    """What to write instead of `@name`, if another tool has such a word."""
    return _DIRECTIVES.get(_plain(name))


def option_hint(name: str, *, on_group: bool = False) -> str | None:
    """What to write instead of `[name=…]`, if another tool has such a word."""
    word = _plain(name)
    return (_GROUP_OPTIONS.get(word) if on_group else None) or _OPTIONS.get(word)


def event_hint(name: str) -> str | None:
    """What to write instead of an event of that name, if it is an Airflow operator."""
    if not name.endswith(("Operator", "Sensor")):
        return None
    if name.endswith("Sensor"):
        return f"an Airflow sensor is not an event: {_EVERY}"
    return (
        "an Airflow operator is not an event: write an event that does the same (Airflow hooks "
        "work in it), or add the operator to a DAG in Python, next to VolnuxEventOperator"
    )


def use_hint(word: str) -> str | None:
    """What to write instead of `import x`, for the word by which another tool uses a file."""
    return USE if word in _USE_WORDS else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


USE = 'to use another file, write before the flow: @use: clean = "shared/clean.pty"'
"""The hint for the path of a file in a flow, and for words like `import`."""

_USE_WORDS = ("extends", "from", "import", "include", "require", "use", "using")
_EACH = "to run a unit once for every item of a list, write List |-> Fetch[each=url]"
_LIST = "the list is piped to the unit, or named: Fetch[each=url, in=urls]"
_AT_ONCE = "to limit how many items are processed at once, write [each=url, at_once=8]"
_BATCH = "to let several items share one task of the host, write [each=url, batch=100]"
_AGAIN = "to repeat a group that failed, write {A -> B}[again=3]"
_TASK = "to run a group as one task of the host, write {A -> B}[task=tidy]"
_RUN_TIMEOUT = "limit the whole run with @run-timeout: 4h"
_TIMEOUT = "set a time limit on one event: Event[timeout=30]"
_RETRIES = "set attempts on an event or a group: Event * 3"
_WAIT = "set the wait between attempts in the event class: retry_policy={'backoff_factor': 30}"
_WAITING = 'call self.not_yet("no file") in the event, which is then called again'
_EVERY = f"{_WAITING}: Event[every=60, within=3600]"
_NO_MODE = f"{_WAITING}; meanwhile it holds no slot, if the host can do that"
_SOFT_FAIL = "write a branch for an event that waited too long: Event[within=3600] (0 -> Note)"
_SCHEDULE = 'use @schedule: "0 6 * * *"'
_POOL = "limit concurrent tasks for each event: Event[concurrency=2], or Event[pool=name]"
_CALLBACK = "write a branch for a failure: Event (0 -> Alarm); set callbacks in the host"
_INPUT = "write one line for each input: @input: day: date = scheduled - 1d"
_VARIABLE = 'write one line for each variable of the host: @variable: bucket: str = "raw"'
_SECRET = "write one line for each secret of the host: @secret: api_key"
_HOST = "set it in the host: an argument of load_dags or to_dag, or airflow={…} on the event"

_DIRECTIVES = {
    "timeout": f"{_RUN_TIMEOUT}, one event with Event[timeout=30]",
    "execution_timeout": _TIMEOUT,
    "timeout_seconds": _RUN_TIMEOUT,
    "dagrun_timeout": _RUN_TIMEOUT,
    "max_runtime": _RUN_TIMEOUT,
    "retries": _RETRIES,
    "retry": _RETRIES,
    "retry_delay": _WAIT,
    "retry_delay_seconds": _WAIT,
    "max_active_tasks": f"{_POOL}; for the DAG, use an argument of load_dags or to_dag",
    "concurrency": f"{_POOL}; limit runs with @max-active-runs: 1",
    "pool": _POOL,
    "queue": "set the queue of each event: Event[queue=name]",
    "cron": _SCHEDULE,
    "interval": _SCHEDULE,
    "schedule_interval": _SCHEDULE,
    "timetable": _SCHEDULE,
    "dag_id": "use @name: orders",
    "flow_name": "use @name: orders",
    "param": _INPUT,
    "params": _INPUT,
    "parameter": _INPUT,
    "parameters": _INPUT,
    "var": _VARIABLE,
    "vars": _VARIABLE,
    "variables": _VARIABLE,
    "env": _VARIABLE,
    "secrets": _SECRET,
    "connection": _SECRET,
    "connections": _SECRET,
    "conn_id": _SECRET,
    "block": _SECRET,
    "blocks": _SECRET,
    **dict.fromkeys(_USE_WORDS, USE),
    "imports": USE,
    "includes": USE,
    "pipeline": USE,
    "subdag": USE,
    "subflow": USE,
    "subpipeline": USE,
    "default_args": _HOST,
    "owner": _HOST,
    "email": _HOST,
    "depends_on_past": _HOST,
    "end_date": _HOST,
    "on_failure_callback": _CALLBACK,
    "on_success_callback": _CALLBACK,
    "doc_md": "describe the pipeline with @description: Orders of the day",
    "each": _EACH,
    "for": _EACH,
    "for_each": _EACH,
    "foreach": _EACH,
    "map": _EACH,
    "expand": _EACH,
    "loop": _EACH,
    "again": _AGAIN,
    "repeat": _AGAIN,
    "task": _TASK,
    "task_group": _TASK,
}

_OPTIONS = {
    "retries": "write Event * 3 for 3 attempts, which other tools call retries=2",
    "retry": "write Event * 3 for at most 3 attempts",
    "retry_delay": _WAIT,
    "retry_delay_seconds": _WAIT,
    "retry_policy": _WAIT,
    "execution_timeout": "write [timeout=30], in seconds",
    "timeout_seconds": "write [timeout=30], in seconds",
    "poke_interval": _EVERY,
    "poll_interval": _EVERY,
    "interval": _EVERY,
    "exponential_backoff": _EVERY,
    "wait": _EVERY,
    "wait_for": _EVERY,
    "wait_until": _EVERY,
    "until": _EVERY,
    "sensor": _EVERY,
    "mode": _NO_MODE,
    "deferrable": _NO_MODE,
    "soft_fail": _SOFT_FAIL,
    "max_wait": "write [within=3600], in seconds",
    "deadline": "write [within=3600], in seconds",
    "trigger_rule": "write it in the flow: Event (0 -> X) runs X after a failure, "
    "{A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] needs only one of several",
    "max_active_tis_per_dag": "write [concurrency=2]",
    "task_concurrency": "write [concurrency=2]",
    "priority_weight": "write [priority=5]",
    "pool_slots": _HOST,
    "owner": _HOST,
    "email": _HOST,
    "executor_config": _HOST,
    "on_failure_callback": _CALLBACK,
    "on_success_callback": _CALLBACK,
    "for": _EACH,
    "for_each": _EACH,
    "foreach": _EACH,
    "map": _EACH,
    "expand": _EACH,
    "expand_kwargs": _EACH,
    "loop": _EACH,
    "iterate": _EACH,
    "item": _EACH,
    "items": _LIST,
    "over": _LIST,
    "iterable": _LIST,
    "parallel": _AT_ONCE,
    "parallelism": _AT_ONCE,
    "max_parallel": _AT_ONCE,
    "max_active": _AT_ONCE,
    "max_concurrency": _AT_ONCE,
    "max_workers": _AT_ONCE,
    "max_active_tis_per_dagrun": _AT_ONCE,
    "limit": _AT_ONCE,
    "at": _AT_ONCE,
    "chunk": _BATCH,
    "chunk_size": _BATCH,
    "batch_size": _BATCH,
    "repeat": _AGAIN,
    "rerun": _AGAIN,
    "times": _AGAIN,
    "group": _TASK,
    "group_id": _TASK,
    "task_group": _TASK,
    "task_id": _TASK,
    "subflow": _TASK,
}

_GROUP_RETRIES = (
    "{A -> B} * 3 gives each event 3 attempts, {A -> B}[again=3] repeats the whole group"
)
_GROUP_OPTIONS = {
    "retries": _GROUP_RETRIES,
    "retry": _GROUP_RETRIES,
    "attempts": _GROUP_RETRIES,
    "max_attempts": _GROUP_RETRIES,
}
"""Options that mean something else on a group."""
