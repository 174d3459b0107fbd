"""Pipelines as Python classes: inputs as fields, a flow in Pointy, a run and what came of it."""

from __future__ import annotations

from volnux.fields import FileInputDataField, InputDataField
from volnux.pipeline.base import Pipeline, PipelineDefinitionError, PipelineStateError
from volnux.pipeline.context import ExecutionContext, RunFailedError
from volnux.signal.soft import SoftSignal

__all__ = [
    "ExecutionContext",
    "FileInputDataField",
    "InputDataField",
    "Pipeline",
    "PipelineDefinitionError",
    "PipelineStateError",
    "RunFailedError",
    "SoftSignal",
]
