"""Turns a plan into a DAG: first the tasks, then the edges (`docs/airflow.md` has the mapping)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from volnux.events.link import Plan
from volnux.graph.jsonable import jsonable
from volnux.graph.model import Entry, Graph, InputSpec, Node
from volnux.pointy.cron import PRESETS
from volnux.pointy.inputtypes import InputType
from volnux.pointy.options import split_tags
from volnux.pointy.values import INPUT_TYPES
from volnux_airflow import compat
from volnux_airflow.eachoperators import VolnuxEachOperator, VolnuxGatherOperator
from volnux_airflow.failoperator import VolnuxFailOperator
from volnux_airflow.flowoperator import NO_CALLBACKS
from volnux_airflow.flowpart import FlowPart
from volnux_airflow.groupoperator import VolnuxGroupOperator
from volnux_airflow.hostedtask import operator_class
from volnux_airflow.instants import UTC, Calendar
from volnux_airflow.outcomes import Piped
from volnux_airflow.partoperator import VolnuxPartOperator
from volnux_airflow.shape import Shape, Task, TaskKind, shape_of
from volnux_airflow.storable import LONGEST_DESCRIPTION
from volnux_airflow.usedfiles import shown_names

__all__ = [
    "FIRST_DATE",
    "build_dag",
    "crons",
    "dag_arguments",
    "doc_of",
    "is_native",
    "param_of",
    "schema_of",
    "start_date",
    "task_options",
    "timeout_of",
]

FIRST_DATE = dt.date(2020, 1, 1)
"""The start date of a scheduled DAG whose file sets none: a fixed date, never "now"."""

_ANYTHING = ("array", "boolean", "null", "number", "object", "string")


def build_dag(
    plan: Plan,
    *,
    dag_id: str | None = None,
    dag_class: type[compat.DAG] = compat.DAG,
    **settings: Any,
) -> compat.DAG:
    """Build the DAG of a plan.

    Args:
        plan: the linked graph, which the backend's `check` has accepted.
        dag_id: the DAG's id; the pipeline's name if None.
        dag_class: the class of the DAG.
        **settings: further arguments of `DAG` (default_args, access_control, callbacks, …); they
            override those of the file, but tags and params are added to them.
    """
    arguments = dag_arguments(plan, doc="doc_md" not in settings)
    tags = settings.pop("tags", None) or ()
    params = settings.pop("params", None) or {}
    arguments.update(settings)
    arguments["tags"] = sorted({*arguments["tags"], *tags})
    arguments["params"] = _params_with(arguments["params"], params)
    register = arguments.pop("auto_register", True)
    dag = dag_class(dag_id or plan.graph.name, auto_register=False, **arguments)
    with dag:
        _Translation(shape_of(plan), dag).run()
    # Register the DAG only now, so that Airflow never finds one that an error left incomplete.
    dag.auto_register = register
    with dag:
        pass
    return dag


def dag_arguments(plan: Plan, *, doc: bool = True) -> dict[str, Any]:
    """The arguments of `DAG` from the file, except the id; `doc` includes the documentation."""
    graph = plan.graph
    arguments: dict[str, Any] = {
        "description": graph.description,
        "tags": sorted(graph.tags),
        "schedule": _timetable(graph),
        "start_date": start_date(graph),
        "catchup": graph.catchup,
        "params": {item.name: param_of(item) for item in graph.inputs},
        "doc_md": doc_of(graph) if doc else None,
    }
    if graph.max_active_runs is not None:
        arguments["max_active_runs"] = graph.max_active_runs
    if graph.run_timeout is not None:
        arguments["dagrun_timeout"] = timeout_of(graph.run_timeout)
    return arguments


def timeout_of(seconds: float) -> dt.timedelta:
    """The `dagrun_timeout` for a `@run-timeout`: Airflow ends the run if the tasks did not.

    Each task checks the limit itself, and fails when it is reached. Airflow would mark such a task
    as skipped, so its own limit is a minute longer.
    """
    return dt.timedelta(seconds=seconds) + _FOR_TASKS


_FOR_TASKS = dt.timedelta(minutes=1)


def _params_with(of_file: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The params of a file, updated from the settings. A plain value replaces the default."""
    found = dict(of_file)
    for name, value in settings.items():
        known = found.get(name)
        if known is not None and not isinstance(value, compat.Param):
            found[name] = compat.Param(value, description=known.description, **known.schema)
        else:
            found[name] = value
    return found


