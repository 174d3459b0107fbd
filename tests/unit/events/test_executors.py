"""Executors and their settings."""

from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from volnux import EMPTY, DefaultExecutor, ExecutorInitializerConfig
from volnux.events.executors import ExecutorConfigError, ExecutorKind, executor_spec


def test_settings_that_are_not_given_are_empty():
    config = ExecutorInitializerConfig(max_workers=None)
    assert config == ExecutorInitializerConfig()
    assert config.max_workers is config.max_tasks_per_child is config.thread_name_prefix is EMPTY
    assert repr(EMPTY) == "EMPTY"


def test_an_executor_gets_the_settings_that_it_takes():
    config = ExecutorInitializerConfig.of(
        {"max_workers": 4, "max_tasks_per_child": 50, "thread_name_prefix": "x"}
    )
    assert config.settings_for(ThreadPoolExecutor) == {"max_workers": 4, "thread_name_prefix": "x"}
    assert config.settings_for(ProcessPoolExecutor) == {"max_workers": 4, "max_tasks_per_child": 50}
    assert ExecutorInitializerConfig.of(config) is config


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"max_workers": 0}, "max_workers is a whole number of at least 1, found 0"),
        ({"max_workers": True}, "max_workers is a whole number of at least 1, found True"),
        (
            {"max_tasks_per_child": "5"},
            "max_tasks_per_child is a whole number of at least 1, found '5'",
        ),
        ({"thread_name_prefix": 1}, "thread_name_prefix is a string, found 1"),
        (
            {"max_worker": 1},
            "executor_config has no setting 'max_worker'; did you mean 'max_workers'?",
        ),
        (
            3,
            "executor_config is an ExecutorInitializerConfig or a dict of its fields, found 3",
        ),
    ],
)
def test_what_makes_no_sense_is_said(value, message):
    with pytest.raises(ExecutorConfigError) as caught:
        ExecutorInitializerConfig.of(value)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("executor", "kind", "shown"),
    [
        (None, ExecutorKind.DEFAULT, "default"),
        (DefaultExecutor, ExecutorKind.DEFAULT, "default"),
        ("inline", ExecutorKind.DEFAULT, "default"),
        ("thread", ExecutorKind.POOL, "ThreadPoolExecutor"),
        ("process", ExecutorKind.POOL, "ProcessPoolExecutor"),
        (Executor, ExecutorKind.POOL, "Executor"),
        ("dask", ExecutorKind.URL, "dask://"),
        ("dask://host:8786", ExecutorKind.URL, "dask://host:8786"),
    ],
)
def test_ways_to_name_an_executor(executor, kind, shown):
    spec = executor_spec(executor, None)
    assert (spec.kind, spec.describe()) == (kind, shown)


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ("proces", "there is no executor 'proces'; did you mean 'process'?"),
        (int, "an executor is a class of concurrent.futures.Executor"),
    ],
)
def test_what_is_no_executor(executor, message):
    with pytest.raises(ExecutorConfigError, match=message):
        executor_spec(executor, None)
