"""DAGs and runs of a real Airflow, read through its REST API."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable
from typing import Any

__all__ = ["Runs"]

FINISHED = ("success", "failed")


class Runs:
    """Reads the DAGs and runs of an Airflow, for a class that can call its API."""

    def get(self, path: str) -> Any:
        """Ask the REST API."""
        raise NotImplementedError

    def until(self, what: str, done: Callable[[], Any], *, seconds: float = 60) -> Any:
        """Wait until a condition holds, and return the value."""
        raise NotImplementedError

    def dag_ids(self) -> set[str]:
        """The existing DAGs."""
        return {dag["dag_id"] for dag in self.get("/dags?limit=500")["dags"]}

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        state: str = self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return state

    def ended(self, dag_id: str, run_id: str, *, seconds: float = 240) -> str:
        """The state of a run that has ended."""

        def look() -> str | None:
            state = self.state(dag_id, run_id)
            return state if state in FINISHED else None

        state: str = self.until(f"{dag_id} ends", look, seconds=seconds)
        return state

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run, by task id."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=500")
        return {item["task_id"]: item for item in found["task_instances"]}

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """The states of the tasks of a run."""
        return {task: item["state"] for task, item in self.tasks(dag_id, run_id).items()}

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """An XCom; None if there is none."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            return self.get(f"{path}?deserialize=true")["value"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def task_log(self, dag_id: str, run_id: str, task_id: str, number: int = 1) -> str:
        """The log of an attempt."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{number}"
        return json.dumps(self.get(f"{path}?full_content=true")["content"])
