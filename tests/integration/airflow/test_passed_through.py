"""Settings that decide where a task runs, with Celery or Kubernetes, reach Airflow unchanged."""

from datetime import timedelta

import pytest
from airflow.sdk import Param
from volnux_airflow import VolnuxEventOperator, to_dag

from volnux.backends.port import RefusedError

EVENTS = """
from volnux import event

@event
def A():
    return True, 1

@event
def B():
    return True, 1
"""


def test_queue_pool_and_executor_options(folder):
    pod = {"pod_override": {"spec": {"nodeSelector": {"disk": "fast"}}}}
    home = folder(
        **{"k.pty": 'A[queue="gpu", pool="big", priority=7] -> B[executor=process]\n'},
        **{"events.py": EVENTS},
    )
    settings = {
        "executor": "KubernetesExecutor",
        "executor_config": pod,
        "queue": "cpu",
        "pool": "small",
    }
    tasks = to_dag(home / "k.pty", default_args=settings).task_dict
    assert {task.executor for task in tasks.values()} == {"KubernetesExecutor"}
    assert all(task.executor_config == pod for task in tasks.values())
    found = {name: (t.queue, t.pool, t.priority_weight) for name, t in tasks.items()}
    assert found == {"A": ("gpu", "big", 7), "B": ("cpu", "small", 1)}
    # Airflow's executor and the event's own are two things.
    assert tasks["B"].spec.executor.pool is not None


DECIDES = {
    "retries": 7,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(seconds=1),
    "retry_policy": None,
    "execution_timeout": timedelta(seconds=1),
    "trigger_rule": "all_done",
}
"""What the flow decides, whatever `default_args` say."""


def test_default_args_change_nothing_that_the_flow_says(folder):
    flow = "{A || B} (0 -> A) -> {A || B} -> {A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"
    home = folder(**{"k.pty": flow, "events.py": EVENTS})
    with_them = to_dag(home / "k.pty", default_args=DECIDES).task_dict
    for name, task in to_dag(home / "k.pty").task_dict.items():
        # What is no event is never repeated.
        is_event = isinstance(task, VolnuxEventOperator)
        for setting in DECIDES if is_event else ("execution_timeout", "trigger_rule"):
            # Older versions have no retry policies.
            values = [getattr(each, setting, None) for each in (with_them[name], task)]
            assert values[0] == values[1], (name, setting)


def test_settings_of_an_event(folder):
    events = """
    from volnux import EventBase, event

    def told(context): ...

    class A(EventBase):
        airflow = {"owner": "data", "executor": "K", "queue": "slow", "on_failure_callback": told}
        def process(self): return True, 1

    @event(airflow={"doc_md": "See the handbook."})
    def B():
        \"\"\"Not this.\"\"\"
        return True, 1
    """
    home = folder(**{"k.pty": 'A[queue="gpu"] -> B[tags="x, y"]\n', "events.py": events})
    tasks = to_dag(home / "k.pty", default_args={"owner": "all", "pool": "big"}).task_dict
    a, b = tasks["A"], tasks["B"]
    assert (a.owner, a.executor, a.queue, a.pool) == ("data", "K", "gpu", "big")
    assert [callback.__name__ for callback in a.on_failure_callback] == ["told"]
    assert (b.owner, b.doc_md, b.on_failure_callback) == ("all", "See the handbook.", [])


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"retries": 3}, "'retries' cannot be set here", "set the number of attempts in the flow"),
        ({"trigger_rule": "all_done"}, "'trigger_rule' cannot be set", "the flow sets what"),
        ({"oner": "me"}, "an operator has no argument 'oner'", "did you mean 'owner'?"),
        ({"event": 1}, "an operator has no argument 'event'", None),
        ({"pool": 3}, "'pool' expects <class 'str'>, got <class 'int'>", None),
        ({"owner": 3}, "owner must be a str, found 3", None),
        ({"pool_slots": 0}, "cannot be less than 1", None),
        ({"on_failure_callback": "tell"}, "must be a function or a list of functions", None),
    ],
)
def test_wrong_settings_of_an_event_are_refused_with_its_line(folder, settings, message, hint):
    events = f"from volnux import event\n\n@event(airflow={settings!r})\ndef A(): ..."
    home = folder(**{"k.pty": "A", "events.py": events})
    with pytest.raises(RefusedError) as refused:
        to_dag(home / "k.pty")
    (fault,) = refused.value.diagnostics
    assert fault.where == f"{home / 'k.pty'}:1:1"
    assert fault.message.startswith(f"airflow of A ({home / 'events.py'}:3): ")
    assert message in fault.message
    assert (hint or "") in (fault.hint or "")


def test_params_of_the_settings_win(folder):
    flow = '@input: day: date = "2026-01-01"\n@input: limit: int = 3\nA'
    home = folder(**{"k.pty": flow, "events.py": EVENTS})
    settings = {"day": "2026-02-01", "limit": Param(5, type="integer", maximum=9), "more": "x"}
    params = to_dag(home / "k.pty", params=settings).params
    assert params.dump() == {"day": "2026-02-01", "limit": 5, "more": "x"}
    assert params.get_param("day").schema == {"type": "string", "format": "date"}


def test_what_the_page_shows_of_tasks(folder):
    events = EVENTS.replace("def A():", 'def A():\n    """Ask **first**.\n\n    Then go.\n    """')
    flow = "{A || B} (0 -> A) -> {A || B} -> {A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> B"
    home = folder(**{"k.pty": f"@description: Look\n{flow}", "k_events.py": events})
    dag = to_dag(home / "k.pty")
    shown = {
        task.task_id: (task.task_display_name, task.operator_name)
        for task in dag.tasks
        if task.task_id in ("A", "B__2", "catch-1", "join-3")
    }
    assert shown == {
        "A": ("A", "k_events.A"),
        "B__2": ("B__2", "k_events.B"),
        "catch-1": ("outcome of {A || B}", "decides how a group ended"),
        "join-3": ("any of A__4, B__3", "EmptyOperator"),
    }
    group = dag.task_group.get_task_group_dict()["group-1"]
    assert group.group_display_name == "{A || B}"
    assert dag.get_task("A__2").doc_md == "Ask **first**.\n\nThen go."
    assert dag.get_task("B").doc_md is None
    # Without a language Airflow's page runs the lines of a block together.
    assert dag.doc_md.startswith("Look\n\n```text\n")
    assert f"```text\n@description: Look\n{flow}\n```\n" in dag.doc_md
