"""The classes that stored values may name: those that the modules of a pipeline's events know."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from volnux.events.modules import at_home_of, import_from, module_of

if TYPE_CHECKING:
    from volnux.events.spec import EventSpec

__all__ = ["Visible"]


class Visible:
    """The data classes that the modules of events define, import, or use in their annotations.

    A module from which one of them imports anything counts as imported. Only dataclasses, named
    tuples, pydantic models and enums are data classes. Nothing is imported because data names it.
    It can be pickled: the other process imports the same modules of events, if it needs them.

    Args:
        events: the events.
    """

    def __init__(self, events: Iterable[EventSpec] = ()) -> None:
        # By target: a plan may have a spec for each of 100,000 places.
        self._events = {event.target: event for event in events}
        self._known: dict[tuple[str, str], type] = {}
        # Folders and names of modules that only an unpickled object has to import.
        self._others: list[tuple[str | None, str]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        names = [(event.home, event.target.__module__) for event in self._events.values()]
        return _again, (list(dict.fromkeys([*names, *self._others])),)

    def add(self, event: EventSpec) -> None:
        """Let the module of one more event count."""
        self._events.setdefault(event.target, event)

    def move(self, home: str | None, here: str | None) -> None:
        """Import the modules of a folder from another one: it has that path on this machine."""
        self._others = [(here if each == home else each, name) for each, name in self._others]

    def find(self, module: str, name: str) -> type | None:
        """See `volnux.values.reading.Classes`."""
        found = self._known.get((module, name))
        if found is None:
            found = next(
                (each for each in self._candidates(module, name) if _is(each, module, name)), None
            )
            if found is not None:
                self._known[module, name] = found
        return found

    def _candidates(self, module: str, name: str) -> Iterator[Any]:
        events = tuple(self._events.values())
        spaces = list({id(each): each for event in events for each in _spaces_of(event)}.values())
        for space in spaces:
            yield _at(space, name)
            yield from _in_imported(space, module, name)
        # The annotations of events, and the fields of classes that are already visible.
        yield from _in_annotations(event.function for event in events)
        yield from _in_annotations(each for space in spaces for each in _imported(space))
        for home, other in tuple(self._others):
            space = _space_of(home, other)
            yield _at(space, name)
            yield from _in_imported(space, module, name)
            yield from _in_annotations(_imported(space))


def _spaces_of(event: EventSpec) -> Iterator[Mapping[str, Any]]:
    """The names in the modules of an event: that of its `process`, and that of its class."""
    yield event.function.__globals__
    module = module_of(event.target)
    if module is not None:
        yield vars(module)


def _again(others: list[tuple[str | None, str]]) -> Visible:
    made = Visible()
    made._others = others
    return made


def _space_of(home: str | None, name: str) -> Mapping[str, Any]:
    try:
        return vars(import_from(None if home is None else Path(home), name))
    except Exception:  # noqa: BLE001 - the module of another event may raise anything
        return {}


def _is(found: Any, module: str, name: str) -> bool:
    from volnux.values.classes import is_data_class

    return is_data_class(found) and found.__module__ == module and found.__qualname__ == name


def _at(space: Mapping[str, Any], name: str) -> Any:
    """What a qualified name means in a module; None if it means nothing."""
    first, *rest = name.split(".")
    found = space.get(first)
    for part in rest:
        found = inspect.getattr_static(found, part, None) if isinstance(found, type) else None
    return found


def _in_imported(space: Mapping[str, Any], module: str, name: str) -> Iterator[Any]:
    """What a name means in a module, if another module imports that module or anything from it."""
    for each in tuple(space.values()):
        # `isinstance` would run the code of a proxy, such as that of a web request.
        kind = type(each)
        if issubclass(kind, ModuleType):
            yield from _in_package(each, module, name)
        elif issubclass(kind, FunctionType):
            if each.__module__ == module:
                yield _at(each.__globals__, name)
        else:
            # An object made there, such as a member of an enum, is imported as well.
            cls = each if issubclass(kind, type) else kind
            if getattr(cls, "__module__", None) == module:
                yield cls
                defined_in = module_of(cls)
                yield None if defined_in is None else _at(vars(defined_in), name)


def _imported(space: Mapping[str, Any]) -> Iterator[Any]:
    """What a module has, and what the modules have that it imports as a whole."""
    for each in tuple(space.values()):
        yield each
        if issubclass(type(each), ModuleType):
            yield from tuple(vars(each).values())


def _in_package(package: ModuleType, module: str, name: str) -> Iterator[Any]:
    """What a name means in an imported module, or in one inside an imported package."""
    found: Any = package
    own = package.__name__
    if module != own:
        if not module.startswith(f"{own}."):
            return
        for part in module.removeprefix(f"{own}.").split("."):
            found = vars(found).get(part)
            if not isinstance(found, ModuleType):
                return
    yield _at(vars(found), name)


def _in_annotations(starts: Iterable[Any]) -> Iterator[type]:
    """The data classes in the annotations of functions and data classes, and in their fields."""
    import typing

    from volnux.values.classes import is_data_class

    waiting = [
        each for each in starts if issubclass(type(each), FunctionType) or is_data_class(each)
    ]
    seen: set[int] = set()
    while waiting:
        owner = waiting.pop()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        if isinstance(owner, type):
            yield owner
        try:
            with at_home_of(owner):
                hints = list(typing.get_type_hints(owner).values())
        except Exception:  # noqa: BLE001 - an annotation may raise anything
            continue
        while hints:
            hint = hints.pop()
            hints += typing.get_args(hint)
            if is_data_class(hint):
                waiting.append(hint)
