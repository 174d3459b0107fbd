"""`load_flow` and `to_flow`: a pipeline as a Prefect flow."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any

from prefect import Flow, tags
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Failed
from prefect.task_runners import ThreadPoolTaskRunner

from volnux.backends.port import BackendError, RunOptions
from volnux.errors import VolnuxError
from volnux.events.inputs import fresh
from volnux.events.link import Plan
from volnux.events.modules import adopt, folders
from volnux.events.visible import Visible
from volnux.graph.report import RunReport
from volnux.loading import load_plan
from volnux_prefect import compat, logs
from volnux_prefect.attempts import Attempts
from volnux_prefect.checks import refuse
from volnux_prefect.drive import Drive
from volnux_prefect.endings import final_state
from volnux_prefect.instants import instant_and_inputs
from volnux_prefect.origin import ClassName, Origin, Place, beside, variable_name
from volnux_prefect.parameters import described, refuse_values, signature_of
from volnux_prefect.processes import in_command, in_deployed_run
from volnux_prefect.schedules import schedules_of
from volnux_prefect.serializer import know, store_tagged
from volnux_prefect.translate import Blueprint, blueprint_of, runner_of

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline
    from volnux.pipeline.batch import BatchPipeline

__all__ = ["PointyFlow", "flow_of_body", "flow_of_plan", "load_flow", "state_of", "to_flow"]


class PointyFlow(Flow[Any, Any]):
    """A flow made from a pipeline.

    A flow at the top level of an imported module, or an unpickled one, is built at first use.

    Attributes:
        plan: the linked graph that it runs.
        tags: the pipeline's tags. Every flow run and its task runs have them.
    """

    plan: Plan
    tags: tuple[str, ...]
    _origin: Origin | None

    @classmethod
    def later(cls, origin: Origin, known: Mapping[str, Any] = MappingProxyType({})) -> PointyFlow:
        """Return a flow that is built when an attribute is used that `known` does not have."""
        flow = cls.__new__(cls)
        flow.__dict__.update(known, _origin=origin, __module__=origin.place.module)
        know(origin.source, lambda: flow.visible)
        return flow

    def __getattr__(self, name: str) -> Any:
        if name not in _attributes() or not self._make():
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow in this process.

        Raises:
            InputError: Prefect's server could not store a value.
        """
        self._make()
        declared = {item.name for item in self.plan.graph.inputs}
        refuse_values({name: value for name, value in kwargs.items() if name in declared})
        with tags(*self.tags):
            return super().__call__(*args, **kwargs)

    @property
    def visible(self) -> Visible:
        """The classes that its results may be of."""
        return self.plan.visible

    def with_options(self, **options: Any) -> PointyFlow:
        """Return the same flow with different Prefect options."""
        self._make()
        # Prefect creates a plain Flow here, whatever the class of the flow is.
        made = PointyFlow.__new__(PointyFlow)
        made.__dict__.update(super().with_options(**options).__dict__)
        made.plan, made.tags = self.plan, self.tags
        made._origin = self._origin.with_options(options) if self._origin else None
        return made

    def to_deployment(self, *args: Any, **settings: Any) -> Any:
        """Create a deployment with the schedules, time zone, tags and limit of the file.

        Args:
            *args: as for Prefect's own flows.
            **settings: as for Prefect's own flows. They replace the settings of the file.
        """
        return super().to_deployment(**self._deployed(args, settings))

    async def ato_deployment(self, *args: Any, **settings: Any) -> Any:
        """See `to_deployment`."""
        return await super().ato_deployment(**self._deployed(args, settings))

    def deploy(self, *args: Any, **settings: Any) -> Any:
        """Deploy the flow to a work pool; see `to_deployment`."""
        self._refuse_without_variable()
        return super().deploy(*args, **settings)

    async def adeploy(self, *args: Any, **settings: Any) -> Any:
        """See `deploy`."""
        self._refuse_without_variable()
        return await super().adeploy(*args, **settings)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is None:
            return _stand_in, (self.name, self.version, self.description, folders())
        plain = {n: v for n, v in vars(self).items() if isinstance(v, _PLAIN) and n[:1] != "_"}
        again = _again if FlowRunContext.get() is None else _in_background
        return again, (self._origin.portable(), plain, folders())

    def _make(self) -> bool:
        """Load the source of the flow if necessary. Returns true if this call loaded it."""
        if "fn" in vars(self):
            return False
        with _MAKING:
            if "fn" not in vars(self):
                assert self._origin is not None
                vars(self).update(vars(_made(self._origin)))
        return True

    def _deployed(self, args: tuple[Any, ...], settings: dict[str, Any]) -> dict[str, Any]:
        """The settings of a deployment. Those that are not given come from the file."""
        self._make()
        bound = inspect.signature(Flow.ato_deployment).bind_partial(self, *args, **settings)
        settings = {name: value for name, value in bound.arguments.items() if name != "self"}
        graph = self.plan.graph
        own: dict[str, Any] = {"tags": list(graph.tags), "concurrency_limit": graph.max_active_runs}
        if all(settings.get(name) is None for name in _SCHEDULES):
            own["schedules"] = schedules_of(graph)
        variable = self._origin.place.variable_of(self) if self._origin else None
        if variable is not None:
            # Prefect assumes that the variable has the name of the function.
            self.fn.__qualname__ = variable
        given = {name: value for name, value in settings.items() if value is not None}
        return {**settings, **own, **given}

    def _refuse_without_variable(self) -> None:
        """Raise an error if a worker could not find the flow in the module that made it.

        Raises:
            BackendError: no variable of that module holds this flow.
        """
        self._make()
        place = self._origin.place if self._origin else None
        if place is not None and place.variable_of(self) is None:
            raise BackendError(
                f"a worker could not find this flow: assign it to a variable at the top of "
                f"{place.filename}, as in: {variable_name(self.name)} = load_flow(…)"
            )


