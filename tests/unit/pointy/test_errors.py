"""Diagnostics, their places, and the errors that are built from them."""

import json
import pickle
import traceback

import pytest

from volnux.errors import (
    Diagnostic,
    PointyError,
    PointySyntaxError,
    Severity,
    Source,
    Span,
    VolnuxError,
    nearest,
    pointy_error,
)
from volnux.pointy import analyze, parse

WRONG = "A[timeuot=3] -> B => C\n"


def caught() -> PointyError:
    with pytest.raises(PointyError) as info:
        parse(WRONG, "orders.pty")
    return info.value


def test_a_syntax_error_of_python_with_all_that_was_found():
    error = caught()
    assert isinstance(error, PointySyntaxError)
    assert isinstance(error, SyntaxError)
    assert isinstance(error, VolnuxError)
    assert [d.code for d in error.diagnostics] == ["unknown-option", "unknown-sign"]
    # The attributes tell the first error of grammar, the text tells all.
    assert (error.filename, error.lineno, error.offset) == ("orders.pty", 1, 19)
    assert (error.end_lineno, error.end_offset, error.text) == (1, 21, WRONG.rstrip())
    assert error.msg == "'=>' is not a Pointy operator"
    assert str(error).count("error:") == 2


def test_python_shows_the_line_of_the_program():
    shown = "".join(traceback.format_exception_only(caught()))
    assert 'File "orders.pty", line 1' in shown
    assert "A[timeuot=3] -> B => C" in shown


def test_a_rule_of_meaning_is_no_syntax_error():
    with pytest.raises(PointyError) as info:
        parse("A * 1")
    assert not isinstance(info.value, SyntaxError)
    assert (info.value.filename, info.value.offset) == ("<string>", 5)


def test_errors_survive_pickle():
    error = caught()
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert again.diagnostics == error.diagnostics
    assert (again.msg, again.lineno, again.offset) == (error.msg, error.lineno, error.offset)


def test_a_warning_alone_is_no_error_and_does_not_come_first():
    def finding(column, severity, *, syntax=False):
        span = Span(1, column, 1, column + 1)
        return Diagnostic("c", f"m{column}", "f", span, severity=severity, syntax=syntax)

    error = pointy_error([finding(5, Severity.ERROR), finding(1, Severity.WARNING)])
    assert (error.msg, type(error)) == ("m5", PointyError)
    assert [d.message for d in error.diagnostics] == ["m1", "m5"]
    error = pointy_error([finding(1, Severity.ERROR), finding(2, Severity.ERROR, syntax=True)])
    assert (error.msg, type(error)) == ("m2", PointySyntaxError)


def test_the_json_of_a_diagnostic():
    (diagnostic,) = analyze(Source("A * 1", "f.pty"))[1]
    assert json.loads(json.dumps(diagnostic.to_json())) == {
        "file": "f.pty",
        "line": 1,
        "column": 5,
        "end_column": 6,
        "severity": "error",
        "code": "bad-factor",
        "message": "a retry factor is a whole number of at least 2, found 1",
        "hint": "A * 3 means at most 3 attempts in all; for one attempt, remove the factor",
    }


def test_a_diagnostic_without_a_place():
    diagnostic = Diagnostic("c", "message", "f.pty", hint="mend")
    assert diagnostic.render() == "f.pty: error: message\n  hint: mend"
    assert diagnostic.to_json()["line"] is None


def test_a_diagnostic_over_several_lines_marks_the_first():
    diagnostic = Diagnostic("c", "m", "f", Span(2, 3, 4, 1), text="ab cd")
    assert diagnostic.render() == "f:2:3: error: m\n  2 | ab cd\n    |   ^^^"


def test_a_long_line_is_cut_around_the_caret():
    diagnostic = Diagnostic("c", "m", "f", Span(1, 501, 1, 503), text="x" * 500 + "=>" + "y" * 500)
    _, line, caret = diagnostic.render().split("\n")
    assert line == "  1 | …" + "x" * 50 + "=>" + "y" * 48 + "…"
    assert caret == "    | " + " " * 51 + "^^"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_and_spans_of_a_source(end):
    source = Source(f"ab{end}{end}cd", "f")
    assert [source.line(number) for number in range(5)] == ["", "ab", "", "cd", ""]
    start = source.text.index("c")
    assert source.span(start, start + 2) == Span(3, 1, 3, 3)
    assert source.span(0, start + 1) == Span(1, 1, 3, 2)
    assert source.span(0, 2).to(source.span(start, start + 1)) == Span(1, 1, 3, 2)
    assert source == Source(source.text, "f") == pickle.loads(pickle.dumps(source))
    assert hash(source) == hash(Source(source.text, "f"))
    assert repr(source) == f"Source(filename='f', {len(source.text)} characters)"


@pytest.mark.parametrize(
    ("name", "first"),
    [("extract", "Extract"), ("Extarct", "Extract"), ("lode", "Load"), ("Zebra", None)],
)
def test_the_nearest_names(name, first):
    assert next(iter(nearest(name, ["Load", "Extract", "Transform"])), None) == first
