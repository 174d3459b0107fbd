"""A graph in the language of Graphviz."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, assert_never

from volnux.graph.draw.labels import argument_texts, label, option_texts, position, printable
from volnux.graph.draw.view import Close, Frame, View, has_head
from volnux.graph.outcome import State
from volnux.graph.parts import Entry, Kind, Node

if TYPE_CHECKING:
    from volnux.graph.draw.marks import Marks
    from volnux.graph.model import Graph

__all__ = ["dot"]

# Medium colours on a transparent background: readable on white and on black.
_GREY = "#7b8794"
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


def dot(graph: Graph, *, states: Mapping[str, State] | None = None) -> str:
    """The graph as a `digraph` for the program `dot`; the places are the names of the nodes.

    Branches are labelled with their descriptor, bold arrows pipe a result, small circles are joins
    and a dot at the foot of a frame is where the branches of a group leave it. A frame with a title
    is a group with `each` (a bold frame), `task` or `again`; its places are drawn once.

    Args:
        graph: the graph.
        states: how places ended in a run, by place; each state has a colour, and copies are
            counted.
    """
    view = View(graph, states)
    out = [
        f"digraph {_quoted(graph.name)} {{",
        f'  graph [rankdir=TB, ordering=out, bgcolor=transparent, fontname="{_FONT}", fontsize=11, '
        f'fontcolor="{_GREY}", nodesep=0.35, ranksep=0.4, tooltip={_quoted(graph.name)}]',
        f'  node [shape=box, style="rounded,filled", fillcolor="#e6edf7", color="#6b8fc4", '
        f'fontname="{_FONT}", fontsize=12, fontcolor="#1f2933", height=0.4, margin="0.16,0.06"]',
        f'  edge [color="{_GREY}", fontname="{_FONT}", fontsize=11, fontcolor="{_GREY}", '
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
                node = graph.nodes[index]
                out.append(f"{indent}{_quoted(node.id)} [{_node(graph, index, view.marks)}]")
    names = [_quoted(node.id) for node in graph.nodes]
    for line in view.lines():
        attributes = []
        if line.label is not None:
            colour = _LINE_COLOURS.get(line.label, _OTHER_LINE)
            attributes = [f'label=" {line.label} "', f'color="{colour}"', f'fontcolor="{colour}"']
        if line.pipe:
            attributes.append("penwidth=2.4")
        if not has_head(graph.nodes[line.target]):
            attributes.append("arrowhead=none")
        after = f" [{', '.join(attributes)}]" if attributes else ""
        out.append(f"  {names[line.source]} -> {names[line.target]}{after}")
    out.append("}")
    return "\n".join(out) + "\n"


def _frame(graph: Graph, frame: Frame) -> str:
    if frame.title is None:
        tooltip = _group(graph, graph.nodes[frame.last])
        return f'style=rounded, color="{_GREY}", margin=10, tooltip={tooltip}'
    title = _quoted(frame.title)
    many = ", penwidth=2.4" if graph.nodes[frame.last].kind is Kind.GATHER else ""
    return (
        f'style=rounded, color="{_GREY}", margin=10, label={title}, labeljust=l, tooltip={title}'
        f"{many}"
    )


def _node(graph: Graph, index: int, marks: Marks) -> str:
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
            texts = (*argument_texts(node), *option_texts(node), *marks.texts(index))
            attributes = [f"label={_quoted(label(node))}"]
            if texts:
                small = "<br/>".join(map(_markup, texts))
                attributes = [
                    f"label=<{_markup(label(node))}<br/>"
                    f'<font point-size="9" color="#52606d">{small}</font>>'
                ]
            state = marks.state(index)
            tooltip = ", ".join(text for text in (node.id, state, where) if text)
            attributes.append(f"tooltip={_quoted(tooltip)}")
            if state is not None:
                attributes.append(_STATE_STYLES[state])
            return ", ".join(attributes)
        case _:
            assert_never(node.kind)


def _group(graph: Graph, catch: Node) -> str:
    where = position(graph, catch)
    return _quoted(f"group, {where}" if where else "group")


def _markup(text: str) -> str:
    """Text for an HTML-like label, where a backslash also starts an escape."""
    return html.escape(text).replace("\\", "\\\\")


def _quoted(text: str) -> str:
    """A quoted string; backslashes are doubled, because they would start an escape."""
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
