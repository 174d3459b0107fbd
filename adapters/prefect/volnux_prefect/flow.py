"""`load_flow` and `to_flow`: a pipeline as a Prefect flow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

from prefect import Flow, tags
from prefect.client.schemas.objects import State

from volnux.backends.port import BackendError, RunOptions
from volnux.errors import VolnuxError
from volnux.events.inputs import fresh
from volnux.events.link import Plan
from volnux.events.modules import adopt, folders
from volnux.graph.report import RunReport
from volnux.loading import load_plan
from volnux_prefect import compat
from volnux_prefect.backend import PrefectBackend
from volnux_prefect.drive import Drive
from volnux_prefect.endings import final_state
from volnux_prefect.parameters import described, signature_of
from volnux_prefect.translate import Blueprint, blueprint_of, runner_of

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline
    from volnux.pipeline.batch import BatchPipeline

__all__ = ["PointyFlow", "load_flow", "run_plan", "to_flow"]


class PointyFlow(Flow[Any, Any]):
    """A flow made from a pipeline.

    Attributes:
        plan: the linked graph that it runs.
        tags: the pipeline's tags, on every flow run and its task runs.
    """

    plan: Plan
    tags: tuple[str, ...] = ()
    origin: str | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow here and now."""
        with tags(*self.tags):
            return super().__call__(*args, **kwargs)

    def with_options(self, **options: Any) -> PointyFlow:
        """The same flow with other options of Prefect."""
        # Prefect makes a plain Flow here, whatever the flow was.
        made = PointyFlow.__new__(PointyFlow)
        made.__dict__.update(super().with_options(**options).__dict__)
        made.plan, made.tags, made.origin = self.plan, self.tags, self.origin
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        # A flow goes to worker processes as the background of a task run, where its name counts.
        return _stand_in, (self.name, self.version, self.description, folders(), self.origin)


def load_flow(file: str | os.PathLike[str], **options: Any) -> PointyFlow:
    """The flow of a `.pty` file.

    Args:
        file: the file; a relative path counts from the folder of the module that calls.
        **options: options of `prefect.flow` (hooks, `retries`, `log_prints`, `task_runner`, …),
            which replace what the file says.

    Raises:
        FileError: the file cannot be read.
        PointyError: the file is wrong, or does not fit its events.
        RefusedError: it says something that Prefect cannot do.
    """
    frame = sys._getframe(1)
    return _reported(lambda: _load(_beside(frame, file), frame, options))


def to_flow(pipeline: type[Pipeline] | str | os.PathLike[str], **options: Any) -> PointyFlow:
    """The flow of a pipeline class, or of a `.pty` file.

    Args:
        pipeline: a `Pipeline` or `BatchPipeline` class, or a path as for `load_flow`.
        **options: as for `load_flow`.

    Raises:
        PipelineDefinitionError: the class has no flow.
        PointyError: the flow is wrong, or does not fit its events.
        RefusedError: it says something that Prefect cannot do.
    """
    frame = sys._getframe(1)
    if not isinstance(pipeline, type):
        return _reported(lambda: _load(_beside(frame, pipeline), frame, options))
    return _reported(lambda: _of_class(pipeline, frame, options))


def run_plan(plan: Plan, inputs: Mapping[str, Any], options: RunOptions) -> RunReport:
    """Run a plan as a flow run, with inputs that have been checked; see `Backend.run`."""
    reports: list[RunReport] = []
    graph = plan.graph
    blueprint = blueprint_of(plan)

    def body(**_: Any) -> State[Any]:
        # What Prefect hands over went through its own conversion: the caller's values count.
        drive = Drive(blueprint, inputs, options)
        report = drive.execute()
        reports.append(report)
        return final_state(report, _result(drive, report))

    flow = _make(
        blueprint,
        body,
        {"task_runner": runner_of(blueprint.main, options.workers), "validate_parameters": False},
    )
    try:
        state = flow(return_state=True, **inputs)
    except Exception as error:
        # Nothing of the user's has run: Prefect has no server, or refuses to make a flow run.
        if reports:
            raise
        raise BackendError(f"prefect cannot run {graph.name}: {error}{_help(error)}") from error
    if not reports:
        raise BackendError(f"prefect did not run {graph.name}: {state.message or state.name}")
    return reports[0]


def _help(error: Exception) -> str:
    """What to do where there is no server."""
    said = str(error)
    if "ephemeral" in said:
        return (
            "\n  hint: start one with `prefect server start` and name it in PREFECT_API_URL, or "
            "wait longer: PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS=60"
        )
    if "Failed to reach API" in said:
        return "\n  hint: start that server, or name another one in PREFECT_API_URL or your profile"
    return ""


# From a file or a class to a flow.


def _load(path: Path, frame: FrameType, options: dict[str, Any]) -> PointyFlow:
    plan = load_plan(path)
    flow = flow_of_plan(plan, frame, options)
    flow.origin = str(path.resolve())
    return flow


