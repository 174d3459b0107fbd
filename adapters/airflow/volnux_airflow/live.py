"""Find what an Airflow installation lacks: `volnux check --backend airflow --live`.

Airflow is found in the same way as by the `airflow` command, through `airflow.cfg` and the
environment of this machine. Nothing is changed.
"""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from volnux.backends.port import BackendError
from volnux.errors import Diagnostic, Severity, did_you_mean
from volnux.events.approval import ApprovalEvent
from volnux.events.link import Plan
from volnux.events.scope import Level
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph
from volnux_airflow import hostsettings
from volnux_airflow.home import config_path, home_path
from volnux_airflow.hosted import native_of
from volnux_airflow.reduced import reduced

__all__ = ["Installation", "require_home"]


_Say = Callable[..., Diagnostic]
"""Makes a diagnostic about one place."""


class Installation:
    """An Airflow installation that responds. Each query is made only once.

    Raises:
        BackendError: no Airflow is set up, or its database does not answer.
    """

    def __init__(self) -> None:
        require_home()
        hostsettings.import_airflow()
        with warnings.catch_warnings():
            # The author of a flow cannot fix what Airflow warns about.
            warnings.simplefilter("ignore")
            try:
                from airflow.configuration import conf

                self._pools = _pools()
                self._executors = _executors()
                self._at_once = conf.getint("core", "max_active_tasks_per_dag")
                self._parallelism = conf.getint("core", "parallelism")
            except Exception as error:
                said = str(error).partition("\n")[0]
                raise BackendError(
                    f"the Airflow of this machine (AIRFLOW_HOME={home_path()}) does not answer: "
                    f"{said}"
                ) from error
        self._known: dict[tuple[str, str], bool] = {}
        self._triggerer: bool | None = None

    def findings(self, plan: Plan) -> Iterator[Diagnostic]:
        """The findings about a plan, in reading order."""
        named: set[tuple[str, str]] = set()
        found = reduced(plan)
        own_tasks = {node.id for node in found.graph.nodes if node.event is not None}
        deferred = False
        for node, spec in zip(plan.graph.nodes, plan.specs, strict=True):
            if spec is None:
                continue
            say = partial(plan.graph.diagnostic, "not-there", at=node)
            if node.id in own_tasks:
                options = {**spec.event_class.airflow, **node.options}
                yield from self._pool(say, options)
                yield from self._executor(say, spec.event_class.airflow.get("executor"), options)
                yield from self._limit(say, options)
                # One such message is enough.
                if not deferred and _is_deferred(spec):
                    deferred = True
                    yield from self._waiting(say, spec.name)
            for thing in _things_of(spec):
                if thing not in named:
                    named.add(thing)
                    yield from self._thing(say, spec.name, *thing)
        for use, scope in zip(plan.graph.uses, plan.scopes, strict=True):
            say = partial(plan.graph.diagnostic, "not-there", at=use)
            for thing in _things_of_use(scope.levels[-1]):
                if thing not in named:
                    named.add(thing)
                    yield from self._thing(say, use.name, *thing)
        yield from self._width(found.graph)

    def _pool(self, say: _Say, options: Mapping[str, Any]) -> Iterator[Diagnostic]:
        pool = options.get("pool") or "default_pool"
        slots = self._pools.get(pool)
        if slots is None:
            hint = did_you_mean(pool, self._pools, _listed("pools", self._pools))
            yield say(f"this Airflow has no pool '{pool}'", hint=hint)
            return
        needed = options.get("pool_slots", 1)
        if 0 <= slots < needed:  # A pool with -1 slots has no limit.
            yield say(
                f"the task takes {needed} slots of the pool '{pool}', which has only {slots}: "
                "it would never start",
            )

    def _executor(
        self, say: _Say, executor: str | None, options: Mapping[str, Any]
    ) -> Iterator[Diagnostic]:
        if executor is not None and executor not in self._executors:
            message = f"this Airflow has no executor '{executor}'"
            yield say(message, hint=_listed("executors", self._executor_names()))
        elif "queue" in options and not any(map(_has_queues, self._executors.values())):
            yield say(
                f"the queue '{options['queue']}' has no effect: no executor of this Airflow has "
                "queues",
                hint=_listed("executors", self._executor_names()),
                severity=Severity.WARNING,
            )

    def _executor_names(self) -> set[str]:
        return {name for name in self._executors if "." not in name}

    def _limit(self, say: _Say, options: Mapping[str, Any]) -> Iterator[Diagnostic]:
        wanted = options.get("concurrency", options.get("max_active_tis_per_dag"))
        if isinstance(wanted, int) and wanted > self._parallelism:
            yield say(
                f"this Airflow runs at most {self._parallelism} tasks at once (core.parallelism), "
                f"which is less than {wanted}",
                severity=Severity.WARNING,
            )

    def _waiting(self, say: _Say, name: str) -> Iterator[Diagnostic]:
        if self._triggerer is None:
            self._triggerer = _triggerer_runs()
        if not self._triggerer:
            yield say(
                f"{name} waits in the triggerer, but no triggerer of this Airflow runs",
                hint="start one: airflow triggerer; until then, the task stays deferred",
                severity=Severity.WARNING,
            )

    def _width(self, graph: Graph) -> Iterator[Diagnostic]:
        most = min(self._at_once, self._parallelism)
        for group in graph.groups:
            if len(group.arms) > most:
                first = graph.nodes[graph.topology.index[group.first]]
                yield graph.diagnostic(
                    "not-there",
                    f"this group has {len(group.arms)} arms, but this Airflow runs at most {most} "
                    "tasks of a DAG at once: the others wait",
                    at=first,
                    hint="change max_active_tasks in load_dags, or core.parallelism",
                    severity=Severity.WARNING,
                )

    def _thing(self, say: _Say, user: str, kind: str, name: str) -> Iterator[Diagnostic]:
        if (kind, name) not in self._known:
            self._known[kind, name] = _HAS[kind](name)
        if not self._known[kind, name]:
            yield say(
                f"{user} uses the {kind} '{name}', which this Airflow does not have",
                hint=_ADDED[kind] + "; ignore this if only the workers can read it",
                severity=Severity.WARNING,
            )


