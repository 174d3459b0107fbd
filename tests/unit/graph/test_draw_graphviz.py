"""A graph for Graphviz, and what `dot` makes of it."""

# ruff: noqa: RUF001 - the sign of a factor

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from volnux.graph import State, compile
from volnux.graph.draw import DrawError, dot, svg
from volnux.pointy import parse

ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"

GREY = 'color="#7b8794"'
RED = 'color="#e0443e", fontcolor="#e0443e"'
GREEN = 'color="#2f9e54", fontcolor="#2f9e54"'
DARK = 'color="#7b8794", fillcolor="#7b8794"'
CIRCLE = (
    'label="any", shape=circle, style=solid, color="#7b8794", fontcolor="#7b8794", fontsize=9, '
    'width=0.3, height=0.3, margin=0, fixedsize=true, tooltip="any"'
)

# What stands between the settings and the closing brace.
DIGRAPHS = {
    "A -> A |-> B": """
  "A" [label="A", tooltip="A, orders.pty:1"]
  "A__2" [label="A__2", tooltip="A__2, orders.pty:1"]
  "B" [label="B", tooltip="B, orders.pty:1"]
  "A" -> "A__2"
  "A__2" -> "B" [penwidth=2.4]
""",
    "A * 3 (0 |-> B, 1 -> C,\n 4 -> D)": f"""
  "A" [label="A ×3", tooltip="A, orders.pty:1"]
  "B" [label="B", tooltip="B, orders.pty:1"]
  "C" [label="C", tooltip="C, orders.pty:1"]
  "D" [label="D", tooltip="D, orders.pty:2"]
  "A" -> "B" [label=" 0 ", {RED}, penwidth=2.4]
  "A" -> "C" [label=" 1 ", {GREEN}]
  "A" -> "D" [label=" 4 ", color="#3b82d0", fontcolor="#3b82d0"]
""",
    "{A || B} -> {C || D}": f"""
  "A" [label="A", tooltip="A, orders.pty:1"]
  "B" [label="B", tooltip="B, orders.pty:1"]
  "join-1" [shape=point, {DARK}, width=0.07, height=0.07, tooltip="join"]
  "C" [label="C", tooltip="C, orders.pty:1"]
  "D" [label="D", tooltip="D, orders.pty:1"]
  "A" -> "join-1" [arrowhead=none]
  "B" -> "join-1" [arrowhead=none]
  "join-1" -> "C"
  "join-1" -> "D"
""",
    f"{{A || B}}{ANY}": f"""
  "A" [label="A", tooltip="A, orders.pty:1"]
  "B" [label="B", tooltip="B, orders.pty:1"]
  "join-1" [{CIRCLE}]
  "A" -> "join-1" [arrowhead=none]
  "B" -> "join-1" [arrowhead=none]
""",
    "{A} (0 -> B)": f"""
  subgraph cluster_0 {{
    graph [style=rounded, {GREY}, margin=10, tooltip="group, orders.pty:1"]
    "A" [label="A", tooltip="A, orders.pty:1"]
    "catch-1" [shape=point, {DARK}, width=0.12, height=0.12, tooltip="group, orders.pty:1"]
  }}
  "B" [label="B", tooltip="B, orders.pty:1"]
  "A" -> "catch-1" [arrowhead=none]
  "catch-1" -> "B" [label=" 0 ", {RED}]
""",
    "A[timeout=30, executor=thread]": """
  "A" [label=<A<br/><font point-size="9" color="#52606d">executor=thread<br/>timeout=30</font>>, \
tooltip="A, orders.pty:1"]
""",
}

FLOWS = [
    *DIGRAPHS,
    "A -> B (0->C (0 |-> T, 1 -> Z), 1 -> E) -> F (0 -> Y, 1 -> Z)",
    "@on-failure: continue\nA (0 -> B || C) |-> {D (0 -> E) || F}" + ANY,
    "{{{A} (0 -> B)} (1 -> C) -> {D || E} |-> {F || G}} (0 -> H) -> A",
    r'A[pool="\"\\N <b> & {x|y} größe 大", queue="a\nb\tc", tags="]>"]',
]


def digraph(text: str, filename: str = "orders.pty", **how: object) -> str:
    return dot(compile(parse(text, filename)), **how)


