"""What stands in `prefect.yaml` is what the file says, whatever its characters and numbers."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from volnux_prefect.yamlfile import Deployment, merge

from tests.conformance.cases import EVENTS
from volnux.graph.model import InputSpec
from volnux.loading import load_plan

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "events.py").write_text(EVENTS)
    (tmp_path / "flow.pty").write_text("A")
    return load_plan(Path("flow.pty"))


def read(plan):
    """The deployment of a plan, written into a new file and read again."""
    merged = merge("", [Deployment.of(plan, "flow", "default")], "project", "prefect.yaml")
    (entry,) = yaml.safe_load(merged.text)["deployments"]
    return entry


@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(values)
@example("a\x85b\x7fc\u2028d\ufeffe\uffff\0")
@example({"\x85": 1e16, "y": [1e-7, -1e300], "no": "on"})
@example("12:30")
def test_a_default_comes_back(plan, value):
    graph = plan.graph.with_inputs((InputSpec("x", "any", required=False, default=value),))
    found = read(replace(plan, graph=graph)).get("parameters")
    if value is None or "{{" in str(value) or "repr" in str(value):
        return  # the flow has it anyway
    assert found == {"x": value}
    assert repr(found["x"]) == repr(value)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts, max_size=3, unique=True), texts)
@example(["\x85", "\x7f"], "yes")
def test_names_and_tags_come_back(plan, tags, name):
    graph = replace(plan.graph, name=name, tags=tuple(tags))
    found = read(replace(plan, graph=graph))
    assert (found["name"], found.get("tags", [])) == (name, tags)
