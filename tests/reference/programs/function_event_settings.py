"""A function event that says where it runs, and that ends the run when it raises."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from volnux import Pipeline
from volnux.decorators import event


@event(
    executor=ThreadPoolExecutor,
    max_workers=4,
    max_tasks_per_child=10,  # a thread pool has no such setting: it is left out
    thread_name_prefix="ours",
    stop_on_exception=True,
)
def where(*args: Any, **kwargs: Any) -> tuple[bool, str]:
    return True, threading.current_thread().name


@event(stop_on_exception=True, retry_policy={"max_attempts": 2, "backoff_factor": 0})
def explode() -> tuple[bool, str]:
    raise RuntimeError("that is the end")


@event
def after() -> tuple[bool, None]:
    return True, None


class Where(Pipeline):
    class Meta:
        pointy = "where"


class Explosion(Pipeline):
    class Meta:
        pointy = "explode (0 -> after)"