# Queries to Airflow.


def require_home() -> None:
    """Raise an error if no Airflow is set up: importing it would create a home and a database.

    Raises:
        BackendError: none is.
    """
    config = config_path()
    told = any(name.startswith("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN") for name in os.environ)
    if not told and not config.is_file():
        raise BackendError(
            f"no Airflow is set up on this machine: there is no {config}. Set AIRFLOW_HOME, or "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, as for the command `airflow`"
        )


def _pools() -> dict[str, int]:
    from airflow import settings

    if getattr(settings, "engine", None) is None:
        settings.initialize()  # type: ignore[no-untyped-call]  # untyped there
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return {str(pool.pool): pool.slots for pool in session.scalars(select(Pool))}


def _executors() -> dict[str, str]:
    """The class of each executor, by the names that a task can use for it."""
    from volnux_airflow import compat

    found: dict[str, str] = {}
    for each in compat.executor_names():
        for name in (each.alias, each.module_path, each.module_path.rpartition(".")[2]):
            if name:
                found[name] = each.module_path
    return found


def _triggerer_runs() -> bool:
    from airflow.jobs.triggerer_job_runner import TriggererJobRunner

    job: Any = TriggererJobRunner.most_recent_job()
    return job is not None and bool(job.is_alive())


def _has_queues(path: str) -> bool:
    return path.rpartition(".")[2] not in ("LocalExecutor", "SequentialExecutor")


def _has_connection(name: str) -> bool:
    from airflow.models.connection import Connection

    from volnux_airflow import compat

    try:
        Connection.get_connection_from_secrets(name)
    except compat.AirflowNotFoundException:
        return False
    return True


def _has_variable(name: str) -> bool:
    from airflow.models.variable import Variable

    return Variable.get(name, default_var=None) is not None


_HAS = {"connection": _has_connection, "variable": _has_variable, "secret": _has_variable}
_ADDED = {
    "connection": "add it: airflow connections add",
    "variable": "set it: airflow variables set",
    "secret": "add the Variable to a secrets backend, or set it: airflow variables set",
}


# Reading events.


def _is_deferred(spec: EventSpec) -> bool:
    """Whether the task of an event is deferred while it waits, as far as is known before a run."""
    from volnux_airflow import compat, retries
    from volnux_airflow.hostedkinds import kind_of, stand_ins

    native = native_of(spec.event_class)
    if native is not None and not issubclass(spec.event_class, ApprovalEvent):
        kind = kind_of(spec.target)
        return bool(getattr(kind(task_id="any", **stand_ins(spec, kind)), "deferrable", False))
    if compat.HAS_STATE_STORE:
        return False
    if native is not None or retries.sets_waits(spec):
        return True
    return any(ast.unparse(call.func).split(".")[-1] == "not_yet" for call in _calls_in(spec))


def _things_of(spec: EventSpec) -> Iterator[tuple[str, str]]:
    """The connections, variables and secrets that an event needs, as far as its code shows them."""
    if spec.given is not None:
        yield from (("variable", each.name) for each in spec.given.variables if each.required)
        yield from (("secret", name) for name in spec.given.secrets)
    yield from _named_in(spec)


def _things_of_use(level: Level) -> Iterator[tuple[str, str]]:
    """The variables and secrets that the arguments of a use name."""
    yield from (("variable", each.name) for each in level.variables.values() if each.required)
    yield from (("secret", name) for name in level.secrets)


def _named_in(spec: EventSpec) -> Iterator[tuple[str, str]]:
    """The connections and variables that the code of an event names literally."""
    for part in _calls_in(spec):
        called = ast.unparse(part.func).split(".")
        first = _text(part.args[0]) if part.args else None
        if called[-1] in ("get_connection", "get_connection_from_secrets") and first:
            yield "connection", first
        if called[-2:] == ["Variable", "get"] and first and not _has_default(part):
            yield "variable", first
        for keyword in part.keywords:
            name = _text(keyword.value)
            if keyword.arg and keyword.arg.endswith("conn_id") and name:
                yield "connection", name


def _calls_in(spec: EventSpec) -> list[ast.Call]:
    """The calls in the code of an event; none if the code cannot be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(spec.target)))
    except (OSError, TypeError, SyntaxError):
        return []
    return [part for part in ast.walk(tree) if isinstance(part, ast.Call)]


def _has_default(call: ast.Call) -> bool:
    return len(call.args) > 1 or any(each.arg != "deserialize_json" for each in call.keywords)


def _text(part: ast.expr) -> str | None:
    return part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None


def _listed(what: str, names: Iterable[str]) -> str:
    return f"{what}: {', '.join(sorted(names)) or 'none'}"
