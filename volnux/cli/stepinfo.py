"""What someone needs in order to use a pipeline as a step of another one."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypedDict

from volnux.events.lookup import Lookup
from volnux.events.modules.origins import is_installed
from volnux.events.written import Written, WrittenModules
from volnux.graph.draw.rounds import without_round
from volnux.graph.model import Graph
from volnux.graph.parts import Kind, ValueKind
from volnux.pysource import identifier

__all__ = ["EventInfo", "Passed", "StepInfo", "UsedInfo"]


class Passed(TypedDict):
    """A value that passes into or out of a pipeline, by one of its events.

    Attributes:
        place: the place of the event.
        type: the annotation in its source, or None.
    """

    place: str
    type: str | None


class EventInfo(TypedDict):
    """An event.

    Attributes:
        name: its name in the text.
        file: the text.
        description: the first line of its docstring, or None.
    """

    name: str
    file: str
    description: str | None


class UsedInfo(TypedDict):
    """A file that the pipeline uses, directly or through others.

    Attributes:
        file: its path.
        description: its `@description`, or None.
    """

    file: str
    description: str | None


class StepInfo(NamedTuple):
    """How to use a pipeline as a step, what goes in and what comes out.

    Attributes:
        directive: the line that makes it usable in a file of the working directory.
        call: its use in a flow, with the inputs that it requires.
        receives: what its first events take from the step before.
        returns: what its last events give to the step after.
        events: the events of all texts.
        uses: the files that it uses.
    """

    directive: str
    call: str
    receives: list[Passed]
    returns: list[Passed]
    events: list[EventInfo]
    uses: list[UsedInfo]

    @classmethod
    def of(cls, graph: Graph) -> StepInfo:
        """The step that a graph is; its modules are read, but not imported."""
        source = _Source(graph)
        filename = graph.source.filename if graph.source else graph.name
        name = identifier(Path(filename).stem)
        required = ", ".join(f"{item.name}=…" for item in graph.inputs if item.required)
        return cls(
            f'@use: {name} = "{_path(filename)}"',
            f"{name}({required})" if required else name,
            list(_received(graph, source)),
            list(_returned(graph, source)),
            source.events(),
            [
                {
                    "file": used.text.filename,
                    "description": used.text.file.settings.description,
                }
                for used in graph.files
            ],
        )

    def to_json(self) -> dict[str, Any]:
        """The parts of `volnux describe --json` with these names."""
        return {
            "as_step": {"directive": self.directive, "call": self.call},
            **{name: getattr(self, name) for name in ("receives", "returns", "events", "uses")},
        }


class _Source:
    """What is written about the events of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._modules: list[WrittenModules] = []
        self._known: dict[tuple[int, str], Written] = {}
        for number, declared in graph.declared():
            text = graph.text(number)
            filename = text.filename if text else graph.name
            names = Lookup.for_file(filename, declared.events).module_names()
            self._modules.append(WrittenModules(Path(filename).parent, names))

    def event(self, number: int) -> Written:
        """What is written about the event of a node."""
        node = self._graph.nodes[number]
        key = node.file, node.event or ""
        if key not in self._known:
            self._known[key] = self._modules[node.file].event(key[1])
        return self._known[key]

    def events(self) -> list[EventInfo]:
        """The events of all texts, by text, in reading order."""
        found: dict[tuple[int, str], EventInfo] = {}
        for number, node in enumerate(self._graph.nodes):
            if node.event is not None and (node.file, node.event) not in found:
                text = self._graph.text(node.file)
                found[node.file, node.event] = {
                    "name": node.event,
                    "file": text.filename if text else self._graph.name,
                    "description": self.event(number).description,
                }
        return [found[key] for key in sorted(found, key=lambda key: key[0])]


def _received(graph: Graph, source: _Source) -> Iterator[Passed]:
    """What the first events receive; a unit with `each` receives the list of its items."""
    sources = {each.each: each.source for each in graph.eaches}
    waiting = deque((n, 0) for n, edges in enumerate(graph.topology.before) if not edges)
    seen = set()
    while waiting:
        number, lists = waiting.popleft()
        node = graph.nodes[number]
        if number in seen:
            continue
        seen.add(number)
        if node.kind is Kind.EACH and sources[node.id] is None:
            index = graph.topology.index
            inner = [index[edge.target] for edge in graph.topology.behind[number]]
            waiting += (
                (target, lists + 1)
                for target in inner
                if graph.nodes[target].kind is not Kind.GATHER
            )
        elif node.kind is Kind.EVENT and (written := source.event(number)).takes_result:
            yield {"place": node.id, "type": _in_lists(written.receives, lists)}


def _returned(graph: Graph, source: _Source) -> Iterator[Passed]:
    """What the flow pipes on: a unit with `each` gives the list of what its copies give."""
    waiting = [(graph.result, 0)]
    seen = set()
    found: dict[tuple[str, str | None], Passed] = {}
    while waiting:
        number, lists = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        value = graph.values[number]
        if value.kind is ValueKind.RESULT and value.node is not None:
            index = graph.topology.index[value.node]
            if graph.nodes[index].kind is Kind.EVENT:
                returns = _in_lists(source.event(index).returns, lists)
                place = without_round(value.node)
                found.setdefault((place, returns), {"place": place, "type": returns})
        elif value.kind in (ValueKind.ALL_EACH, ValueKind.ANY_EACH):
            lists += value.kind is ValueKind.ALL_EACH
        waiting += ((of, lists) for of in reversed(value.of))
    yield from found.values()


def _in_lists(type_: str | None, lists: int) -> str | None:
    return None if type_ is None else "list[" * lists + type_ + "]" * lists


def _path(filename: str) -> str:
    """The path of a file as a `@use` in the working directory writes it."""
    path = Path(filename).absolute()
    if is_installed(path):
        for entry in sys.path:
            if path.is_relative_to(entry):
                *package, name = path.relative_to(entry).parts
                if package:
                    return f"package:{'.'.join(package)}/{name}"
    return PurePath(os.path.relpath(path)).as_posix()
