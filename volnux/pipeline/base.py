"""`Pipeline`: a flow and its inputs as a Python class, started as an instance."""

from __future__ import annotations

import datetime as dt
import enum
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from volnux.errors import VolnuxError
from volnux.events.inputs import InputError, fresh
from volnux.events.link import Plan
from volnux.imported import imported
from volnux.kit.instants import instant_of
from volnux.pipeline.context import ExecutionContext
from volnux.pipeline.definition import (
    PipelineDefinitionError,
    fields_of,
    is_stale,
    own_meta,
    plan_of,
)
from volnux.pipeline.drawn import Drawn
from volnux.pipeline.fields import InputDataField
from volnux.pipeline.pickling import blank
from volnux.signal import signals
from volnux.signal.soft import SIGNAL_PARENT

if TYPE_CHECKING:
    from volnux.backends.port import Backend, RunControl, RunObserver
    from volnux.events.answers import Answers
    from volnux.kit.resume import Resume
    from volnux.runs.store import StoreLike

__all__ = ["Pipeline", "PipelineDefinitionError", "PipelineStateError"]


class PipelineStateError(VolnuxError):
    """A pipeline is already running, or has already run and `force_rerun` is false."""


class _State(enum.Enum):
    NEW = "new"
    RUNNING = "running"
    FINISHED = "finished"


