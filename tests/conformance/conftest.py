"""Which backends the suite runs on, and what each of them needs.

`pytest tests/conformance --backend NAME` runs it on one backend, as `VOLNUX_BACKENDS=a,b` does on
several; otherwise it runs on every registered one whose host is installed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tests.conformance.hosts import settle, start
from volnux.backends import Backend, backend_names, get_backend
from volnux.testing import all_cases

sys.path.append(str(Path(__file__).parent / "tiny_backend"))

HOSTS = {"airflow": "airflow", "prefect": "prefect"}
"""By backend, the module that must be there for it to run."""


SHARES = {"airflow": 3, "prefect": 3}
"""By host, the share of the cases that a run of all tests has there: every third one.

A case takes seconds on a host. Prefect runs the state machine of the core, which the core's own
tests try with all cases. `VOLNUX_CASES=all`, `--backend` or `-k` runs all of them.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend", action="append", help="run the conformance suite on this backend only"
    )


def pytest_configure(config: pytest.Config) -> None:
    for name in chosen(config):
        for line in settle(name, config):
            config.addinivalue_line("filterwarnings", line)


def chosen(config: pytest.Config) -> list[str]:
    """The names of the backends that the suite runs on."""
    asked = config.getoption("--backend", default=None)
    asked = asked or [name for name in os.environ.get("VOLNUX_BACKENDS", "").split(",") if name]
    return asked or [
        name
        for name in backend_names()
        if name not in HOSTS or importlib.util.find_spec(HOSTS[name]) is not None
    ]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip `test_…_on_NAME.py` if the suite does not run on that backend."""
    _, on, name = collection_path.stem.rpartition("_on_")
    return True if on and name not in chosen(config) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", chosen(metafunc.config), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases that are not in the share of a host."""
    if os.environ.get("VOLNUX_CASES") == "all" or config.option.keyword:
        return
    if config.getoption("--backend", default=None):
        return
    numbers = {case.name: number for number, case in enumerate(all_cases())}
    left_out = []
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        share = SHARES.get(params.get("backend"), 1)
        if share > 1 and "case" in params and numbers[params["case"].name] % share:
            left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the hosts need before the first test, because the time of a test is limited."""
    specs = [getattr(item, "callspec", None) for item in session.items]
    # Tests elsewhere, which run on no backend, may have a parameter of that name as well.
    needed = {spec.params.get("backend") for spec in specs if spec}
    for name in chosen(session.config):
        if name in needed:
            start(name)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """A backend, with a server if it needs one."""
    return get_backend(request.param)
