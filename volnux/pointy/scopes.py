"""The rules of `each`, `task` and `again` that concern more than one unit of a file."""

from __future__ import annotations

from typing import NamedTuple

from volnux.pointy.inputtypes import InputType
from volnux.pointy.report import Report, clip
from volnux.pointy.tree import Event, Flow, Group, Option, Parallel, Settings, Unit, Used

__all__ = ["MOST_PLACES", "check"]

MOST_PLACES = 100_000
"""The maximum number of places of a file with `again`, counting all rounds."""


def check(report: Report, flow: Flow, settings: Settings) -> None:
    """Report every option of a flow that breaks one of these rules."""
    walk = _Walk(report, settings)
    walk.flow(flow)
    walk.finish()


class _Leave(NamedTuple):
    """The end of a unit with `each` or `again`, and what applies after it."""

    each: str | None
    rounds: int


class _Walk:
    """The walk over a flow in reading order, with what applies to the current unit."""

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report = report
        self._declared = {
            **{item.name: ("an input", item.type) for item in settings.inputs},
            **{item.name: ("a variable", item.type) for item in settings.variables},
            **{item.name: ("a secret", None) for item in settings.secrets},
        }
        self._around: set[str] = set()
        """The names of the `each`es around the current unit."""
        self._rounds = 1
        """How often the `again`s around the current unit can run it in all."""
        self._places = 0
        self._names: set[str] = set()
        """The names of events and used files, which are also those of their first places."""
        self._tasks: dict[str, Option] = {}
        self._most: Option | None = None
        """The `again` with the highest number."""

    def flow(self, flow: Flow) -> None:
        # A loop with its own stack, since a flow may be nested deeper than Python recurses.
        stack: list[Flow | Parallel | Unit | _Leave] = [flow]
        while stack:
            match stack.pop():
                case Flow(parts=parts):
                    stack += reversed(parts)
                case Parallel(arms=arms):
                    stack += reversed(arms)
                case Unit(primary=Group(body=body)) as unit:
                    # The options of a unit do not apply to its branches.
                    stack += [branch.flow for branch in reversed(unit.branches)]
                    if unit.options:
                        stack.append(self._enter(unit))
                    stack.append(body)
                case Unit(primary=Used(name=name)) as unit:
                    stack += [branch.flow for branch in reversed(unit.branches)]
                    self._names.add(name)
                    if unit.options:
                        stack.append(self._enter(unit))
                    # The files themselves are counted where they are read.
                    self._places += self._rounds
                case Unit(primary=primary) as unit:
                    stack += [branch.flow for branch in reversed(unit.branches)]
                    self._places += self._rounds
                    if isinstance(primary, Event):
                        self._names.add(primary.name)
                    if unit.options:
                        self._check_each(unit)
                case _Leave(each=each, rounds=rounds):
                    self._around.discard(each or "")
                    self._rounds = rounds

    def finish(self) -> None:
        """Report errors that only the whole flow shows."""
        for name, option in self._tasks.items():
            stem, _, number = name.rpartition("__")
            if name in self._names or (number.isdigit() and stem in self._names):
                self._report.add(
                    "double-task",
                    f"the task '{clip(name)}' has the name of a place in this file",
                    option.value_span,
                    hint="give the task another name",
                )
        if self._most is not None and self._places > MOST_PLACES:
            self._report.add(
                "too-many-places",
                f"with 'again', this file has more than {MOST_PLACES} places",
                self._most.span,
                hint="each round has all places of its group: write a lower number",
            )

    def _enter(self, unit: Unit) -> _Leave:
        """Check the options of a group or a used file. They apply until it ends."""
        leave = _Leave(self._check_each(unit), self._rounds)
        if leave.each is not None:
            self._around.add(leave.each)
        task, again = unit.option("task"), unit.option("again")
        if task is not None and isinstance(task.value, str):
            self._check_task(task, task.value)
        if again is not None and isinstance(again.value, int):
            if self._most is None or again.value > int(self._most.value):
                self._most = again
            # Any higher number is too high, so its exact value does not matter.
            self._rounds = min(self._rounds * again.value, MOST_PLACES + 1)
        return leave

    def _check_each(self, unit: Unit) -> str | None:
        """Check the `each` of a unit and its list. Returns the name of the item if it is valid."""
        each = unit.option("each")
        if each is None or not isinstance(each.value, str):
            return None
        source = unit.option("in")
        name = each.value
        valid = self._check_item(name, each)
        if source is not None and isinstance(source.value, str):
            self._check_source(source.value, source, own=name if valid else None)
        return name if valid else None

    def _check_item(self, name: str, each: Option) -> bool:
        what = None
        if name in self._around:
            what = "the name of an 'each' around it"
        elif name in self._declared:
            what = self._declared[name][0]
        if what is None:
            return True
        self._report.add(
            "double-name",
            f"'{clip(name)}' is already {what}",
            each.value_span,
            hint="a name is declared only once: rename one",
        )
        return False

    def _check_source(self, name: str, source: Option, *, own: str | None) -> None:
        if name in self._around:
            return
        what, type_ = self._declared.get(name, (None, None))
        shown = clip(name)
        if name == own:
            message = f"'{shown}' is the name of each item, not of the list"
            hint = f"write [each={shown}] for the list that is piped to it, or name an input"
        elif what is not None and type_ is None:
            message = f"'in' takes a list, but '{shown}' is {what}"
            hint = "name an input or a variable of the type list"
        elif what is not None and type_ != InputType.LIST:
            message = f"'in' takes a list, but '{shown}' is {what} of the type {type_}"
            hint = "name an input or a variable of the type list"
        else:
            return  # Linking checks other names: the Pipeline class may declare them.
        self._report.add("bad-option", message, source.value_span, hint=hint)

    def _check_task(self, task: Option, name: str) -> None:
        if name in self._tasks:
            self._report.add(
                "double-task",
                f"the task '{clip(name)}' is already in this file",
                task.value_span,
                hint="give one of the two another name",
            )
        self._tasks.setdefault(name, task)