def load_flow(file: str | os.PathLike[str], **options: Any) -> PointyFlow:
    """Load the flow of a `.pty` file.

    Args:
        file: the file; a relative path is relative to the folder of the calling module.
        **options: options of `prefect.flow` (hooks, `retries`, `log_prints`, `task_runner`, …).
            They replace those of the file.

    Raises:
        FileError: the file cannot be read.
        PointyError: the file is wrong, or does not match its events.
        RefusedError: it asks for something that Prefect cannot do.
    """
    frame = sys._getframe(1)
    return _flow(Origin(beside(frame, file), Place.of(frame), options), frame)


def to_flow(pipeline: type[Pipeline] | str | os.PathLike[str], **options: Any) -> PointyFlow:
    """Make the flow of a pipeline class, or of a `.pty` file.

    Args:
        pipeline: a `Pipeline` or `BatchPipeline` class, or a path as for `load_flow`.
        **options: as for `load_flow`.

    Raises:
        PipelineDefinitionError: the class has no flow.
        PointyError: the flow is wrong, or does not match its events.
        RefusedError: it asks for something that Prefect cannot do.
    """
    frame = sys._getframe(1)
    source = pipeline if isinstance(pipeline, type) else beside(frame, pipeline)
    return _flow(Origin(source, Place.of(frame), options), frame)


# From a file or a class to a flow.


def _flow(origin: Origin, frame: FrameType) -> PointyFlow:
    """The flow, built now or at first use.

    A run, a worker or a deployment may import a module with many flows, but needs only one. The
    other flows are not loaded, so errors in them do not matter.
    """
    imported = frame.f_code.co_name == "<module>" and origin.place.module != "__main__"
    return PointyFlow.later(origin) if imported else _made(origin)


def _made(origin: Origin) -> PointyFlow:
    """Build the flow. If that fails in a deployed run, return a flow that fails with the error."""
    try:
        return _load(origin)
    except VolnuxError as error:
        if in_command():
            # End the command. Otherwise, `prefect deploy` would search for the flow in the text of
            # the module, and report "Could not find object" instead of this error.
            raise SystemExit(str(error)) from error
        if in_deployed_run():
            return _failing(origin, error)
        raise


def _load(origin: Origin) -> PointyFlow:
    source = origin.source.find() if isinstance(origin.source, ClassName) else origin.source
    if isinstance(source, Path):
        return flow_of_plan(load_plan(source), origin)
    return _of_class(source, origin)


def _of_class(cls: type[Any], origin: Origin) -> PointyFlow:
    from volnux.pipeline.batch import BatchPipeline

    if issubclass(cls, BatchPipeline):
        return _of_batch_class(cls, origin)
    return flow_of_plan(cls.plan(), origin, cls)


def _of_batch_class(cls: type[BatchPipeline], origin: Origin) -> PointyFlow:
    from volnux_prefect.batch import batch_body, batch_runner, workers_of

    template = cls.template()
    plan = template.plan()
    # The values of a batch were already checked when the data was split.
    of_each = Origin(template, origin.place, {"validate_parameters": False})
    each = flow_of_plan(plan, of_each, template)
    workers = workers_of(cls)
    body = origin.place.function(batch_body(cls, plan, each, workers), cls.__name__)
    own = {"name": cls.__name__, "task_runner": batch_runner(workers), **origin.options}
    return flow_of_body(blueprint_of(plan), body, own, origin)


