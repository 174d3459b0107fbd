"""Batch pipelines: the data is cut into batches, and a template pipeline runs once for each."""

from __future__ import annotations

from volnux.pipeline.batch.base import BatchPipeline

__all__ = ["BatchPipeline"]
