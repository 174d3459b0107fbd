"""The Airflow backend: what a DAG can express, and a run in this process, without a server."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from volnux.backends.port import Backend, Capabilities, RunOptions
from volnux.events.link import Plan
from volnux.graph.report import RunReport

__all__ = ["AirflowBackend"]

CAPABILITIES = Capabilities(
    hints=frozenset({"pool", "queue", "priority", "concurrency", "tags"}),
    catchup=True,
)


class AirflowBackend(Backend):
    """Runs a plan as a DAG, with Airflow's own `dag.test()`.

    The run has an Airflow home and a database of its own, which are gone afterwards, unless this
    process has imported Airflow already: then that one's settings hold.
    """

    name = "airflow"
    capabilities = CAPABILITIES

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        with _home():
            from volnux_airflow.local import run_locally

            return run_locally(plan, inputs, options or RunOptions())


@contextlib.contextmanager
def _home() -> Iterator[None]:
    """An Airflow home for this process, made before Airflow is imported."""
    if "airflow" not in sys.modules:
        home = Path(tempfile.mkdtemp(prefix="volnux-airflow-"))
        atexit.register(shutil.rmtree, home, ignore_errors=True)
        (home / "dags").mkdir()
        os.environ.update(
            {
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            }
        )
        logging.getLogger("airflow").setLevel(logging.WARNING)
        from airflow.utils.db import initdb

        initdb()
    yield
