"""Which pipeline class a `.pty` file belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from volnux.pipeline.base import Pipeline
from volnux.pipeline.definition import PipelineDefinitionError, owns

__all__ = ["class_for"]


def class_for(path: Path, modules: Iterable[ModuleType]) -> type[Pipeline] | None:
    """Find the pipeline class in some modules whose own flow is that file; None if there is none.

    Raises:
        PipelineDefinitionError: there are several such classes.
    """
    found: list[type[Pipeline]] = []
    for module in modules:
        for value in vars(module).copy().values():
            # A proxy, such as `flask.request`, may fail when it is asked for its class.
            if not issubclass(type(value), type) or not issubclass(value, Pipeline):
                continue
            if value is not Pipeline and value not in found and owns(value, path):
                found.append(value)
    if len(found) > 1:
        names = [f"{each.__module__}.{each.__qualname__}" for each in found]
        raise PipelineDefinitionError(
            f"{path} is the flow of {' and '.join(names)}: a file can be the flow of only one class"
        )
    return found[0] if found else None
