"""The constants above the DAG in its Python source: what each text declares, uses, and the flow."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from volnux.events.link import Plan
from volnux.graph.model import Graph, Node
from volnux.graph.topology import ROOT
from volnux.graph.walk import EventName
from volnux.pysource import (
    Expression,
    Names,
    assigned,
    call,
    docstring,
    literal,
    mapping_of,
    snake,
)
from volnux_airflow.declared import written
from volnux_airflow.instants import UTC, Calendar
from volnux_airflow.shape import Shape, TaskKind
from volnux_airflow.sourcevalues import arguments_of
from volnux_airflow.translate import doc_of
from volnux_airflow.usedfiles import shown_names

__all__ = ["Constants"]


class Constants:
    """The constants of one file.

    Args:
        plan: the plan.
        shape: its tasks.
        own: imports a name that the file itself needs, and returns its name in the file.
        names: the names that the file already uses.

    Attributes:
        doc: the constant with the documentation of the DAG.
        flow: the constant with the flow, for tasks that run a part of it.
        inputs: the constant with the inputs of the pipeline; None if it has none.
        calendar: the constant with the calendar of the pipeline; None if it is UTC.
    """

    def __init__(self, plan: Plan, shape: Shape, own: Callable[[str], str], names: Names) -> None:
        self._plan = plan
        self._graph: Graph = plan.graph
        self._shape = shape
        self._own = own
        self._names = names
        self.doc = names.fresh("DOC")
        inputs = names.fresh("INPUTS")
        self.inputs = inputs if plan.graph.inputs else None
        self._tables = {0: (inputs, names.fresh("VARIABLES"), names.fresh("SECRETS"))}
        self._texts = {0: (names.fresh("TEXT"), names.fresh("FLOW"))}
        self.flow = self._texts[0][1]
        self._calendar = Calendar.of(plan.graph)
        calendar = names.fresh("CALENDAR")
        self.calendar = None if self._calendar == UTC else calendar
        self._scopes: dict[str, str] = {}

    def reserve(self) -> None:
        """Reserve the names that the used files need."""
        for number, name in enumerate(shown_names(self._graph)):
            if number:
                stem = snake(PurePosixPath(name).stem).upper()
                about = ("INPUTS", "VARIABLES", "SECRETS", "TEXT", "FILE")
                found = [self._names.fresh(f"{stem}_{word}") for word in about]
                self._tables[number] = found[0], found[1], found[2]
                self._texts[number] = found[3], found[4]
        for use in self._needed():
            place = self._graph.uses[use].place
            self._scopes[place] = self._names.fresh(snake(place).upper())

    def variables(self, file: int) -> str:
        """The constant with the variables that a text declares."""
        return self._tables[file][1]

    def secrets(self, file: int) -> str:
        """The constant with the secrets that a text declares."""
        return self._tables[file][2]

    def scope(self, node: Node) -> str | None:
        """The constant with the innermost use around a node; None if there is none."""
        use = self._graph.topology.use_around(node.id)
        return None if use == ROOT else self._scopes[self._graph.uses[use].place]

    def lines(self, inputs: Expression) -> Iterator[str]:
        """The lines of what the texts declare, and of the uses.

        Args:
            inputs: the inputs of the pipeline.
        """
        uses = self._needed()
        if self.inputs is not None:
            yield assigned(self.inputs, inputs)
            yield ""
        yield from self._declared(0)
        if self.calendar is not None:
            said = map(literal, (self._calendar.timezone, *self._calendar.schedules))
            yield assigned(self.calendar, call(self._own("Calendar"), *said))
            yield ""
        for file in sorted({self._graph.uses[use].of for use in uses}):
            table = {
                item.name: written(item, is_param=False)
                for item in self._graph.declaring(file).inputs
            }
            yield assigned(self._tables[file][0], literal(table))
            yield ""
            yield from self._declared(file)
        for use in uses:
            yield assigned(self._scopes[self._graph.uses[use].place], self._use(use))
        if uses:
            yield ""

    def documentation(self, events: Mapping[EventName, str]) -> Iterator[str]:
        """The lines of the documentation, and of the flow if a task runs a part of it."""
        yield f"{self.doc} = {_lines(doc_of(self._graph))}\n"
        if not any(task.part is not None for task in self._shape.tasks):
            return
        program = self._graph.program
        files = shown_names(self._graph)
        sorter = graphlib.TopologicalSorter(
            {number: list(uses.values()) for number, uses in enumerate(program.uses)}
        )
        # A file comes after the files that it uses.
        for number in sorter.static_order():
            text, name = self._texts[number]
            own = ((key.event, value) for key, value in events.items() if key.file == number)
            uses = {name: self._texts[of][1] for name, of in program.uses[number].items()}
            yield f"{text} = {_lines(program.files[number].source.text)}\n"
            made = call(
                self._own("VolnuxText" if number else "VolnuxFlow"),
                text,
                events=mapping_of(own),
                filename=literal(files[number]),
                uses=mapping_of(uses.items()) if uses else None,
            )
            yield assigned(name, made)
            yield ""

    def _needed(self) -> list[int]:
        """The uses around events and lists of tasks, by index; of several rounds, the first."""
        graph = self._graph
        if not graph.uses:
            return []
        topology = graph.topology
        around = {
            number
            for task in self._shape.tasks
            if task.kind in (TaskKind.EVENT, TaskKind.SCATTER) and task.node is not None
            for number in topology.uses_around(topology.use_around(task.node.id))
        }
        found: dict[str, int] = {}
        for number in sorted(around):
            found.setdefault(graph.uses[number].place, number)
        return list(found.values())

    def _declared(self, file: int) -> Iterator[str]:
        """The tables of the variables and secrets of a text."""
        declared = self._graph.declaring(file)
        _, variables, secrets = self._tables[file]
        if declared.variables:
            yield assigned(
                variables, literal({each.name: written(each) for each in declared.variables})
            )
            yield ""
        if declared.secrets:
            yield assigned(secrets, literal([each.name for each in declared.secrets]))
            yield ""

    def _use(self, number: int) -> Expression:
        graph = self._graph
        use, level = graph.uses[number], self._plan.scopes[number].levels[-1]
        within = None if use.within is None else graph.uses[use.within].place
        return call(
            self._own("use"),
            literal(use.place),
            inputs=self._tables[use.of][0],
            arguments=arguments_of(use.arguments, self._own) if use.arguments else None,
            variables=self.variables(use.file) if level.variables else None,
            secrets=self.secrets(use.file) if level.secrets else None,
            within=None if within is None else self._scopes[within],
            in_each="True" if level.items else None,
            calendar=self.calendar,
        )


def _lines(text: str) -> str:
    """A text as a literal that starts on a line of its own, so that it is easy to read."""
    return docstring("\n" + text).replace("\n", "\\\n", 1)
