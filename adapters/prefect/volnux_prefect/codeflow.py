"""The flow of a `.pty` as the body of a Python function: the heart of `volnux prefect flow`.

The walk is that of `volnux.graph.compile`, in the same order, so that places and groups get the
names and settings that the linked graph has for them.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from volnux.events.link import Plan
from volnux.graph.model import Kind
from volnux.pointy import tree
from volnux.pointy.tree import Arrow, OnFailure
from volnux_prefect.pretty import Brackets
from volnux_prefect.translate import events_before

__all__ = ["Body", "Walk", "runner_variable", "snake"]


class _Context(NamedTuple):
    """What a part inherits from around it; see `volnux.graph.compile`.

    Attributes:
        indent: the white space that its lines begin with.
        receives: the expression of what is piped to its first events.
        wanted: whether its value is used.
        widen: under `continue`, whether something comes next that also starts when it failed.
        caught: whether a group around it has a `0` branch.
    """

    indent: str
    receives: str | None = None
    wanted: bool = True
    widen: bool = False
    caught: bool = False

    def deeper(self, levels: int = 1) -> _Context:
        return self._replace(indent=self.indent + "    " * levels)


@dataclass
class Body:
    """Some lines, the expression of their value, and the places in them."""

    lines: list[str] = field(default_factory=list)
    value: str = "None"
    places: list[str] = field(default_factory=list)


class Walk:
    """One walk over a flow.

    Args:
        plan: the linked graph.
        tasks: by place, the name of its task.
        runners: by place, the variable of the task runner beside the flow's own; or nothing.
        taken: names that no variable may have.
    """

    def __init__(
        self, plan: Plan, tasks: Mapping[str, str], runners: Mapping[str, str], taken: set[str]
    ) -> None:
        nodes = plan.graph.nodes
        self._tasks = tasks
        self._runners = runners
        self._names = set(taken)
        self._continue = plan.graph.on_failure is OnFailure.CONTINUE
        self._groups = iter(plan.graph.groups)
        self._numbers: dict[str, int] = {}
        self._after = {
            node.id: [nodes[source].id for source in sources]
            for node, sources in zip(nodes, events_before(plan.graph), strict=True)
            if node.kind is Kind.EVENT
        }

    def body(self, flow: tree.Flow, indent: str) -> Body:
        """The body of the function."""
        return self._flow(flow, _Context(indent))

    def _flow(self, flow: tree.Flow, context: _Context) -> Body:
        whole = Body()
        last = len(flow.parts) - 1
        for index, part in enumerate(flow.parts):
            piped_on = index < last and flow.arrows[index] is Arrow.PIPE
            receives = context.receives
            if index:
                receives = whole.value if flow.arrows[index - 1] is Arrow.PIPE else None
            own = context._replace(
                receives=receives,
                wanted=context.wanted if index == last else piped_on,
                widen=self._continue and not context.caught if index < last else context.widen,
            )
            found = self._parallel(part, own)
            whole.lines += found.lines
            whole.places += found.places
            whole.value = found.value
        return whole

    def _parallel(self, part: tree.Parallel, context: _Context) -> Body:
        if len(part.arms) == 1:
            return self._unit(part.arms[0], context)
        group = next(self._groups)
        any_ = group.evaluation is not None and group.evaluation.any
        whole = Body()
        arms: list[Brackets] = []
        for arm in part.arms:
            if _is_plain(arm) and not context.widen:
                assert isinstance(arm.primary, tree.Event)
                place = self._place(arm.primary)
                whole.places.append(place)
                arms.append(self._call("run.result", place, context))
                continue
            found = self._unit(arm, context.deeper()._replace(wanted=True))
            name = self._fresh(f"{snake(found.places[0])}_arm")
            whole.lines.append(f"{context.indent}async def {name}() -> Any:")
            whole.lines += [*found.lines, f"{context.indent}    return {found.value}", ""]
            whole.places += found.places
            arms.append(Brackets(name, ()))
        if len(whole.lines) > 1:
            whole.lines.insert(0, "")
        prefix = "await "
        if context.wanted:
            whole.value = self._fresh(f"{snake(whole.places[0])}_and_others")
            prefix = f"{whole.value} = await "
        gather = Brackets("any_of" if any_ else "all_of", arms)
        whole.lines += gather.lines(context.indent, prefix)
        return whole

    def _unit(self, unit: tree.Unit, context: _Context) -> Body:
        primary = unit.primary
        if isinstance(primary, tree.Group):
            if not unit.branches:
                return self._flow(primary.body, context)
            return self._caught(primary, unit, context)
        place = self._place(primary)
        if unit.branches:
            return self._branched(place, unit, context)
        whole = Body(places=[place])
        method = "run.ended" if context.widen else "run.result"
        prefix = "await "
        if context.wanted:
            variable = self._fresh(snake(place))
            prefix = f"{variable} = await "
            whole.value = f"{variable}.result" if context.widen else variable
        whole.lines += self._call(method, place, context).lines(context.indent, prefix)
        return whole

    def _branched(self, place: str, unit: tree.Unit, context: _Context) -> Body:
        """An event with branches: `match` on its descriptor."""
        variable = self._fresh(snake(place))
        indent = context.indent
        own = f"{variable}.result"
        value = self._fresh(f"after_{snake(place)}") if context.wanted else "None"
        call = self._call("run.ended", place, context)
        whole = Body(list(call.lines(indent, f"{variable} = await ")), value, [place])
        found = [
            self._flow(
                branch.flow,
                context.deeper(2)._replace(receives=own if branch.arrow is Arrow.PIPE else None),
            )
            for branch in unit.branches
        ]
        whole.lines.append(f"{indent}match {variable}.descriptor:")
        for branch, body in zip(unit.branches, found, strict=True):
            others = [p for each in found if each is not body for p in each.places]
            whole.lines.append(f"{indent}    case {branch.descriptor}:")
            whole.lines += self._settled(body, others, value, context.deeper(2))
        taken = {branch.descriptor for branch in unit.branches}
        every = [p for each in found for p in each.places]
        direct = Body(value=own)
        if context.widen and not taken & {0, 1}:
            whole.lines.append(f"{indent}    case _:")
            whole.lines += self._settled(direct, every, value, context.deeper(2))
        else:
            for descriptor in (0, 1):
                if descriptor in taken:
                    continue
                whole.lines.append(f"{indent}    case {descriptor}:")
                if descriptor or context.widen:
                    whole.lines += self._settled(direct, every, value, context.deeper(2))
                else:
                    whole.lines.append(f'{indent}        raise EventFailed("{place}", {own})')
        whole.places += every
        return whole

    def _caught(self, group: tree.Group, unit: tree.Unit, context: _Context) -> Body:
        """A group with branches: `try`, where one takes its failure."""
        indent = context.indent
        taken = {branch.descriptor for branch in unit.branches}
        guarded = 0 in taken or context.widen
        piped = any(b.descriptor == 1 and b.arrow is Arrow.PIPE for b in unit.branches)
        inner = context._replace(
            widen=False,
            caught=context.caught or 0 in taken,
            wanted=piped or (1 not in taken and context.wanted),
        )
        body = self._flow(group.body, inner.deeper() if guarded else inner)
        failure = self._fresh("failure")
        value = self._fresh(f"after_{snake(body.places[0])}") if context.wanted else "None"
        deeper = context.deeper() if guarded else context
        found: dict[int, Body] = {}
        for branch in unit.branches:
            result = f"{failure}.result" if branch.descriptor == 0 else body.value
            receives = result if branch.arrow is Arrow.PIPE else None
            inside = context.deeper() if branch.descriptor == 0 else deeper
            found[branch.descriptor] = self._flow(branch.flow, inside._replace(receives=receives))
        after_success = found.get(1, Body(value=body.value))
        after_failure = found.get(0, Body(value=f"{failure}.result"))
        whole = Body(value=value, places=list(body.places))
        good = self._settled(after_success, after_failure.places, value, deeper)
        if not guarded:
            whole.lines = [*body.lines, *good]
        else:
            bad = self._settled(after_failure, after_success.places, value, context.deeper())
            whole.lines = [f"{indent}try:", *body.lines]
            whole.lines += [f"{indent}except EventFailed as {failure}:", *bad]
            if good != [f"{deeper.indent}pass"]:
                whole.lines += [f"{indent}else:", *good]
        for branch in unit.branches:
            whole.places += found[branch.descriptor].places
        return whole

    def _settled(self, body: Body, skipped: list[str], value: str, context: _Context) -> list[str]:
        """The lines of a branch that is taken, with those that are not, and its value."""
        lines: list[str] = []
        if skipped:
            quoted = [f'"{place}"' for place in skipped]
            lines += Brackets("run.skip", quoted).lines(context.indent, "await ")
        lines += body.lines
        if value != "None":
            lines.append(f"{context.indent}{value} = {body.value}")
        return lines or [f"{context.indent}pass"]

    def _call(self, method: str, place: str, context: _Context) -> Brackets:
        items: list[str | Brackets] = [self._tasks[place], f'"{place}"']
        if context.receives is not None:
            items.append(context.receives)
        if self._after[place]:
            quoted = [f'"{name}"' for name in self._after[place]]
            items.append(Brackets("after=", quoted, is_tuple=True))
        if self._runners.get(place):
            items.append(f"runner={self._runners[place]}")
        return Brackets(method, items)

    def _place(self, event: tree.Event) -> str:
        number = self._numbers[event.name] = self._numbers.get(event.name, 0) + 1
        return event.name if number == 1 else f"{event.name}__{number}"

    def _fresh(self, name: str) -> str:
        number, fresh = 1, name
        while fresh in self._names or keyword.iskeyword(fresh):
            number += 1
            fresh = f"{name}_{number}"
        self._names.add(fresh)
        return fresh


def snake(name: str) -> str:
    """A name of an event or place as one of a variable: `LoadCSV__2` is `load_csv_2`."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return re.sub(r"_+", "_", apart).lower()


def runner_variable(number: int, made: str) -> str:
    """The variable of a task runner beside the flow's own."""
    plain = "processes" if made.startswith("Process") else "threads"
    name = "cluster" if made.startswith("Dask") else plain
    return name if number == 0 else f"{name}_{number + 1}"


def _is_plain(unit: tree.Unit) -> bool:
    return isinstance(unit.primary, tree.Event) and not unit.branches
