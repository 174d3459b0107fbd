"""The Pointy language: from text to a syntax tree, with every error of the text."""

from __future__ import annotations

from volnux.errors import PointyError, PointySyntaxError
from volnux.pointy.parser import PointyFile, analyze, load, parse

__all__ = ["PointyError", "PointyFile", "PointySyntaxError", "analyze", "load", "parse"]