def task_options(node: Node) -> dict[str, Any]:
    """The operator arguments for the options in brackets of a place."""
    options: dict[str, Any] = {
        argument: node.options[option]
        for option, argument in _ARGUMENTS.items()
        if option in node.options
    }
    if "tags" in node.options:
        options["tags"] = split_tags(str(node.options["tags"]))
    return options


_ARGUMENTS = {
    "pool": "pool",
    "queue": "queue",
    "priority": "priority_weight",
    "concurrency": "max_active_tis_per_dag",
}


class _Translation:
    """Makes the tasks of one plan, in the order of the shape, then adds the edges."""

    def __init__(self, shape: Shape, dag: compat.DAG) -> None:
        self._shape = shape
        self._plan = shape.plan
        self._dag = dag
        calendar = Calendar.of(shape.plan.graph)
        self._calendar = None if calendar == UTC else calendar

    def run(self) -> None:
        groups: dict[str, compat.TaskGroup] = {}
        tasks: dict[str, Any] = {}
        for task in self._shape.tasks:
            group = None
            for box in self._shape.groups.get(task.id, ()):
                if box.id not in groups:
                    groups[box.id] = compat.TaskGroup(
                        box.id,
                        prefix_group_id=False,
                        parent_group=group,
                        tooltip=box.tooltip,
                        group_display_name=box.label,
                    )
                group = groups[box.id]
            tasks[task.id] = self._make(task, group, tasks)
        for wire in self._shape.wires:
            if self._shape.maps(wire):
                # Mapping the task has added the edge.
                continue
            modifier = None if wire.label is None else compat.Label(wire.label)
            tasks[wire.source].set_downstream(tasks[wire.target], edge_modifier=modifier)

    def _make(self, task: Task, group: compat.TaskGroup | None, made: Mapping[str, Any]) -> Any:
        around: dict[str, Any] = {} if group is None else {"task_group": group}
        if task.kind is TaskKind.JOIN:
            return compat.EmptyOperator(
                task_id=task.id,
                task_display_name=task.label,
                trigger_rule=task.rule,
                **NO_CALLBACKS,
                **around,
            )
        if self._plan.graph.run_timeout is not None:
            around["run_timeout"] = self._plan.graph.run_timeout
        match task.kind:
            case TaskKind.EVENT | TaskKind.PART:
                operator, given = self._running(task)
                given.update(around)
                if task.each is None:
                    return operator(task_id=task.id, **given)
                if task.each.at_once is not None:
                    given["max_active_tis_per_dagrun"] = task.each.at_once
                item = made[task.each.each].output
                return operator.partial(task_id=task.id, **given).expand(item=item)
            case TaskKind.SCATTER:
                return self._scatter(task, around)
            case TaskKind.GATHER:
                assert task.each is not None
                return VolnuxGatherOperator(
                    task_id=task.id,
                    task_display_name=task.label,
                    each=task.each.each,
                    copies=self._shape.copies[task.each.each],
                    one_is_enough=task.node is not None and task.node.entry is Entry.ANY,
                    batched=task.each.batch is not None,
                    **around,
                )
            case TaskKind.FAIL:
                return self._fail(task, around)
            case TaskKind.CATCH | TaskKind.END:
                assert task.first is not None
                return VolnuxGroupOperator(
                    task_id=task.id,
                    task_display_name=task.label,
                    first=task.first,
                    ends=task.ends,
                    branches=task.branches,
                    **around,
                )

    def _fail(self, task: Task, around: dict[str, Any]) -> VolnuxFailOperator:
        node, graph = task.node, self._plan.graph
        assert node is not None
        return VolnuxFailOperator(
            task_id=task.id,
            task_display_name=task.label,
            message=graph.failure_at(node).message,
            failure=None if node.failure is None else Piped(self._shape.graph.values, node.failure),
            trigger_rule=task.rule,
            branches=task.branches,
            **around,
        )

    def _scatter(self, task: Task, around: dict[str, Any]) -> VolnuxEachOperator:
        node, each, graph = task.node, task.each, self._plan.graph
        assert node is not None
        assert each is not None
        declared = graph.declaring(each.file)
        return VolnuxEachOperator(
            task_id=task.id,
            task_display_name=task.label,
            each=each.name,
            source=each.source,
            receives=self._received(node),
            batch=each.batch,
            inputs=graph.inputs,
            readers=self._plan.readers,
            variables={item.name: item for item in declared.variables},
            scope=self._plan.scope_around(node.id),
            calendar=self._calendar,
            trigger_rule=task.rule,
            branches=task.branches,
            **around,
        )

    def _running(self, task: Task) -> tuple[Any, dict[str, Any]]:
        """The operator for an event or a part, and its arguments."""
        node, graph = task.node, self._plan.graph
        assert node is not None
        given: dict[str, Any] = {
            "inputs": graph.inputs,
            "readers": self._plan.readers,
            "calendar": self._calendar,
            "trigger_rule": task.rule,
            "branches": task.branches,
        }
        if task.part is not None:
            given["part"] = FlowPart(self._plan, task.part, self._shape.graph)
            if task.label is not None:
                given["task_display_name"] = task.label
            return VolnuxPartOperator, given
        given.update(task_options(node), spec=task.spec)
        if task.each is None:
            given["receives"] = self._received(node)
        else:
            given["each"] = task.each.name
        assert task.spec is not None
        return operator_class(task.spec.target), given

    def _received(self, node: Node) -> Piped | None:
        return None if node.receives is None else Piped(self._shape.graph.values, node.receives)


