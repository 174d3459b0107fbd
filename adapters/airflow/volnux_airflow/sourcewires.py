"""The edges of a DAG, as written in its Python source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from volnux.pysource import Expression, call, laid_out, list_of, literal
from volnux_airflow.shape import Shape

__all__ = ["wires_of"]


def wires_of(shape: Shape, tasks: Mapping[str, str], own: Callable[[str], str]) -> Iterator[str]:
    """The lines of the edges. Those with the same source and label, or targets, share a line.

    Args:
        shape: the tasks and edges.
        tasks: the variable of each task.
        own: imports a name that the file itself needs, and returns its name in the file.
    """
    after: dict[tuple[str, str | None], list[str]] = {}
    for wire in shape.wires:
        if shape.maps(wire):
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
        behind = tasks[sources[0]]
        target = _several([tasks[each] for each in targets])
        if label is not None and _leaves_group(shape, sources[0], targets):
            # In Airflow, `>> Label(…) >>` to or from a task in a group applies to the whole group.
            line = call("", target, call(own("Label"), literal(label)))
            yield laid_out(line, indent=4, before=f"{behind}.set_downstream")
        elif len(sources) > 1:
            names = [tasks[each] for each in sources]
            yield laid_out(_several(names), indent=4, after=f" >> {target}")
        else:
            between = "" if label is None else f"{own('Label')}({literal(label)}) >> "
            yield laid_out(target, indent=4, before=f"{behind} >> {between}")


def _several(names: list[str]) -> Expression:
    return names[0] if len(names) == 1 else list_of(names)


def _leaves_group(shape: Shape, source: str, targets: list[str]) -> bool:
    groups = shape.groups
    return any(groups.get(target) != groups.get(source) for target in targets)
