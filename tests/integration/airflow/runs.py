"""DAGs and runs of a real Airflow, read through its REST API."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable
from typing import Any

from volnux.graph.places import index_of, place_name, template_of

__all__ = ["Runs"]

FINISHED = ("success", "failed")


class Runs:
    """Reads the DAGs and runs of an Airflow, for a class that can call its API."""

    def get(self, path: str) -> Any:
        """Ask the REST API."""
        raise NotImplementedError

    def until(self, what: str, done: Callable[[], Any], *, seconds: float = 150) -> Any:
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
        """The task instances of a run, by task id; those of a mapped task as `Fetch[3]`."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100&order_by=id"
        items: list[dict[str, Any]] = []
        # Airflow gives at most 100 at once.
        while page := self.get(f"{path}&offset={len(items)}")["task_instances"]:
            items += page
        return {
            place_name(item["task_id"], () if item["map_index"] < 0 else (item["map_index"],)): item
            for item in items
        }

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """The states of the tasks of a run."""
        return {task: item["state"] for task, item in self.tasks(dag_id, run_id).items()}

    def fields(self, dag_id: str, run_id: str, task: str) -> dict[str, Any]:
        """The rendered fields of a task. Before Airflow 3.3, `tasks` does not have them."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}"
        fields: dict[str, Any] = self.get(path)["rendered_fields"]
        return fields

    def xcom(self, dag_id: str, run_id: str, task: str, key: str = "return_value") -> Any:
        """An XCom of a task, or of an instance of a mapped task; None if there is none."""
        task_id, index = _parts(task)
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        try:
            # With `deserialize=true`, the text "1.1" would be returned as the number.
            return self.get(f"{path}?map_index={index}")["value"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def task_log(self, dag_id: str, run_id: str, task: str, number: int = 1) -> str:
        """The log of an attempt of a task, or of an instance of a mapped task."""
        task_id, index = _parts(task)
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{number}"
        return json.dumps(self.get(f"{path}?full_content=true&map_index={index}")["content"])


def _parts(task: str) -> tuple[str, int]:
    """The id of a task and its map index; -1 if it is not mapped."""
    return template_of(task), next(iter(index_of(task)), -1)
