"""The pages about the language and the graph: every example in them is correct."""

import builtins
import json
import re
from pathlib import Path

import pytest

from volnux.graph import RunStatus, compile, simulate
from volnux.graph.model import Graph
from volnux.pointy import PointyError, parse
from volnux.programs import gather

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```(\w[^\n]*)\n(.*?)^```$", re.M | re.S)
# `# Check=0, Load=3: Check, Report run, the run fails`
PROMISE = re.compile(
    r"# (all succeed|[\w.]+=\d(?:, [\w.]+=\d)*): ([\w.]+(?:, [\w.]+)*) run(, the run fails)?$", re.M
)


def blocks(page: str, kind: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [found for what, found in BLOCK.findall(text) if what == kind]


FLOWS = [flow for page in ("language.md", "graph.md") for flow in blocks(page, "pty")]
FILE = re.compile(r"# ([\w./-]+\.pty)\n")
"""The first line of an example that other examples use."""
PROMISES = [(flow, *found) for flow in FLOWS for found in PROMISE.findall(flow)]


def graph_of(flow: str) -> Graph:
    """The graph of an example, in a folder with all examples that are files."""
    for text in FLOWS:
        if named := FILE.match(text):
            Path(named[1]).parent.mkdir(exist_ok=True)
            Path(named[1]).write_text(text)
    program, found = gather(parse(flow))
    assert program is not None, "\n".join(each.render() for each in found)
    return compile(program)


@pytest.mark.parametrize("flow", FLOWS)
def test_an_example_parses(flow):
    graph_of(flow)


@pytest.mark.parametrize(("flow", "outcomes", "ran", "fails"), PROMISES)
def test_an_example_does_what_its_comment_says(flow, outcomes, ran, fails):
    told = {}
    if outcomes != "all succeed":
        told = {name: int(digit) for name, digit in re.findall(r"([\w.]+)=(\d)", outcomes)}
    graph = graph_of(flow)
    assert set(told) <= {node.id for node in graph.places()}
    report = simulate(graph, outcomes=told, places=told)
    assert [place for place, item in report.places.items() if item.attempts] == ran.split(", ")
    assert report.status is (RunStatus.FAILED if fails else RunStatus.SUCCESS)


def test_no_promise_is_overlooked():
    written = sum(len(re.findall(r"# .*(?:succeed|=\d):", flow)) for flow in FLOWS)
    assert len(PROMISES) == written >= 30


@pytest.mark.parametrize("flow", blocks("language.md", "pty broken"))
def test_a_broken_example_is_refused(flow):
    with pytest.raises(PointyError):
        parse(flow)


def test_the_message_of_the_broken_example_is_as_shown():
    broken, shown = blocks("language.md", "pty broken")[0], blocks("language.md", "text")[-1]
    with pytest.raises(PointyError) as error:
        parse(broken, filename="shop.pty")
    assert str(error.value) == shown.rstrip()


def test_two_ways_to_write_a_flow_that_are_said_to_mean_the_same():
    bare, braced = (compile(parse(flow)) for flow in FLOWS if flow.startswith("A -> "))
    assert bare.fingerprint == braced.fingerprint
    left, right = (
        compile(parse(flow)) for flow in FLOWS if re.match(r"(3 \* )?Fetch( \* 3)?$", flow)
    )
    assert left.fingerprint == right.fingerprint


@pytest.mark.parametrize(
    ("page", "code"),
    [(page, code) for page in ("language.md", "graph.md") for code in blocks(page, "python")],
)
def test_the_python_of_a_page_runs(page, code):
    exec(builtins.compile(code, f"docs/{page}", "exec"), {"__name__": "example"})


def test_the_json_of_the_page_is_that_of_the_flow():
    (shown,) = blocks("graph.md", "json")
    (first, _) = blocks("graph.md", "python")
    (flow,) = re.findall(r'parse\("(.*?)"', first)
    graph = compile(parse(flow, filename="orders.pty"))
    assert json.loads(shown) == json.loads(graph.to_json())


@pytest.mark.parametrize("page", ["language.md", "graph.md"])
def test_links_within_a_page_lead_to_a_heading(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", text)) <= headings
