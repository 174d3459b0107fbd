"""The names of `each` around a place: in arguments, after `in`, and beside inputs of a class."""

from dataclasses import replace

import pytest

from volnux.graph.compiling import compile
from volnux.graph.model import InputSpec
from volnux.graph.names import check_names
from volnux.pointy import parse


def found(text, **changes):
    graph = replace(compile(parse(text, "names.pty")), **changes)
    return [diagnostic.render() for diagnostic in check_names(graph)]


@pytest.mark.parametrize(
    "text",
    [
        "Fetch(url=url)[each=url]",
        '{Fetch(where=[url, {"k": url}])}[each=url]',
        "{Page[each=url, in=page] -> Save(of=page)}[each=page]",
        "A(x=x)[each=x] -> B(x=x)[each=x]",
        "{A(x=x)}[each=x, again=2, task=t]",
        "@input: urls: list\nFetch[each=url, in=urls]",
        '@variable: urls: list = ["a"]\nFetch[each=url, in=urls]',
    ],
)
def test_names_that_are_around_their_place(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "Fetch(url=ulr)[each=url]",
            [
                "names.pty:1:7: error: 'ulr' is not an input, a variable or a secret of this "
                "file, nor an 'each' around it",
                "  1 | Fetch(url=ulr)[each=url]",
                "    |       ^^^^^^^",
                "  hint: did you mean 'url'? A text is written in quotes: url=\"ulr\"",
            ],
        ),
        (
            "Fetch[each=url] -> Save(url=url)",
            [
                "names.pty:1:25: error: 'url' is not an input, a variable or a secret of this file",
                "  1 | Fetch[each=url] -> Save(url=url)",
                "    |                         ^^^^^^^",
                "  hint: 'url' stands for an item only inside its 'each'. "
                'A text is written in quotes: url="url"',
            ],
        ),
        (
            "Fetch[each=url] (0 -> Note(of=url))",
            [
                "names.pty:1:28: error: 'url' is not an input, a variable or a secret of this file",
                "  1 | Fetch[each=url] (0 -> Note(of=url))",
                "    |                            ^^^^^^",
                "  hint: 'url' stands for an item only inside its 'each'. "
                'A text is written in quotes: of="url"',
            ],
        ),
        (
            "@input: urls: list\nFetch[each=url, in=ursl]",
            [
                "names.pty:2:20: error: 'ursl' is not an input or a variable of this file",
                "  2 | Fetch[each=url, in=ursl]",
                "    |                    ^^^^",
                "  hint: did you mean 'urls'?",
            ],
        ),
        (
            "{Fetch[each=url, in=x] -> A}[again=3]",
            [
                "names.pty:1:21: error: 'x' is not an input or a variable of this file",
                "  1 | {Fetch[each=url, in=x] -> A}[again=3]",
                "    |                     ^",
                "  hint: declare it with @input: x: list",
            ],
        ),
        (
            "{Fetch[each=url, in=pgae]}[each=page]",
            [
                "names.pty:1:21: error: 'pgae' is not an input or a variable of this file, "
                "nor an 'each' around it",
                "  1 | {Fetch[each=url, in=pgae]}[each=page]",
                "    |                     ^^^^",
                "  hint: did you mean 'page'?",
            ],
        ),
        (
            "A[each=page] -> Fetch[each=url, in=page]",
            [
                "names.pty:1:36: error: 'page' is not an input or a variable of this file",
                "  1 | A[each=page] -> Fetch[each=url, in=page]",
                "    |                                    ^^^^",
                "  hint: declare it with @input: page: list",
            ],
        ),
    ],
)
def test_a_name_that_stands_for_nothing(text, lines):
    assert found(text) == ["\n".join(lines)]


@pytest.mark.parametrize("type_", ["list", "any"])
def test_a_list_that_only_the_pipeline_class_declares(type_):
    assert found("Fetch[each=url, in=urls]", inputs=(InputSpec("urls", type_),)) == []


def test_an_input_of_the_pipeline_class_that_is_not_a_list():
    assert found("Fetch[each=url, in=urls]", inputs=(InputSpec("urls", "str"),)) == [
        "names.pty:1:20: error: 'in' takes a list, but 'urls' is of the type str\n"
        "  1 | Fetch[each=url, in=urls]\n"
        "    |                    ^^^^\n"
        "  hint: name an input or a variable of the type list"
    ]


def test_an_item_with_the_name_of_an_input_of_the_pipeline_class():
    assert found("{A -> B}[each=day]", inputs=(InputSpec("day", "date"),)) == [
        "names.pty:1:10: error: the item 'day' is also an input of the pipeline class\n"
        "  1 | {A -> B}[each=day]\n"
        "    |          ^^^^^^^^\n"
        "  hint: a name is declared only once: rename one of the two"
    ]
