"""Values keep their types in XComs, by `dag.test()`; the same on standalone."""

from pathlib import Path

import pytest
from airflow.models.xcom import XComModel
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from sqlalchemy import select
from volnux_airflow import AirflowBackend, VolnuxEventOperator
from volnux_airflow.local import run_dag
from volnux_airflow.translate import build_dag

from tests import typed_values
from tests.integration.airflow.test_cases import generated, serialized
from tests.integration.airflow.test_words import plan_of, shown
from tests.typed_values import alike
from volnux.backends.port import RunOptions
from volnux.backends.registry import get_backend
from volnux.graph import RunStatus

EVENTS = (
    Path(typed_values.__file__).read_text()
    + """
from volnux import *

@event
def Many(): return True, MANY
@event
def Same(previous_result): return True, previous_result
@event(executor="process")
def There(previous_result): return True, previous_result
@event
def Boom(): raise ValueError("no way")
@event
def Pair(): return True, (1, ORDER)
@event
def Text(): return True, "text"
@event
def Number(): return True, "7"
@event
def Takes(previous_result: Order): return True, previous_result
@event
def Half(previous_result: float): return True, previous_result / 2
@event
def Rows(previous_result: list[Order | str]): return True, len(previous_result)
@event
def Told(previous_result): return True, [previous_result.type, previous_result.message]
@event
def Ok(): return True, "ok"
@event
def __type(previous_result): return True, previous_result
@event
def __classname__(previous_result): return True, {2}
class Stubborn(EventBase):
    retry_policy = {"max_attempts": 3, "backoff_factor": 0}
    def process(self, previous_result: int): return True, previous_result
@event
def Large(): return True, [ORDER, "large " * 20_000]
@event
def LargeBytes(): return True, {"rows": b"large " * 20_000}
@event
def LargeItems(): return True, ["large " * 20_000, b"large " * 20_000, "small"]
@event
def Takes_token(token): return True, Order(1, decimal.Decimal(1), NOON, f"Bearer {token}")
@event(executor="process")
def Fails_with_token(token):
    return False, Order(1, decimal.Decimal(1), NOON, f"Bearer {token}")
"""
)


@pytest.fixture
def plan(tmp_path):
    """Links a flow with the events of this module."""
    return lambda text, name="flow": plan_of(tmp_path, text, name, EVENTS)


def xcoms(dag, key=None):
    """The stored XComs of a DAG, as text, by task and key."""
    query = select(XComModel).where(XComModel.dag_id == dag)
    with create_session() as session:
        return {
            (row.task_id, row.map_index, row.key): str(row.value) for row in session.scalars(query)
        }


WAYS = """
Many |-> Same |-> There |-> Same[each=x] |-> {Same |-> Same}[task=tidy]
 |-> Same[each=y, batch=9] |-> {Same -> {Boom} (0 |-> Same)}[each=z, batch=9] |-> {Same || Same}
"""


def test_every_kind_of_value_on_every_way(plan, tmp_path, monkeypatch):
    ours = plan(WAYS, "ways")
    many = ours.specs[0].function.__globals__["MANY"]
    expected = get_backend("standalone").run(ours, {})
    for dag in (build_dag(ours), generated(ours, tmp_path, monkeypatch)):
        report = run_dag(dag, ours, {})
        assert report.status == RunStatus.SUCCESS
        assert report.places.keys() == expected.places.keys()
        for name, place in report.places.items():
            assert alike(place.result, expected.places[name].result), name
            assert alike(place.received, expected.places[name].received), name
        for name in ("Many", "Same", "There", "Same__4"):
            assert alike(report.places[name].result, many), name
        for name in ("Same__2", "Same__5"):
            assert alike([report.places[f"{name}[{i}]"].result for i in range(len(many))], many)
    # JSON stays as it is, for templates and for tasks of other kinds.
    assert xcoms("ways")["gather-1", -1, "return_value"].startswith(
        "[None, True, 5, 1.5, 'text', [1, [2]], {'a': 1, 'b': {'c': None}}, {'$volnux': 'int'"
    )


