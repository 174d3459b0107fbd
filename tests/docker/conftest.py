"""The tests with containers: they run if VOLNUX_DOCKER is set, as in the nox sessions."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator

import pytest

_HERE = bool(os.environ.get("VOLNUX_DOCKER")) and importlib.util.find_spec("pytest_docker")
collect_ignore_glob = [] if _HERE else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "smoke: the part of the container tests that `make test-all` runs",
        "fault: something breaks; repeated as often as VOLNUX_DOCKER_REPEAT says",
    ):
        config.addinivalue_line("markers", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    times = int(os.environ.get("VOLNUX_DOCKER_REPEAT", "1"))
    if times > 1 and metafunc.definition.get_closest_marker("fault"):
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(1, times + 1))


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[None]:
    """A container engine. If it had to be started, it is stopped again."""
    from tests.docker.stacks import engine, images

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(engine.used())
            images.base()
        except engine.UnavailableError as error:
            # In CI this is a failure: tests/conftest.py makes it one.
            pytest.skip(f"no containers here: {error}")
        yield
