"""Existing tasks and flows of Prefect as events. This module does not need Prefect."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import Any

from volnux.events.base import EventDefinitionError, event_class_of
from volnux.events.modules import home_of, import_from, module_of
from volnux.events.native import NativeEvent, native_event

__all__ = ["load_target", "task_event"]


def task_event(target: str, *, local: Any = None) -> type[NativeEvent]:
    """Make an event of a task or a flow of Prefect, for a global name of the calling module.

        Load = task_event("shop.tasks:load", local=load_here)

    On Prefect, the event is a run of that task, or of that flow. Its arguments are those of the
    function, and what it returns is the result of the event.

    Args:
        target: where the task or the flow is: `module:name`. It is imported when it is needed.
        local: a function, or an event, that other backends run in its place. Its arguments are then
            those of the event.

    Raises:
        EventDefinitionError: an argument has a wrong type.
    """
    takes = () if local is None else _arguments_of(local)
    made = native_event("prefect", "task", target, takes=takes, local=local, frames=2)
    if local is None:
        made.process = _Process(made)  # type: ignore[assignment,method-assign]  # it is callable
    return made


def load_target(event_class: type[NativeEvent]) -> Any:
    """Import what an event of `task_event` runs, from the folder of its module if it is there.

    Raises:
        EventDefinitionError: it cannot be imported, or there is no such name.
    """
    target = event_class.native.target
    module, _, name = target.partition(":")
    owner = next(each for each in event_class.__mro__ if "native" in vars(each))
    home = home_of(module_of(owner))
    try:
        found: Any = import_from(None if home is None else Path(home), module)
    except ModuleNotFoundError as error:
        raise EventDefinitionError(f"there is no {target}: {error}") from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise EventDefinitionError(f"the module of {target} cannot be imported: {said}") from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise EventDefinitionError(f"there is no {target}: {module} has no {name}")
    return found


def _arguments_of(local: Any) -> list[str]:
    function, class_ = local, event_class_of(local)
    bound = False
    if class_ is not None:
        process = inspect.getattr_static(class_, "process")
        bound = not isinstance(process, staticmethod)
        function = getattr(process, "__func__", process)
    if not callable(function):
        return []
    parameters = list(inspect.signature(function).parameters.values())[bound:]
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in parameters if each.kind in kinds and each.name != _PIPED]


_PIPED = "previous_result"


class _Process:
    """The `process` of such an event: linking reads the signature of the task or flow from it.

    It is imported for that only, not when the event is defined. Without Prefect, every argument is
    allowed, because the file is refused anyway.
    """

    def __init__(self, event_class: type[NativeEvent]) -> None:
        self._event_class = event_class

    def __call__(self, **arguments: Any) -> Any:
        raise EventDefinitionError(f"{self._event_class.__name__} is {self._event_class.native}")

    def _function(self) -> Any:
        if importlib.util.find_spec("prefect") is None:
            return None
        found = load_target(self._event_class)
        return getattr(found, "fn", found)

    @property
    def __signature__(self) -> inspect.Signature:
        function = self._function()
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        if function is None:
            every = inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)
            return inspect.Signature([first, every])
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            raise EventDefinitionError(
                f"{self._event_class.native.target} is not a task or flow"
            ) from None
        parameters = list(signature.parameters.values())
        fixed = [each for each in parameters if each.kind is each.POSITIONAL_ONLY]
        if fixed:
            raise EventDefinitionError(
                f"{self._event_class.native.target} has the positional-only argument "
                f"{fixed[0].name}, but arguments are passed by name: remove the '/'"
            )
        return signature.replace(parameters=[first, *parameters])

    @property
    def __globals__(self) -> dict[str, Any]:
        return getattr(self._function(), "__globals__", {})
