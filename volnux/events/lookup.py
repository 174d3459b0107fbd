"""Finds events by name in modules; there is no global table (`language.md`, "Finding events")."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from volnux.errors import VolnuxError, nearest
from volnux.events.base import event_class_of
from volnux.events.failures import failure_of
from volnux.events.modules import display_text, events_file, events_module, home_of, import_from
from volnux.events.native import name_made_event
from volnux.usercode import interruptions

__all__ = ["EventModuleError", "EventNotFoundError", "FoundEvent", "Lookup"]


class EventModuleError(VolnuxError):
    """A module of events cannot be imported.

    If the module itself raised an exception, `traceback` has the frames of the user's code.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class EventNotFoundError(VolnuxError):
    """No event, or more than one, matches the name; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class FoundEvent(NamedTuple):
    """An event, and where it was found.

    Attributes:
        target: the event class or decorated function.
        module: the import name of the module.
        name: the global name of the event in it; its case may differ from that in the flow.
    """

    target: Any
    module: str
    name: str


class Lookup:
    """The modules in which the events of one pipeline are looked up, in order.

    Args:
        folder: the folder of the `.pty` file. It comes first on the import path, for this pipeline
            only.
        stem: the name of the `.pty` file without its suffix; events are in `<stem>_events.py`
            beside it. A dot in the stem may be an underscore there.
        modules: dotted module names; if given, they replace the modules beside the file.
        extra: modules that are searched last (such as the module of the Pipeline class).
    """

    def __init__(
        self,
        folder: Path | None = None,
        stem: str | None = None,
        modules: Sequence[str] = (),
        extra: Iterable[ModuleType] = (),
    ) -> None:
        self._folder = folder
        self._named = tuple(modules)
        self._siblings = () if modules or folder is None else (events_module(stem or ""), "events")
        self._extra = tuple(extra)
        self._loaded: list[tuple[str, ModuleType]] | None = None
        self._dotted: dict[str, ModuleType] = {}
        self._broken: dict[str, EventModuleError] = {}

    @staticmethod
    def for_file(
        filename: str, modules: Sequence[str] = (), extra: Iterable[ModuleType] = ()
    ) -> Lookup:
        """The lookup for a `.pty` file on disk; a name that is not a path has no folder."""
        path = Path(filename)
        folder = path.parent if path.suffix and not filename.startswith("<") else None
        return Lookup(folder, path.stem, modules, extra)

    @property
    def home(self) -> str | None:
        """The folder, or None if no module was imported from it; see `modules.at_home`."""
        modules = [*(each for _, each in self._loaded or ()), *self._dotted.values()]
        return next((home for each in modules if (home := home_of(each))), None)

    def find(self, name: str) -> FoundEvent:
        """Find the event with that name; a class that `made_event` made gets its name.

        Raises:
            EventNotFoundError: there is none, or several that differ only in case.
            EventModuleError: a module cannot be imported.
        """
        module, dot, last = name.rpartition(".")
        modules = [(module, self._dotted_module(module))] if dot else self._all()
        for where, searched in modules:
            target = vars(searched).get(last)
            if event_class_of(target) is not None:
                name_made_event(target, last)
                return FoundEvent(target, where, last)
        folded = [
            FoundEvent(target, where, known)
            for where, searched in modules
            for known, target in _events_in(searched)
            if known.casefold() == last.casefold()
        ]
        different = {id(event_class_of(each.target)) for each in folded}
        if len(different) == 1:
            name_made_event(folded[0].target, folded[0].name)
            return folded[0]
        if different:
            raise EventNotFoundError(
                f"the event '{name}' matches several that differ only in case: "
                + ", ".join(dict.fromkeys(f"{each.module}.{each.name}" for each in folded)),
                "write the name exactly as one of them",
            )
        raise self._not_found(name, last, modules)

    def names(self) -> list[str]:
        """The names of all events that can be found, in search order."""
        return _names_in(self._all())

    def modules(self) -> list[ModuleType]:
        """The modules to search, in order.

        Raises:
            EventModuleError: a module cannot be imported.
        """
        return [module for _, module in self._all()]

    def module_names(self) -> list[str]:
        """The names of the modules to search; nothing is imported."""
        if self._folder is None:
            return list(self._named)
        siblings = (name for name in self._siblings if events_file(self._folder, name) is not None)
        return [*self._named, *siblings]

    def _not_found(
        self, name: str, last: str, modules: Sequence[tuple[str, ModuleType]]
    ) -> EventNotFoundError:
        known = _names_in(modules)
        close = nearest(last, known)
        from volnux.pointy.foreign import event_hint

        other = (None if close else event_hint(last)) or _not_an_event(last, modules)
        if other:
            hint = other
        elif close:
            hint = "did you mean " + " or ".join(f"'{each}'" for each in close) + "?"
        elif not modules:
            hint = self._where_to_put()
        else:
            searched = ", ".join(where for where, _ in modules)
            shown = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
            hint = f"searched {searched}; " + (f"events there: {shown}" if known else "no events")
        return EventNotFoundError(f"there is no event '{name}'", hint)

    def _where_to_put(self) -> str:
        if self._folder is None:
            return "list the modules of the events with @events"
        siblings = " or ".join(f"{name}.py" for name in self._siblings)
        return f"put the events into {siblings} beside the file, or name their modules with @events"

    def _all(self) -> list[tuple[str, ModuleType]]:
        if self._loaded is None:
            found = [(name, self._import(name)) for name in self._named]
            for name in self._siblings:
                file = events_file(self._folder, name) if self._folder is not None else None
                if file is not None:
                    found.append((name, self._sibling(file, name)))
            found += [(module.__name__, module) for module in self._extra]
            self._loaded = found
        return self._loaded

    def _sibling(self, path: Path, name: str) -> ModuleType:
        """A module beside the file; the module of the Pipeline class is not imported again."""
        if self._extra:
            path = path.resolve()
            for module in self._extra:
                file = getattr(module, "__file__", None)
                if file and Path(str(file)).resolve() == path:
                    return module
        return self._import(name)

    def _dotted_module(self, module: str) -> ModuleType:
        if module not in self._dotted:
            self._dotted[module] = self._import(module)
        return self._dotted[module]

    def _import(self, name: str) -> ModuleType:
        # A module that raised an exception is not executed again for each event.
        if name not in self._broken:
            try:
                return self._import_now(name)
            except EventModuleError as error:
                self._broken[name] = error
        raise self._broken[name]

    def _import_now(self, name: str) -> ModuleType:
        try:
            return import_from(self._folder, name)
        except BaseException as error:
            if isinstance(error, interruptions()):
                raise
            missing = display_text(getattr(error, "name", None) or "")
            if isinstance(error, ModuleNotFoundError) and (name + ".").startswith(missing + "."):
                beside = f" (looked in {self._folder} and on the import path)"
                raise EventModuleError(
                    f"there is no module '{name}'{beside if self._folder else ''}"
                ) from error
            failure = failure_of(error)
            raise EventModuleError(
                f"the module '{name}' cannot be imported: {failure}", failure.traceback
            ) from error


def _not_an_event(name: str, modules: Iterable[tuple[str, ModuleType]]) -> str | None:
    """A hint about an object of that name that is not an event, or None if there is none."""
    for where, module in modules:
        for known, target in vars(module).copy().items():
            if known.casefold() != name.casefold():
                continue
            if inspect.isfunction(target):
                return f"there is a function {known} in {where}, but @event is missing above it"
            if inspect.isclass(target) and hasattr(target, "process"):
                return f"there is a class {known} in {where}, but it does not derive from EventBase"
            if not inspect.ismodule(target):
                kind = "class" if inspect.isclass(target) else type(target).__qualname__
                return (
                    f"{known} in {where} is not an event but a {kind}: an event is a function with "
                    "@event, or a class that derives from EventBase"
                )
    return None


def _names_in(modules: Iterable[tuple[str, ModuleType]]) -> list[str]:
    return list(dict.fromkeys(known for _, module in modules for known, _ in _events_in(module)))


def _events_in(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, target in vars(module).copy().items():
        if event_class_of(target) is not None:
            yield name, target
