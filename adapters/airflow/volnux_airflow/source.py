"""The Python source of a DAG: the export, for users who want to continue without Pointy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from volnux.backends.port import refuse
from volnux.errors import Diagnostic
from volnux.events.link import Plan
from volnux.graph.model import Entry
from volnux.kit.export import file_name, import_events, import_owner
from volnux.pysource import (
    Expression,
    Imports,
    Names,
    assigned,
    call,
    checked,
    docstring,
    laid_out,
    list_of,
    literal,
    mapping_of,
    module_source,
    one_line,
    snake,
)
from volnux_airflow import compat
from volnux_airflow.declared import written
from volnux_airflow.instants import UTC, Calendar
from volnux_airflow.reduced import reduced
from volnux_airflow.shape import Shape, Task, TaskKind, shape_of
from volnux_airflow.sourcevalues import arguments_of, values_of
from volnux_airflow.translate import (
    crons,
    doc_of,
    is_native,
    schema_of,
    start_date,
    task_options,
    timeout_of,
)

__all__ = ["source_of"]

_OWN = {
    "": ("datetime", "importlib"),
    "zoneinfo": ("ZoneInfo",),
    "airflow.providers.standard.operators.empty": ("EmptyOperator",),
    "airflow.sdk": (
        "CronTriggerTimetable",
        "DAG",
        "Label",
        "MultipleCronTriggerTimetable",
        "Param",
        "TaskGroup",
    ),
    "volnux_airflow": (
        "Calendar",
        "Name",
        "VolnuxEachOperator",
        "VolnuxEventOperator",
        "VolnuxFailOperator",
        "VolnuxGatherOperator",
        "VolnuxGroupOperator",
        "VolnuxTimetable",
        "all_of",
        "any_of",
        "failure_of",
        "first_done",
        "result",
    ),
}
"""The names that a file may import, by module."""

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
        RefusedError: a group of the flow runs as one task.
    """
    refuse("airflow", _not_written(plan))
    return checked(_Source(plan).text(), plan.graph.name)


def _not_written(plan: Plan) -> Iterator[Diagnostic]:
    """Errors for groups that run as one task: the file would need their text."""
    for name, part in reduced(plan).parts.items():
        yield plan.graph.diagnostic(
            "refused",
            f"a Python file cannot run this group as one task, '{name}'",
            span=part.span,
            hint="load the .pty file as a DAG",
        )


