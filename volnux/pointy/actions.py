"""The action of each production of the grammar, and the rules that the grammar cannot express.

A token that error recovery inserted has the value None. It is not checked, because the file is
refused anyway.
"""

from __future__ import annotations

from typing import Any

from volnux.errors import Severity, Span
from volnux.pointy import options
from volnux.pointy.arguments import ArgumentReader
from volnux.pointy.directives import DirectiveReader
from volnux.pointy.lexer import Token
from volnux.pointy.options import WIDE
from volnux.pointy.report import Report, clip
from volnux.pointy.tree import (
    Argument,
    Arrow,
    Branch,
    Event,
    EventWithArguments,
    Fail,
    Flow,
    Group,
    Option,
    Parallel,
    Retry,
    Unit,
    Used,
)

__all__ = ["Builder"]


class _Row:
    """A flow that is not complete yet."""

    __slots__ = ("arrows", "parts")

    def __init__(self, first: Parallel) -> None:
        self.parts = [first]
        self.arrows: list[Arrow] = []


class _Core:
    """A unit that is not complete yet, with something after its event or group."""

    __slots__ = ("arguments", "branches", "factors", "options", "primary", "span")

    def __init__(self, primary: Event | Used | Group | Fail) -> None:
        self.primary = primary
        self.span = primary.span
        self.arguments: tuple[Span, list[Argument]] | None = None
        self.factors: list[Token] = []
        self.options: list[tuple[Span, list[Option]]] = []
        self.branches: list[tuple[Span, list[Branch]]] = []


_Growth = Event | Used | Group | Fail | _Core


