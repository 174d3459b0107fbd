"""`Pipeline`: a flow and its inputs as a Python class, started as an instance."""

from __future__ import annotations

import enum
import os
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from volnux.errors import VolnuxError
from volnux.events.link import Plan
from volnux.fields import InputDataField
from volnux.pipeline.context import ExecutionContext
from volnux.pipeline.definition import PipelineDefinitionError, own_meta, plan_of
from volnux.signal import signals

if TYPE_CHECKING:
    from volnux.backends.port import RunObserver

__all__ = ["Pipeline", "PipelineDefinitionError", "PipelineStateError"]


class PipelineStateError(VolnuxError):
    """A pipeline is started while it runs, or again without being told so."""


class _State(enum.Enum):
    NEW = "new"
    RUNNING = "running"
    FINISHED = "finished"


class Pipeline:
    """Base class of pipelines.

    Input fields are class attributes; the flow is `Meta.pointy`, or the file `Meta.file`, or the
    file `<ClassName>.pty` beside the module. An instance holds the inputs of one run::

        class Greeting(Pipeline):
            who = InputDataField(data_type=str, required=True)

            class Meta:
                pointy = "Compose |-> Send"

        context = Greeting(who="Ada").start()

    Args:
        **inputs: a value for each field and `@input` of the flow.

    Raises:
        InputError: inputs are missing, unknown or of a wrong type; with every fault.
        PipelineDefinitionError: there is no flow.
        PointyError: the flow is wrong, or does not fit the events.
    """

    _fields: ClassVar[dict[str, InputDataField]] = {}
    _linked: ClassVar[Plan | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fields = dict(cls._fields)
        for name, value in vars(cls).items():
            if isinstance(value, InputDataField):
                if hasattr(Pipeline, name):
                    raise PipelineDefinitionError(
                        f"the field {name!r} of {cls.__name__} hides Pipeline.{name}: "
                        "give it another name"
                    )
                fields[name] = value
            elif name in fields:
                del fields[name]
        cls._fields = fields
        cls._linked = None
        own_meta(cls)

    def __init__(self, *args: Any, **inputs: Any) -> None:
        cls = type(self)
        signals.pipeline_pre_init.emit(cls, cls=cls, args=args, kwargs=inputs)
        if args:
            raise TypeError(f"{cls.__name__} takes its inputs by name: {cls.__name__}(name=value)")
        self._inputs = cls.plan().bind(inputs)
        self.__dict__.update({name: self._inputs[name] for name in cls._fields})
        self._state = _State.NEW
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._control: Any = None
        self.context: ExecutionContext | None = None
        signals.pipeline_post_init.emit(cls, pipeline=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.inputs)

    @classmethod
    def fields(cls) -> Mapping[str, InputDataField]:
        """The input fields of the class and its bases, in the order of their definition."""
        return cls._fields

    @classmethod
    def plan(cls) -> Plan:
        """The linked graph; found and made at first use, then kept.

        Raises:
            PipelineDefinitionError: there is no flow; it says which paths were tried.
            PointyError: the flow is wrong, or does not fit the events and fields.
        """
        if cls._linked is None:
            cls._linked = plan_of(cls)
        return cls._linked

    @classmethod
    def of_plan(cls, plan: Plan) -> type[Pipeline]:
        """A pipeline class for a plan that was made elsewhere (a `.pty` without a class)."""
        made: type[Pipeline] = type(plan.graph.name, (cls,), {"__module__": __name__})
        made._linked = plan
        return made

    @property
    def inputs(self) -> dict[str, Any]:
        """The value of every input, fields that were assigned later included."""
        return {**self._inputs, **{name: getattr(self, name) for name in type(self)._fields}}

    def start(
        self,
        force_rerun: bool = False,  # noqa: FBT001, FBT002 - the reference texts' own signature
        *,
        backend: str = "standalone",
        workers: int | None = None,
        portable: bool = False,
        observer: RunObserver | None = None,
    ) -> ExecutionContext:
        """Run the pipeline to its end.

        Args:
            force_rerun: run an instance again that has run already.
            backend: the name of an installed backend.
            workers: how many events run at once, where the backend can be told.
            portable: results must be JSON and are passed as JSON, as orchestrators do.
            observer: hears what happens in the run.

        Returns:
            The context of the run, also when it failed: `raise_for_status` raises then.

        Raises:
            PipelineStateError: the instance runs, or has run and `force_rerun` is false.
            BackendError: there is no such backend, or it refuses the flow.
        """
        from volnux.backends import RunControl, RunOptions, get_backend

        with self._lock:
            if self._state is _State.RUNNING:
                raise PipelineStateError(f"{self!r} runs already: wait until it has ended")
            if self._state is _State.FINISHED and not force_rerun:
                raise PipelineStateError(
                    f"{self!r} has run already: make a new instance, or start(force_rerun=True)"
                )
            self._state = _State.RUNNING
            self._ended.clear()
            self._control = RunControl()
        context = ExecutionContext(self, uuid.uuid4().hex, self.inputs)
        self.context = context
        try:
            chosen = get_backend(backend)
            plan = type(self).plan()
            chosen.refuse(plan)
            signals.pipeline_execution_start.emit(type(self), pipeline=self)
            options = RunOptions(
                run_id=context.run_id,
                workers=workers,
                portable=portable,
                observer=observer,
                control=self._control,
                context=context,
            )
            context.finish(chosen.run(plan, context.inputs, options))
            signals.pipeline_execution_end.emit(type(self), execution_context=context)
        finally:
            with self._lock:
                self._state = _State.FINISHED if context.ended else _State.NEW
            self._ended.set()
        return context

    def stop(self) -> None:
        """Start nothing more; what runs may finish. From another thread, while it runs."""
        control = self._control
        if self._state is _State.RUNNING and control is not None:
            signals.pipeline_stop.emit(type(self))
            control.cancel()

    def shutdown(self, *, wait: bool = True) -> None:
        """Stop, and with `wait` come back only when the run has ended."""
        running = self._state is _State.RUNNING
        signals.pipeline_shutdown.emit(type(self))
        self.stop()
        if wait and running:
            self._ended.wait()

    def draw_ascii_graph(self) -> str:
        """Print the flow as a drawing in the terminal, and return it."""
        from volnux.graph.draw import draw

        text = draw(type(self).plan().graph, "ascii")
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return text

    def draw_graphviz_image(
        self, directory: str | os.PathLike[str] = ".", *, format: str = "svg"
    ) -> Path:
        """Write a picture of the flow, `<name>.svg`, into a directory; needs graphviz.

        Raises:
            VolnuxError: graphviz is not installed.
        """
        from volnux.graph.draw import draw

        graph = type(self).plan().graph
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{graph.name}.{format}"
        path.write_text(draw(graph, format), encoding="utf-8")
        return path


def _rebuild(cls: type[Pipeline], inputs: dict[str, Any]) -> Pipeline:
    return cls(**inputs)
