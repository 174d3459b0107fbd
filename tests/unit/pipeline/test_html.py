"""What a notebook shows of a run and of a pipeline."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest

from volnux import EventBase, Pipeline
from volnux.graph import compile
from volnux.pipeline.context import ExecutionContext
from volnux.pointy import parse

EVIL = "<script>alert('&')</script>"


class Fine(EventBase):
    def process(self):
        return True, EVIL


class Refuses(EventBase):
    def process(self):
        return False, EVIL


class Raises(EventBase):
    def process(self):
        raise ValueError(EVIL)


class Flow(Pipeline):
    class Meta:
        name = EVIL
        pointy = "Fine -> Refuses (0 -> Raises) -> Fine"


@pytest.fixture(params=[True, False], ids=["Graphviz", "no Graphviz"])
def graphviz(request, monkeypatch):
    if not request.param:
        monkeypatch.setenv("PATH", "")
    return request.param


def test_a_run():
    flow = Flow()
    html = flow.start()._repr_html_()
    page = ET.fromstring(f"<div>{html}</div>")
    rows = [["".join(cell.itertext()) for cell in row] for row in page.findall(".//tbody/tr")]
    assert [row[:4] for row in rows] == [
        ["Fine", "done", "1", "1"],
        ["Refuses", "done", "0", "1"],
        ["Raises", "failed", "0", "1"],
        ["Fine__2", "failed", "", "0"],
    ]
    said = ["".join(each.itertext()) for each in page.findall("p")]
    assert said[0].startswith(f"{EVIL}: failed in ")
    assert said[1:] == [
        f"Refuses failed, handled: it returned {EVIL!r}",
        f"Raises failed: ValueError: {EVIL}",
    ]
    assert "raise ValueError(EVIL)" in page.find("pre").text
    assert "<script" not in html


def test_a_run_that_goes_on():
    assert ExecutionContext(None, EVIL, {})._repr_html_() == "<p>the run has not ended</p>"


def test_a_picture(graphviz):
    flow = Flow()
    before = flow._repr_html_()
    flow.start()
    for html in (before, flow._repr_html_(), Flow.plan().graph._repr_html_()):
        assert html.startswith("<svg" if graphviz else "<pre>")
        assert "Refuses" in html
        assert "<script" not in html
        ET.fromstring(html)
    assert flow._repr_html_() != before


def test_a_graph_without_its_text(monkeypatch):
    monkeypatch.setenv("PATH", "")
    graph = dataclasses.replace(compile(parse("A -> B")), source=None)
    assert graph._repr_html_().startswith("<pre>the graph ")
