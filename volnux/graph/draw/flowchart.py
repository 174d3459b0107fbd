"""A graph as a Mermaid flowchart, which GitHub and GitLab render inline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from volnux.graph.draw.labels import argument_texts, label, option_texts, printable
from volnux.graph.draw.uses import Uses
from volnux.graph.draw.view import Close, Frame, Line, View
from volnux.graph.outcome import State
from volnux.graph.parts import Entry, Kind

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["mermaid"]

_STATE_STYLES = {
    State.DONE: "fill:#d3f0dc,stroke:#2f9e54,color:#1f2933",
    State.SKIPPED: "fill:#eceff2,stroke:#a3adb8,color:#66717d,stroke-dasharray:4 3",
    State.FAILED: "fill:#fbd9d7,stroke:#e0443e,color:#1f2933",
    State.CANCELLED: "fill:#fdeecb,stroke:#c98a13,color:#1f2933",
}
_LINE_STYLES = {"0": "stroke:#e0443e", "1": "stroke:#2f9e54"}
_DEEPEST_INDENT = 8


def mermaid(
    graph: Graph,
    *,
    direction: Literal["TD", "LR"] = "TD",
    states: Mapping[str, State] | None = None,
    uses: Uses | str = Uses.OPEN,
) -> str:
    """The graph as a `flowchart`.

    Thick arrows pipe a result, branches are labelled with their descriptor, small circles are
    joins, and the circle at the foot of a box is where the branches of a group leave it. A box
    with a title is a group with `each`, `task` or `again`, whose places are drawn once, or the use
    of another pipeline. A box with double sides is a closed use. GitHub shows at most 50,000
    characters and 499 arrows.

    Args:
        graph: the graph.
        direction: `TD`, from the top down, or `LR`, from left to right.
        states: how places ended in a run, by place; each state has a colour, and copies are
            counted.
        uses: how uses of other pipelines are shown.

    Raises:
        DrawError: uses cannot be shown in this way.
    """
    view = View(graph, states, uses)
    used: set[State] = set()
    out = [f"flowchart {direction}"]
    depth = 1
    for item in view.items():
        indent = "  " * min(depth, _DEEPEST_INDENT)
        match item:
            case Frame():
                # Two uses may end at one node, but not two groups.
                name = f"g{item.last}" if item.use is None else f"u{item.use}"
                out.append(f'{indent}subgraph {name}["{_escaped(item.title or " ")}"]')
                depth += 1
            case Close.FRAME:
                depth -= 1
                out.append(f"{'  ' * min(depth, _DEEPEST_INDENT)}end")
            case index:
                state = _state(view, index)
                used |= {state} if state is not None else set()
                class_ = f":::{state}" if state is not None else ""
                out.append(f"{indent}n{index}{_node(graph, view, index)}{class_}")
    drawn = view.lines()
    out += [f"  n{line.source} {_arrow(view, line)} n{line.target}" for line in drawn]
    for descriptor, style in _LINE_STYLES.items():
        styled = [str(number) for number, line in enumerate(drawn) if line.label == descriptor]
        if styled:
            out.append(f"  linkStyle {','.join(styled)} {style}")
    out += [f"  classDef {state} {_STATE_STYLES[state]}" for state in State if state in used]
    return "\n".join(out) + "\n"


def _state(view: View, index: int) -> State | None:
    use = view.boxes.get(index)
    if use is None:
        return view.marks.state(index)
    return next(reversed(view.marks.use_states(use)), None)


def _node(graph: Graph, view: View, index: int) -> str:
    node, use = graph.nodes[index], view.boxes.get(index)
    if use is not None:
        return f"[[{_rows(view.names.use(use), view.marks.use_texts(use))}]]"
    if node.kind is Kind.FAIL:
        return '(("!"))'
    if node.kind is not Kind.EVENT:
        return '(("any"))' if node.entry is Entry.ANY else '((" "))'
    texts = (*argument_texts(node.arguments), *option_texts(node), *view.marks.texts(index))
    return f"[{_rows(label(node, view.names.place(index)), texts)}]"


def _rows(title: str, texts: Iterable[str]) -> str:
    rows = [_escaped(title), *(f"<small>{_escaped(text)}</small>" for text in texts)]
    return f'"{"<br/>".join(rows)}"'


def _arrow(view: View, line: Line) -> str:
    head = ">" if view.has_head(line.target) else ("=" if line.pipe else "-")
    body = "==" if line.pipe else "--"
    return f"{body}{head}" + (f'|"{line.label}"|' if line.label is not None else "")


_SPECIAL = re.compile(r"[^\w .,=+*/()\[\]{}%@!?~\xd7-]")


def _escaped(text: str) -> str:
    """Text for use in quotes; what Mermaid or HTML would interpret becomes Mermaid entities."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", printable(text))
