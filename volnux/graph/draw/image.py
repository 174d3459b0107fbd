"""A graph as an SVG image, laid out by the program `dot`."""

from __future__ import annotations

from collections.abc import Mapping

from volnux.graph.draw.digraph import dot
from volnux.graph.draw.errors import DrawError
from volnux.graph.model import Graph
from volnux.graph.outcome import State

__all__ = ["svg"]

_LARGE = 2000
_INSTEAD = "draw it as text instead: --format ascii, mermaid or dot"


def svg(graph: Graph, *, states: Mapping[str, State] | None = None, timeout: float = 60.0) -> str:
    """The graph as an SVG image.

    Args:
        graph: what is drawn.
        states: how places ended in a run, by place; each state has a colour.
        timeout: seconds that `dot` may take.

    Raises:
        DrawError: the package `graphviz` or the program `dot` is missing, or `dot` failed or took
            longer than `timeout`.
    """
    import subprocess

    try:
        from graphviz.backend import execute
    except ImportError as error:
        raise DrawError(
            "an SVG image needs the Python package graphviz",
            hint='pip install "volnux[graphviz]"',
        ) from error
    size = len(graph.nodes)
    try:
        # The package's own `pipe` knows no timeout.
        done = execute.run_check(
            ["dot", "-Tsvg"],
            input=dot(graph, states=states),
            encoding="utf-8",
            capture_output=True,
            quiet=True,
            timeout=timeout,
        )
    except execute.ExecutableNotFound as error:
        raise DrawError(
            "an SVG image needs the program `dot` of Graphviz, which is not on the PATH",
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
        said = (error.stderr or "").strip().splitlines()
        raise DrawError(
            f"`dot` failed with exit code {error.returncode} on a graph of {size:,} nodes"
            + (f": {said[0]}" if said else ""),
            hint=_INSTEAD,
        ) from error
    return str(done.stdout)
