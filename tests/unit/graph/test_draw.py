"""Properties of every drawing: complete, without duplicates, deterministic, in linear time."""

import functools
import pickle
import random
import re
import time
from dataclasses import replace

import pytest

from volnux.errors import VolnuxError
from volnux.graph import Graph, Kind, compile
from volnux.graph.draw import DrawError, Format, ascii, draw
from volnux.pointy import parse

TEXTS = ("ascii", "mermaid", "dot")
PLACE = r"E\d+(?:__\d+)?"
DECLARED = {
    "ascii": re.compile(rf"\b{PLACE}\b"),
    "mermaid": re.compile(rf'^ *n\d+\["({PLACE})', re.M),
    "dot": re.compile(rf'^ *"({PLACE})" \[', re.M),
}
ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"


def graph(text: str) -> Graph:
    return compile(parse(text, "orders.pty"))


def program(rng: random.Random, depth: int) -> str:
    """A random flow with every construct."""
    parts = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        arms = [unit(rng, depth) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        part = " || ".join(arms)
        if len(arms) > 1 and rng.random() < 0.4:
            part = f"{{{part}}}{ANY}"
        parts.append(part)
    text = parts[0]
    for part in parts[1:]:
        text += rng.choice((" -> ", " |-> ")) + part
    return text


def unit(rng: random.Random, depth: int) -> str:
    group = depth > 0 and rng.random() < 0.4
    text = f"{{{program(rng, depth - 1)}}}" if group else f"E{rng.randrange(6)}"
    if rng.random() < 0.2:
        text += " * 3"
    if not group and rng.random() < 0.2:
        text += "[timeout=30, executor=thread]"
    if depth > 0 and rng.random() < 0.4:
        digits = rng.sample((0, 1) if group else (0, 1, 3, 9), rng.choice((1, 2)))
        branches = [f"{d} {rng.choice(('->', '|->'))} {program(rng, depth - 1)}" for d in digits]
        text += f" ({', '.join(branches)})"
    return text


@functools.cache
def programs() -> dict[str, Graph]:
    rng = random.Random(7)
    heads = ("", "", "@on-failure: continue\n")
    texts = (rng.choice(heads) + program(rng, rng.choice((1, 2, 2, 3))) for _ in range(80))
    return {text: graph(text) for text in texts}


@pytest.mark.parametrize("format", TEXTS)
def test_every_place_of_an_event_is_drawn_once_and_in_reading_order(format):
    for text, drawn in programs().items():
        found = DECLARED[format].findall(draw(drawn, format))
        expected = [node.id for node in drawn.places()]
        assert sorted(found) == sorted(expected), text
        if format != "ascii" or "▸" not in draw(drawn):
            assert found == expected, text


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_a_narrow_terminal_loses_nothing(columns):
    for drawn in programs().values():
        for charset in ("unicode", "ascii"):
            rows = ascii(drawn, columns=columns, charset=charset)
            assert sorted(DECLARED["ascii"].findall(rows)) == sorted(n.id for n in drawn.places())
            assert all(row == row.rstrip() for row in rows.splitlines())
            assert charset == "unicode" or rows.isascii()


def test_a_frame_holds_exactly_the_events_of_its_group():
    for drawn in programs().values():
        open_: list[list[str]] = []
        frames = []
        for line in draw(drawn, "dot").splitlines():
            if "subgraph" in line:
                open_.append([])
            elif line.strip() == "}" and open_:
                frames.append(open_.pop())
            elif found := DECLARED["dot"].match(line):
                for frame in open_:
                    frame.append(found[1])
        catches = [node.span for node in drawn.nodes if node.kind is Kind.CATCH]
        assert frames == [
            [
                node.id
                for node in drawn.places()
                if span[:2] <= node.span[:2] and node.span[2:] <= span[2:]
            ]
            for span in catches
        ]


def test_every_edge_is_drawn():
    for drawn in programs().values():
        names = [node.id for node in drawn.nodes]
        expected = [(edge.source, edge.target) for edge in drawn.edges]
        dot = re.findall(r'^  "(\S+)" -> "(\S+)"', draw(drawn, "dot"), re.M)
        arrow = re.compile(r"^  n(\d+) (?:--|==)[->=](?:\|[^|]*\|)? n(\d+)$", re.M)
        mermaid = [(names[int(s)], names[int(t)]) for s, t in arrow.findall(draw(drawn, "mermaid"))]
        assert dot == mermaid == expected


def repeated(rng: random.Random, depth: int) -> str:
    """A random flow with `each`, `again` and `task`."""
    steps = []
    for _ in range(rng.choice((1, 2, 3))):
        if depth and rng.random() < 0.7:
            options = rng.choice(("each=i{}", "again=2", "again=3", "task=t{}"))
            name = rng.randrange(10**9)
            text = f"{{{repeated(rng, depth - 1)}}}[{options.format(name)}]"
            text += rng.choice(("", "", f" (0 |-> {repeated(rng, 0)})"))
        else:
            text = rng.choice(("E0", "E1", "{E2 || E3}", "E4 (1 -> E5)", f"E0[each=k{len(steps)}]"))
        steps.append(text)
    text = steps[0]
    for step in steps[1:]:
        text += rng.choice((" -> ", " |-> ", " || ")) + step
    return text


@functools.cache
def repeating() -> dict[str, Graph]:
    rng = random.Random(11)
    heads = ("", "", "@on-failure: continue\n")
    texts = (rng.choice(heads) + repeated(rng, rng.choice((1, 2, 3))) for _ in range(80))
    return {text: graph(text) for text in texts}


@pytest.mark.parametrize("format", TEXTS)
def test_the_places_of_a_group_that_runs_again_are_drawn_once(format):
    for text, drawn in repeating().items():
        found = DECLARED[format].findall(draw(drawn, format))
        expected = [node.id for node in drawn.places() if "." not in node.id]
        assert sorted(found) == sorted(expected), text


def test_every_node_that_is_drawn_is_connected_as_in_the_graph():
    for text, drawn in repeating().items():
        picture = draw(drawn, "dot")
        nodes = re.findall(r'^ *"(\S+)" \[', picture, re.M)
        arrows = re.findall(r'^ *"(\S+)" -> "(\S+)"', picture, re.M)
        before = zip(drawn.nodes, drawn.topology.before, strict=True)
        heads = {node.id for node, edges in before if not edges}
        assert {target for _, target in arrows} == set(nodes) - heads, text
        assert all(nodes.index(source) < nodes.index(target) for source, target in arrows), text
        assert len(set(arrows)) == len(arrows), text
        assert picture.count("{\n") == picture.count("}\n"), text


def test_units_may_be_nested_deeply():
    text = "E0"
    for number in range(20):
        text = f"{{E1 |-> {text} -> E2}}[each=i{number}, task=t{number}]"
    drawn = graph(text)
    for format in TEXTS:
        assert len(DECLARED[format].findall(draw(drawn, format))) == 41
    assert draw(drawn, "dot").count("subgraph") == draw(drawn, "mermaid").count("subgraph") == 40


@pytest.mark.parametrize("format", TEXTS)
def test_the_same_flow_gives_the_same_bytes(format):
    for text in [*list(programs())[:50], *list(repeating())[:50]]:
        first = draw(graph(text), format)
        assert first == draw(graph(text), format)
        assert first == draw(Graph.from_json(graph(text).to_json()), format)
        assert first.endswith("\n")


def many(prefix: str, count: int) -> str:
    return "{" + " || ".join(f"{prefix}{number}" for number in range(count)) + "}"


LARGE = {
    "chain": " -> ".join(f"E{number}" for number in range(20_000)),
    "parallel": many("E", 20_000),
    "thousand to thousand": f"{many('A', 1_000)} |-> {many('B', 1_000)}",
    "sequences": "{" * 5_000 + "A" + " -> B}" * 5_000,
    "catches": "{" * 5_000 + "A" + "} (0 -> B)" * 5_000,
    "branches": "A (0 -> B || " * 5_000 + "C" + ")" * 5_000,
    "any": "{" * 5_000 + "A || B" + f"}}{ANY} (0 |-> C -> D) || E" * 5_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_graphs_are_drawn_at_once(name):
    drawn = graph(LARGE[name])
    for format in TEXTS:
        started = time.process_time()
        text = draw(drawn, format)
        assert time.process_time() - started < 20, format
        assert len(text) < 10_000_000


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(DrawError) as caught:
        draw(graph("A"), "png")
    assert str(caught.value) == (
        "there is no drawing format 'png'\n  hint: one of: ascii, mermaid, dot, svg"
    )
    assert isinstance(caught.value, VolnuxError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_format_may_be_given_by_name_or_as_a_format():
    assert draw(graph("A -> B"), Format.DOT) == draw(graph("A -> B"), "dot")
    assert draw(graph("A -> B")) == "A → B\n"


def test_a_graph_without_its_text_is_drawn_as_boxes_only():
    bare = replace(graph("A -> B"), source=None)
    with pytest.raises(DrawError, match="does not include the text"):
        draw(bare)
    assert '"A" -> "B"' in draw(bare, "dot")
    assert "n0 --> n1" in draw(bare, "mermaid")
