"""The HTML file: its texts are data, and its policy allows nothing but its own scripts."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.integration.htmlreport import hostile
from volnux.graph import compile, simulate
from volnux.htmlreport import document, html_of
from volnux.pointy import parse

PAGE = Path(document.__file__).with_name("page")


class Elements(HTMLParser):
    """The elements of a document with their attributes, and the text of those with an id."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.texts = {}
        self.id = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.found.append((tag, attributes))
        self.id = attributes.get("id", tag)
        self.texts.setdefault(self.id, "")

    def handle_endtag(self, tag):
        self.id = None

    def handle_data(self, data):
        if self.id is not None:
            self.texts[self.id] += data


def test_nothing_that_a_user_wrote_is_html():
    page = Elements(hostile.page())
    assert " ".join(tag for tag, _ in page.found) == (
        "html head meta meta meta meta title style body noscript p script script script"
    )
    assert not [
        name for _, attributes in page.found for name in attributes if name in ("src", "href")
    ]
    assert page.texts["title"].startswith(hostile.EVIL)


def test_the_content_has_every_text_as_it_was():
    content = json.loads(Elements(hostile.page()).texts["content"])
    assert content["pipeline"] == content["description"] == hostile.EVIL
    assert content["failures"][0]["message"] == hostile.EVIL
    assert content["log"]["lines"][0][3] == hostile.EVIL
    assert content["places"][0]["name"] == "Place1" + hostile.EVIL


def test_the_content_is_written_without_a_character_that_could_end_it():
    written = hostile.page().partition('id="content">')[2].partition("</script>")[0]
    assert written.isascii()
    assert not re.search("[<>&]", written)


def test_the_policy_allows_exactly_the_scripts_of_the_page():
    page = Elements(hostile.page())
    policy = next(a["content"] for _, a in page.found if "http-equiv" in a)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe-inline" not in policy
    library = gzip.decompress(base64.b64decode(page.texts["library"]))
    assert rules["script-src"].split() == [
        source_of(page.texts["script"].encode()),
        source_of(library),
        "'wasm-unsafe-eval'",
    ]
    assert rules["style-src"] == source_of(page.texts["style"].encode())


def source_of(code):
    return f"'sha256-{base64.b64encode(hashlib.sha256(code).digest()).decode()}'"


def test_without_a_graph_there_is_no_library():
    graph = compile(parse("A -> B"))
    page = html_of(simulate(graph))
    assert len(page) < 100_000
    assert "wasm" not in page.partition("</head>")[0]
    assert len(html_of(simulate(graph), graph)) < 1_000_000


@pytest.mark.parametrize("text", ["A -> B", "A[each=x] |-> B (0 -> C)"])
def test_equal_runs_give_equal_files(text):
    graph = compile(parse(text))
    assert html_of(simulate(graph), graph) == html_of(simulate(graph), graph)


@pytest.mark.parametrize("script", sorted(PAGE.glob("[!v]*.js")), ids=lambda path: path.name)
def test_the_scripts_never_make_html_of_text(script):
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"(inner|outer|Adjacent)HTML|DOMParser|document\.write|\beval\b", text)
