"""How Prefect stores results: as the tagged JSON of `volnux.values`, with the serializer "volnux".

Prefect loads this module with its collections (entry point `prefect.collections`), so that other
processes find the serializer by its name.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from prefect.serializers import Serializer
from pydantic import Field

# Every process that loads the collections of Prefect imports this module, also for flows that are
# not of Volnux. So all else is imported late.
if TYPE_CHECKING:
    from volnux.values.reading import Classes

__all__ = ["ValueSerializer", "keep_packed", "know", "store_tagged"]


def know(owner: object, classes: Callable[[], Classes]) -> None:
    """From now on, results that this process reads may be of the classes of a flow or place.

    Args:
        owner: what stands for the flow or place. Another one that is equal replaces it.
        classes: returns the classes. It is called when a result names a class.
    """
    _known.pop(owner, None)
    _known[owner] = classes


def keep_packed(result: Any, packed: Any) -> None:
    """Keep the JSON of a result until Prefect stores it, at the end of the task run.

    Args:
        result: what an event returned.
        packed: its JSON; see `Outcome.packed`.
    """
    _packed.set(None if packed is None else (result, packed))


def store_tagged() -> None:
    """Store the results of the current flow run with this serializer, unless the user chose one."""
    from volnux_prefect import compat

    compat.store_with(ValueSerializer())


class ValueSerializer(Serializer):
    """Writes results as JSON that comes back equal and of the same type.

    Large values go to the place that VOLNUX_VALUES names. An exception comes back as Prefect's
    `FailedRun`, with its type and message.
    """

    type: str = Field(default="volnux", frozen=True)

    def dumps(self, obj: Any) -> bytes:
        """See `Serializer`.

        Raises:
            NotPortableError: a part of the result is of an unknown type.
            StoreError: a large value cannot be written.
        """
        packed = _packed.get()
        if packed is not None and packed[0] is obj:
            _packed.set(None)
            return json.dumps(packed[1]).encode()
        return json.dumps(_tagged(obj)).encode()

    def loads(self, blob: bytes) -> Any:
        """See `Serializer`.

        Raises:
            FormatError: it is not what `dumps` wrote, or is of a class that is not known here.
            ValueLostError: a file with a large value is gone, or was changed.
        """
        from volnux.kit.codec import store_of_environment
        from volnux.values import loads

        _register()
        return loads(blob, classes=_Loaded(), store=store_of_environment())


class _Loaded:
    """The classes of the flow that runs; outside of a run, of all flows that are loaded here.

    If several of them have a class of the same module and name, the flow loaded last counts.
    """

    def find(self, module: str, name: str) -> type | None:
        """See `Classes`.

        Raises:
            FormatError: no flow that could know the class is loaded.
        """
        from prefect.context import FlowRunContext

        from volnux.errors import VolnuxError
        from volnux.strictjson import FormatError

        context = FlowRunContext.get()
        own: Classes | None = getattr(context.flow, "visible", None) if context else None
        if own is not None:
            return own.find(module, name)
        for classes in reversed(list(_known.values())):
            # A flow may be loaded only now, and be wrong.
            with contextlib.suppress(VolnuxError):
                cls = classes().find(module, name)
                if cls is not None:
                    return cls
        raise FormatError(
            f"it names the class {f'{module}:{name}'[:200]!r}, which no flow knows that this "
            "process has loaded: load the flow of the result first, as in "
            'load_flow("orders.pty"), or import the module of the printed flow'
        )


def _tagged(obj: Any) -> Any:
    """The JSON of what is not the result of an attempt, such as the result of a flow."""
    from volnux.events.failures import class_name
    from volnux.kit.codec import Codec
    from volnux.masking import hidden, hide

    if isinstance(obj, BaseException):
        obj = _register()(hide(f"{class_name(type(obj))}: {obj}"))
    run_id, name = _run()
    # Which classes the reader knows is not known here.
    return Codec(run_id, None, hide=hidden).write(hidden(obj), name)


@functools.cache
def _register() -> type[Exception]:
    """Make the class known that stands for exceptions, and return it."""
    from prefect.exceptions import FailedRun

    from volnux.values import register

    register(FailedRun, str, FailedRun, name="prefect.FailedRun")
    return FailedRun


def _run() -> tuple[str, str]:
    """The id of the flow run, and the name of what runs."""
    from prefect.context import FlowRunContext, TaskRunContext

    task, flow = TaskRunContext.get(), FlowRunContext.get()
    run_id = str(flow.flow_run.id) if flow is not None and flow.flow_run is not None else ""
    if task is not None:
        return run_id or str(task.task_run.id), task.task_run.name
    name = flow.flow.name if flow is not None and flow.flow is not None else "a flow"
    return run_id or "no-run", name


_known: dict[object, Callable[[], Classes]] = {}
_packed: ContextVar[tuple[Any, Any] | None] = ContextVar("volnux_packed", default=None)