def _of_class(cls: type[Any], frame: FrameType, options: dict[str, Any]) -> PointyFlow:
    from volnux.pipeline.batch import BatchPipeline

    if issubclass(cls, BatchPipeline):
        return _of_batch_class(cls, frame, options)
    return flow_of_plan(cls.plan(), frame, options, cls)


def _of_batch_class(
    cls: type[BatchPipeline], frame: FrameType, options: dict[str, Any]
) -> PointyFlow:
    from volnux_prefect.batch import batch_body, batch_runner, workers_of

    template = cls.template()
    plan = template.plan()
    # The values of a batch have been checked when they were cut.
    each = flow_of_plan(plan, frame, {"validate_parameters": False}, template)
    workers = workers_of(cls)
    body = _as_if_in(batch_body(cls, each, workers), frame, cls.__name__)
    own = {"name": cls.__name__, "task_runner": batch_runner(workers), **options}
    return _make(blueprint_of(plan), body, own)


def flow_of_plan(
    plan: Plan, frame: FrameType, options: dict[str, Any], cls: type[Pipeline] | None = None
) -> PointyFlow:
    """The flow of a plan, as if it were written in the module of a frame."""
    PrefectBackend().refuse(plan)
    blueprint = blueprint_of(plan)
    changeable = {
        item.name for item in plan.graph.inputs if fresh(item.default) is not item.default
    }

    def body(**inputs: Any) -> State[Any]:
        from volnux_prefect.signals import announced

        # Prefect hands the signature's own default to every run.
        bound = plan.bind({n: fresh(v) if n in changeable else v for n, v in inputs.items()})
        with announced(plan, bound, cls) as about:
            drive = Drive(blueprint, about.inputs, RunOptions(context=about.context))
            report = drive.execute()
            about.finish(report)
        return final_state(report, _result(drive, report))

    return _make(blueprint, _as_if_in(body, frame, plan.graph.name), options)


def _make(blueprint: Blueprint, body: Any, options: dict[str, Any]) -> PointyFlow:
    from volnux_prefect.signals import hooks

    plan = blueprint.plan
    graph = plan.graph
    signature = signature_of(plan)
    body.__signature__ = signature
    body.__annotations__ = {
        name: parameter.annotation for name, parameter in signature.parameters.items()
    }
    body.__doc__ = described(plan)
    settings: dict[str, Any] = {
        "name": graph.name,
        "version": plan.fingerprint[:16],
        "description": graph.description,
        "task_runner": runner_of(blueprint.main),
        **options,
    }
    for name, hook in hooks(graph.name).items():
        settings[name] = [hook, *(settings.get(name) or ())]
    flow = PointyFlow(body, **settings)
    flow.description = settings["description"]
    flow.plan = plan
    flow.tags = graph.tags
    compat.send_logs_of(plan)
    return flow


def _result(drive: Drive, report: RunReport) -> Any:
    return drive.result if report.status == "success" else None


def _as_if_in(body: Callable[..., Any], frame: FrameType, name: str) -> FunctionType:
    """The body as a function of the calling module, where Prefect looks for the flow."""
    place = re.sub(r"\W", "_", name)
    assert isinstance(body, FunctionType)
    code: CodeType = body.__code__.replace(co_filename=frame.f_code.co_filename)
    made = FunctionType(code, body.__globals__, place, None, body.__closure__)
    made.__module__ = frame.f_globals.get("__name__", "__main__")
    made.__qualname__ = place
    return made


def _beside(frame: FrameType, file: str | os.PathLike[str]) -> Path:
    """The path, a relative one from the folder of the module that a frame runs."""
    path = Path(file)
    module = frame.f_globals.get("__file__")
    return path if path.is_absolute() or not module else Path(module).parent / path


# Errors, where only Prefect listens.


def _reported(make: Callable[[], PointyFlow]) -> PointyFlow:
    """What `make` makes; an error reaches whoever reads it, also through Prefect's loader.

    `prefect deploy` imports a module with flows and, where that fails, looks for the flow in its
    text and says "Could not find object". So there the error ends the command, with file:line.
    """
    try:
        flow: PointyFlow = make()
    except VolnuxError as error:
        if _in_command():
            _end(error)
        raise
    return flow


def _in_command() -> bool:
    """Whether a command of Prefect that only looks at flows imports the module, not a run."""
    program = Path(sys.argv[0] if sys.argv else "")
    prefect = program.stem == "prefect" or program.parts[-2:] == ("prefect", "__main__.py")
    return prefect and not {"deploy", "flow"}.isdisjoint(sys.argv[1:])


def _end(error: VolnuxError) -> NoReturn:
    raise SystemExit(str(error)) from error


# In other processes.


def _stand_in(
    name: str,
    version: str | None,
    description: str | None,
    known: Mapping[str, str],
    origin: str | None,
) -> Flow[Any, Any]:
    """The flow in another process: its name and version, and a body that loads it when called."""
    adopt(known)

    def body(**inputs: Any) -> Any:
        if origin is None:
            raise VolnuxError(f"the flow {name} cannot be run here: it was made from a class")
        return load_flow(origin)(**inputs)

    return Flow(body, name=name, version=version, description=description)
