"""The target of a job: a pipeline, stored so that another process can find it again."""

from __future__ import annotations

import dataclasses
import inspect
import os
import pickle
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volnux.events.modules import home_of, import_from, module_of
from volnux.loading import load_plan
from volnux.pipeline.base import Pipeline
from volnux.scheduler.errors import SchedulerError

__all__ = ["Target", "check_storable", "load_pipeline", "pin", "target_of", "to_run"]

_PINNED: dict[str, type[Pipeline]] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Target:
    """A file, or a class given by module and name, with the inputs of its runs.

    Attributes:
        file: the absolute path of a `.pty` file.
        module: the module of a pipeline class.
        name: its qualified name in the module.
        folder: the folder of a module that is beside a `.pty` file.
        inputs: the inputs of each run, by name.
    """

    file: str | None = None
    module: str | None = None
    name: str | None = None
    folder: str | None = None
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def load(self) -> type[Pipeline]:
        """Find the pipeline class again.

        Raises:
            VolnuxError: it no longer exists, or its flow is not valid.
        """
        if self.file is not None:
            return load_pipeline(self.file)
        assert self.module is not None
        assert self.name is not None
        found: Any = import_from(Path(self.folder) if self.folder else None, self.module)
        for part in self.name.split("."):
            found = getattr(found, part, None)
        if not (inspect.isclass(found) and issubclass(found, Pipeline)):
            raise SchedulerError(f"there is no longer a pipeline {self.name} in {self.module}")
        return found


def target_of(pipeline: object, inputs: Mapping[str, Any] | None = None) -> Target:
    """The target for a pipeline that a user schedules.

    Args:
        pipeline: a pipeline class, an instance with its inputs, or the path of a `.pty`.
        inputs: the inputs of each run; they take precedence over those of an instance.

    Raises:
        TypeError: `pipeline` is none of these.
        SchedulerError: another process could not find the class.
    """
    given = dict(inputs or {})
    if isinstance(pipeline, str | os.PathLike):
        return Target(file=str(Path(pipeline).absolute()), inputs=given)
    if isinstance(pipeline, Pipeline):
        given = {**pipeline.lasting_inputs, **given}
        pipeline = type(pipeline)
    if not (inspect.isclass(pipeline) and issubclass(pipeline, Pipeline)):
        raise TypeError(
            "a job runs a pipeline: a Pipeline class, an instance of one, or the path of a .pty "
            f"file; found {pipeline!r}"
        )
    module, name = pipeline.__module__, pipeline.__qualname__
    home: Any = module_of(pipeline)
    found = home
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not pipeline:
        source = pipeline.plan().graph.source
        if source is not None and Path(source.filename).is_file():
            return Target(file=str(Path(source.filename).absolute()), inputs=given)
        raise SchedulerError(
            f"{name} cannot be found again in {module}: define it at the top of a module"
        )
    return Target(module=module, name=name, folder=home_of(home), inputs=given)


def check_storable(target: Target, name: str) -> None:
    """Refuse a target whose inputs cannot be stored.

    Args:
        target: the target of a job.
        name: the pipeline's name, for the message.

    Raises:
        SchedulerError: they cannot be pickled.
    """
    try:
        pickle.dumps(target)
    except Exception as error:
        raise SchedulerError(f"the inputs of {name} cannot be stored: {error}") from error


def load_pipeline(file: str) -> type[Pipeline]:
    """The pipeline of a file: the pinned version, else the current one.

    Raises:
        FileError: the file cannot be read.
        PointyError: with all errors of the file.
    """
    with _LOCK:
        pinned = _PINNED.get(file)
    return pinned or Pipeline.of_plan(load_plan(file))


def to_run(pipeline: type[Pipeline]) -> type[Pipeline]:
    """The pipeline without catchup: the scheduler does that, so the backend need not support it."""
    plan = pipeline.plan()
    if not plan.graph.catchup:
        return pipeline
    graph = dataclasses.replace(plan.graph, catchup=False)
    plan = dataclasses.replace(plan, graph=graph, owner=plan.owner or pipeline)
    return Pipeline.of_plan(plan)


def pin(file: str, pipeline: type[Pipeline] | None) -> None:
    """Use this version of a file from now on; None means always the current one."""
    with _LOCK:
        if pipeline is None:
            _PINNED.pop(file, None)
        else:
            _PINNED[file] = pipeline
