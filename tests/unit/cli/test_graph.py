"""`volnux graph`: every format, to the screen and to a file."""

import json
import shutil
from pathlib import Path

import pytest

from volnux.graph import Graph
from volnux.loading import load_graph


@pytest.mark.parametrize(
    ("format", "start"), [("ascii", "Ok"), ("mermaid", "flowchart "), ("dot", "digraph ")]
)
def test_a_picture(cli, flow, format, start):
    result = cli("graph", flow("Ok -> Bad (0 -> Three)"), "--format", format)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(start)
    assert "Three" in result.out


def test_a_picture_for_the_terminal_is_the_default(cli, flow):
    path = flow("Ok -> Bad")
    assert cli("graph", path).out == cli("graph", path, "-f", "ascii").out


def test_json_is_the_graph(cli, flow):
    path = flow("Ok -> Bad")
    result = cli("graph", path, "--format", "json")
    assert json.loads(result.out)["fingerprint"]
    assert Graph.from_json(result.out) == load_graph(path)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_an_image_in_a_file(cli, flow):
    result = cli("graph", flow("Ok -> Bad"), "--format", "svg", "--output", "flow.svg")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert "<svg" in Path("flow.svg").read_text()


def test_an_image_without_graphviz(cli, flow, monkeypatch):
    monkeypatch.setenv("PATH", "")
    result = cli("graph", flow("Ok"), "--format", "svg", "--output", "flow.svg")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert not Path("flow.svg").exists()


def test_an_output_that_cannot_be_written(cli, flow):
    result = cli("graph", flow("Ok"), "--output", "no/flow.txt")
    assert result.code == 2
    assert result.err == "error: no/flow.txt cannot be written: No such file or directory\n"


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_every_format_of_graphviz(cli, flow):
    path = flow("Ok -> Bad")
    result = cli("graph", path, "--format", "png", "--output", "flow.png")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert Path("flow.png").read_bytes().startswith(b"\x89PNG")
    result = cli("graph", path, "--format", "pngg", "--output", "flow.pngg")
    assert result.code == 2
    assert result.err.startswith("error: Graphviz cannot write the format 'pngg'\n  hint: one of: ")
    assert not Path("flow.pngg").exists()


def test_an_image_is_written_to_a_file(cli, flow):
    result = cli("graph", flow("Ok"), "--format", "png")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: use --output to name the file for the png image\n"


def test_errors_of_the_file(cli, flow):
    result = cli("graph", flow("A -> -> B || "))
    assert (result.code, result.out) == (2, "")
    assert result.err.count(": error: ") == 2


# Used files.


@pytest.fixture
def using(flow, write):
    write("shared/clean.pty", "@input: table: str\nOk(t=table) -> Three")
    return flow('@use: clean = "shared/clean.pty"\nOk |-> clean(table="a") -> clean(table="b")')


@pytest.mark.parametrize(
    ("option", "rows"),
    [
        (None, ['╭─ clean(table="a") ─', '╭─ clean__2(table="b") ╮']),
        ("--flat", ["Ok ⇒ clean.Ok(t=table) → clean.Three →"]),
        ("--closed", ['Ok ⇒ [clean(table="a")] → [clean__2(table="b")]']),
    ],
)
def test_uses_as_boxes_or_without_or_closed(cli, using, option, rows):
    result = cli("graph", using, *([option] if option else []))
    assert (result.code, result.err) == (0, "")
    assert all(row in result.out for row in rows)
    for format in ("mermaid", "dot"):
        assert cli("graph", using, "-f", format, *([option] if option else [])).code == 0


def test_two_ways_at_once_are_refused(cli, using):
    result = cli("graph", using, "--flat", "--closed")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: --flat and --closed cannot be combined\n"
    assert "has all places" in cli("graph", using, "--closed", "-f", "json").err


def test_json_has_all_places_of_uses(cli, using):
    result = cli("graph", using, "--format", "json")
    data = json.loads(result.out)
    assert data["format_version"] == 4
    assert [node["id"] for node in data["nodes"]] == [
        "Ok", "clean.Ok", "clean.Three", "clean__2.Ok", "clean__2.Three",
    ]  # fmt: skip
    assert [node["file"] for node in data["nodes"]] == [0, 1, 1, 1, 1]
    assert [(use["place"], use["first"], use["last"]) for use in data["uses"]] == [
        ("clean", "clean.Ok", "clean.Three"), ("clean__2", "clean__2.Ok", "clean__2.Three"),
    ]  # fmt: skip
    assert data["files"][0]["text"]["filename"] == "shared/clean.pty"
    graph = Graph.from_json(result.out)
    assert graph == load_graph(using)
    assert graph.to_json() == load_graph(using).to_json()
