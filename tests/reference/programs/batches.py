"""Batch pipelines: a template whose fields are split, and the class that runs it."""

# ruff: noqa: RUF012 - class attributes and output as a user writes them

from typing import Any

from volnux import EventBase, Pipeline
from volnux.fields import FileInputDataField, InputDataField
from volnux.pipeline import BatchPipeline
from volnux.signal import SoftSignal

heard: list[str] = []


class Count(EventBase):
    def process(self, name: list[str] | None = None, book: Any = None) -> tuple[bool, Any]:
        return True, (name, book and book.read())


class Simple(Pipeline):
    name = InputDataField(data_type=list, batch_size=5)
    book = FileInputDataField(required=True, chunk_size=1024)

    class Meta:
        pointy = "Count"


class SimpleBatch(BatchPipeline):
    pipeline_template = Simple
    listen_to_signals = [SoftSignal("task_completed"), SoftSignal("task_failed")]


def completed(task_id: str) -> None:
    heard.append(task_id)


SoftSignal("task_completed").connect(completed, sender=SimpleBatch)
