"""`prefect.yaml` has the same values as the file, whatever its characters and numbers."""

import re
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from volnux_prefect.deployment.describe import Described
from volnux_prefect.deployment.entries import Deployment
from volnux_prefect.deployment.yamlfile import merge, removable

from tests.conformance.cases import EVENTS
from volnux.graph.model import InputSpec
from volnux.loading import load_plan

# A thread of Prefect's may use `random` while hypothesis makes a value.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def nested(inner):
    # Not a lambda: to show one that names a module, hypothesis iterates over `sys.modules`, which
    # fails when one of Prefect's threads imports something in that moment.
    return st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    nested,
    max_leaves=8,
)  # fmt: skip


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "events.py").write_text(EVENTS)
    (tmp_path / "flow.pty").write_text("A")
    return load_plan(Path("flow.pty"))


def read(plan):
    """The deployment of a plan, written into a new file and read again."""
    deployment = Deployment.of(Described.of(plan), "flow", "default")
    merged = merge("", [deployment], "project", "prefect.yaml")
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


ENTRY = """\
name: shop

deployments:
  # volnux project 0123456789abcdef
{}"""


def described(**changes):
    """The properties of a pipeline that matter for its deployment."""
    fields = {
        "name": "orders",
        "version": "1",
        "description": None,
        "tags": ("shop",),
        "parameters": {"limit": 3},
        "schedules": ({"slug": "orders-1", "cron": "0 6 * * *", "timezone": "UTC"},),
        "concurrency_limit": None,
        "schema": None,
        "limits": {},
    }
    return Described(**{**fields, **changes})


def merged(text, **changes):
    deployment = Deployment.of(described(**changes), "orders", "default")
    return merge(text, [deployment], "shop", "prefect.yaml")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("edit", "changes", "becomes", "left"),
    [
        # What the user adds stays, and what the file says goes on into the entry.
        (
            ("      name: default", "      name: default\n      job_variables: {A: 1}  # ours"),
            {"schedules": ()},
            {"work_pool": {"name": "default", "job_variables": {"A": 1}}, "tags": ["shop"]},
            [],
        ),
        (
            ("", ""),
            {"tags": (), "concurrency_limit": 2},
            {"tags": None, "concurrency_limit": 2},
            [],
        ),
        (("", ""), {"parameters": {"limit": 4}}, {"parameters": {"limit": 4}}, []),
        (("", ""), {"name": "sales"}, {"name": "sales"}, []),
        # What the user changed stays, and is told where the file says something else.
        (
            ("limit: 3", "limit: 30  # more"),
            {"parameters": {"limit": 4}, "tags": ("other",)},
            {"parameters": {"limit": 30}, "tags": ["other"]},
            [("parameters", ["-   limit: 30  # more", "+   limit: 4"])],
        ),
        (("limit: 3", "limit: 30"), {}, {"parameters": {"limit": 30}}, [("parameters", ANY)]),
        (
            ("    parameters:\n      limit: 3\n", ""),
            {},
            {"parameters": None},
            [("parameters", ANY)],
        ),
        (
            ('cron: "0 6', 'cron: "0 7'),
            {"schedules": ()},
            {"schedules": [{"slug": "orders-1", "cron": "0 7 * * *", "timezone": "UTC"}]},
            [("schedules", ANY)],
        ),
        # A mark of his own is no mark: the entry is the user's.
        (("# volnux prefect init: ", "# "), {"tags": ("other",)}, {"tags": ["shop"]}, []),
    ],
)
def test_init_owns_keys_not_entries(end, edit, changes, becomes, left):
    first = merged("").text
    assert merged(first).text == first
    edited = first.replace(*edit).replace("\n", end)
    result = merged(edited, **changes)
    (entry,) = yaml.safe_load(result.text)["deployments"]
    assert {key: entry.get(key) for key in becomes} == becomes
    assert [(each.key, each.difference()) for each in result.left] == left
    assert ("# ours" in result.text) == ("# ours" in edited)
    assert merged(result.text, **changes).text == result.text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("edit", "goes"),
    [
        (("", ""), True),
        (("limit: 3", "limit: 30"), False),
        (("    parameters:\n      limit: 3\n", ""), False),
        (("name: default", "name: default\n      job_variables: {A: 1}"), False),
        (("name: default", "name: default  # ours"), False),
        (("    tags:", "    # ours\n    tags:"), False),
        (("# volnux prefect init: ", "# "), False),
        (("\nname: shop", "\nname: shop\nx: &x {}"), True),
        (
            ("deployments:\n", "deployments:\n  - {name: mine, entrypoint: 'flows.py:orders'}\n"),
            False,
        ),
    ],
)
def test_only_what_init_wrote_is_taken_out(end, edit, goes):
    text = merged("").text.replace(*edit).replace("\n", end)
    assert removable(text, "flows.py:orders", "prefect.yaml") == goes
    if goes:
        after = merge(text, [], "shop", "prefect.yaml", gone=["flows.py:orders"]).text
        assert not yaml.safe_load(after)["deployments"]
        assert "volnux prefect init:" not in after


@pytest.mark.parametrize(
    "text",
    [
        re.sub(" *# volnux project .*\n", "", merged("").text),
        "deployments: [{name: a, entrypoint: 'flows.py:orders'}]\n",
        "{deployments: [\n  {name: a, entrypoint: 'flows.py:orders'}]}",
        "'deployments':\n- name: a\n  entrypoint: flows.py:orders\nx: |\n  text\n",
    ],
)
def test_a_project_without_an_id_gets_one(text):
    result = merged(text)
    assert f"# volnux project {result.project}" in result.text
    assert yaml.safe_load(result.text) == yaml.safe_load(text)
    again = merged(result.text)
    assert (again.text, again.project) == (result.text, result.project)
