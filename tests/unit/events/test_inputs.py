"""Input values that no report and no host could store are refused, however they are given."""

import pytest

from volnux import InputDataField, Pipeline, event
from volnux.events import InputError, bind_inputs, read_inputs
from volnux.graph.model import InputSpec


def value_of(type_, given):
    """The value of an input that is given as a text of the command line, or as a Python value."""
    specs = [InputSpec("x", type_)]
    values = read_inputs(specs, [f"x={given}"]) if isinstance(given, str) else {"x": given}
    return bind_inputs(specs, values)["x"]


@pytest.mark.parametrize(
    ("type_", "given", "message"),
    [
        ("float", "nan", "given 'nan': a number must be finite"),
        ("float", "-Infinity", "a number must be finite"),
        ("float", "1e999", "a number must be finite"),
        ("float", float("nan"), "given nan: a number must be finite"),
        ("float", 10**400, "given 1000000"),
        ("int", "1" * 5000, "given '1111111"),
        ("int", 10**5000, "at most 10000 bits"),
        ("int", float("inf"), "finite number"),
        ("str", "a\udcffb", r"given 'a\udcffb': it is not text"),
        ("str", 10**5000, "given <an int of 16610 bits>"),
        ("date", "0000-01-01", "year 0 is out of range"),
        ("datetime", 1e30, "dates after 9999"),
        ("list", "[NaN]", "written as JSON; given '[NaN]': JSON has no NaN"),
        ("list", "[" * 100_000, "nested too deep"),
        ("list", "[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("list", f"[{'1' * 5000}]", "has more than 3010 digits"),
        ("dict", '{"a": 1e999}', "the number 1e999 is too large"),
        ("dict", '{"\\ud800": 1}', "one half of a surrogate pair"),
        ("dict", "{'a': 1}", "this is not JSON: Expecting property name"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "a-number",
)
def test_a_value_that_cannot_be_held_is_refused(type_, given, message):
    with pytest.raises(InputError) as refused:
        value_of(type_, given)
    text = str(refused.value)
    assert "the input 'x' is" in text
    assert message in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("type_", "given", "value"),
    [
        ("float", "1e308", 1e308),
        ("int", 10**3000, 10**3000),
        ("str", "a\0\x85\x7f\u2028\U0001f600", "a\0\x85\x7f\u2028\U0001f600"),
        ("list", '["\\ud83d\\ude00", 1e5]', ["\U0001f600", 100000.0]),
        ("list", "[" * 50 + "]" * 50, None),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "a-value",
)
def test_a_value_that_can_be_held(type_, given, value):
    found = value_of(type_, given)
    assert value is None or found == value


@event
def A():
    return True, None


class Rated(Pipeline):
    rate = InputDataField(data_type=float, default=1.5)

    class Meta:
        pointy = "A"


def test_a_field_takes_no_other_numbers():
    with pytest.raises(InputError, match="given nan: a number must be finite"):
        Rated(rate=float("nan"))
    pipeline = Rated()
    with pytest.raises(InputError, match="given inf: a number must be finite"):
        pipeline.rate = float("inf")
    assert pipeline.rate == 1.5
