"""Input fields of a pipeline class, at the import path of the original project."""

from __future__ import annotations

from volnux.pipeline.fields import FieldError, FileInputDataField, InputDataField

__all__ = ["FieldError", "FileInputDataField", "InputDataField"]