def _timetable(graph: Graph) -> Any:
    found = crons(graph)
    if not found:
        return None
    if not is_native(graph):
        from volnux_airflow.timetable import timetable_of

        return timetable_of(graph)
    zone = graph.timezone or "UTC"
    if len(found) == 1:
        return compat.CronTriggerTimetable(found[0], timezone=zone)
    return compat.MultipleCronTriggerTimetable(*found, timezone=zone)


def is_native(graph: Graph) -> bool:
    """Whether Airflow's own timetable is sufficient.

    That is the case if the clocks in the time zone never change, and if its description of all
    schedules fits into the database. The description of an expression has at most six times as many
    characters as the expression, plus a constant.
    """
    described = sum(6 * len(expression) + 100 for expression in crons(graph))
    zone = graph.timezone or "UTC"
    return zone in ("UTC", "Etc/UTC", "GMT") and described <= LONGEST_DESCRIPTION


def crons(graph: Graph) -> list[str]:
    """The schedules of a graph as five-field cron expressions."""
    return [PRESETS.get(s.expression, s.expression) for s in graph.schedules]


def start_date(graph: Graph) -> dt.datetime | None:
    """The start date in the file; `FIRST_DATE` for a schedule without one."""
    import zoneinfo

    if not graph.schedules and graph.start_date is None:
        return None
    day = dt.date.fromisoformat(graph.start_date) if graph.start_date else FIRST_DATE
    zone = zoneinfo.ZoneInfo(graph.timezone or "UTC")
    return dt.datetime(day.year, day.month, day.day, tzinfo=zone)


def param_of(item: InputSpec) -> compat.Param:
    """The Param of an input, with the JSON schema that the trigger form checks."""
    default, schema = schema_of(item)
    return compat.Param(**schema) if item.required else compat.Param(default, **schema)


def schema_of(item: InputSpec) -> tuple[Any, dict[str, Any]]:
    """The default of an input, as JSON, and its JSON schema with its description."""
    schema = InputType(item.type).schema if item.type in INPUT_TYPES else {}
    if item.type == InputType.LIST:
        # Airflow's form expects JSON for an array, unless its items are declared as strings.
        schema["items"] = {"type": list(_ANYTHING)}
    if item.choices:
        schema["enum"] = list(item.choices)
    limits = {"minimum": item.least, "maximum": item.most}
    schema.update({name: limit for name, limit in limits.items() if limit is not None})
    description = _description(item)
    if description is not None:
        schema["description"] = description
    if item.required:
        return None, schema
    # Airflow's form sends null for an empty text field.
    if item.default in (None, "") and "type" in schema:
        schema["type"] = ["null", schema["type"]]
        if item.choices:
            schema["enum"].append(None)
    default = jsonable(item.default)
    return default if "format" not in schema or default is None else str(default), schema


def _description(item: InputSpec) -> str | None:
    """The description of an input in the trigger form, with its default if that is computed."""
    if item.moment is None:
        return item.description
    empty = f"left empty: {item.moment}"
    return f"{item.description} ({empty})" if item.description else empty.capitalize()


def doc_of(graph: Graph) -> str:
    """The DAG's documentation in Markdown: description, drawing, and the Pointy text."""
    from volnux.graph.draw import draw

    parts = []
    if graph.description:
        parts.append(graph.description)
    if len(graph.nodes) <= 200:
        parts.append(_fenced(draw(graph, "ascii").rstrip()))
    if graph.source is not None:
        parts.append(_fenced(graph.source.text.strip()))
    if graph.files:
        for name, used in zip(shown_names(graph)[1:], graph.files, strict=True):
            parts += [f"`{name}`", _fenced(used.text.text.strip())]
    return "\n\n".join(parts) + "\n"


def _fenced(text: str) -> str:
    """A text as a code block. Airflow's page wraps lines only in blocks that have a language."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
