"""Whether a place gives its event what `process` takes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from volnux.errors import Diagnostic, nearest
from volnux.events.given import NotGivenError, reader_of, reason_of
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph, Node

__all__ = ["check_given"]


def check_given(
    graph: Graph, node: Node, spec: EventSpec, items: Collection[str] = ()
) -> Iterator[Diagnostic]:
    """What is wrong with the arguments of a place, in reading order.

    Args:
        graph: the graph, with all its inputs.
        node: the place.
        spec: its event.
        items: the names of the `each`es around it in its text.
    """
    written = {argument.name for argument in node.arguments}
    meant: set[str] = set()
    for argument in node.arguments:
        message = hint = None
        if argument.name not in spec.named and not spec.extra:
            close = nearest(argument.name, spec.named)
            meant.update(close)
            message = f"process of {spec.name} has no argument '{argument.name}'"
            hint = f"did you mean '{close[0]}'?" if close else _takes(spec)
        elif not argument.names:
            try:
                read = reader_of(spec.function, argument.name)
                if read is not None:
                    read(argument.filled(str))
            except NotGivenError as error:
                message = f"process of {spec.name}: {error}"
            except Exception as error:  # noqa: BLE001 - a validator of the user may raise anything
                message = f"{spec.name} cannot take {argument.name}={argument}: {reason_of(error)}"
        if message is not None:
            yield graph.diagnostic("bad-argument", message, at=node, hint=hint, span=argument.span)
    declared = graph.declaring(node.file)
    inputs = {item.name for item in declared.inputs}
    known = written.union(
        inputs, (v.name for v in declared.variables), (s.name for s in declared.secrets), items
    )
    for name in spec.requires:
        if name not in known and name not in meant:
            hint = (
                f"declare it (@input: {name}: str), give it here ({spec.name}({name}=…)), or "
                f"give the argument a default; inputs: {', '.join(sorted(inputs)) or 'none'}"
            )
            if name == "self":
                hint = "it is the event itself only as the first parameter: move it there"
            of = graph.file_name(node.file) if node.file else graph.name
            yield graph.diagnostic(
                "missing-input",
                f"process of {spec.name} requires the argument '{name}', "
                f"which is not an input of {of}",
                at=node,
                hint=hint,
            )


def _takes(spec: EventSpec) -> str:
    return f"it takes {', '.join(spec.named)}" if spec.named else "it takes none"
