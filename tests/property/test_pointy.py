"""Properties that hold for every text: of the parser, its errors and the formatter."""

import copy
import pickle
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.property.pointy_programs import programs
from volnux.errors import PointyError, PointySyntaxError, Severity, Source
from volnux.pointy import PointyFile, analyze, parse
from volnux.pointy.formatter import format_file, format_text
from volnux.pointy.parser import read_source

# A machine that is busy with other tests is slow, not wrong.
calm = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SIGNS = [*"*(){}[],=;:@#.<!?\\-\x00\ufeff\xa0\u200b|&", "->", "|->", "||", "=>", "//", "/*"]
LITERALS = ["0", "1", "3", "12", "-2", "2.5", "true", '"s"', "'q'", '"open', "“x”"]
PHRASES = [
    "A(a=",
    '(a=1, b=["x"])',
    '{"k": ',
    "! ",
    "A()",
    "a = {",
    "[1, ",
    "@input:x:int(1..2)=1\n",
    "[each=x, in=",
    "[again=3, task=t]",
    "at_once=",
]
WORDS = [*SIGNS, *LITERALS, *PHRASES, "A", "B1", "x", "timeout", "3A", "é", "A__2", "@name:x"]

soup = st.lists(st.sampled_from([*WORDS, "\n", "\r", " ", "A (0 -> B)"]), max_size=25).flatmap(
    lambda words: st.sampled_from(["".join(words), " ".join(words)])
)


def read(text: str) -> PointyFile:
    """Parse a text. The output of a failure can be used to repeat it."""
    file, diagnostics = analyze(Source(text))
    again = f"\nrepeat with: volnux.pointy.parse({text!r})"
    assert file is not None, "\n".join(d.render() for d in diagnostics) + again
    return file


def check_any_text(text: str) -> None:
    file, diagnostics = analyze(Source(text, "any.pty"))
    errors = [d for d in diagnostics if d.severity is Severity.ERROR]
    assert (file is None) == bool(errors), f"repeat with: volnux.pointy.parse({text!r})"
    assert list(diagnostics) == sorted(diagnostics, key=lambda d: d.span)
    lines = len(Source(text)._line_starts())
    for diagnostic in diagnostics:
        span = diagnostic.span
        assert 1 <= span.line <= span.end_line <= lines
        assert span.column >= 1
        assert diagnostic.text == Source(text).line(span.line)
        assert diagnostic.render().startswith(f"any.pty:{span.line}:{span.column}: ")
        assert len(diagnostic.message) < 300, diagnostic.message
    if file is None:
        try:
            parse(text)
        except PointyError as error:
            assert error.diagnostics == tuple(analyze(Source(text))[1])
            assert isinstance(error, PointySyntaxError) == any(d.syntax for d in errors)
            assert str(pickle.loads(pickle.dumps(error))) == str(error)
        else:
            raise AssertionError(f"parse and analyze disagree: {text!r}")


@calm
@given(soup)
@example("*3")
@example("))))")
@example(";")
@example("A ;")
@example("é")
@example("'A'")
@example("\ufeff")
@example("A\ufeff")
@example("3A")
@example("A -> é é")
@example("A(a={k:")
@example("A(a=f(")
@example("A(*")
@example("A{a=1")
@example("A(a=[{[")
@example("A[each=[")
@example("A[each x in")
@example("{A}[task=t] -> {B}[task=t, again=99999999999]")
def test_a_soup_of_words_is_a_program_or_has_an_error(text):
    check_any_text(text)


@calm
@given(st.text(max_size=40))
@example("\ud800")
def test_any_text_is_a_program_or_has_an_error(text):
    check_any_text(text)


@calm
@given(programs(), st.data())
def test_a_program_with_one_slip_is_a_program_or_has_an_error(text, data):
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 3))
    put_in = data.draw(st.sampled_from(["", *WORDS]))
    check_any_text(text[:at] + put_in + text[at + length :])


@calm
@given(st.binary(max_size=30))
def test_any_bytes_are_a_program_or_have_an_error(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any.pty")
        path.write_bytes(data)
        source, diagnostics = read_source(path)
    assert (source is None) == bool(diagnostics)
    if source is None:
        assert data.splitlines(), data


@calm
@given(programs())
def test_a_program_is_read_without_an_error(text):
    file = read(text)
    assert file == read(text)
    assert hash(file) == hash(read(text))


@calm
@given(programs())
def test_a_formatted_program_says_the_same_and_keeps_its_comments(text):
    file = read(text)
    written = format_file(file)
    again = read(written)
    assert again == file, f"repeat with: volnux.pointy.formatter.format_text({text!r})"
    assert Counter(c.text for c in again.comments) == Counter(c.text for c in file.comments)
    assert [d.name for d in again.directives] == [d.name for d in file.directives]


@calm
@given(programs())
def test_formatting_twice_is_formatting_once(text):
    written = format_text(text)
    assert format_text(written) == written, (
        f"repeat with: volnux.pointy.formatter.format_text({text!r})"
    )
    assert written.endswith("\n") and not written.endswith("\n\n")
    assert "\n\n\n" not in written
    assert all(line == line.rstrip() for line in written.split("\n"))


@calm
@given(programs())
def test_a_file_survives_copy_and_pickle(text):
    file = read(text)
    assert copy.deepcopy(file) is file
    assert pickle.loads(pickle.dumps(file)) == file


@calm
@given(programs())
def test_line_breaks_do_not_matter(text):
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert read(plain) == read(text)
    assert read(plain.replace("\n", "\r\n")) == read(text)
    assert read(plain.replace("\n", "\r")) == read(text)
