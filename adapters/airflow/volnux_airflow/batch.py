"""Batch pipelines: a DAG that splits the data and starts one run of the template's DAG per batch.

Mapped tasks cannot do this: Airflow decides which branches to skip before the mapped copies exist,
so it would skip them for all copies at once. With a run for each batch, branches, retries and
clearing of one batch do not affect the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseSensorOperator

from volnux.events.files import InputFile
from volnux.pipeline.batch import BatchPipeline
from volnux.shown import shown
from volnux.values.plain import is_plain
from volnux_airflow import compat
from volnux_airflow.backend import AirflowBackend
from volnux_airflow.codec import RESERVED
from volnux_airflow.translate import build_dag, dag_arguments, param_of

__all__ = ["VolnuxBatchesSensor", "VolnuxCutOperator", "batch_dag"]


def batch_dag(source: type[BatchPipeline], **settings: Any) -> compat.DAG:
    """Build the DAG of a batch pipeline, and the DAG of its template beside it.

    Args:
        source: the class; its `max_workers` limits how many runs of the template are active at
            once.
        **settings: further arguments of both DAGs.

    Raises:
        PointyError: the template's flow is wrong, or does not match its events.
        RefusedError: it asks for something that Airflow cannot do.
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
    # The file's time limit applies to each batch, not to this DAG.
    if "dagrun_timeout" not in settings:
        arguments.pop("dagrun_timeout", None)
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
            # Retry only if the poll itself fails. A failed batch is final.
            retries=3,
            retry_delay=5,
            trigger_rule=compat.TriggerRule.NONE_FAILED,
        )
        cut >> batch >> wait
    return dag


class VolnuxCutOperator(compat.BaseOperator):
    """Splits the params of the run into batches, and returns the inputs and the run id of each."""

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
                elif not is_plain(value, RESERVED):
                    raise compat.AirflowFailException(
                        f"batch {number} cannot be passed on: its input '{name}' must be JSON, "
                        f"found {type(value).__name__} {shown(value)}"
                    )
            again = "" if attempt == 1 else f"_{attempt}"
            batches.append({"conf": inputs, "trigger_run_id": f"{run}__batch_{number}{again}"})
        return batches


class VolnuxBatchesSensor(BaseSensorOperator):
    """Waits for the runs of all batches without occupying a worker, and fails if one failed."""

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
            f"the input '{name}' is split into parts of a file, which cannot be passed to another "
            "run: split it into files beforehand, or pass the lines as a list"
        )
    return str(file.path)
