"""Write the flow of a `.pty` as the body of a Python function: the core of `volnux prefect flow`.

The syntax tree is walked in the same way as in `volnux.graph.compiling`. The names of places and
the evaluations of groups come from the linked graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from volnux.events.link import Plan
from volnux.graph.repeats import is_each
from volnux.pointy import tree
from volnux.pointy.tree import Arrow, OnFailure
from volnux.pysource import Expression, Names, call, docstring, laid_out, snake
from volnux_prefect.codeparts import Body, Context
from volnux_prefect.codetexts import Texts

__all__ = ["Walk"]

_MOST_BLOCKS = 12
"""The maximum depth of nested blocks in one function. Python itself allows 20."""


class Walk:
    """Walks over a flow and writes its code.

    Args:
        plan: the linked graph.
        places: the variable of each place and each `!`, by id.
        run: the variable of the run.
        own: a function that returns the local name of an imported object.
        names: the names that are used in the text.

    Attributes:
        functions: the lines of the functions for used pipelines.
    """

    def __init__(
        self,
        plan: Plan,
        places: Mapping[str, str],
        run: str,
        own: Callable[[str], str],
        names: Names,
    ) -> None:
        self._places = places
        self._run = run
        self._own = own
        self._names = names
        self._continue = plan.graph.on_failure is OnFailure.CONTINUE
        self._texts = Texts(plan.graph)
        self._received = names.fresh("received") if plan.graph.uses else ""
        self.functions: list[str] = []

    def lines(self, flow: tree.Flow, indent: str, into: str) -> list[str]:
        """The body of the function, which assigns the value of the flow to a variable."""
        context = Context(indent, into=into, blocks=1)
        return self._settled(self._flow(flow, context), [], into, context)

    def _flow(self, flow: tree.Flow, context: Context) -> Body:
        whole = Body()
        last = len(flow.parts) - 1
        for index, part in enumerate(flow.parts):
            piped_on = (
                index < last
                and flow.arrows[index] is Arrow.PIPE
                and self._texts.receives(flow.parts[index + 1])
            )
            receives = context.receives
            if index:
                receives = whole.value if flow.arrows[index - 1] is Arrow.PIPE else None
            own = context._replace(
                receives=receives,
                wanted=context.wanted if index == last else piped_on,
                into=context.into if index == last else None,
                widen=self._continue and not context.caught if index < last else context.widen,
            )
            found = self._parallel(part, own)
            whole.lines += found.lines
            whole.places += found.places
            whole.value = found.value
        return whole

    def _parallel(self, part: tree.Parallel, context: Context) -> Body:
        if len(part.arms) == 1:
            return self._unit(part.arms[0], context)
        group = self._texts.group(part)
        any_ = group.evaluation is not None and group.evaluation.any
        whole = Body()
        arms: list[Expression] = []
        for arm in part.arms:
            if isinstance(arm.primary, tree.Fail):
                arms.append(self._fail(arm.primary, context))
                continue
            plain = not arm.branches and not is_each(arm)
            if isinstance(arm.primary, tree.Event) and plain:
                place = self._node(arm.primary)
                whole.places.append(place)
                arms.append(self._call("result", place, context))
                continue
            name, lines, places = self._function(arm, "arm", context)
            whole.lines += [*lines, ""]
            whole.places += places
            arms.append(call(name))
        if len(whole.lines) > 1:
            whole.lines.insert(0, "")
        prefix = "await "
        if context.wanted:
            whole.value = context.into or self._fresh(f"{_title(whole.places)}_and_others")
            prefix = f"{whole.value} = await "
        gather = call(self._own("any_of" if any_ else "all_of"), *arms)
        whole.lines.append(context.line(gather, prefix))
        return whole

    def _function(
        self, unit: tree.Unit, kind: str, context: Context
    ) -> tuple[str, list[str], list[str]]:
        """Write a function for a unit. Returns its name, its lines, and the places in it."""
        found = self._unit(unit, context.in_function())
        name = self._fresh(f"{_title(found.places)}_{kind}")
        lines = [
            f"{context.indent}async def {name}() -> {self._own('Any')}:",
            *found.lines,
            f"{context.indent}    return {found.value}",
        ]
        return name, lines, found.places

    def _unit(self, unit: tree.Unit, context: Context) -> Body:
        primary = unit.primary
        if not isinstance(primary, tree.Event | tree.Fail) or is_each(unit):
            if context.blocks >= _MOST_BLOCKS and (unit.branches or unit.option("again")):
                return self._apart(unit, context)
            return self._caught(unit, context) if unit.branches else self._whole(unit, context)
        return self._plain(unit, context)

    def _whole(self, unit: tree.Unit, context: Context) -> Body:
        """A unit without its branches: once, or once for every item."""
        if is_each(unit):
            return self._each(unit, context)
        assert isinstance(unit.primary, tree.Group | tree.Used)
        option = unit.option("again")
        rounds = 1 if option is None else int(option.value)
        return self._round(unit.primary, rounds, context)

    def _each(self, unit: tree.Unit, context: Context) -> Body:
        """Write a unit with `each` as a function for one item, and a call for all of them."""
        each = self._texts.each(unit)
        item = self._fresh(each.name)
        inside = context.in_function()._replace(receives=item)
        if isinstance(unit.primary, tree.Event):
            found = self._plain(replace(unit, branches=()), inside)
        else:
            found = self._whole(replace(unit, options=_without_each(unit)), inside)
        title = _title(found.places)
        name = self._fresh(f"{title}_for_one")
        any_ = self._own("Any")
        whole = Body(places=found.places)
        whole.lines = [
            "",
            f"{context.indent}async def {name}({item}: {any_}) -> {any_}:",
            *found.lines,
            f"{context.indent}    return {found.value}",
            "",
        ]
        received = () if each.source or context.receives is None else (context.receives,)
        prefix = "await "
        if context.wanted:
            whole.value = context.into or self._fresh(f"{title}_for_all")
            prefix = f"{whole.value} = await "
        made = call(f"{self._run}.each", self._places[each.gather], name, *received)
        whole.lines.append(context.line(made, prefix))
        return whole

    def _inside(self, group: tree.Group | tree.Used, context: Context) -> Body:
        if isinstance(group, tree.Group):
            return self._flow(group.body, context)
        return self._used(group, context)

    def _used(self, used: tree.Used, context: Context) -> Body:
        """Write the flow of a used pipeline as a function of the module, and a call of it."""
        received = () if context.receives is None else (context.receives,)
        with self._texts.inside(used) as (use, flow):
            inside = Context(
                "    ",
                receives=self._received if received else None,
                widen=context.widen,
                caught=context.caught,
            )
            found = self._flow(flow, inside)
        any_ = self._own("Any")
        name = self._names.fresh(snake(use.place), f"{snake(use.place)}_again")
        parameters = [f"{self._run}: {self._own('Run')}"]
        parameters += [f"{self._received}: {any_}"] if received else []
        self.functions += [
            "",
            "",
            laid_out(call(f"async def {name}", *parameters), after=f" -> {any_}:"),
            f"    {docstring(f'The flow of {self._texts.file_of(use)}, as `{use.place}`.')}",
            *found.lines,
            f"    return {found.value}",
        ]
        value = self._value(context, _title(found.places))
        prefix = f"{value} = " if context.wanted else ""
        made = call(name, self._run, *received)
        return Body([context.line(made, f"{prefix}await ")], value, found.places)

    def _round(self, group: tree.Group | tree.Used, rounds: int, context: Context) -> Body:
        """Write a group that runs again if it failed: the next round is in an `except`."""
        if rounds == 1:
            return self._inside(group, context)
        if context.blocks >= _MOST_BLOCKS:
            return self._round_apart(group, rounds, context)
        value = self._value(context, "after_rounds")
        context = context._replace(into=_unless_none(value))
        guarded = context._replace(widen=False, caught=True).deeper(blocks=1)
        body = self._inside(group, guarded)
        failure = self._fresh("failure")
        handler = context.deeper(blocks=2)._replace(failure=f"{failure}.result")
        # It has two blocks more than the code around it, but only one level of indentation.
        handler = handler._replace(indent=context.deeper().indent)
        again = self._round(group, rounds - 1, handler)
        good = self._settled(Body(value=body.value), again.places, value, context.deeper())
        bad = self._settled(again, [], value, handler)
        lines = [f"{context.indent}try:", *body.lines]
        lines += [self._except(failure, bad, context), *bad]
        lines += [f"{context.indent}else:", *good]
        return Body(lines, value, [*body.places, *again.places])

    def _round_apart(self, group: tree.Group | tree.Used, rounds: int, context: Context) -> Body:
        found = self._round(group, rounds, context.in_function())
        name = self._fresh(f"{_title(found.places)}_rounds")
        value = self._value(context, _title(found.places))
        prefix = f"{value} = " if context.wanted else ""
        lines = [
            "",
            f"{context.indent}async def {name}() -> {self._own('Any')}:",
            *found.lines,
            f"{context.indent}    return {found.value}",
            "",
            context.line(call(name), f"{prefix}await "),
        ]
        return Body(lines, value, found.places)

    def _plain(self, unit: tree.Unit, context: Context) -> Body:
        """An event, or a `!`."""
        primary = unit.primary
        assert isinstance(primary, tree.Event | tree.Fail)
        if isinstance(primary, tree.Fail):
            places, made = [], self._fail(primary, context)
        else:
            place = self._node(primary)
            if unit.branches:
                return self._branched(place, unit, context)
            places, made = [place], self._call("result", place, context)
        whole = Body(places=places)
        prefix = "await "
        if context.wanted:
            whole.value = context.into or self._fresh(_title(places))
            prefix = f"{whole.value} = await "
        whole.lines.append(context.line(made, prefix))
        return whole

    def _apart(self, unit: tree.Unit, context: Context) -> Body:
        """Write a unit as a separate function, because Python limits nested blocks per function."""
        name, lines, places = self._function(unit, "group", context)
        value = self._value(context, _title(places))
        prefix = f"{value} = " if context.wanted else ""
        return Body(["", *lines, "", context.line(call(name), f"{prefix}await ")], value, places)

    def _branched(self, place: str, unit: tree.Unit, context: Context) -> Body:
        """Write an event with branches as a `match` on its descriptor."""
        variable = self._fresh(snake(place))
        indent = context.indent
        own = f"{variable}.result"
        value = self._value(context, f"after_{snake(place)}")
        ended = context.line(self._call("ended", place, context), f"{variable} = await ")
        whole = Body([ended], value, [place])
        inside = context.deeper(2)._replace(into=_unless_none(value))
        found = [
            self._flow(
                branch.flow,
                inside._replace(
                    receives=own if branch.arrow is Arrow.PIPE else None,
                    failure=own if branch.descriptor == 0 else context.failure,
                ),
            )
            for branch in unit.branches
        ]
        whole.lines.append(f"{indent}match {variable}.descriptor:")
        for branch, body in zip(unit.branches, found, strict=True):
            others = [p for each in found if each is not body for p in each.places]
            whole.lines.append(f"{indent}    case {branch.descriptor}:")
            whole.lines += self._settled(body, others, value, inside)
        every = [p for each in found for p in each.places]
        taken = {branch.descriptor for branch in unit.branches}
        direct = [d for d in (0, 1) if d not in taken and (d or context.widen)]
        if direct:
            # Only 0 and 1 can get here. Any other descriptor without a branch has become a failure,
            # which is 0.
            whole.lines.append(f"{indent}    case _:")
            whole.lines += self._settled(Body(value=own), every, value, inside)
        whole.places += every
        return whole

    def _caught(self, unit: tree.Unit, context: Context) -> Body:
        """Write a group with branches. The group is in a `try` if its failure is handled."""
        indent = context.indent
        taken = {branch.descriptor for branch in unit.branches}
        guarded = 0 in taken or context.widen
        piped = any(b.descriptor == 1 and b.arrow is Arrow.PIPE for b in unit.branches)
        value = self._value(context, f"after_{snake(self._texts.first(unit))}")
        context = context._replace(into=_unless_none(value))
        inner = context._replace(
            widen=False,
            caught=context.caught or 0 in taken,
            wanted=piped or (1 not in taken and context.wanted),
            into=None if 1 in taken else context.into,
        )
        body = self._whole(replace(unit, branches=()), inner.deeper(blocks=1) if guarded else inner)
        failure = self._fresh("failure")
        deeper = context.deeper() if guarded else context
        handler = context.deeper(blocks=2)
        found: dict[int, Body] = {}
        for branch in unit.branches:
            result = f"{failure}.result" if branch.descriptor == 0 else body.value
            receives = result if branch.arrow is Arrow.PIPE else None
            inside = deeper
            if branch.descriptor == 0:
                inside = handler._replace(failure=result)
            found[branch.descriptor] = self._flow(branch.flow, inside._replace(receives=receives))
        after_success = found.get(1, Body(value=body.value))
        after_failure = found.get(0, Body(value=f"{failure}.result"))
        whole = Body(value=value, places=list(body.places))
        good = self._settled(after_success, after_failure.places, value, deeper)
        if not guarded:
            whole.lines = [*body.lines, *good]
        else:
            bad = self._settled(after_failure, after_success.places, value, handler)
            whole.lines = [f"{indent}try:", *body.lines]
            whole.lines += [self._except(failure, bad, context), *bad]
            if good != [f"{deeper.indent}pass"]:
                whole.lines += [f"{indent}else:", *good]
        for branch in unit.branches:
            whole.places += found[branch.descriptor].places
        return whole

    def _except(self, failure: str, lines: list[str], context: Context) -> str:
        """The line of an `except` before some lines, which may read the failure."""
        name = f" as {failure}" if any(f"{failure}.result" in line for line in lines) else ""
        return f"{context.indent}except {self._own('EventFailed')}{name}:"

    def _settled(self, body: Body, skipped: list[str], value: str, context: Context) -> list[str]:
        """The lines of a branch: they report other branches as skipped, and assign its value."""
        lines: list[str] = []
        if skipped:
            variables = [self._places[place] for place in skipped]
            lines.append(context.line(call(f"{self._run}.skip", *variables)))
        lines += body.lines
        if value not in ("None", body.value):
            lines.append(f"{context.indent}{value} = {body.value}")
        return lines or [f"{context.indent}pass"]

    def _call(self, method: str, place: str, context: Context) -> Expression:
        received = () if context.receives is None else (context.receives,)
        return call(f"{self._run}.{method}", self._places[place], *received)

    def _fail(self, fail: tree.Fail, context: Context) -> Expression:
        failure = () if context.failure is None else (context.failure,)
        return call(f"{self._run}.fail", self._places[self._node(fail)], *failure)

    def _node(self, unit: tree.Event | tree.Fail) -> str:
        return self._texts.node(unit).id

    def _value(self, context: Context, name: str) -> str:
        """The variable for the value of a part, or `None` if the value is not used."""
        if not context.wanted:
            return "None"
        return context.into or self._fresh(name)

    def _fresh(self, name: str) -> str:
        return self._names.fresh(name, f"{name}_result")


def _without_each(unit: tree.Unit) -> tuple[tree.Option, ...]:
    return tuple(option for option in unit.options if option.name != "each")


def _unless_none(value: str) -> str | None:
    return None if value == "None" else value


def _title(places: list[str]) -> str:
    """The start of the name of a variable or function that belongs to some places."""
    return snake(places[0]) if places else "fail"
