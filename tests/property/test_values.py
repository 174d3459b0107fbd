"""Values of all kinds come back equal and of the same type, on every way out of a process."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property import values as events
from tests.property.values import KNOWN, Box, Checked, Model, Pair, Root, same, values
from volnux.testing import run
from volnux.values import NotPortableError, dumps, from_json, loads, to_json

calm = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@calm
@given(values)
def test_a_value_comes_back(value):
    data = to_json(value, classes=KNOWN)
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert same(from_json(data, classes=KNOWN), value)
    assert same(loads(dumps(value), classes=KNOWN), value)


def passed_on(value, flow, **options):
    """What an event receives, and what it returns, if another one returns the value."""
    report = run(text=flow, events=[events], stubs={"A": (1, value)}, **options)
    assert str(report.status) == "success", [str(p.failure) for p in report.places.values()]
    last = list(report.places.values())[-1]
    return last.received, last.result


@settings(calm, max_examples=40)
@given(st.lists(values, max_size=4))
def test_a_run_passes_values_as_objects_or_as_json(value):
    for portable in (False, True):
        received, result = passed_on(value, "A |-> B", portable=portable)
        assert same(received, value)
        assert same(result, value)
    if value:
        _, last = passed_on(value, "A |-> B[each=x]", portable=True)
        assert same(last, value[-1])


def test_values_go_into_another_process_and_come_back():
    many = []

    @settings(calm, max_examples=100, database=None)
    @given(values)
    def collect(value):
        many.append(value)

    collect()
    # All at once, because a process takes its time to start.
    for portable in (False, True):
        received, result = passed_on(many, "A |-> C", portable=portable)
        assert same(received, many)
        assert same(result, many)


DEEP = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "keys": lambda value: {(1,): value},
    "dataclass": Box,
    "named tuple": lambda value: Pair(1, value),
    "model": lambda value: Model(number=1, content=value),
    "root model": lambda value: Root([value]),
    "checked": lambda value: Checked(1, value),
    "frozenset": lambda value: frozenset({value}),
}


@pytest.mark.parametrize("wrap", DEEP.values(), ids=list(DEEP))
def test_a_deep_value_comes_back_or_is_refused(wrap):
    value = 1
    for depth in range(1, 210):
        value = wrap(value)
        try:
            data = to_json(value, classes=KNOWN)
        except NotPortableError as error:
            assert "deep" in str(error)
            assert len(str(error)) < 1000
            break
        if depth % 10 == 0 or depth > 60:
            assert same(from_json(data, classes=KNOWN), value)
    assert 45 < depth < 205


@pytest.mark.parametrize("wrap", [list, tuple, Box])
def test_a_value_that_contains_itself_is_refused(wrap):
    parts = []
    parent = {"children": parts}
    # Each child refers to its parent, so the value doubles at each second level.
    parts += [wrap([parent]), wrap([parent])]
    with pytest.raises(NotPortableError, match="deep"):
        to_json(parent)
