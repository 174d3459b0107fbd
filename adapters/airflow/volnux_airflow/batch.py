"""Batch pipelines: a DAG that cuts the data and starts one run a batch of the template's own DAG.

Airflow skips what a branch does not take before mapped copies of it exist, for all of them alike; a
run of its own keeps each batch's branches, retries and clearing to itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseSensorOperator

from volnux.events.files import InputFile
from volnux.events.portable import not_portable
from volnux.pipeline.batch import BatchPipeline
from volnux_airflow import compat
from volnux_airflow.backend import AirflowBackend
from volnux_airflow.translate import build_dag, dag_arguments, param_of

__all__ = ["VolnuxBatchesSensor", "VolnuxCutOperator", "batch_dag"]


def batch_dag(source: type[BatchPipeline], **settings: Any) -> compat.DAG:
    """The DAG of a batch pipeline; that of its template is made beside it.

    Args:
        source: the class; its `max_workers` is how many runs of the template go on at once.
        **settings: further arguments of both DAGs.

    Raises:
        PointyError: the template's flow is wrong, or does not fit its events.
        RefusedError: it says something that Airflow cannot do.
    """
    template = source.template()
    plan = template.plan()
    AirflowBackend().refuse(plan)
    inner = {**settings, "schedule": None}
    if source.max_workers is not None:
        inner.setdefault("max_active_runs", source.max_workers)
    build_dag(plan, **inner)
    arguments = {**dag_arguments(plan), **settings}
    arguments["params"] = {item.name: param_of(item) for item in plan.graph.inputs}
    arguments["doc_md"] = f"One run of `{plan.graph.name}` for each batch of the data."
    arguments.setdefault("schedule", None)
    with compat.DAG(source.__name__, **arguments) as dag:
        cut = VolnuxCutOperator(task_id="cut", source=source)
        batch = TriggerDagRunOperator.partial(
            task_id="batch", trigger_dag_id=plan.graph.name
        ).expand_kwargs(cut.output)
        wait = VolnuxBatchesSensor(
            task_id="wait",
            template=plan.graph.name,
            mode="reschedule",
            poke_interval=5,
            # Of a question that could not be answered; that a batch failed is final.
            retries=3,
            retry_delay=5,
            trigger_rule=compat.TriggerRule.NONE_FAILED,
        )
        cut >> batch >> wait
    return dag


class VolnuxCutOperator(compat.BaseOperator):
    """Cuts the params of the run into batches: for each the inputs and the id of its run."""

    def __init__(self, *, source: type[BatchPipeline], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source

    def execute(self, context: Mapping[str, Any]) -> list[dict[str, Any]]:
        """See Airflow's `BaseOperator.execute`."""
        given = {name: value for name, value in context["params"].items() if value is not None}
        run = context["dag_run"].run_id
        attempt = context["ti"].try_number
        batches = []
        for number, inputs in enumerate(self.source(**given).batches()):
            for name, value in inputs.items():
                if isinstance(value, InputFile):
                    inputs[name] = _path(name, value)
            again = "" if attempt == 1 else f"_{attempt}"
            batches.append({"conf": inputs, "trigger_run_id": f"{run}__batch_{number}{again}"})
        for number, batch in enumerate(batches):
            wrong = not_portable(batch["conf"])
            if wrong is not None:
                path, problem = wrong
                raise compat.AirflowFailException(
                    f"batch {number} cannot be passed on as JSON: its input {path} is {problem}"
                )
        return batches


class VolnuxBatchesSensor(BaseSensorOperator):
    """Waits for the runs of all batches, without a worker meanwhile; fails where one failed."""

    def __init__(self, *, template: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.template = template

    def poke(self, context: Mapping[str, Any]) -> bool:
        """See Airflow's `BaseSensorOperator.poke`."""
        ti = context["ti"]
        found = ti.xcom_pull(task_ids=["cut"]) or [[]]
        runs = [batch["trigger_run_id"] for batch in found[0]]
        if not runs:
            return True
        states = {run: ti.get_dagrun_state(self.template, run) for run in runs}
        if any(state not in ("success", "failed") for state in states.values()):
            return False
        failed = [run for run, state in states.items() if state == "failed"]
        if failed:
            raise compat.AirflowFailException(
                f"{len(failed)} of {len(runs)} batches failed: {', '.join(failed)}"
            )
        return True


def _path(name: str, file: InputFile) -> str:
    if file.start or file.end is not None:
        raise compat.AirflowFailException(
            f"the input '{name}' is cut into parts of a file, which a run of its own cannot be "
            "given: cut it into files before, or give lines as a list"
        )
    return str(file.path)