class _Source:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._graph = plan.graph
        self._shape: Shape = shape_of(plan)
        self._names = Names()
        self._imports = Imports(self._names, _OWN)
        self._own = self._imports.own
        self._doc = self._names.fresh("DOC")
        self._inputs = self._names.fresh("INPUTS")
        self._variable_table = self._names.fresh("VARIABLES")
        self._secrets = self._names.fresh("SECRETS")
        calendar = Calendar.of(self._graph)
        self._calendar = None if calendar == UTC else calendar
        self._calendar_name = self._names.fresh("CALENDAR")
        # Reserved in this order, so that the names of events get no number suffix if possible.
        self._events = import_events(self._imports, plan)
        self._owner = import_owner(self._imports, plan)
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
            f"{graph.name}: generated from {file_name(graph)} by `volnux airflow dag`."
        )
        body = [*self._constants(), *self._dag()]
        return module_source(f"{about}\n\n{_NEEDS}", self._imports, body)

    # Above the DAG.

    def _constants(self) -> Iterator[str]:
        if self._graph.inputs:
            yield assigned(self._inputs, self._input_table())
            yield ""
        if self._graph.variables:
            table = {item.name: written(item) for item in self._graph.variables}
            yield assigned(self._variable_table, literal(table))
            yield ""
        if self._graph.secrets:
            yield assigned(self._secrets, literal([item.name for item in self._graph.secrets]))
            yield ""
        if self._calendar is not None:
            said = map(literal, (self._calendar.timezone, *self._calendar.schedules))
            yield assigned(self._calendar_name, call(self._own("Calendar"), *said))
            yield ""
        for name, value in self._variables:
            yield assigned(name, value)
        if self._variables:
            yield ""
        # The text starts on a line of its own, so that it is easy to read.
        doc = docstring("\n" + doc_of(self._graph)).replace("\n", "\\\n", 1)
        yield f"{self._doc} = {doc}\n"

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
        graph = self._graph
        options: dict[str, Expression | None] = {
            "description": literal(graph.description) if graph.description else None,
            "schedule": self._schedule(),
            "start_date": self._start(),
            "catchup": literal(graph.catchup),
            "max_active_runs": literal(graph.max_active_runs) if graph.max_active_runs else None,
            "dagrun_timeout": self._dagrun_timeout(),
            "tags": literal(sorted(graph.tags)) if graph.tags else None,
            "params": self._params(),
            "doc_md": self._doc,
        }
        dag = call(self._own("DAG"), literal(graph.name), **options)
        yield laid_out(dag, before="with ", after=":")
        for task in self._shape.tasks:
            groups = self._shape.groups.get(task.id, ())
            yield from self._open(groups)
            indent = 4 if self._is_flat else 4 + 4 * len(groups)
            yield assigned(self._tasks[task.id], self._task(task), indent=indent)
        lines = list(self._wires())
        if lines:
            yield ""
            yield from lines

    def _open(self, groups: tuple[str, ...]) -> Iterator[str]:
        """Open the task groups that no earlier task was in, as nested blocks or as variables."""
        around = None
        for depth, group in enumerate(groups, 1):
            if group not in self._groups:
                made = call(
                    self._own("TaskGroup"),
                    literal(group),
                    prefix_group_id="False",
                    group_display_name=literal(self._shape.labels[group]),
                    parent_group=around if self._is_flat else None,
                )
                if self._is_flat:
                    self._groups[group] = self._names.fresh(snake(group))
                    yield assigned(self._groups[group], made, indent=4)
                else:
                    self._groups[group] = ""
                    yield laid_out(made, indent=4 * depth, before="with ", after=":")
            around = self._groups[group]

    def _schedule(self) -> Expression | None:
        found = crons(self._graph)
        if not found:
            return "None"
        zone = literal(self._graph.timezone or "UTC")
        return call(self._own(self._timetable()), *map(literal, found), timezone=zone)

    def _timetable(self) -> str:
        if not is_native(self._graph):
            return "VolnuxTimetable"
        several = len(self._graph.schedules) > 1
        return "MultipleCronTriggerTimetable" if several else "CronTriggerTimetable"

    def _start(self) -> Expression | None:
        start = start_date(self._graph)
        if start is None:
            return None
        zone = call(self._own("ZoneInfo"), literal(self._graph.timezone or "UTC"))
        parts = map(str, (start.year, start.month, start.day))
        return call(f"{self._own('datetime')}.datetime", *parts, tzinfo=zone)

    def _dagrun_timeout(self) -> Expression | None:
        if self._graph.run_timeout is None:
            return None
        seconds = timeout_of(self._graph.run_timeout).total_seconds()
        return call(f"{self._own('datetime')}.timedelta", seconds=literal(_number(seconds)))

    def _params(self) -> Expression | None:
        if not self._graph.inputs:
            return None
        items = []
        for item in self._graph.inputs:
            default, schema = schema_of(item)
            shown = {name: literal(value) for name, value in schema.items()}
            first = [] if item.required else [literal(default)]
            items.append((item.name, call(self._own("Param"), *first, **shown)))
        return mapping_of(items)

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
                    run_timeout=self._run_timeout(),
                    task_group=self._group_of(task),
                )
            case TaskKind.EVENT | TaskKind.PART:
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
        takes_variable = any(item.name == each.source for item in self._graph.variables)
        return call(
            self._own("VolnuxEachOperator"),
            task_id=literal(task.id),
            task_display_name=label,
            each=literal(each.name),
            source=None if each.source is None else literal(each.source),
            receives=None if node.receives is None else self._values[node.receives],
            inputs=self._inputs if self._graph.inputs else None,
            variables=self._variable_table if takes_variable else None,
            calendar=None if self._calendar is None else self._calendar_name,
            branches=branches,
            trigger_rule=rule,
            run_timeout=self._run_timeout(),
            task_group=self._group_of(task),
        )

    def _run_timeout(self) -> Expression | None:
        limit = self._graph.run_timeout
        return None if limit is None else literal(_number(limit))

    def _group_of(self, task: Task) -> str | None:
        """The variable of a task's group; None without a group or inside its `with` block."""
        groups = self._shape.groups.get(task.id, ())
        return self._groups[groups[-1]] if groups and self._is_flat else None

    def _event(
        self, task: Task, branches: Expression | None, rule: Expression | None
    ) -> Expression:
        node, spec = task.node, task.spec
        assert node is not None
        assert spec is not None
        named: dict[str, Expression | None] = {
            "task_id": literal(task.id),
            "event": self._events[spec.name],
            "name": None if node.event == task.id else literal(node.event),
            "attempts": None if node.retry is None else literal(node.retry),
            "timeout": literal(node.options["timeout"]) if "timeout" in node.options else None,
            "executor": literal(node.options["executor"]) if "executor" in node.options else None,
            "receives": None,
            "each": None if task.each is None else literal(task.each.name),
            "branches": branches,
            "trigger_rule": rule,
            "inputs": self._inputs if self._graph.inputs else None,
            "arguments": arguments_of(node, self._own) if node.arguments else None,
            "variables": None,
            "secrets": None,
            "calendar": None if self._calendar is None else self._calendar_name,
            "run_timeout": self._run_timeout(),
        }
        if spec.given is not None:
            if spec.given.variables:
                named["variables"] = self._variable_table
            if spec.given.secrets:
                named["secrets"] = self._secrets
        named.update({name: literal(value) for name, value in task_options(node).items()})
        named["task_group"] = self._group_of(task)
        operator = self._own("VolnuxEventOperator")
        if task.each is None:
            if node.receives is not None:
                named["receives"] = self._values[node.receives]
            return call(operator, **named)
        if task.each.at_once is not None:
            named["max_active_tis_per_dagrun"] = literal(task.each.at_once)
        partial = call(f"{operator}.partial", **named)
        item = f"{self._tasks[task.each.each]}.output"
        return replace(partial, closing=f").expand(item={item})")

    def _wires(self) -> Iterator[str]:
        """The edges. Those with the same source and label, or the same targets, share a line."""
        after: dict[tuple[str, str | None], list[str]] = {}
        for wire in self._shape.wires:
            if self._shape.maps(wire):
                # `expand` adds the edge.
                continue
            after.setdefault((wire.source, wire.label), []).append(wire.target)
        before: dict[tuple[str | None, tuple[str, ...]], list[str]] = {}
        for (source, label), targets in after.items():
            # Airflow has no `>>` between two lists.
            several = len(targets) > 1 or label is not None
            key = (label, (*targets, source) if several else tuple(targets))
            before.setdefault(key, []).append(source)
        for (label, key_), sources in before.items():
            targets = list(key_[: len(after[sources[0], label])])
            behind = self._tasks[sources[0]]
            target = self._several(targets)
            if label is not None and self._leaves_group(sources[0], targets):
                # In Airflow, `>> Label(…) >>` to or from a task in a group applies to the whole
                # group.
                line = call("", target, call(self._own("Label"), literal(label)))
                yield laid_out(line, indent=4, before=f"{behind}.set_downstream")
            elif len(sources) > 1:
                yield laid_out(self._several(sources), indent=4, after=f" >> {target}")
            else:
                between = "" if label is None else f"{self._own('Label')}({literal(label)}) >> "
                yield laid_out(target, indent=4, before=f"{behind} >> {between}")

    def _several(self, tasks: list[str]) -> Expression:
        names = [self._tasks[task] for task in tasks]
        return names[0] if len(names) == 1 else list_of(names)

    def _leaves_group(self, source: str, targets: list[str]) -> bool:
        groups = self._shape.groups
        return any(groups.get(target) != groups.get(source) for target in targets)


def _number(seconds: float) -> int | float:
    """Whole seconds as an integer, which reads better."""
    return int(seconds) if seconds == int(seconds) else seconds