class Pipeline(Drawn):
    """Base class of pipelines.

    Input fields are class attributes. The flow is in `Meta.pointy`, in the file `Meta.file`, or in
    the file `<ClassName>.pty` beside the module. An instance holds the inputs of one run::

        class Greeting(Pipeline):
            who = InputDataField(data_type=str, required=True)

            class Meta:
                pointy = "Compose |-> Send"

        context = Greeting(who="Ada").start()

    Args:
        **inputs: a value for each field and each `@input` of the flow. If a required value is
            missing, the pipeline can still be drawn, and fields can still be assigned, but `start`
            raises an `InputError`.

    Raises:
        InputError: inputs are unknown or have a wrong type; the error lists all faults.
        PipelineDefinitionError: there is no flow.
        PointyError: the flow has errors, or does not fit the events.
    """

    _lineage: ClassVar[tuple[type[Pipeline], ...]] = ()
    """The class and its bases up to `Pipeline`, nearest first: they are searched for a flow."""
    _fields: ClassVar[dict[str, InputDataField]] = {}
    _linked: ClassVar[Plan | None] = None
    _made_from: ClassVar[type[Pipeline] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._lineage = tuple(
            base for base in cls.__mro__ if issubclass(base, Pipeline) and base is not Pipeline
        )
        cls._fields = fields_of(cls, taken=(*dir(Pipeline), *_OWN_NAMES))
        cls._linked = None
        cls._made_from = None
        own_meta(cls)

    def __init__(self, *args: Any, **inputs: Any) -> None:
        cls = type(self)
        signals.pipeline_pre_init.emit(cls, cls=cls, args=args, kwargs=inputs)
        if args:
            raise TypeError(f"{cls.__name__} takes its inputs by name: {cls.__name__}(name=value)")
        self._given = frozenset(inputs)
        self._missing: dict[str, str] = {}
        try:
            self._inputs = cls.plan().bind(inputs)
        except InputError as error:
            if len(error.missing) < len(error.faults):
                raise
            self._missing = error.faults
            self._inputs = cls.plan().bind(inputs, without=error.missing)
        self.__dict__.update({n: self._inputs[n] for n in cls._fields if n in self._inputs})
        self._state = _State.NEW
        self._prepare()
        self.context: ExecutionContext | None = None
        self.signal_parent = SIGNAL_PARENT.get()
        signals.pipeline_post_init.emit(self, pipeline=self)

    def _prepare(self) -> None:
        """Create the attributes that belong to this process and are not pickled."""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._control: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}>"

    def _repr_html_(self) -> str:
        """A picture of the flow for notebooks; after a run, it shows the states of the places."""
        from volnux.graph.draw.notebook import as_html

        context = self.context
        ended = context.report.places if context is not None and context.ended else {}
        states = {name: place.state for name, place in ended.items()}
        return as_html(type(self).plan().graph, states=states or None)

    def __reduce__(self) -> tuple[Any, ...]:
        cls = type(self)
        make = (blank, (cls,)) if cls._made_from is None else (blank, (cls._made_from, cls.plan()))
        return *make, self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        here = ("_lock", "_ended", "_control", "signal_parent")
        state = {key: value for key, value in self.__dict__.items() if key not in here}
        if self._state is _State.RUNNING:
            state["_state"] = _State.NEW
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
        self.signal_parent = None

    @classmethod
    def fields(cls) -> Mapping[str, InputDataField]:
        """The input fields of the class and its bases, in the order of their definition."""
        return cls._fields

    @classmethod
    def plan(cls) -> Plan:
        """The linked graph; it is built at the first call, then cached.

        In a notebook or at a prompt, it is built again after one of its events was redefined.

        Raises:
            PipelineDefinitionError: there is no flow; the message lists the paths that were tried.
            PointyError: the flow has errors, or does not fit the events and fields.
        """
        if cls._linked is None or (cls._made_from is None and is_stale(cls._linked)):
            cls._linked = plan_of(cls)
        return cls._linked

    @classmethod
    def of_plan(cls, plan: Plan) -> type[Pipeline]:
        """Make a pipeline class from an existing plan, such as one from `load_plan`.

        It is a subclass of the plan's own pipeline class, if there is one.
        """
        base: type[Pipeline] = cls
        name = plan.graph.name
        if plan.owner is not None and issubclass(plan.owner, cls):
            base, name = plan.owner, plan.owner.__name__
        made: type[Pipeline] = type(name, (base,), {"__module__": base.__module__})
        made._linked = plan
        made._made_from = base
        return made

    @property
    def inputs(self) -> dict[str, Any]:
        """The values of the inputs by name; missing inputs are left out."""
        assigned = {n: self.__dict__[n] for n in type(self)._fields if n in self.__dict__}
        return {**self._inputs, **assigned}

    @property
    def lasting_inputs(self) -> dict[str, Any]:
        """The values that every run of this instance has: times of a run are not among them."""
        timed = {spec.name for spec in type(self).plan().timed}
        return {n: v for n, v in self.inputs.items() if n in self._given or n not in timed}

    def _is_given(self, name: str) -> bool:
        """Whether an input was given or assigned, and does not have its default."""
        return name in self._given or self.inputs[name] is not self._inputs.get(name)

    def _inputs_of_a_run(self, scheduled_at: dt.datetime) -> dict[str, Any]:
        """The inputs of a run: the given values, and copies of the defaults."""
        inputs = {
            name: fresh(value)
            if name not in self._given and value is self._inputs.get(name)
            else value
            for name, value in self.inputs.items()
        }
        inputs.update(type(self).plan().times(scheduled_at, without=self._given))
        return inputs

    def start(
        self,
        force_rerun: bool = False,  # noqa: FBT001, FBT002 - the reference texts' own signature
        *,
        backend: str | Backend = "standalone",
        workers: int | None = None,
        portable: bool = False,
        observer: RunObserver | None = None,
        control: RunControl | None = None,
        results: bool = True,
        run_id: str | None = None,
        scheduled_at: dt.datetime | None = None,
        variables: Mapping[str, Any] | None = None,
        answers: Answers | None = None,
        store: StoreLike | None = None,
        resume: Resume | None = None,
    ) -> ExecutionContext:
        """Run the pipeline to its end.

        Args:
            force_rerun: allow an instance that has already run to run again.
            backend: a backend, or the name of an installed one.
            workers: the maximum number of events that run at once, if the backend has such a
                setting.
            portable: whether results must be JSON and are passed on as JSON, as on orchestrators.
            observer: an object whose methods are called when something happens in the run.
            control: a handle for other code to stop the run, even before it has begun. Without one,
                use `stop`.
            results: whether to keep every result to the end. If false, a result is released when
                the last event that receives it has ended, and `context.results` raises an error.
            run_id: the run's id; a new one if None.
            scheduled_at: the scheduled time of the run, aware; its start if None.
            variables: values of variables for this run, in place of the host's.
            answers: where the answers of people come from, if an event asks for an approval.
            store: where the run is kept, as a `volnux.runs.Store` or a path; None if it is not.
            resume: the id of a run in the store whose outcomes are kept, or True for the last one
                that is not a success. The inputs are those of that run.

        Returns:
            The context of the run, even if the run failed; its `raise_for_status` then raises an
            error.

        Raises:
            InputError: a required input is missing.
            ValueError: the instant has no time zone.
            PipelineStateError: the instance is already running, or has already run and
                `force_rerun` is false.
            BackendError: there is no such backend, or it does not support the flow.
            KeyboardInterrupt: Ctrl-C cancelled the run; it has ended, and `context` has its report.
        """
        from volnux.backends import RunControl, RunOptions, get_backend

        if imported("asyncio"):
            from volnux.pipeline.awaiting import warn_of_blocked_loop

            warn_of_blocked_loop()
        plan = type(self).plan()
        resumed = None
        if resume is not None:
            from volnux.kit.resume import resumed_by

            resumed = resumed_by(resume, store, plan)
            scheduled_at = resumed.instant(scheduled_at)
        instant = instant_of(plan.graph, scheduled_at)
        inputs = self._inputs_of_a_run(instant)
        if resumed is not None:
            inputs = resumed.bind(plan, {n: v for n, v in inputs.items() if self._is_given(n)})
        missing = {name: said for name, said in self._missing.items() if name not in inputs}
        if missing:
            raise InputError(missing, missing)
        with self._lock:
            if self._state is _State.RUNNING:
                raise PipelineStateError(f"{self!r} is already running: wait until it has ended")
            if self._state is _State.FINISHED and not force_rerun:
                raise PipelineStateError(
                    f"{self!r} has already run: make a new instance, or use start(force_rerun=True)"
                )
            self._state = _State.RUNNING
            self._ended.clear()
            self._control = control = RunControl() if control is None else control
        context = ExecutionContext(self, run_id or uuid.uuid4().hex, inputs)
        self.context = context
        begun = False
        try:
            chosen = get_backend(backend) if isinstance(backend, str) else backend
            chosen.refuse(plan)
            if resumed is not None:
                resumed.need(chosen)
            begun = True
            signals.pipeline_execution_start.emit(self, pipeline=self)
            options = RunOptions(
                run_id=context.run_id,
                workers=workers,
                portable=portable,
                observer=observer,
                control=control,
                context=context,
                results=results,
                scheduled_at=instant,
                variables=variables or {},
                answers=answers,
                store=store,
                earlier=None if resumed is None else resumed.earlier(inputs),
            )
            report = chosen.run(plan, context.inputs, options)
            if not chosen.logs_failures:
                from volnux.backends.run_log import failures_of

                failures_of(report)
            context.finish(report if results else report.without_results())
            signals.pipeline_execution_end.emit(self, execution_context=context)
        finally:
            if begun:
                signals.pipeline_shutdown.emit(self)
            with self._lock:
                self._state = _State.FINISHED if context.ended else _State.NEW
            self._ended.set()
        control.raise_if_interrupted()
        return context

    async def astart(
        self,
        force_rerun: bool = False,  # noqa: FBT001, FBT002 - as in `start`
        *,
        backend: str | Backend = "standalone",
        workers: int | None = None,
        portable: bool = False,
        observer: RunObserver | None = None,
        control: RunControl | None = None,
        results: bool = True,
        scheduled_at: dt.datetime | None = None,
        variables: Mapping[str, Any] | None = None,
        answers: Answers | None = None,
        store: StoreLike | None = None,
        resume: Resume | None = None,
    ) -> ExecutionContext:
        """Run the pipeline to its end without blocking the event loop: see `start`.

        A thread drives the run, and calls the listeners and the observer.
        Cancelling the awaiting task cancels the run: nothing new starts, and running events may
        finish. After a second cancellation, the task does not wait for them.
        """
        from volnux.backends import RunControl
        from volnux.pipeline.awaiting import in_thread

        chosen = RunControl() if control is None else control

        def start() -> ExecutionContext:
            return self.start(
                force_rerun,
                backend=backend,
                workers=workers,
                portable=portable,
                observer=observer,
                control=chosen,
                results=results,
                scheduled_at=scheduled_at,
                variables=variables,
                answers=answers,
                store=store,
                resume=resume,
            )

        return await in_thread(start, chosen.cancel)

    def stop(self) -> None:
        """Start nothing more; running events may finish, and the run ends as cancelled.

        It is safe from any thread, and has no effect if there is no run.
        """
        with self._lock:
            control = self._control if self._state is _State.RUNNING else None
        if control is not None:
            control.cancel()

    def shutdown(self, *, wait: bool = True) -> None:
        """Stop the run; with `wait`, return only when it has ended.

        In an event or a listener of the same run, use `wait=False`; otherwise it waits for itself.
        """
        with self._lock:
            running = self._state is _State.RUNNING
        self.stop()
        if wait and running:
            self._ended.wait()


_OWN_NAMES = ("context", "signal_parent")