READ = {
    "converted": "Number |-> Half |-> Same",
    "as_it_is": "Pair |-> Same |-> {Same || Text} |-> Same",
    "wrong": "Text |-> Half -> Ok",
    "wrong_and_handled": "Text |-> Stubborn (0 |-> Told, 1 -> Ok) -> Ok",
    "from_a_branch": "Text (0 |-> Takes, 1 |-> Same) |-> Stubborn (0 |-> Told)",
    "from_a_group": "{Number || Ok -> Pair} |-> Rows (0 |-> Told)",
    "from_an_any_group": (
        "{Boom || Text}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Half (0 |-> Told)"
    ),
    "a_failure": "{Ok -> Boom} (0 |-> Half (0 |-> Told))",
    "of_an_item": "Pair |-> Half[each=x] (0 |-> Told)",
    "of_an_each": "Pair |-> Same[each=x] |-> Half (0 |-> Told)",
    "of_an_each_of_a_group": "Pair |-> {Ok -> Same}[each=x] |-> Stubborn (0 |-> Told)",
    "in_a_task": "{Text |-> Half (0 |-> Told)}[task=tidy] |-> Half (0 |-> Told)",
    "into_a_task": "Text |-> {Half}[task=tidy] (0 |-> Told)",
}


@pytest.mark.parametrize("name", READ)
def test_what_is_piped_is_read_as_the_event_declares(name, plan, tmp_path, monkeypatch):
    ours = plan(READ[name], name)
    expected = get_backend("standalone").run(ours, {}, RunOptions(portable=True))
    assert shown(AirflowBackend().run(ours, {})) == shown(expected)
    dag = generated(ours, tmp_path, monkeypatch)
    assert serialized(dag) == serialized(build_dag(ours))


def test_names_in_a_part_may_be_keys_that_airflow_reserves(plan):
    ours = plan("Pair |-> {__type |-> __classname__}[task=tidy] |-> Same", "reserved")
    report = get_backend("airflow").run(ours, {})
    results = {name: place.result for name, place in report.places.items()}
    assert list(results) == ["Pair", "__type", "__classname__", "Same"]
    assert results["__type"] == results["Pair"]
    assert results["Same"] == {2}


def test_a_value_of_the_wrong_type(plan):
    report = AirflowBackend().run(plan("Text |-> Stubborn (0 |-> Told, 1 -> Ok)", "refused"), {})
    assert report.status == RunStatus.SUCCESS
    place = report.places["Stubborn"]
    assert (place.descriptor, place.attempts, place.failure.attempts) == (0, 0, 0)
    assert report.places["Told"].result == [
        "volnux.InputTypeError",
        "Stubborn received a str from Text, but previous_result must be int: Input should be a "
        "valid integer, unable to parse string as an integer",
    ]


def test_a_dag_written_by_hand(plan):
    any_plan = plan("Ok")
    names = any_plan.specs[0].function.__globals__
    with DAG("by_hand") as dag:

        @task
        def hand():
            return {"$volnux": "no tag"}

        @task
        def told(order):
            return sorted(order["value"]["fields"])

        given = hand()
        same = VolnuxEventOperator(task_id="same", event=names["Same"], receives="hand")
        half = VolnuxEventOperator(
            task_id="half", event=names["Half"], receives="hand", branches={0: ["told_2"]}
        )
        handled = VolnuxEventOperator(task_id="told_2", event=names["Told"], receives="half")
        pair = VolnuxEventOperator(task_id="pair", event=names["Pair"])
        order = VolnuxEventOperator(task_id="order", event=names["Takes"], receives="pair")
        given >> [same, half]
        half >> handled
        pair >> order
    assert run_dag(dag, any_plan, {}).status == RunStatus.FAILED
    found = xcoms("by_hand")
    assert found["told_2", -1, "return_value"] == str(
        [
            "volnux.InputTypeError",
            "half received a dict from hand, but previous_result must be float: Input should be a "
            "valid number",
        ]
    )
    # The results of tasks of other kinds are not tagged values.
    assert "'dict', 'value': [['$volnux', 'no tag']]" in found["same", -1, "return_value"]
    assert "order received a tuple from pair" in found["order", -1, "volnux"]


