"""A text stays unchanged, whatever its characters: formatted, compiled, as JSON, drawn."""

import json

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from volnux.errors import PointyError
from volnux.graph import Graph, compile
from volnux.graph.draw import draw
from volnux.pointy import parse
from volnux.pointy.formatter import format_text
from volnux.pointy.strings import quote

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner | texts, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
ODD = "a\x85b\x7fc\u2028d\re\n\tf\x1c\ufeff\uffff\U0001f600 \\ \" ''' {{x}} #"


@calm
@given(texts, values, st.booleans())
@example(ODD, [ODD, {ODD: 1e16}], False)
@example(ODD, [ODD, {ODD: -0.0}], True)
@example("\0", ["\0"], True)
def test_a_default_comes_back(text, value, ascii_only):
    written = json.dumps(text, ensure_ascii=ascii_only)
    assume("\0" not in written)
    flow = f"@input: x: str = {written}\n@input: y: dict = {json.dumps({'k': value})}\nA"
    check(flow)
    graph = compile(parse(flow))
    assert [item.default for item in graph.inputs] == [text, {"k": value}]
    assert repr(graph.inputs[1].default) == repr({"k": value})


@calm
@given(texts, values)
@example(ODD, [ODD, {ODD: 1e16}])
@example("\0", {"\0": -0.0})
def test_an_argument_comes_back(text, value):
    flow = f"A(a={argument([text, value])})"
    file = parse(flow)
    assert parse(format_text(flow)) == file
    (found,) = file.flow.parts[0].arms[0].primary.arguments
    assert repr(found.value) == repr([text, value])


def argument(value: object) -> str:
    """A JSON value as an argument is written; a string has fewer escapes than in JSON."""
    match value:
        case str():
            return quote(value)
        case list():
            return f"[{','.join(map(argument, value))}]"
        case dict():
            return f"{{{','.join(f'{quote(k)}:{argument(each)}' for k, each in value.items())}}}"
        case _:
            return json.dumps(value)


@calm
@given(texts)
@example(ODD)
@example("\x85")
def test_a_description_and_an_option_come_back(text):
    assume(text.strip() and "\0" not in text)
    flow = f"@description: {quote(text)}\nA [pool={quote(text)}]"
    check(flow)
    graph = compile(parse(flow))
    assert (graph.description, graph.nodes[0].options["pool"]) == (text, text)


@calm
@given(texts)
@example("\x85")
@example("x # \x85")
def test_an_unquoted_description_and_a_comment_are_read_or_refused(text):
    assume(not set(text) & set("\r\n"))
    try:
        parse(f"@description: x{text}\nA # {text}")
    except PointyError:
        return
    check(f"@description: x{text}\nA # {text}")


def check(flow: str) -> None:
    file = parse(flow)
    written = format_text(flow)
    assert parse(written) == file
    assert format_text(written) == written
    assert parse(written.encode().decode()) == file
    graph = compile(file)
    assert Graph.from_json(graph.to_json()) == graph
    assert Graph.from_json(graph.to_json(indent=2).encode()).fingerprint == graph.fingerprint
    for drawing in ("ascii", "mermaid", "dot"):
        draw(graph, drawing).encode()
