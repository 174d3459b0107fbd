"""The drawings of a pipeline class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volnux.events.link import Plan

__all__ = ["Drawn"]


class Drawn:
    """Draws the flow of a class."""

    if TYPE_CHECKING:

        @classmethod
        def plan(cls) -> Plan:
            """The linked graph."""

    @classmethod
    def draw_ascii_graph(cls) -> str:
        """Print the flow as a plain text drawing, and return the text.

        It can be called on the class or on an instance; the inputs of an instance are not used.
        """
        from volnux.pipeline.drawing import print_drawing

        return print_drawing(cls.plan().graph)

    @classmethod
    def draw_graphviz_image(
        cls, directory: str | os.PathLike[str] = ".", *, format: str = "svg"
    ) -> Path:
        """Write a picture of the flow into a directory, and return the path of the file.

        It can be called on the class or on an instance; the inputs of an instance are not used.

        Args:
            directory: the directory for `<name of the pipeline>.svg`; it is created if needed.
            format: any format that Graphviz can write, such as `svg`, `png` or `pdf`; also `dot`
                or `mermaid`, which do not need Graphviz.

        Raises:
            DrawError: Graphviz is not installed, or cannot write that format.
        """
        from volnux.pipeline.drawing import write_picture

        return write_picture(cls.plan().graph, Path(directory), format)