def flow_of_plan(plan: Plan, origin: Origin, cls: type[Pipeline] | None = None) -> PointyFlow:
    """Build the flow of a plan, as if it were defined in the module that made it."""
    refuse(plan)
    blueprint = blueprint_of(plan)
    changeable = {
        item.name for item in plan.graph.inputs if fresh(item.default) is not item.default
    }

    def body(**parameters: Any) -> State[Any]:
        from volnux_prefect.signals import announced

        store_tagged()
        instant, inputs = instant_and_inputs(plan.graph, parameters)
        # Prefect passes the same default object to every run.
        given = {n: fresh(v) if n in changeable else v for n, v in inputs.items()}
        bound = plan.bind(given, scheduled_at=instant)
        with announced(plan, bound, cls) as about:
            options = RunOptions(context=about.context, scheduled_at=instant)
            drive = Drive(blueprint, about.inputs, options, Attempts.here(plan, about.inputs))
            report = drive.execute()
            about.finish(report)
        return compat.retried(state_of(drive, report))

    body_there = origin.place.function(body, plan.graph.name)
    return flow_of_body(blueprint, body_there, origin.options, origin)


def flow_of_body(
    blueprint: Blueprint, body: Any, options: Mapping[str, Any], origin: Origin | None = None
) -> PointyFlow:
    """Build the flow of a plan with a given body.

    Args:
        blueprint: the plan, as Prefect runs it.
        body: the function that Prefect calls with the parameters of the plan.
        options: options of `prefect.flow`. They replace those of the file.
        origin: where the flow comes from; None if no other process runs it.
    """
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
    flow._origin = origin
    if origin is not None:
        visible = plan.visible
        know(origin.source, lambda: visible)
    logs.send_from(plan.specs)
    return flow


def state_of(drive: Drive, report: RunReport) -> State[Any]:
    """The final state of a run, with the value of its flow."""
    return final_state(report, drive.result if report.status == "success" else None)


def _failing(origin: Origin, error: VolnuxError) -> PointyFlow:
    """A flow that fails with an error, so that the state of its run shows the error."""
    said = str(error)

    def body(**inputs: Any) -> State[Any]:
        return Failed(message=said)

    # Prefect passes only those parameters that the function declares.
    from prefect.runtime import flow_run

    kind = inspect.Parameter.KEYWORD_ONLY
    given = [inspect.Parameter(name, kind, default=None) for name in flow_run.parameters or ()]
    setattr(body, "__signature__", inspect.Signature(given))  # noqa: B010 - mypy does not know this attribute
    hooks = {option: hook for option, hook in origin.options.items() if option.startswith("on_")}
    flow = PointyFlow(body, name=variable_name(origin.name), validate_parameters=False, **hooks)
    flow.tags = ()
    flow._origin = origin
    return flow


# In other processes.


def _again(origin: Origin, known: Mapping[str, Any], used: Mapping[str, str]) -> PointyFlow:
    """Restore the flow in another process."""
    adopt(used)
    return PointyFlow.later(origin, known)


def _in_background(origin: Origin, known: Mapping[str, Any], used: Mapping[str, str]) -> PointyFlow:
    """Restore the flow of a task run in a worker process, which does not have to load it.

    Prefect starts a task runner for the flow in that process, but nothing uses it.
    """
    return _again(origin, {**known, "task_runner": ThreadPoolTaskRunner()}, used)


def _stand_in(
    name: str, version: str | None, description: str | None, used: Mapping[str, str]
) -> Flow[Any, Any]:
    """Return a placeholder for a flow that a worker cannot build."""
    adopt(used)

    def body(**inputs: Any) -> Any:
        raise VolnuxError(f"the flow {name} can only run in the process that made it")

    return Flow(body, name=name, version=version, description=description)


@functools.cache
def _attributes() -> frozenset[str]:
    """The attributes that every flow has once it is built."""

    def body() -> None:
        """Do nothing."""

    return frozenset({*vars(Flow(body, name="any")), "plan", "tags"})


_SCHEDULES = ("interval", "cron", "rrule", "schedule", "schedules")
_PLAIN = (str, int, float, type(None))
_MAKING = threading.RLock()
