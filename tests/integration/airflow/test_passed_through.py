"""What decides where a task runs, with Celery or Kubernetes, reaches Airflow as it was said."""

from volnux_airflow import to_dag

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
