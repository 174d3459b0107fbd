"""Uses of other pipelines in drawings: as boxes, without boxes, and as closed boxes."""

import random
import re
from textwrap import dedent

import pytest

from volnux.graph import Graph, State, compile, simulate
from volnux.graph.draw import DrawError, ascii, dot, draw, mermaid
from volnux.pointy import parse
from volnux.pointy.program import Program

CLEAN = "@input: table: str\nParse(table=table) |-> Check (0 -> Tidy) |-> Save"
USE = '@use: clean = "clean.pty"\n'


def graph(*texts: str) -> Graph:
    """The graph of the first text; the names of their `@use`s are `clean` and `outer`."""
    files = tuple(parse(text, f"{name}.pty") for name, text in zip(NAMES, texts, strict=False))
    numbers = {"clean": NAMES.index("clean"), "outer": NAMES.index("outer")}
    uses = tuple({use.name: numbers[use.name] for use in file.settings.uses} for file in files)
    return compile(Program(files, uses))


NAMES = ("main", "clean", "outer")
NESTED = (
    '@use: outer = "outer.pty"\nouter -> B',
    CLEAN,
    USE + 'A |-> {clean(table="x") |-> C}[task=tidy]',
)

TERMINAL = {
    "alone": (
        USE + 'A |-> clean(table="x") |-> B',
        """
        A
        ⇓
        ╭─ clean(table="x") ─╮
        │ Parse(table=table) │
        │ ⇓                  │
        │ Check              │
        │ ├─0─▶ Tidy         │
        │ ╰─1─▶ ·            │
        │ ⇓                  │
        │ Save               │
        ╰────────────────────╯
        ⇓
        B
        """,
        """
        A ⇒ clean.Parse(table=table)
        ⇓
        clean.Check
        ├─0─▶ clean.Tidy
        ╰─1─▶ ·
        ⇓
        clean.Save ⇒ B
        """,
        'A ⇒ [clean(table="x")] ⇒ B',
    ),
    "with branches": (
        USE + "A -> clean(table=t) (0 -> B)",
        """
        A
        ↓
        ╭─ clean(table=t) ───╮
        │ Parse(table=table) │
        │ ⇓                  │
        │ Check              │
        │ ├─0─▶ Tidy         │
        │ ╰─1─▶ ·            │
        │ ⇓                  │
        │ Save               │
        ├────────────────────╯
        ╰─0─▶ B
        """,
        """
        A
        ↓
        ╭──────────────────────────╮
        │ clean.Parse(table=table) │
        │ ⇓                        │
        │ clean.Check              │
        │ ├─0─▶ clean.Tidy         │
        │ ╰─1─▶ ·                  │
        │ ⇓                        │
        │ clean.Save               │
        ├──────────────────────────╯
        ╰─0─▶ B
        """,
        """
        A
        ↓
        [clean(table=t)]
        ╰─0─▶ B
        """,
    ),
}


def picture(rows: str) -> str:
    return dedent(rows).strip("\n") + "\n"


@pytest.mark.parametrize(
    ("title", "inside"), [("clean", "Fetch → Save"), ("clean; each day; again 2", "Fetch → Save")]
)
def test_a_use_is_a_frame_with_its_name_and_its_options(title, inside):
    options = "[each=day, again=2]" if ";" in title else ""
    drawn = graph(f"{USE}clean{options}", "Fetch -> Save")
    rows = ascii(drawn).splitlines()
    assert rows[0].startswith(f"╭─ {title} ")
    assert rows[1].startswith(f"│ {inside} ")
    assert len(rows) == 3


@pytest.mark.parametrize("name", TERMINAL)
def test_the_three_ways_in_a_terminal(name):
    text, boxes, flat, closed = TERMINAL[name]
    drawn = graph(text, CLEAN)
    assert ascii(drawn) == picture(boxes)
    assert ascii(drawn, uses="flat") == picture(flat)
    assert ascii(drawn, uses="closed") == picture(closed)


