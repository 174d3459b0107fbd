"""Pipelines: defining one, its inputs, its flow in each way, drawing it, running it."""

# ruff: noqa: RUF012 - class attributes and output as a user writes them

from pathlib import Path
from typing import Any

from volnux import EventBase, Pipeline
from volnux.fields import InputDataField


class A(EventBase):
    def process(self, input_field: str = "none") -> tuple[bool, str]:
        return True, input_field


class B(A):
    pass


class C(A):
    pass


class Bare(Pipeline):
    pass


class Fields(Pipeline):
    input_field = InputDataField(data_type=str, required=True)

    class Meta:
        pointy = "A->B->C"  # this one is used
        file = "/path/to/nowhere.pty"


class FromDict(Pipeline):
    input_field = InputDataField(data_type=str, required=True)

    meta = {"pointy": "A->B->C"}


class FromFile(Pipeline):
    meta = {"file": str(Path(__file__).with_name("short.pty"))}


class short(Pipeline):  # noqa: N801, RUF100 - the name of its file
    """Its flow is in short.pty, beside this module."""


def draw(folder: Path, **more: Any) -> Path:
    pipeline = Fields()
    pipeline.draw_ascii_graph()
    return pipeline.draw_graphviz_image(directory=folder, **more)
