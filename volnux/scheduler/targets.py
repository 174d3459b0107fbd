"""What a job runs: a pipeline, named so that another process finds it again."""

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
    """A file, or a class by its module and name, with the inputs of its runs.

    Attributes:
        file: the absolute path of a `.pty`.
        module: the module of a pipeline class.
        name: its qualified name in the module.
        folder: the folder of a module that lies beside a `.pty`.
        inputs: the inputs of each run.
    """

    file: str | None = None
    module: str | None = None
    name: str | None = None
    folder: str | None = None
    inputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def load(self) -> type[Pipeline]:
        """The pipeline class, found anew.

        Raises:
            VolnuxError: there is none any more, or its flow is wrong.
        """
        if self.file is not None:
            return load_pipeline(self.file)
        assert self.module is not None
        assert self.name is not None
        found: Any = import_from(Path(self.folder) if self.folder else None, self.module)
        for part in self.name.split("."):
            found = getattr(found, part, None)
        if not (inspect.isclass(found) and issubclass(found, Pipeline)):
            raise SchedulerError(f"there is no pipeline {self.name} in {self.module} any more")
        return found


def target_of(pipeline: object, inputs: Mapping[str, Any] | None = None) -> Target:
    """The target for what a user schedules.

    Args:
        pipeline: a pipeline class, an instance with its inputs, or the path of a `.pty`.
        inputs: inputs of each run; they win over those of an instance.

    Raises:
        TypeError: it is none of these.
        SchedulerError: the class cannot be found again by another process.
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
        target: what a job would run.
        name: the pipeline's name, for the message.

    Raises:
        SchedulerError: they cannot be pickled.
    """
    try:
        pickle.dumps(target)
    except Exception as error:
        raise SchedulerError(f"the inputs of {name} cannot be stored: {error}") from error


def load_pipeline(file: str) -> type[Pipeline]:
    """The pipeline of a file, as it was pinned, else as it is now.

    Raises:
        FileError: the file cannot be read.
        PointyError: with everything that is wrong with it.
    """
    with _LOCK:
        pinned = _PINNED.get(file)
    return pinned or Pipeline.of_plan(load_plan(file))


def to_run(pipeline: type[Pipeline]) -> type[Pipeline]:
    """The pipeline without its catchup: that is the scheduler's work, no backend must mind it."""
    plan = pipeline.plan()
    if not plan.graph.catchup:
        return pipeline
    graph = dataclasses.replace(plan.graph, catchup=False)
    plan = dataclasses.replace(plan, graph=graph, owner=plan.owner or pipeline)
    return Pipeline.of_plan(plan)


def pin(file: str, pipeline: type[Pipeline] | None) -> None:
    """Run this version of a file from now on; None: always the present one."""
    with _LOCK:
        if pipeline is None:
            _PINNED.pop(file, None)
        else:
            _PINNED[file] = pipeline
