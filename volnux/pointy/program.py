"""A file together with all files that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from volnux.pointy.parser import PointyFile

__all__ = ["Program"]


@dataclass(frozen=True)
class Program:
    """A file with all files that it uses, directly or through others; each file occurs once.

    Attributes:
        files: the file itself, then the others in the order in which they were first met.
        uses: for each file, the number in `files` that each name of its `@use`s stands for.
    """

    files: tuple[PointyFile, ...]
    uses: tuple[Mapping[str, int], ...]

    @staticmethod
    def alone(file: PointyFile) -> Program:
        """The program of a file without uses.

        Raises:
            ValueError: the file uses other files.
        """
        if file.settings.uses:
            name = file.source.filename
            raise ValueError(f"{name} uses other files: load it as a program, as load_program does")
        return Program((file,), ({},))
