"""The Python source of a DAG: the way out, for whoever wants to go on without Pointy."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

from volnux.events.link import Plan
from volnux.events.spec import EventSpec
from volnux.graph.model import ValueKind
from volnux_airflow import compat
from volnux_airflow.pretty import WIDTH, Bracketed, Expression, call, literal, text
from volnux_airflow.shape import Shape, Task, TaskKind, shape_of
from volnux_airflow.translate import crons, doc_of, is_native, schema_of, start_date, task_options

__all__ = ["source_of"]

_TAKEN = {"DOC", "INPUTS", "dt", "ZoneInfo"}


def source_of(plan: Plan) -> str:
    """A Python file that makes the DAG of a plan: same states, attempts and results."""
    return _Source(plan).text()


class _Source:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._graph = plan.graph
        self._shape: Shape = shape_of(plan)
        self._airflow = {"DAG"}
        self._ours: set[str] = set()
        self._names = _Names(plan)
        self._values, self._variables = self._make_values()
        self._tasks = self._name_tasks()

    def text(self) -> str:
        body = "\n".join(self._dag())
        parts = [self._docstring(), *self._imports(), "", *self._constants(), body]
        return "\n".join(parts) + "\n"

    # Above the DAG.

    def _docstring(self) -> str:
        source = self._graph.source
        name = source.filename.rpartition("/")[2] if source else self._graph.name
        return (
            f'"""{self._graph.name}: made of {name} by `volnux airflow dag`.\n\n'
            "It needs its events, which Python must be able to import from here, and the\n"
            'operators of volnux_airflow.\n"""\n'
        )

    def _imports(self) -> Iterator[str]:
        if self._has_date:
            yield "import datetime as dt"
            yield "from zoneinfo import ZoneInfo"
            yield ""
        third = []
        if any(task.kind is TaskKind.JOIN for task in self._shape.tasks):
            third.append(("airflow.providers.standard.operators.empty", ["EmptyOperator"]))
        third += [("airflow.sdk", sorted(self._airflow)), ("volnux_airflow", sorted(self._ours))]
        yield from _import_lines(third)
        yield ""
        yield from _import_lines(list(self._names.imports.items()))

    def _constants(self) -> Iterator[str]:
        if self._graph.inputs:
            yield text(self._input_table(), indent=0, before="INPUTS = ")
            yield ""
        for name, value in self._variables:
            yield text(value, indent=0, before=f"{name} = ")
        if self._variables:
            yield ""
        doc = doc_of(self._graph).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        doc = doc.replace("\r", "\\r")  # which Python would read as a line feed
        yield f'DOC = """\\\n{doc}"""\n'

    def _input_table(self) -> Expression:
        items = []
        for item in self._graph.inputs:
            kind: Expression = literal(item.type)
            if item.name in self._plan.readers and self._plan.owner is not None:
                kind = f"{self._names.of(self._plan.owner)}.{item.name}"
            items.append((f"{literal(item.name)}: ", kind))
        return Bracketed("{", tuple(items), "}")

    # The DAG.

    @property
    def _has_date(self) -> bool:
        return start_date(self._graph) is not None

    def _dag(self) -> Iterator[str]:
        graph = self._graph
        options: dict[str, Expression | None] = {
            "description": literal(graph.description) if graph.description else None,
            "schedule": self._schedule(),
            "start_date": self._start(),
            "catchup": literal(graph.catchup),
            "max_active_runs": literal(graph.max_active_runs) if graph.max_active_runs else None,
            "tags": literal(sorted(graph.tags)) if graph.tags else None,
            "params": self._params(),
            "doc_md": "DOC",
        }
        yield text(call("DAG", literal(graph.name), **options), indent=0, before="with ", after=":")
        opened: set[str] = set()
        for task in self._shape.tasks:
            groups = self._shape.groups.get(task.id, ())
            for depth, group in enumerate(groups, 1):
                if group not in opened:
                    opened.add(group)
                    label = literal(self._shape.labels[group])
                    around = call(
                        "TaskGroup",
                        literal(group),
                        prefix_group_id="False",
                        group_display_name=label,
                    )
                    yield text(around, indent=4 * depth, before="with ", after=":")
            made = self._task(task)
            indent = 4 + 4 * len(groups)
            yield text(made, indent=indent, before=f"{self._tasks[task.id]} = ")
        lines = list(self._wires())
        if lines:
            yield ""
            yield from lines

    def _schedule(self) -> Expression | None:
        found = crons(self._graph)
        if not found:
            return "None"
        zone = literal(self._graph.timezone or "UTC")
        return call(self._timetable(), *map(literal, found), timezone=zone)

    def _timetable(self) -> str:
        if not is_native(self._graph):
            return "VolnuxTimetable"
        several = len(self._graph.schedules) > 1
        return "MultipleCronTriggerTimetable" if several else "CronTriggerTimetable"

    def _start(self) -> Expression | None:
        start = start_date(self._graph)
        if start is None:
            return None
        zone = call("ZoneInfo", literal(self._graph.timezone or "UTC"))
        parts = map(str, (start.year, start.month, start.day))
        return call("dt.datetime", *parts, tzinfo=zone)

    def _params(self) -> Expression | None:
        if not self._graph.inputs:
            return None
        items = []
        for item in self._graph.inputs:
            default, schema = schema_of(item)
            shown = {name: literal(value) for name, value in schema.items()}
            first = [] if item.required else [literal(default)]
            items.append((f"{literal(item.name)}: ", call("Param", *first, **shown)))
        return Bracketed("{", tuple(items), "}")

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
                    "EmptyOperator",
                    task_id=literal(task.id),
                    task_display_name=label,
                    trigger_rule=rule,
                )
            case TaskKind.CATCH | TaskKind.END:
                ends = list(dict.fromkeys(task.ends))
                return call(
                    "VolnuxGroupOperator",
                    task_id=literal(task.id),
                    task_display_name=label,
                    first=literal(task.first),
                    ends=literal(ends[0] if len(ends) == 1 else ends),
                    branches=branches,
                )
            case TaskKind.EVENT:
                return self._event(task, branches, rule)

    def _event(
        self, task: Task, branches: Expression | None, rule: Expression | None
    ) -> Expression:
        node, spec = task.node, task.spec
        assert node is not None
        assert spec is not None
        named: dict[str, Expression | None] = {
            "task_id": literal(task.id),
            "event": self._names.of(spec.target, spec),
            "name": None if node.event == task.id else literal(node.event),
            "attempts": None if node.retry is None else literal(node.retry),
            "timeout": literal(node.options["timeout"]) if "timeout" in node.options else None,
            "executor": literal(node.options["executor"]) if "executor" in node.options else None,
            "receives": None if node.receives is None else self._values[node.receives],
            "branches": branches,
            "trigger_rule": rule,
            "inputs": "INPUTS" if self._graph.inputs else None,
        }
        named.update({name: literal(value) for name, value in task_options(node).items()})
        return call("VolnuxEventOperator", **named)

    def _wires(self) -> Iterator[str]:
        """The edges: those of one label from one source, or to the same tasks, together."""
        after: dict[tuple[str, str | None], list[str]] = {}
        for wire in self._shape.wires:
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
                # To Airflow, `>> Label(…) >>` into or out of a task group means the whole group.
                line = call("", target, call("Label", literal(label)))
                yield text(line, indent=4, before=f"{behind}.set_downstream")
            elif len(sources) > 1:
                yield text(self._several(sources), indent=4, after=f" >> {target}")
            else:
                between = "" if label is None else f"Label({literal(label)}) >> "
                yield text(target, indent=4, before=f"{behind} >> {between}")

    def _several(self, tasks: list[str]) -> Expression:
        names = [self._tasks[task] for task in tasks]
        if len(names) == 1:
            return names[0]
        return Bracketed("[", tuple(("", name) for name in names), "]")

    def _leaves_group(self, source: str, targets: list[str]) -> bool:
        groups = self._shape.groups
        return any(groups.get(target) != groups.get(source) for target in targets)

    # Names.

    def _name_tasks(self) -> dict[str, str]:
        for task in self._shape.tasks:
            match task.kind:
                case TaskKind.EVENT:
                    self._ours.add("VolnuxEventOperator")
                case TaskKind.CATCH | TaskKind.END:
                    self._ours.add("VolnuxGroupOperator")
        if self._shape.groups:
            self._airflow.add("TaskGroup")
        if any(wire.label is not None for wire in self._shape.wires):
            self._airflow.add("Label")
        if self._graph.inputs:
            self._airflow.add("Param")
        if self._graph.schedules:
            (self._airflow if is_native(self._graph) else self._ours).add(self._timetable())
        if self._plan.owner is not None and self._plan.readers:
            self._names.of(self._plan.owner)
        taken = {*_TAKEN, *self._airflow, *self._ours, "EmptyOperator"}
        for task in self._shape.tasks:
            if task.spec is not None:
                self._names.of(task.spec.target, task.spec)
        taken |= self._names.taken | {name for name, _ in self._variables}
        found: dict[str, str] = {}
        for task in self._shape.tasks:
            name = _snake(task.id)
            while name in taken or keyword.iskeyword(name):
                name += "_task"
            taken.add(name)
            found[task.id] = name
        return found

    def _make_values(self) -> tuple[dict[int, Expression], list[tuple[str, Expression]]]:
        """Each value as an expression; those that several use as variables."""
        values = self._graph.values
        wanted = [node.receives for node in self._graph.nodes if node.receives is not None]
        used: dict[int, int] = {}
        for index in wanted:
            used[index] = used.get(index, 0) + 1
        for index in range(len(values) - 1, -1, -1):
            if index in used:
                for part in values[index].of:
                    used[part] = used.get(part, 0) + 1
        made: dict[int, Expression] = {}
        variables: list[tuple[str, Expression]] = []
        for index in sorted(used):
            value = values[index]
            if value.kind is ValueKind.RESULT and value.when is None:
                made[index] = literal(value.node)
                continue
            name = value.kind.value
            self._ours.add(name)
            if value.node is not None:
                when = None if value.when is None else literal(list(value.when))
                made[index] = call(name, literal(value.node), when=when)
            else:
                made[index] = call(name, *(made[part] for part in value.of))
            if used[index] > 1:
                variables.append((f"value_{len(variables) + 1}", made[index]))
                made[index] = variables[-1][0]
        return made, variables


