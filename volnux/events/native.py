"""Events that one backend runs by a construct of its own, such as an operator of Airflow.

A module defines them by a call, such as `Copy = operator(…)`. Other backends run the event that is
given as `local`; without one, they refuse the file.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

from volnux.events.base import EventBase, EventDefinitionError, event, event_class_of
from volnux.events.modules import MADE_IN, import_from

__all__ = ["Native", "NativeEvent", "made_event", "name_made_event", "native_event"]


@dataclass(frozen=True, slots=True)
class Native:
    """What a backend runs in place of `process`.

    Attributes:
        backend: the name of the backend.
        kind: what it is, for messages: `operator`, `task`.
        target: where it is: `module:name`.
        arguments: its own arguments, by name.
        takes: the names of the inputs and arguments that it also gets.
        has_local: whether other backends run another event in its place.
    """

    backend: str
    kind: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    has_local: bool = False

    def __str__(self) -> str:
        return f"the {self.kind} {self.target} of {self.backend.capitalize()}"

    def load(self, home: str | None = None) -> Any:
        """Import what the target names.

        Args:
            home: the folder of the event's modules, which comes first; see `modules.import_from`.

        Raises:
            EventDefinitionError: there is no such module, or no such name in it.
        """
        module, _, name = self.target.partition(":")
        try:
            found: Any = import_from(None if home is None else Path(home), module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise EventDefinitionError(f"there is no {self.target}: {error}") from error
        return found


class NativeEvent(EventBase):
    """Base class of events that a backend runs by a construct of its own."""

    native: ClassVar[Native]


def native_event(
    backend: str,
    kind: str,
    target: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    takes: Collection[str] = (),
    local: Any = None,
    frames: int = 1,
) -> type[NativeEvent]:
    """Make the class of such an event, for a global name of the calling module.

    Its settings (`retry_policy`, `timeout` and so on) are those of `local`; a class that derives
    from it may have others.

    Args:
        backend: the name of the backend.
        kind: what the target is, for messages.
        target: where it is: `module:name`.
        arguments: its own arguments, by name.
        takes: the names of the inputs and arguments of the flow that it also gets. One with a value
            in `arguments` may be missing in the flow.
        local: a function, or an event, that other backends run in its place.
        frames: how many calls there are between this function and the module of the event.

    Raises:
        EventDefinitionError: an argument has a wrong type, or `local` takes something else.
    """
    module, colon, name = str(target).partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not isinstance(target, str) or not colon or not all(map(str.isidentifier, parts)):
        raise EventDefinitionError(f"expected 'module:name' of the {kind}, found {target!r}")
    if isinstance(takes, str) or not all(isinstance(n, str) and n.isidentifier() for n in takes):
        raise EventDefinitionError(f"takes is a list of names, such as ('table',), found {takes!r}")
    arguments = dict(arguments or {})
    given = Native(backend, kind, target, arguments, tuple(takes), has_local=local is not None)
    bases: tuple[type[EventBase], ...] = (NativeEvent,)
    members: dict[str, Any] = {"native": given}
    if local is None:
        members["process"] = _refusing(given)
    else:
        bases += (_local_class(local, given),)
    return made_event(bases, members, frames=frames + 1)


def _local_class(local: Any, native: Native) -> type[EventBase]:
    if inspect.isfunction(local) and event_class_of(local) is None:
        local = event(local)
    class_ = event_class_of(local)
    if class_ is None:
        raise EventDefinitionError(
            f"local of {native} must be a function or event, found {local!r}"
        )
    process = inspect.getattr_static(class_, "process")
    bound = not isinstance(process, staticmethod)
    parameters = list(inspect.signature(getattr(process, "__func__", process)).parameters.values())
    for parameter in parameters[bound:]:
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.name not in (*native.takes, "previous_result"):
            raise EventDefinitionError(
                f"local of {native} has the argument '{parameter.name}', which {native.kind} does "
                f"not get: add it to takes, found {native.takes!r}"
            )
    return class_


def _refusing(native: Native) -> Any:
    """A `process` with the arguments of a native event; linking reads its signature."""

    def process(self: EventBase, **arguments: Any) -> Any:
        raise EventDefinitionError(
            f"{self.task_id} is {native}, which runs there only: give it local=…, an event that "
            "runs elsewhere"
        )

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for name in native.takes:
        default = None if name in native.arguments else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    process.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # for linking
    return process


_UNNAMED = "__volnux_unnamed__"


def made_event(
    bases: tuple[type[Any], ...], members: Mapping[str, Any], *, frames: int = 1
) -> type[Any]:
    """Make an event class for a global name of a module, which is not known yet.

    Args:
        bases: the base classes.
        members: the attributes of the class.
        frames: how many calls there are between this function and the module.
    """
    names = sys._getframe(frames).f_globals
    module, file = names.get("__name__", "__main__"), names.get("__file__")
    made = {**members, "__module__": module, MADE_IN: file, _UNNAMED: True}
    kind: Any = type(bases[-1])
    return cast("type[Any]", kind("event", bases, made))


def name_made_event(target: Any, name: str) -> None:
    """Give a class of `made_event` its name, once it has been found in its module.

    Args:
        target: the event class or function.
        name: the global name of the event.
    """
    if isinstance(target, type) and vars(target).get(_UNNAMED):
        target.__name__ = target.__qualname__ = name
        setattr(target, _UNNAMED, False)