def laid_out(text: str) -> str:
    """What `dot` makes of a text; a warning of it is an error."""
    if not shutil.which("dot"):
        pytest.skip("the program dot is missing")
    done = subprocess.run(
        ["dot", "-Tsvg"], input=text, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("flow", DIGRAPHS)
def test_digraphs(flow):
    lines = digraph(flow).splitlines(keepends=True)
    assert lines[0] == 'digraph "orders" {\n'
    assert [line.split()[0] for line in lines[1:4]] == ["graph", "node", "edge"]
    assert "".join(lines[4:-1]) == DIGRAPHS[flow].removeprefix("\n")
    assert lines[-1] == "}\n"


@pytest.mark.parametrize("flow", FLOWS)
def test_dot_lays_out_every_construct(flow):
    image = ET.fromstring(laid_out(digraph(flow)))
    drawn = [
        group.findtext("{*}title")
        for group in image.findall(".//{*}g")
        if group.get("class") == "node"
    ]
    assert sorted(drawn) == sorted(node.id for node in compile(parse(flow)).nodes)


def test_quotes_backslashes_and_markup_are_shown_as_they_are():
    text = digraph(
        r'A[pool="\"\\N <b> & 大"]', filename='C:\\flows\\"new".pty', states={"A": State.DONE}
    )
    image = ET.fromstring(laid_out(text))
    shown = ["".join(found.itertext()) for found in image.findall(".//{*}text")]
    assert shown == ["A", r'pool="\"\\N <b> & 大"']
    titles = [
        found.get("{http://www.w3.org/1999/xlink}title") for found in image.findall(".//{*}a")
    ]
    assert 'A, done, C:\\flows\\"new".pty:1' in titles


def test_units_with_each_task_and_again_are_frames_with_a_title():
    lines = digraph("{L |-> F[each=url, at_once=8]}[task=t] |-> {C}[again=3]").splitlines()
    frames = [
        re.search(r'  graph \[.* label="(.*?)".*?(penwidth=.*)?\]', line) for line in lines[4:]
    ]
    assert [found.groups() for found in frames if found] == [
        ("task t", None),
        ("each url, at_once=8", "penwidth=2.4"),
        ("again 3", None),
    ]
    assert [line.strip() for line in lines if "->" in line] == [
        '"L" -> "each-1" [penwidth=2.4, arrowhead=none]',
        '"each-1" -> "F" [penwidth=2.4]',
        '"F" -> "gather-1" [penwidth=2.4, arrowhead=none]',
        '"gather-1" -> "join-1" [penwidth=2.4, arrowhead=none]',
        '"join-1" -> "C" [penwidth=2.4]',
        '"C" -> "catch-1" [arrowhead=none]',
    ]


def test_the_copies_of_a_place_are_counted():
    flow = "L |-> F[each=url]"
    states = {"L": State.DONE, "F[0]": State.DONE, "F[1]": State.FAILED, "F[2]": State.DONE}
    text = digraph(flow, states=states)
    image = ET.fromstring(laid_out(text))
    shown = ["".join(found.itertext()) for found in image.findall(".//{*}text")]
    assert shown == ["each url", "L", "F", "2 done, 1 failed"]
    assert 'tooltip="F, failed, orders.pty:1", fillcolor="#fbd9d7"' in text


def test_states_have_colours():
    states = dict(zip("ABCD", State, strict=True))
    text = digraph("A -> B -> C -> D", states=states)
    fills = [line.split("fillcolor=")[1][1:8] for line in text.splitlines()[4:8]]
    assert len(set(fills)) == 4
    laid_out(text)


def test_svg_is_an_image_with_every_place(own_folder):
    pytest.importorskip("graphviz")
    if not shutil.which("dot"):
        pytest.skip("the program dot is missing")
    graph = compile(parse("A -> B (0 -> A, 1 -> C)"))
    image = svg(graph)
    titles = [found.text for found in ET.fromstring(image).findall(".//{*}title")]
    assert {"A", "A__2", "B", "C"} <= set(titles)
    assert image == svg(graph)
    assert not list(own_folder.iterdir())


def test_without_dot_svg_says_what_to_install(monkeypatch, own_folder):
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", str(own_folder))
    with pytest.raises(DrawError, match=r"needs the program `dot`[\s\S]*apt-get install graphviz"):
        svg(compile(parse("A")))


def test_without_the_package_svg_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "graphviz"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(DrawError, match=r"pip install 'graphviz>=0.20'"):
        svg(compile(parse("A")))


def fake_dot(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_layout_that_takes_too_long_is_given_up(monkeypatch, own_folder):
    pytest.importorskip("graphviz")
    fake_dot(own_folder, monkeypatch, "exec sleep 60")
    with pytest.raises(DrawError) as caught:
        svg(compile(parse("A")), timeout=0.2)
    assert "did not lay out these 1 nodes within 0.2 s\n" in str(caught.value)
    with pytest.raises(DrawError) as caught:
        svg(compile(parse(" -> ".join(["A"] * 3_000))), timeout=0.2)
    assert "3,000 nodes within 0.2 s; a layout of more than about 2,000 nodes" in str(caught.value)
    assert "--format ascii, mermaid or dot" in str(caught.value)


def test_a_dot_that_fails_is_quoted(monkeypatch, own_folder):
    pytest.importorskip("graphviz")
    fake_dot(own_folder, monkeypatch, "cat >/dev/null; echo 'Error: out of ink' >&2; exit 3")
    with pytest.raises(DrawError, match="exit code 3 on a graph of 1 nodes: Error: out of ink"):
        svg(compile(parse("A")))


def test_a_dot_that_cannot_run_is_an_error_of_ours(monkeypatch, own_folder):
    pytest.importorskip("graphviz")
    (own_folder / "dot").write_text("not a program")
    monkeypatch.setenv("PATH", str(own_folder))
    with pytest.raises(DrawError, match="`dot`"):
        svg(compile(parse("A")))
