"""The origin of a flow: the data to build it again, in this process or in another one.

Prefect pickles flows: `serve` sends the flow to each process that runs it, and a task in a worker
process gets the flow of its run. An unpickled flow already has its settings. It only loads its file
or class when something else is needed.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import cloudpickle
from prefect.context import FlowRunContext

from volnux.errors import VolnuxError
from volnux.events.base import NotSentError
from volnux.events.modules import module_of
from volnux.imported import imported

__all__ = ["ClassName", "Origin", "Place", "beside", "variable_name"]


@dataclass(frozen=True)
class Place:
    """The module that made a flow. Prefect looks for the flow there."""

    module: str
    filename: str

    @classmethod
    def of(cls, frame: FrameType) -> Place:
        """The module whose code a frame runs."""
        return cls(frame.f_globals.get("__name__", "__main__"), frame.f_code.co_filename)

    def variable_of(self, flow: object) -> str | None:
        """The name of the global variable that holds a flow; None if there is none."""
        module = imported(self.module)
        names = vars(module).copy().items() if module is not None else ()
        return next((name for name, value in names if value is flow), None)

    def function(self, body: Callable[..., Any], name: str) -> FunctionType:
        """Make the body of a flow a function of this module, where Prefect looks for the flow.

        Args:
            body: the function.
            name: the name of the pipeline.
        """
        assert isinstance(body, FunctionType)
        code = body.__code__.replace(co_filename=self.filename)
        made = FunctionType(code, body.__globals__, variable_name(name), None, body.__closure__)
        made.__module__ = self.module
        made.__qualname__ = made.__name__
        return made


@dataclass(frozen=True)
class ClassName:
    """The module and name of a pipeline class. Another process imports the class by them."""

    module: str
    qualname: str

    def find(self) -> type[Any]:
        """Import the class.

        Raises:
            VolnuxError: it cannot be imported here.
        """
        try:
            found: Any = imported(self.module) or importlib.import_module(self.module)
            for part in self.qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise VolnuxError(
                f"the pipeline class {self.qualname} of the module {self.module} cannot be "
                f"imported in this process: {error}"
            ) from error
        assert isinstance(found, type)
        return found


@dataclass(frozen=True)
class Origin:
    """What a flow was made from.

    Attributes:
        source: the `.pty` file, or the pipeline class.
        place: the module that made it.
        options: the options of `prefect.flow` that were given.
    """

    source: Path | type[Any] | ClassName
    place: Place
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the file without its suffix, or the name of the class."""
        match self.source:
            case Path() as path:
                return path.stem
            case ClassName() as named:
                return named.qualname
            case cls:
                return cls.__name__

    def with_options(self, options: Mapping[str, Any]) -> Origin:
        """Return the same origin with other options."""
        return dataclasses.replace(self, options={**self.options, **options})

    def portable(self) -> Origin:
        """Return the same origin in the form that is sent to another process.

        Raises:
            NotSentError: an option cannot be pickled, and no run is in progress here. In a run,
                workers get the flow only as the context of a task, which needs no options.
        """
        return Origin(_portable(self.source), self.place, dict(self._sendable()))

    def _sendable(self) -> list[tuple[str, Any]]:
        found = []
        for name, value in self.options.items():
            try:
                cloudpickle.dumps(value)
            except Exception as error:
                if FlowRunContext.get() is None:
                    raise NotSentError(
                        f"the option {name} of the flow cannot be sent to another process: {error}"
                    ) from error
            else:
                found.append((name, value))
        return found


def beside(frame: FrameType, file: str | os.PathLike[str]) -> Path:
    """The path of a file, relative to the folder of the module that a frame runs."""
    path = Path(file)
    module = frame.f_globals.get("__file__")
    return path if path.is_absolute() or not module else Path(module).parent / path


def variable_name(name: str) -> str:
    """The name of a pipeline, with underscores for characters that a variable name cannot have."""
    return re.sub(r"\W", "_", name)


def _portable(source: Path | type[Any] | ClassName) -> Path | type[Any] | ClassName:
    if isinstance(source, Path):
        # Not `resolve`: its events and the files that it uses are beside the link.
        return source.absolute()
    if isinstance(source, ClassName) or "<locals>" in source.__qualname__:
        return source
    # A class from a notebook has no file, so it is pickled with its code.
    return ClassName(source.__module__, source.__qualname__) if _has_file(source) else source


def _has_file(cls: type[Any]) -> bool:
    return getattr(module_of(cls), "__file__", None) is not None
