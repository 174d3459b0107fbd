"""The Python source of a DAG: the export, for users who want to continue without Pointy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from volnux.backends.port import refuse
from volnux.errors import Diagnostic
from volnux.events.link import Plan
from volnux.graph.model import Each, Entry
from volnux.graph.sources import source_of_items
from volnux.graph.walk import EventName
from volnux.kit.export import import_events, import_owner
from volnux.pysource import (
    Expression,
    Imports,
    Names,
    assigned,
    call,
    checked,
    laid_out,
    literal,
    mapping_of,
    module_source,
    one_line,
    snake,
)
from volnux_airflow import compat
from volnux_airflow.boxes import Box
from volnux_airflow.declared import written
from volnux_airflow.hosted import native_of
from volnux_airflow.outcomes import Piped
from volnux_airflow.reduced import reduced
from volnux_airflow.shape import Shape, Task, TaskKind, shape_of
from volnux_airflow.sourceconstants import Constants
from volnux_airflow.sourcedag import dag_of, number
from volnux_airflow.sourcevalues import arguments_of, values_of
from volnux_airflow.sourcewires import wires_of
from volnux_airflow.translate import (
    task_options,
)

__all__ = ["source_of"]

_OWN = {
    "": ("datetime", "importlib"),
    "zoneinfo": ("ZoneInfo",),
    "airflow.providers.standard.operators.empty": ("EmptyOperator",),
    "airflow.sdk": ("DAG", "Label", "Param", "TaskGroup"),
    "volnux_airflow": (
        "Calendar",
        "Name",
        "VolnuxEachOperator",
        "VolnuxEventOperator",
        "VolnuxFailOperator",
        "VolnuxFlow",
        "VolnuxGatherOperator",
        "VolnuxGroupOperator",
        "VolnuxPartOperator",
        "VolnuxText",
        "VolnuxTimetable",
        "all_of",
        "any_of",
        "failure_of",
        "first_done",
        "operator_class",
        "result",
        "use",
    ),
}
"""The names that a file may import, by module."""

_OWN[compat.TIMETABLES] = (
    *_OWN.get(compat.TIMETABLES, ()),
    "CronTriggerTimetable",
    "MultipleCronTriggerTimetable",
)

_NEEDS = """\
It needs its events, which must be importable from here, and the operators of
volnux_airflow.
"""

_DEEPEST = 12
"""The maximum nesting depth of `with` statements. Python itself allows 20."""


def source_of(plan: Plan) -> str:
    """The text of a Python file that builds the DAG of a plan, with the same behaviour.

    Raises:
        PythonSourceError: the plan cannot be written as Python.
        RefusedError: a group of a pipeline class runs as one task.
    """
    refuse("airflow", _not_written(plan))
    return checked(_Source(plan).text(), plan.graph.name)


def _not_written(plan: Plan) -> Iterator[Diagnostic]:
    """Errors for parts that run as one task in a pipeline class, whose text is not all of it."""
    if plan.owner is None:
        return
    for name, part in reduced(plan).parts.items():
        yield plan.graph.diagnostic(
            "refused",
            f"the group that runs as one task, '{name}', cannot be written as Python: its inputs "
            f"are fields of {plan.owner.__qualname__}",
            at=part,
            hint="use to_dag",
        )


class _Source:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._graph = plan.graph
        self._shape: Shape = shape_of(plan)
        self._names = Names()
        self._imports = Imports(self._names, _OWN)
        self._own = self._imports.own
        self._constants = Constants(plan, self._shape, self._own, self._names)
        # Reserved in this order, so that the names of events get no number suffix if possible.
        self._events = import_events(self._imports, plan)
        self._owner = import_owner(self._imports, plan)
        self._constants.reserve()
        self._values, self._variables = values_of(self._shape.graph, self._own, self._names)
        self._tasks = {
            task.id: self._names.fresh(snake(task.id), f"{snake(task.id)}_task")
            for task in self._shape.tasks
        }
        self._is_flat = any(len(each) > _DEEPEST for each in self._shape.groups.values())
        self._groups: dict[str, str] = {}

    def text(self) -> str:
        graph = self._graph
        about = one_line(
            f"{graph.name}: generated from {graph.file_name()} by `volnux airflow dag`."
        )
        body = [*self._above(), *self._dag()]
        return module_source(f"{about}\n\n{_NEEDS}", self._imports, body)

    def _above(self) -> Iterator[str]:
        """The constants above the DAG."""
        yield from self._constants.lines(self._input_table())
        for name, value in self._variables:
            yield assigned(name, value)
        if self._variables:
            yield ""
        yield from self._constants.documentation(self._events)

    def _input_table(self) -> Expression:
        fields = self._plan.readers if self._owner else {}
        return mapping_of(
            (
                item.name,
                f"{self._owner}.{item.name}" if item.name in fields else literal(written(item)),
            )
            for item in self._graph.inputs
        )

    # The DAG.

    def _dag(self) -> Iterator[str]:
        dag = dag_of(self._graph, self._own, self._constants.doc)
        yield laid_out(dag, before="with ", after=":")
        for task in self._shape.tasks:
            groups = self._shape.groups.get(task.id, ())
            yield from self._open(groups)
            indent = 4 if self._is_flat else 4 + 4 * len(groups)
            yield assigned(self._tasks[task.id], self._task(task), indent=indent)
        lines = list(wires_of(self._shape, self._tasks, self._own))
        if lines:
            yield ""
            yield from lines

    def _open(self, groups: tuple[Box, ...]) -> Iterator[str]:
        """Open the task groups that no earlier task was in, as nested blocks or as variables."""
        around = None
        for depth, group in enumerate(groups, 1):
            if group.id not in self._groups:
                made = call(
                    self._own("TaskGroup"),
                    literal(group.id),
                    prefix_group_id="False",
                    tooltip=literal(group.tooltip) if group.tooltip else None,
                    group_display_name=literal(group.label),
                    parent_group=around if self._is_flat else None,
                )
                if self._is_flat:
                    self._groups[group.id] = self._names.fresh(snake(group.id))
                    yield assigned(self._groups[group.id], made, indent=4)
                else:
                    self._groups[group.id] = ""
                    yield laid_out(made, indent=4 * depth, before="with ", after=":")
            around = self._groups[group.id]

    def _task(self, task: Task) -> Expression:
        branches = None
        if task.branches is not None:
            one = {
                descriptor: targets[0] if len(targets) == 1 else list(targets)
                for descriptor, targets in task.branches.items()
            }
            branches = literal(one)
        rule = None
        if task.rule != compat.TriggerRule.ALL_SUCCESS:
            rule = literal(str(task.rule.value))
        label = None if task.label is None else literal(task.label)
        match task.kind:
            case TaskKind.JOIN:
                return call(
                    self._own("EmptyOperator"),
                    task_id=literal(task.id),
                    task_display_name=label,
                    trigger_rule=rule,
                    task_group=self._group_of(task),
                )
            case TaskKind.CATCH | TaskKind.END:
                ends = list(dict.fromkeys(task.ends))
                return call(
                    self._own("VolnuxGroupOperator"),
                    task_id=literal(task.id),
                    task_display_name=label,
                    first=literal(task.first),
                    ends=literal(ends[0] if len(ends) == 1 else ends),
                    branches=branches,
                    run_timeout=self._run_timeout(),
                    task_group=self._group_of(task),
                )
            case TaskKind.FAIL:
                assert task.node is not None
                failure = task.node.failure
                return call(
                    self._own("VolnuxFailOperator"),
                    task_id=literal(task.id),
                    task_display_name=label,
                    message=literal(self._graph.failure_at(task.node).message),
                    failure=None if failure is None else self._values[failure],
                    branches=branches,
                    trigger_rule=rule,
                    run_timeout=self._run_timeout(),
                    task_group=self._group_of(task),
                )
            case TaskKind.SCATTER:
                return self._scatter(task, branches, rule, label)
            case TaskKind.GATHER:
                assert task.each is not None
                assert task.node is not None
                return call(
                    self._own("VolnuxGatherOperator"),
                    task_id=literal(task.id),
                    task_display_name=label,
                    each=literal(task.each.each),
                    copies=literal(self._shape.copies[task.each.each]),
                    one_is_enough="True" if task.node.entry is Entry.ANY else None,
                    batched=None if task.each.batch is None else "True",
                    run_timeout=self._run_timeout(),
                    task_group=self._group_of(task),
                )
            case TaskKind.PART:
                return self._part(task, branches, rule, label)
            case TaskKind.EVENT:
                return self._event(task, branches, rule)

    def _scatter(
        self,
        task: Task,
        branches: Expression | None,
        rule: Expression | None,
        label: Expression | None,
    ) -> Expression:
        """The task that makes the list of an `each`."""
        node, each = task.node, task.each
        assert node is not None
        assert each is not None
        declared = self._graph.declaring(each.file).variables
        takes_variable = any(item.name == each.source for item in declared)
        return call(
            self._own("VolnuxEachOperator"),
            task_id=literal(task.id),
            task_display_name=label,
            each=literal(each.name),
            source=None if each.source is None else literal(each.source),
            receives=None if node.receives is None else self._values[node.receives],
            batch=None if each.batch is None else literal(each.batch),
            inputs=self._constants.inputs,
            variables=self._constants.variables(each.file) if takes_variable else None,
            scope=None if each.source is None else self._constants.scope(node),
            calendar=self._constants.calendar,
            branches=branches,
            trigger_rule=rule,
            run_timeout=self._run_timeout(),
            task_group=self._group_of(task),
        )

    def _run_timeout(self) -> Expression | None:
        limit = self._graph.run_timeout
        return None if limit is None else literal(number(limit))

    def _group_of(self, task: Task) -> str | None:
        """The variable of a task's group; None without a group or inside its `with` block."""
        groups = self._shape.groups.get(task.id, ())
        return self._groups[groups[-1].id] if groups and self._is_flat else None

    def _event(
        self, task: Task, branches: Expression | None, rule: Expression | None
    ) -> Expression:
        node, spec = task.node, task.spec
        assert node is not None
        assert spec is not None
        named: dict[str, Expression | None] = {
            "task_id": literal(task.id),
            "event": self._events[EventName(node.file, spec.name)],
            "name": None if node.event == task.id else literal(node.event),
            "attempts": None if node.retry is None else literal(node.retry),
            **{
                name: literal(node.options[name]) if name in node.options else None
                for name in ("timeout", "every", "within", "executor")
            },
            "receives": None,
            "received_from": self._received_from(task),
            "each": None if task.each is None else literal(task.each.name),
            "branches": branches,
            "trigger_rule": rule,
            "inputs": self._constants.inputs,
            "arguments": arguments_of(node.arguments, self._own) if node.arguments else None,
            "variables": None,
            "secrets": None,
            "scope": self._constants.scope(node),
            "calendar": self._constants.calendar,
            "run_timeout": self._run_timeout(),
        }
        if spec.given is not None:
            if spec.given.variables:
                named["variables"] = self._constants.variables(node.file)
            if spec.given.secrets:
                named["secrets"] = self._constants.secrets(node.file)
        named.update({name: literal(value) for name, value in task_options(node).items()})
        named["task_group"] = self._group_of(task)
        if node.receives is not None:
            named["receives"] = self._values[node.receives]
        operator = self._own("VolnuxEventOperator")
        if native_of(spec.event_class) is not None:
            operator = f"{self._own('operator_class')}({named['event']})"
        return self._running(operator, task, named)

    def _received_from(self, task: Task) -> Expression | None:
        """Where the piped value of an event comes from, if the names of the tasks do not say it."""
        node, spec = task.node, task.spec
        if node is None or spec is None or spec.receiver is None:
            return None
        known = None
        if task.each is not None:
            known = source_of_items(task.each.name)
        elif node.receives is not None:
            known = Piped(self._shape.graph.values, node.receives).sources
        return None if spec.receiver.source == known else literal(spec.receiver.source)

    def _part(
        self,
        task: Task,
        branches: Expression | None,
        rule: Expression | None,
        label: Expression | None,
    ) -> Expression:
        """The task of a part of the flow."""
        assert task.part is not None
        name = task.part.each if isinstance(task.part, Each) else task.part.name
        named = {
            "task_id": literal(task.id),
            "task_display_name": label,
            "part": f"{self._constants.flow}[{literal(name)}]",
            "inputs": self._constants.inputs,
            "calendar": self._constants.calendar,
            "branches": branches,
            "trigger_rule": rule,
            "run_timeout": self._run_timeout(),
            "task_group": self._group_of(task),
        }
        return self._running(self._own("VolnuxPartOperator"), task, named)

    def _running(
        self, operator: str, task: Task, named: dict[str, Expression | None]
    ) -> Expression:
        """The task of an event or part, which may be mapped."""
        if task.each is None:
            return call(operator, **named)
        if task.each.at_once is not None:
            named["max_active_tis_per_dagrun"] = literal(task.each.at_once)
        partial = call(f"{operator}.partial", **named)
        item = f"{self._tasks[task.each.each]}.output"
        return replace(partial, closing=f").expand(item={item})")
