"""Pipelines as Python classes: inputs as fields, a flow in Pointy, a run and what came of it."""

from __future__ import annotations

from volnux.fields import FileInputDataField, InputDataField
from volnux.pipeline.base import Pipeline, PipelineDefinitionError, PipelineStateError
from volnux.pipeline.batch import BatchPipeline
from volnux.pipeline.batch_report import BatchFailedError, BatchProgress, BatchReport, BatchResult
from volnux.pipeline.context import ExecutionContext, RunFailedError
from volnux.signal.soft import SoftSignal

__all__ = [
    "BatchFailedError",
    "BatchPipeline",
    "BatchProgress",
    "BatchReport",
    "BatchResult",
    "ExecutionContext",
    "FileInputDataField",
    "InputDataField",
    "Pipeline",
    "PipelineDefinitionError",
    "PipelineStateError",
    "RunFailedError",
    "SoftSignal",
]
