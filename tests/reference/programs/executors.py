"""Where events run: an executor class, configured by a class or a dict, or by default."""

# ruff: noqa: RUF012 - class attributes and output as a user writes them

import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from volnux import EMPTY, DefaultExecutor, EventBase, ExecutorInitializerConfig, Pipeline

config = ExecutorInitializerConfig(
    max_workers=4, max_tasks_per_child=50, thread_name_prefix="by_class_"
)
default = ExecutorInitializerConfig()
assert default.max_workers is default.max_tasks_per_child is default.thread_name_prefix is EMPTY


class Plain(EventBase):
    executor = ThreadPoolExecutor

    def process(self, *args: Any, **kwargs: Any) -> tuple[bool, str]:
        return True, threading.current_thread().name


class ByClass(Plain):
    executor_config = config


class ByDict(Plain):
    executor_config = {
        "max_workers": 4,
        "max_tasks_per_child": 50,
        "thread_name_prefix": "by_dict_",
    }


class ByDefaults(Plain):
    executor_config = default


class InProcess(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1, "max_tasks_per_child": 1, "thread_name_prefix": "left out"}

    def process(self) -> tuple[bool, int]:
        return True, os.getpid()


class Unsaid(EventBase):
    executor = DefaultExecutor

    def process(self) -> tuple[bool, str]:
        return True, threading.current_thread().name


class Everywhere(Pipeline):
    class Meta:
        pointy = "Plain -> ByClass -> ByDict -> ByDefaults -> InProcess -> Unsaid"