def test_a_box_in_a_box():
    assert ascii(graph(*NESTED)) == picture("""
        ╭─ outer ────────────────────╮
        │ A                          │
        │ ⇓                          │
        │ ╭─ task tidy ────────────╮ │
        │ │ ╭─ clean(table="x") ─╮ │ │
        │ │ │ Parse(table=table) │ │ │
        │ │ │ ⇓                  │ │ │
        │ │ │ Check              │ │ │
        │ │ │ ├─0─▶ Tidy         │ │ │
        │ │ │ ╰─1─▶ ·            │ │ │
        │ │ │ ⇓                  │ │ │
        │ │ │ Save               │ │ │
        │ │ ╰────────────────────╯ │ │
        │ │ ⇓                      │ │
        │ │ C                      │ │
        │ ╰────────────────────────╯ │
        ╰────────────────────────────╯
        ↓
        B
    """)
    assert ascii(graph(*NESTED), uses="closed") == "[outer] → B\n"


def test_a_part_that_is_drawn_separately_keeps_its_names():
    deep = "{{" * 4 + "A || B" + "} || C} (0 -> D)" * 4
    drawn = graph(f"{USE}clean -> clean", deep)
    rows = ascii(drawn, columns=30)
    assert "▸ 2\n" in rows
    assert "clean." not in rows
    assert len(re.findall(r"\b[A-D](?:__\d)?\b", rows)) == len(drawn.places())


def test_boxes_of_mermaid():
    drawn = graph(*NESTED)
    assert mermaid(drawn) == picture("""
        flowchart TD
          subgraph u0["outer"]
            n0["A"]
            subgraph g6["task tidy"]
              subgraph u1["clean(table=#34;x#34;)"]
                n1["Parse<br/><small>table=table</small>"]
                n2["Check"]
                n3["Tidy"]
                n4["Save"]
              end
              n5["C"]
              n6((" "))
            end
          end
          n7["B"]
          n0 ==> n1
          n1 ==> n2
          n2 -->|"0"| n3
          n2 ==>|"1"| n4
          n3 ==> n4
          n4 ==> n5
          n5 --- n6
          n6 --> n7
          linkStyle 2 stroke:#e0443e
          linkStyle 3 stroke:#2f9e54
    """)
    assert 'n1["outer.clean.Parse<br/>' in mermaid(drawn, uses="flat")
    assert "subgraph u" not in mermaid(drawn, uses="flat")
    assert 'subgraph g6["task outer.tidy"]' in mermaid(drawn, uses="flat")
    assert mermaid(drawn, uses="closed") == picture("""
        flowchart TD
          n0[["outer"]]
          n7["B"]
          n0 --> n7
    """)


def test_boxes_of_graphviz():
    drawn = graph(USE + "A |-> clean(table=t) (0 -> B)", CLEAN)
    text = dot(drawn)
    assert text.count("subgraph") == 1, "the branches leave the box itself"
    assert 'label="clean(table=t)", labeljust=l, tooltip="clean, main.pty:2"' in text
    assert '"clean.Check" [label="Check", tooltip="clean.Check, clean.pty:2"]' in text
    closed = dot(drawn, uses="closed")
    assert '"clean" [label="clean(table=t)", peripheries=2, tooltip="clean, main.pty:2"]' in closed
    assert re.findall(r'^  ("\S+" -> "\S+")', closed, re.M) == [
        '"A" -> "clean"', '"clean" -> "catch-1"', '"catch-1" -> "B"',
    ]  # fmt: skip
    assert '"A" -> "clean" [penwidth=2.4]' in closed


