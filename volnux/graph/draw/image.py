"""A graph as an image in any format that Graphviz can write, laid out by the program `dot`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from volnux.graph.draw.digraph import dot
from volnux.graph.draw.errors import DrawError
from volnux.graph.draw.uses import Uses
from volnux.graph.outcome import State

if TYPE_CHECKING:
    from volnux.graph.model import Graph

__all__ = ["image", "svg"]

_LARGE = 2000
_INSTEAD = "draw it as text instead: --format ascii, mermaid or dot"
_WINDOWS = ("gtk", "x11", "xlib")
"""What Graphviz shows in a window instead of writing it."""


def svg(
    graph: Graph,
    *,
    states: Mapping[str, State] | None = None,
    uses: Uses | str = Uses.OPEN,
    timeout: float = 60.0,
) -> str:
    """The graph as the text of an SVG image; see `image`."""
    return image(graph, "svg", states=states, uses=uses, timeout=timeout).decode()


def image(
    graph: Graph,
    format: str,
    *,
    states: Mapping[str, State] | None = None,
    uses: Uses | str = Uses.OPEN,
    timeout: float = 60.0,
) -> bytes:
    """The graph as an image.

    Args:
        graph: the graph.
        format: a format that Graphviz can write: `png`, `svg`, `pdf` and many others.
        states: how places ended in a run, by place; each state has a colour.
        uses: how uses of other pipelines are shown.
        timeout: seconds that `dot` may take.

    Raises:
        DrawError: the package `graphviz` or the program `dot` is missing, or `dot` does not know
            the format, failed, or took longer than `timeout`.
    """
    import subprocess

    try:
        from graphviz.backend import execute
    except ImportError as error:
        from volnux.extras import how_to_install

        raise DrawError(
            f"an image in the format {format!r} needs the Python package graphviz",
            hint=how_to_install("graphviz"),
        ) from error
    if format in _WINDOWS:
        raise DrawError(f"Graphviz writes no file in the format {format!r}", hint=_INSTEAD)
    size = len(graph.nodes)
    try:
        # The package's own `pipe` has no timeout.
        done = execute.run_check(
            ["dot", f"-T{format}"],
            input=dot(graph, states=states, uses=uses).encode(),
            capture_output=True,
            quiet=True,
            timeout=timeout,
        )
    except execute.ExecutableNotFound as error:
        raise DrawError(
            f"an image in the format {format!r} needs the program `dot` of Graphviz, which is not "
            "on the PATH",
            hint="install Graphviz: `apt-get install graphviz`, `brew install graphviz`",
        ) from error
    except OSError as error:
        raise DrawError(f"the program `dot` cannot be run: {error}", hint=_INSTEAD) from error
    except subprocess.TimeoutExpired as error:
        large = f"; a layout of more than about {_LARGE:,} nodes may take forever"
        raise DrawError(
            f"`dot` did not lay out these {size:,} nodes within {timeout:g} s"
            + (large if size > _LARGE else ""),
            hint=_INSTEAD,
        ) from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        first, found, known = said.partition("not recognized. Use one of:")
        if found and first.startswith("Format:"):
            known = ", ".join(name for name in known.split() if name not in _WINDOWS)
            raise DrawError(
                f"Graphviz cannot write the format {format!r}", hint=f"one of: {known}"
            ) from error
        raise DrawError(
            f"`dot` failed with exit code {error.returncode} on a graph of {size:,} nodes"
            + (f": {said.splitlines()[0]}" if said else ""),
            hint=_INSTEAD,
        ) from error
    return bytes(done.stdout)
