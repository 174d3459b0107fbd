"""Loads a file together with all files that it uses."""

from __future__ import annotations

from volnux.programs.gathering import gather, load_program

__all__ = ["gather", "load_program"]