class Builder(ArgumentReader):
    """Builds the tree of one text: one method for each action of the grammar."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.directives = DirectiveReader(report)
        self._uses = self.directives.uses
        self._names: set[str] = set()
        """The names in the flow, if the file uses others."""
        self._fails = False
        """True when the flow has a `!`."""
        self._wide = False
        """True when an option has rules that concern several units."""

    def file(self, _: None, row: _Row) -> Flow:
        flow = _flow(row)
        if self._uses and not self.report.has_syntax_error():
            from volnux.pointy import names

            names.check_unused(self.report, self._uses, self._names)
        if self._wide and not self.report.has_syntax_error():
            from volnux.pointy import scopes

            scopes.check(self.report, flow, self.directives.settings())
        return flow

    def no_directives(self) -> None:
        return None

    def directive(self, _: None, token: Token) -> None:
        self.directives.read(token)

    def flow(self, first: Unit | list[Unit]) -> _Row:
        return _Row(_parallel(first))

    def flow_more(self, row: _Row, arrow: Token, following: Unit | list[Unit]) -> _Row:
        if self._fails and arrow.value is not None:
            self._check_followed(row.parts[-1], arrow)
        row.parts.append(_parallel(following))
        row.arrows.append(_arrow(arrow))
        return row

    def parallel_more(self, arms: Unit | list[Unit], _: Token, unit: Unit) -> list[Unit]:
        if isinstance(arms, Unit):
            return [arms, unit]
        arms.append(unit)
        return arms

    def event(self, token: Token) -> Event | Used:
        name = token.value or ""
        if self._uses:
            self._names.add(name)
            if name in self._uses:
                return Used(name, token.span)
            self._check_name(token)
        elif name[-1:].isdigit() and "__" in name:
            self._check_name(token)
        return Event(name, token.span)

    def fail(self, token: Token) -> Fail:
        self._fails = True
        return Fail(token.span)

    def group(self, opener: Token, row: _Row, closer: Token) -> Group:
        return Group(_flow(row), opener.span.to(closer.span))

    def factor(self, core: _Growth, _: Token, number: Token) -> _Core:
        core = _growing(core)
        core.factors.append(number)
        core.span = core.span.to(number.span)
        return core

    def options(self, core: _Growth, opener: Token, found: list[Option], *closing: Token) -> _Core:
        core = _growing(core)
        span = opener.span.to(closing[-1].span)
        core.options.append((span, found))
        core.span = core.span.to(span)
        return core

    def branches(self, core: _Growth, opener: Token, found: list[Branch], *closing: Token) -> _Core:
        core = _growing(core)
        span = opener.span.to(closing[-1].span)
        core.branches.append((span, found))
        core.span = core.span.to(span)
        return core

    def no_arguments(self, core: _Growth, opener: Token, closer: Token) -> _Core:
        return self.arguments(core, opener, [], closer)

    def arguments(
        self, core: _Growth, opener: Token, found: list[Argument], *closing: Token
    ) -> _Core:
        span = opener.span.to(closing[-1].span)
        # An inserted bracket separates arguments from branches, which was already reported.
        if opener.value is not None:
            self._check_place(core, found, span)
        core = _growing(core)
        self.check_arguments(found, used=isinstance(core.primary, Used))
        core.arguments = core.arguments or (span, found)
        core.span = core.span.to(span)
        return core

    def unit(self, core: _Growth) -> Unit:
        if isinstance(core, _Core):
            return self._unit(core, None)
        return Unit(core, core.span)

    def unit_factor_first(self, number: Token, star: Token, core: _Growth) -> Unit:
        return self._unit(_growing(core), number if star.value is not None else None)

    def one(self, item: object) -> list[object]:
        return [item]

    def more(self, items: list[object], _: Token, item: object) -> list[object]:
        items.append(item)
        return items

    def option(self, name: Token, _: Token, literal: Token) -> Option:
        bare = literal.type == "NAME"
        # A word that was reported already has no value to check.
        value: Any = None if literal.fault else literal.value
        if bare and value in ("true", "false"):
            value = value == "true"
        if name.value in WIDE:
            self._wide = True
        span = name.span.to(literal.span)
        return Option(name.value or "", value, span, literal.span, bare)

    def branch(self, digit: Token, arrow: Token, row: _Row) -> Branch:
        flow = _flow(row)
        descriptor = -1
        if digit.value is not None:
            if len(digit.text) == 1:
                descriptor = digit.value
            elif not digit.fault:
                self.report.add(
                    "bad-descriptor",
                    f"'{clip(digit.text)}' is not a descriptor: it must be one digit from 0 to 9",
                    digit.span,
                    hint="0 is failure, 1 is success, 3 to 9 are your own",
                    syntax=True,
                )
        return Branch(descriptor, _arrow(arrow), flow, digit.span.to(flow.span))

    # The rules of a whole unit.

    def _unit(self, core: _Core, factor_first: Token | None) -> Unit:
        span = core.span
        factors = core.factors
        if factor_first is not None:
            span = factor_first.span.to(span)
            factors = [factor_first, *factors]
        for extra in factors[1:]:
            self.report.add(
                "double-factor",
                "this unit already has a retry factor",
                extra.span,
                hint="write the factor once: A * 3 or 3 * A",
            )
        for what, blocks in (("options", core.options[1:]), ("branches", core.branches[1:])):
            for where, _ in blocks:
                self.report.add(
                    f"double-{what}",
                    f"this unit already has {what}",
                    where,
                    hint=f"put all {what} of a unit into one pair of brackets",
                )
        primary = core.primary
        if self._fails and isinstance(primary, Fail):
            self._check_fail(core, factor_first)
            return Unit(primary, span)
        if core.arguments and isinstance(primary, Event):
            where, arguments = core.arguments
            primary = EventWithArguments(primary.name, primary.span, tuple(arguments), where)
        elif core.arguments and isinstance(primary, Used):
            where, arguments = core.arguments
            primary = Used(primary.name, primary.span, tuple(arguments), where)
        unit = Unit(
            primary,
            span,
            self._retry(factors[0]) if factors else None,
            tuple(core.options[0][1]) if core.options else (),
            tuple(core.branches[0][1]) if core.branches else (),
            core.options[0][0] if core.options else None,
            core.branches[0][0] if core.branches else None,
        )
        self._check_branches(unit)
        options.check(self.report, unit)
        return unit

    def _retry(self, token: Token) -> Retry | None:
        if token.value is None:
            return None
        if isinstance(token.value, int) and token.value >= 2:
            return Retry(token.value, token.span)
        if not token.fault:
            once = "; for one attempt, remove the factor" if token.value in (0, 1) else ""
            self.report.add(
                "bad-factor",
                f"a retry factor is a whole number of at least 2, found {clip(token.text)}",
                token.span,
                hint=f"A * 3 means at most 3 attempts in all{once}",
            )
        return None

    def _check_name(self, token: Token) -> None:
        from volnux.pointy import names

        names.check_name(self.report, token.text, token.span, self._uses)

    def _check_place(self, core: _Growth, found: list[Argument], span: Span) -> None:
        """Report arguments that do not follow the name of an event directly."""
        primary = core.primary if isinstance(core, _Core) else core
        what = "used file" if isinstance(primary, Used) else "event"
        if isinstance(primary, Group):
            self.report.add(
                "misplaced-arguments",
                "a group takes no arguments",
                span,
                hint="write them after the name of an event inside the group",
            )
        elif isinstance(core, _Core) and core.arguments:
            message = f"this {what} already has arguments"
            hint = "put all arguments into one pair of parentheses"
            self.report.add("double-arguments", message, span, hint=hint)
        elif isinstance(core, _Core) and isinstance(primary, Event | Used):
            name, first = clip(primary.name), clip(f"{found[0].name}=…") if found else ""
            self.report.add(
                "misplaced-arguments",
                f"arguments come directly after the name '{name}'",
                span,
                hint=f"write {name}({first}), then the factor, the options and the branches",
            )

    def _check_fail(self, core: _Core, factor_first: Token | None) -> None:
        """Report any factor, options, branches or arguments of a `!`."""
        factors = core.factors if factor_first is None else [factor_first, *core.factors]
        found = [("factor", factor.span) for factor in factors]
        found += [("options", where) for where, _ in core.options]
        found += [("branches", where) for where, _ in core.branches]
        if core.arguments:
            found.append(("arguments", core.arguments[0]))
        for what, where in found:
            message = f"'!' takes no {what}: it is not an event"
            self.report.add("bad-fail", message, where, hint=_FAIL)

    def _check_followed(self, part: Parallel, arrow: Token) -> None:
        """Report an arrow after a `!`."""
        if not any(isinstance(arm.primary, Fail) for arm in part.arms):
            return
        hint = "a '!' is the last unit of its flow: A -> !"
        if len(part.arms) > 1:
            hint = "put the units that run at once into braces: {A || !} -> B"
        self.report.add(
            "bad-fail",
            "nothing can follow '!', because the flow fails there",
            arrow.span,
            hint=hint,
        )

    def _check_branches(self, unit: Unit) -> None:
        seen: set[int] = set()
        for branch in unit.branches:
            d = branch.descriptor
            if d in seen and d >= 0:
                self.report.add(
                    "double-branch",
                    f"descriptor {d} already has a branch",
                    _digit(branch),
                    hint="for several events in one branch write a flow: "
                    f"({d} -> X -> Y) or ({d} -> {{X || Y}})",
                )
            seen.add(d)
            if isinstance(unit.primary, Group | Used) and d >= 2:
                what = "used file" if isinstance(unit.primary, Used) else "group"
                self.report.add(
                    "group-branch",
                    f"a {what} finishes with 0 or 1 only: it cannot have a branch for {d}",
                    _digit(branch),
                    hint=f"put the branch on the event inside the {what} that ends with it",
                )
            elif d >= 2 and (each := unit.option("each")) is not None:
                self.report.add(
                    "each-branch",
                    f"a unit with 'each' ends with 0 or 1 only: it cannot have a branch for {d}",
                    _digit(branch),
                    hint="put the branch on the event inside: "
                    f"write {{{_with_branch(unit, branch)}}}[each={clip(str(each.value))}]",
                )
            elif d == 2:
                self.report.add(
                    "descriptor-2",
                    "descriptor 2 has no meaning of its own",
                    _digit(branch),
                    hint="use 3 to 9 for your own outcomes",
                    severity=Severity.WARNING,
                )


_FAIL = "'!' fails the flow where it stands: A (0 -> Alarm -> !)"


def _digit(branch: Branch) -> Span:
    """The position of the descriptor of a branch."""
    line, column = branch.span.line, branch.span.column
    return Span(line, column, line, column + 1)


def _with_branch(unit: Unit, branch: Branch) -> str:
    """An event with one of its branches, in a hint."""
    event = unit.primary.name if isinstance(unit.primary, Event) else "A"
    match branch.flow.parts:
        case (Parallel(arms=(Unit(primary=Event(name=name)),)),):
            target = clip(name)
        case _:
            target = "…"
    return f"{clip(event)} ({branch.descriptor} {branch.arrow} {target})"


def _growing(core: _Growth) -> _Core:
    return core if isinstance(core, _Core) else _Core(core)


def _flow(row: _Row) -> Flow:
    span = row.parts[0].span.to(row.parts[-1].span)
    return Flow(tuple(row.parts), tuple(row.arrows), span)


def _parallel(arms: Unit | list[Unit]) -> Parallel:
    if isinstance(arms, Unit):
        return Parallel((arms,), arms.span)
    return Parallel(tuple(arms), arms[0].span.to(arms[-1].span))


def _arrow(token: Token) -> Arrow:
    return Arrow.PIPE if token.type == "PIPE" else Arrow.THEN
