"""Batch pipelines: the data of a run cut into batches, and one run of a template for each."""

from __future__ import annotations

from volnux.pipeline.batch.base import BatchPipeline

__all__ = ["BatchPipeline"]