def _import_lines(found: list[tuple[str, list[str]]]) -> Iterator[str]:
    for module, names in sorted(found):
        ordered = sorted(set(names), key=_import_order)
        line = f"from {module} import {', '.join(ordered)}"
        if len(line) <= WIDTH:
            yield line
        else:
            yield f"from {module} import ("
            yield from (f"    {name}," for name in ordered)
            yield ")"


class _Names:
    """What is imported of the user's modules, and under which name."""

    def __init__(self, plan: Plan) -> None:
        self.imports: dict[str, list[str]] = {}
        self.taken: set[str] = set()
        self._known: dict[int, str] = {}

    def of(self, target: Any, spec: EventSpec | None = None) -> str:
        """The expression for a class or function of the user."""
        known = self._known.get(id(target))
        if known is not None:
            return known
        module = target.__module__
        outer, dot, inner = target.__qualname__.partition(".")
        name = outer
        if name in self.taken:
            name = f"{module.replace('.', '_')}_{outer}"
        self.taken.add(name)
        self.imports.setdefault(module, []).append(outer if name == outer else f"{outer} as {name}")
        self._known[id(target)] = f"{name}{dot}{inner}"
        return self._known[id(target)]


def _snake(name: str) -> str:
    plain = re.sub(r"\W+", "_", name.replace("__", "_"))
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return split.lower()


def _import_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions: as isort sorts."""
    plain = name.partition(" ")[0]
    if plain.isupper() and len(plain) > 1:
        return 0, name
    return (1 if plain[:1].isupper() else 2), name