def test_the_state_of_a_closed_box_is_the_worst_of_its_places():
    drawn = graph(USE + "A -> clean(table=t) (0 -> B) -> C", CLEAN)
    for failing, box, state in (
        ((), "✓ [clean(table=t)] (3 done, 1 skipped)", State.DONE),
        (("clean.Check",), "✓ [clean(table=t)] (4 done)", State.DONE),
        (("clean.Save",), "✗ [clean(table=t)] (2 done, 1 failed, 1 skipped)", State.FAILED),
    ):
        report = simulate(drawn, places=dict.fromkeys(failing, 0))
        states = {name: place.state for name, place in report.places.items()}
        assert f"{box}\n" in ascii(drawn, uses="closed", states=states)
        assert f":::{state}\n" in mermaid(drawn, uses="closed", states=states)
        assert f'tooltip="clean, {state}, main.pty:2"' in dot(drawn, uses="closed", states=states)


def test_the_rounds_of_a_closed_box():
    drawn = graph(USE + "clean(table=t)[again=3]", CLEAN)
    report = simulate(drawn, places={"clean.Save": 0})
    states = {name: place.state for name, place in report.places.items()}
    assert "✗✓ [clean(table=t)] (" in ascii(drawn, uses="closed", states=states)
    assert "round 2#58; 3 done, 1 skipped" in mermaid(drawn, uses="closed", states=states)


def test_the_copies_in_a_closed_box():
    drawn = graph(USE + "A |-> clean(table=t)[each=x]", CLEAN)
    report = simulate(drawn, items={"x": 3}, places={"clean.Save[1]": 0})
    states = {name: place.state for name, place in report.places.items()}
    assert "✗ [clean(table=t)] (8 done, 1 failed, 3 skipped)" in ascii(
        drawn, uses="closed", states=states
    )


# Random programs.


def flow(rng: random.Random, uses: tuple[str, ...], depth: int) -> str:
    steps = []
    for _ in range(rng.choice((1, 2, 3))):
        step = rng.choice(("E0", "E1", "{E2 || E3}", "E4 (1 -> E5)", *uses, *uses))
        if depth and rng.random() < 0.5:
            step = f"{{{flow(rng, uses, depth - 1)}}}"
        if step[0] != "E" and rng.random() < 0.6:
            name = rng.randrange(10**9)
            step += rng.choice((f"[each=i{name}]", "[again=2]", f"[task=t{name}]"))
        if rng.random() < 0.3 and "(" not in step:
            step += f" (0 |-> {flow(rng, uses, 0)})"
        steps.append(step)
    text = steps[0]
    for step in steps[1:]:
        text += rng.choice((" -> ", " |-> ", " || ")) + step
    return text


@pytest.fixture(scope="module")
def programs():
    rng = random.Random(5)
    return [
        graph(
            head + '@use: outer = "o.pty"\n' + USE + flow(rng, ("outer", "clean"), 2),
            head + flow(rng, (), 2),
            head + USE + flow(rng, ("clean",), 1),
        )
        for head in ("", "", "@on-failure: continue\n") * 40
    ]


def is_first_round(place: str) -> bool:
    return not re.search(r"\.\d+\Z", place)


SHOWN = {
    "ascii": r"[\w.]*\bE\d\w*",
    "mermaid": r'\["([\w.]*E\d\w*)"',
    "dot": r'label="([\w.]*E\d\w*)"',
}


@pytest.mark.parametrize("format", SHOWN)
def test_flat_shows_every_place_by_its_full_name(programs, format):
    for drawn in programs:
        expected = sorted(filter(is_first_round, (node.id for node in drawn.places())))
        text = draw(drawn, format, uses="flat")
        assert sorted(re.findall(SHOWN[format], text)) == expected
        assert draw(drawn, format, uses="flat") == text


def test_boxes_hold_exactly_the_places_of_their_uses(programs):
    for drawn in programs:
        boxes: list[str] = []
        found = []
        for line in dot(drawn).splitlines():
            if "subgraph" in line:
                boxes.append("")
            elif line.strip() == "}" and boxes:
                boxes.pop()
            elif title := re.search(r'color="#6b8fc4", margin=10, label="(\w+)"', line):
                boxes[-1] = title[1] + "."
            elif event := re.search(r'^ *"\S+" \[label="(\w*E\d\w*)"', line):
                found.append("".join(boxes) + event[1])
        assert found == list(filter(is_first_round, (node.id for node in drawn.places())))