LARGE = """
{Large || LargeBytes} |-> {Same |-> Same}[task=tidy]
  -> LargeItems |-> Same[each=x] |-> There |-> Same[each=y, batch=2] |-> Same
"""


@pytest.mark.parametrize("place", ["{path}", "file://disk@{path}"])
def test_large_values_are_in_files(place, plan, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DISK", "file://")
    monkeypatch.setenv("VOLNUX_VALUES", place.format(path=tmp_path / "values"))
    name = f"large_{'by' if '@' in place else 'in'}_name"
    ours = plan(LARGE, name)
    report = AirflowBackend().run(ours, {})
    monkeypatch.delenv("VOLNUX_VALUES")
    expected = get_backend("standalone").run(ours, {})
    assert shown(report) == shown(expected)
    for at, found in report.places.items():
        assert alike(found.result, expected.places[at].result), at
    assert max(map(len, xcoms(name).values())) < 10_000
    files = (path for path in (tmp_path / "values").rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    assert min(sizes) > 100_000
    # The values of a part are written once, as results of its places.
    assert not list((tmp_path / "values").rglob("*/tidy/*"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: path.unlink(), "is not there: start the run again"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "has another content than was"),
    ],
    ids=["gone", "changed"],
)
def test_a_large_value_that_is_lost(change, problem, plan, tmp_path, monkeypatch):
    monkeypatch.setenv("VOLNUX_VALUES", str(tmp_path / "values"))
    text = (
        "{Large} -> {Ok || Large |-> Same (0 |-> Told)} -> Large |-> {Same}[task=tidy] (0 |-> Told)"
    )
    ours = plan(text, "lost")

    def lose(context):
        if context["ti"].task_id.startswith("Large"):
            for path in (tmp_path / "values").rglob("*.json"):
                change(path)

    dag = build_dag(ours, default_args={"on_success_callback": lose})
    report = run_dag(dag, ours, {})
    assert report.status == RunStatus.SUCCESS
    for place in ("Told", "Told__2"):
        kind, message = report.places[place].result
        assert kind == "volnux.values.ValueLostError"
        assert f"with a large value in {tmp_path / 'values'} {problem}" in message
    assert report.places["Same"].failure.type == "volnux.values.ValueLostError"
    assert report.places["Same__2"].failure.type == "volnux.values.ValueLostError"


def test_a_place_for_large_values_that_cannot_be_used(plan, monkeypatch):
    monkeypatch.setenv("VOLNUX_VALUES", "s3://store@bucket/values")
    report = AirflowBackend().run(plan("Ok (0 |-> Told)", "nowhere"), {})
    failure = report.places["Ok"].failure
    assert (failure.type, failure.message) == (
        "volnux.values.StoreError",
        "VOLNUX_VALUES=s3://***@bucket/values: Airflow has no filesystem for 's3': install the "
        "provider package that has it",
    )


def test_secrets_in_the_fields_of_results(plan, monkeypatch):
    secret = "hush-4711-hush"
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", secret)
    text = "@secret: token\nTakes_token |-> Takes -> Fails_with_token (0 |-> Takes)"
    report = AirflowBackend().run(plan(text, "hushed_fields"), {})
    assert report.status == RunStatus.SUCCESS
    for place in ("Takes_token", "Takes", "Takes__2"):
        assert report.places[place].result.token == "Bearer ***"
    assert secret not in str(xcoms("hushed_fields"))
    assert secret not in report.dumps()
