"""Pipelines as Python classes: input fields, a flow in Pointy, runs and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volnux._lazy import lazy

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline, PipelineDefinitionError, PipelineStateError
    from volnux.pipeline.batch import BatchPipeline
    from volnux.pipeline.batch.report import (
        BatchFailedError,
        BatchProgress,
        BatchReport,
        BatchResult,
    )
    from volnux.pipeline.context import ExecutionContext, RunFailedError
    from volnux.pipeline.fields import FileInputDataField, InputDataField
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

__getattr__, __dir__ = lazy(
    __name__,
    {
        "volnux.pipeline.fields": ("FileInputDataField", "InputDataField"),
        "volnux.pipeline.base": ("Pipeline", "PipelineDefinitionError", "PipelineStateError"),
        "volnux.pipeline.batch": ("BatchPipeline",),
        "volnux.pipeline.batch.report": (
            "BatchFailedError",
            "BatchProgress",
            "BatchReport",
            "BatchResult",
        ),
        "volnux.pipeline.context": ("ExecutionContext", "RunFailedError"),
        "volnux.signal.soft": ("SoftSignal",),
    },
)