@pytest.mark.parametrize("uses", ["open", "flat", "closed"])
def test_what_is_drawn_is_connected_as_in_the_graph(programs, uses):
    for drawn in programs:
        picture = dot(drawn, uses=uses)
        nodes = re.findall(r'^ *"(\S+)" \[', picture, re.M)
        arrows = re.findall(r'^ *"(\S+)" -> "(\S+)"', picture, re.M)
        heads = set()
        before = zip(drawn.nodes, drawn.topology.before, drawn.topology.use_of, strict=True)
        for node, edges, use in before:
            if not edges:
                outermost = drawn.topology.uses_around(use)[:1] if uses == "closed" else ()
                heads |= {drawn.uses[number].place for number in outermost} or {node.id}
        assert {target for _, target in arrows} == set(nodes) - heads
        assert all(nodes.index(source) < nodes.index(target) for source, target in arrows)
        assert len(set(arrows)) == len(arrows)
        assert len(set(nodes)) == len(nodes)
        assert picture.count("{\n") == picture.count("}\n")
        chart = mermaid(drawn, uses=uses)
        names = re.findall(r"subgraph (\w+)", chart)
        assert len(set(names)) == len(names)
        assert len(re.findall(r"^ +end$", chart, re.M)) == len(names)


def test_closed_boxes_leave_only_what_is_outside(programs):
    for drawn in programs:
        outside = [
            node.id
            for node, use in zip(drawn.nodes, drawn.topology.use_of, strict=True)
            if use < 0 and node.event and is_first_round(node.id)
        ]
        outermost = dict.fromkeys(use.place for use in drawn.uses if use.within is None)
        expected = sorted([*outside, *outermost])
        rows = re.findall(r"\bE\d\w*|\[((?:clean|outer)\w*)\]", ascii(drawn, uses="closed"))
        assert len(rows) == len(expected)
        nodes = re.findall(r'^ *"(\S+)" \[label="', dot(drawn, uses="closed"), re.M)
        assert sorted(name for name in nodes if "any" not in name) == expected


@pytest.mark.slow
@pytest.mark.parametrize("uses", ["open", "flat", "closed"])
def test_ten_thousand_uses(uses):
    drawn = graph(USE + " -> ".join(["clean"] * 10_000), "E0 -> E1 || E2")
    for format in ("ascii", "mermaid", "dot"):
        text = draw(drawn, format, uses=uses)
        assert len(re.findall(r"\bclean(?:__\d+)?\b", text)) >= 10_000


@pytest.mark.slow
@pytest.mark.parametrize("uses", ["open", "flat", "closed"])
def test_two_hundred_uses_in_each_other(uses):
    last = 200
    files = [
        parse(f'@use: a = "{n}.pty"\na -> E' if n < last else "E", f"{n}.pty")
        for n in range(last + 1)
    ]
    drawn = compile(
        Program(tuple(files), tuple({"a": n + 1} if n < last else {} for n in range(last + 1)))
    )
    for format in ("ascii", "mermaid", "dot"):
        text = draw(drawn, format, uses=uses)
        assert len(re.findall(r"\bE\b(?=[^\n]*\n)", text)) >= (1 if uses == "closed" else last)


def test_an_unknown_way_is_refused():
    with pytest.raises(DrawError) as caught:
        draw(graph("A"), uses="shut")
    assert str(caught.value) == "uses cannot be drawn as 'shut'\n  hint: one of: open, flat, closed"


def test_an_entity_in_an_argument_is_not_replaced_by_graphviz():
    text = dot(graph(USE + 'clean(table="&lt;")', CLEAN))
    assert 'label="clean(table=\\"&amp;lt;\\")"' in text
    assert 'tooltip="clean' in text
