"""A graph in the language of Graphviz."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from volnux.graph.draw.labels import argument_texts, label, option_texts, position, printable
from volnux.graph.draw.uses import Uses
from volnux.graph.draw.view import Close, Frame, View
from volnux.graph.outcome import State
from volnux.graph.parts import Entry, Kind, Node

if TYPE_CHECKING:
    from volnux.graph.model import Graph, Located

__all__ = ["dot", "dot_of", "name_of"]

# Medium colours on a transparent background: readable on white and on black.
_GREY = "#7b8794"
_USE = "#6b8fc4"
_LINE_COLOURS = {"0": "#e0443e", "1": "#2f9e54"}
_OTHER_LINE = "#3b82d0"
_STATE_STYLES = {
    State.DONE: 'fillcolor="#d3f0dc", color="#2f9e54"',
    State.FAILED: 'fillcolor="#fbd9d7", color="#e0443e"',
    State.SKIPPED: 'fillcolor="#eceff2", color="#a3adb8", fontcolor="#66717d", '
    'style="rounded,filled,dashed"',
    State.CANCELLED: 'fillcolor="#fdeecb", color="#c98a13"',
}
_FONT = "Helvetica,Arial,sans-serif"
_DEEPEST_INDENT = 8


def dot(
    graph: Graph,
    *,
    states: Mapping[str, State] | None = None,
    uses: Uses | str = Uses.OPEN,
    most: int | None = None,
) -> str:
    """The graph as a `digraph` for the program `dot`; the places are the names of the nodes.

    Branches are labelled with their descriptor, bold arrows pipe a result, small circles are joins
    and a dot at the foot of a frame is where the branches of a group leave it. A frame with a title
    is a group with `each` (a bold frame), `task` or `again`, whose places are drawn once, or the
    use of another pipeline (a blue frame). A box with a double border is a closed use.

    Args:
        graph: the graph.
        states: how places ended in a run, by place; each state has a colour, and copies are
            counted.
        uses: how uses of other pipelines are shown.
        most: about how many nodes are drawn. If there are more, boxes with a double border stand
            for runs of places, groups and uses. None draws all.

    Raises:
        DrawError: uses cannot be shown in this way.
    """
    return dot_of(View(graph, states, uses, most))


def dot_of(view: View, font: str = _FONT) -> str:
    """What a view shows, as a `digraph`; see `dot`.

    Args:
        view: the view.
        font: the font of all texts. Without the fonts of a system, Graphviz only knows the widths
            of Helvetica, Times and Courier, by exactly these names.
    """
    graph = view.graph
    out = [
        f"digraph {_quoted(graph.name)} {{",
        f'  graph [rankdir=TB, ordering=out, bgcolor=transparent, fontname="{font}", fontsize=11, '
        f'fontcolor="{_GREY}", nodesep=0.35, ranksep=0.4, tooltip={_quoted(graph.name)}]',
        f'  node [shape=box, style="rounded,filled", fillcolor="#e6edf7", color="#6b8fc4", '
        f'fontname="{font}", fontsize=12, fontcolor="#1f2933", height=0.4, margin="0.16,0.06"]',
        f'  edge [color="{_GREY}", fontname="{font}", fontsize=11, fontcolor="{_GREY}", '
        f"arrowsize=0.7]",
    ]
    depth = 1
    for number, item in enumerate(view.items()):
        indent = "  " * min(depth, _DEEPEST_INDENT)
        match item:
            case Frame():
                out.append(f"{indent}subgraph cluster_{number} {{")
                depth += 1
                out.append(f"{indent}  graph [{_frame(graph, item)}]")
            case Close.FRAME:
                depth -= 1
                out.append(f"{'  ' * min(depth, _DEEPEST_INDENT)}}}")
            case index:
                if index in view.folds:
                    shown = _fold(index, view)
                else:
                    use = view.boxes.get(index)
                    shown = _node(graph, index, view) if use is None else _box(graph, use, view)
                out.append(f"{indent}{_quoted(view.id(index))} [{shown}]")
    for line in view.lines():
        attributes = []
        if line.label is not None:
            colour = _LINE_COLOURS.get(line.label, _OTHER_LINE)
            attributes = [f'label=" {line.label} "', f'color="{colour}"', f'fontcolor="{colour}"']
        if line.pipe:
            attributes.append("penwidth=2.4")
        if not view.has_head(line.target):
            attributes.append("arrowhead=none")
        after = f" [{', '.join(attributes)}]" if attributes else ""
        source, target = _quoted(view.id(line.source)), _quoted(view.id(line.target))
        out.append(f"  {source} -> {target}{after}")
    out.append("}")
    return "\n".join(out) + "\n"


def _frame(graph: Graph, frame: Frame) -> str:
    if frame.title is None:
        tooltip = _group(graph, graph.nodes[frame.last])
        return f'style=rounded, color="{_GREY}", margin=10, tooltip={tooltip}'
    title = _quoted(frame.title)
    label = _quoted_label(frame.title)
    if frame.use is not None:
        use = graph.uses[frame.use]
        tooltip = _quoted(_with_position(use.place, graph, use))
        return (
            f'style=rounded, color="{_USE}", margin=10, label={label}, labeljust=l, '
            f"tooltip={tooltip}"
        )
    many = ", penwidth=2.4" if graph.nodes[frame.last].kind is Kind.GATHER else ""
    return (
        f'style=rounded, color="{_GREY}", margin=10, label={label}, labeljust=l, tooltip={title}'
        f"{many}"
    )


def _box(graph: Graph, number: int, view: View) -> str:
    """The attributes of a use that is drawn as one closed box."""
    use, states = graph.uses[number], view.marks.use_states(number)
    tooltip = _with_position(use.place, graph, use, *map(view.marks.said, states[-1:]))
    attributes = [
        _label(view.names.use(number), view.marks.use_texts(number)),
        f"peripheries=2, tooltip={_quoted(tooltip)}",
    ]
    attributes += [_STATE_STYLES[state] for state in states[-1:]]
    return ", ".join(attributes)


def _fold(index: int, view: View) -> str:
    """The attributes of a box that stands for many nodes."""
    title, places = view.fold_texts(index)
    state = view.state(index)
    attributes = [
        _label(title, (places,) if places else ()),
        f"peripheries=2, tooltip={_quoted(title)}",
    ]
    if state is not None:
        attributes.append(_STATE_STYLES[state])
    return ", ".join(attributes)


def _node(graph: Graph, index: int, view: View) -> str:
    node = graph.nodes[index]
    where = position(graph, node)
    dark = f'color="{_GREY}", fillcolor="{_GREY}"'
    match node.kind:
        case Kind.JOIN | Kind.GATHER if node.entry is Entry.ANY:
            return (
                f'label="any", shape=circle, style=solid, color="{_GREY}", fontcolor="{_GREY}", '
                'fontsize=9, width=0.3, height=0.3, margin=0, fixedsize=true, tooltip="any"'
            )
        case Kind.JOIN:
            return f'shape=point, {dark}, width=0.07, height=0.07, tooltip="join"'
        case Kind.EACH:
            return f'shape=point, {dark}, width=0.07, height=0.07, tooltip="for each item"'
        case Kind.GATHER:
            return f'shape=point, {dark}, width=0.07, height=0.07, tooltip="all items"'
        case Kind.CATCH:
            tooltip = _group(graph, node)
            return f"shape=point, {dark}, width=0.12, height=0.12, tooltip={tooltip}"
        case Kind.FAIL:
            return (
                f'label="!", shape=circle, {_STATE_STYLES[State.FAILED]}, width=0.3, height=0.3, '
                f"margin=0, fixedsize=true, tooltip={_quoted(f'fails here, {where}')}"
            )
        case Kind.EVENT:
            arguments, ended = argument_texts(node.arguments), view.marks.texts(index)
            state = view.marks.state(index)
            about = (node.id, state and view.marks.said(state), where)
            attributes = [
                _label(
                    label(node, view.names.place(index)), (*arguments, *option_texts(node), *ended)
                ),
                f"tooltip={_quoted(', '.join(text for text in about if text))}",
            ]
            if state is not None:
                attributes.append(_STATE_STYLES[state])
            return ", ".join(attributes)
        case _:
            assert_never(node.kind)


def _label(title: str, texts: Sequence[str]) -> str:
    """A label with small texts below it."""
    if not texts:
        return f"label={_quoted_label(title)}"
    small = "<br/>".join(map(_markup, texts))
    return f'label=<{_markup(title)}<br/><font point-size="9" color="#52606d">{small}</font>>'


def _group(graph: Graph, catch: Node) -> str:
    return _quoted(_with_position("group", graph, catch))


def _with_position(what: str, graph: Graph, part: Located, *more: str) -> str:
    where = position(graph, part)
    return ", ".join((what, *more, *((where,) if where else ())))


def _markup(text: str) -> str:
    """Text for an HTML-like label, where a backslash also starts an escape."""
    return html.escape(text).replace("\\", "\\\\")


def name_of(text: str) -> str:
    """The name that Graphviz gives to a node with a name like this in the output of `dot`."""
    return printable(text).replace("\\", "\\\\")


def _quoted(text: str) -> str:
    """A quoted string; backslashes are doubled, because they would start an escape."""
    return '"' + name_of(text).replace('"', '\\"') + '"'


def _quoted_label(text: str) -> str:
    """A quoted label, in which an entity such as `&lt;` is not replaced."""
    return _quoted(text.replace("&", "&amp;"))
