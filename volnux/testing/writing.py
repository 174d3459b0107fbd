"""Writes a case as files that any backend can run: texts, and modules with their events.

The modules are plain Python files beside the text with these events, so that worker processes can
import them.
"""

from __future__ import annotations

import inspect
import json
import keyword
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from pprint import pformat
from typing import Any, NamedTuple

from volnux.events.modules import events_module
from volnux.graph import compile
from volnux.programs import load_program
from volnux.pysource import Imports, Names, module_source, one_line
from volnux.testing import shapes
from volnux.testing.cases import Case
from volnux.testing.scripts import UNSAID, EventScript, written
from volnux.values.kinds import TAG

__all__ = ["write_case"]

_OWN = {
    "concurrent.futures": ("ProcessPoolExecutor", "ThreadPoolExecutor"),
    "datetime": ("date", "datetime"),
    "decimal": ("Decimal",),
    "volnux": ("EventBase", "EventExecutionEvaluationState", "Pipeline", "RetryPolicy", "event"),
    "volnux.testing.playing": ("play", "play_async", "typed"),
}
"""The names that a module may import, by module."""

_TYPES = "|".join((*_OWN["datetime"], *_OWN["decimal"], *shapes.__all__))
"""The types that parameters of `process` may name."""

_SHAPES = "shapes"
"""The module of the classes of values in a case: a copy of `volnux.testing.shapes`."""

_EXECUTORS = {"thread": "ThreadPoolExecutor", "process": "ProcessPoolExecutor"}


def write_case(case: Case, folder: str | Path) -> Path:
    """Write the flow, the files that it uses and the modules of the events into a folder.

    Args:
        case: the case.
        folder: the folder; it is created if needed.

    Returns:
        The path of the flow.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.name}.pty"
    _write(path, case.text)
    for name, text in case.files.items():
        _write(folder / name, text)
    modules = _modules(case, path)
    for number, (module, events) in enumerate(modules.items()):
        text = _module(case, module, events, first=number == 0)
        _write(folder / f"{module}.py", text)
        if f"from {_SHAPES} import" in text:
            _write((folder / module).with_name(f"{_SHAPES}.py"), inspect.getsource(shapes))
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class _Event(NamedTuple):
    """An event of a module; `file` is the used file that names it, or empty for the flow itself."""

    name: str
    file: str = ""


def _modules(case: Case, path: Path) -> Mapping[str, list[_Event]]:
    """The events of each module, by the path of the module without its suffix."""
    given = {
        module.replace(".", "/"): [_Event(name) for name in events]
        for module, events in case.modules.items()
    }
    found: dict[str, list[_Event]] = {} if given else {f"{case.name}_events": []}
    for name, file in _events(case, path):
        if given and not file:
            continue
        module = name.rpartition(".")[0]
        beside = PurePosixPath(file or f"{case.name}.pty")
        module = module.replace(".", "/") or events_module(beside.stem)
        found.setdefault((beside.parent / module).as_posix(), []).append(_Event(name, file))
    return {**given, **{name: each for name, each in found.items() if name not in given}}


def _events(case: Case, path: Path) -> list[_Event]:
    """The events of a case, in reading order; only those of `events` if a text has errors."""
    program, _ = load_program(path)
    if program is None:
        names = (name.rpartition(":") for name in case.events)
        return [_Event(name, file) for file, _, name in names]
    real = path.parent.resolve()
    paths = [Path(file.source.filename).resolve() for file in program.files[1:]]
    files = ["", *(each.relative_to(real).as_posix() for each in paths)]
    places = compile(program).places()
    return list(dict.fromkeys(_Event(node.event or "", files[node.file]) for node in places))


def _module(case: Case, module: str, events: list[_Event], *, first: bool) -> str:
    # Modules in two folders have the same classes only if these are not copied.
    writer = _Module(shapes.__name__ if any("/" in name for name in case.files) else _SHAPES)
    script = {place: written(said) for place, said in case.script.items()}
    parts = [writer.script(script)]
    for name, file in events:
        last = name.rpartition(".")[2]
        keys = (f"{file}:{name}", name, last, f"{module.replace('/', '.')}.{last}")
        said = next((case.events[key] for key in keys if key in case.events), EventScript())
        parts.append("\n".join(writer.event(last, said)))
    if case.on_failure is not None and first:
        parts.append("\n".join(writer.pipeline(f"{case.name}.pty", case.on_failure)))
    about = one_line(f"The events of {case.name}, made from its script.")
    return module_source(about, writer.imports, ["\n\n\n".join(parts)])


class _Module:
    """Writes one module with its imports.

    Args:
        classes: the module from which it imports the classes of values.
    """

    def __init__(self, classes: str) -> None:
        self.imports = Imports(Names(), {**_OWN, classes: tuple(shapes.__all__)})
        self._classes = classes
        self._own = self.imports.own

    def script(self, script: Mapping[str, Any]) -> str:
        """The behaviour of all events; values that are not JSON are read when it is imported."""
        text = pformat(script, sort_dicts=False, width=95)
        if TAG not in text:
            return f"SCRIPT = {text}"
        names = sorted(set(re.findall(rf"'{_SHAPES}:(\w+)'", text)))
        values = "".join(f", {self._own(name)}" for name in names)
        text = text.replace(f"'{_SHAPES}:", f"'{self._classes}:")
        return f"SCRIPT = {self._own('typed')}({text}{values})"

    def pipeline(self, file: str, on_failure: str) -> Iterator[str]:
        """The lines of a pipeline class, for settings that a `.pty` file cannot have."""
        yield f"class TheFlow({self._own('Pipeline')}):"
        yield "    class Meta:"
        yield f"        file = {file!r}"
        yield f"        on_failure = {on_failure!r}"

    def event(self, name: str, said: EventScript) -> Iterator[str]:
        """The lines of an event."""
        if keyword.iskeyword(name):
            name = name.capitalize()  # it is found anyway, because case does not matter
        match said.form:
            case "function":
                yield from self._function(name, said)
            case "inner":
                yield f"def make_{name}():"
                yield from (f"    {line}" for line in self._function("inner", said))
                yield ""
                yield "    return inner"
                yield ""
                yield ""
                yield f"{name} = make_{name}()"
            case _:
                yield from self._class(name, said)

    def _function(self, name: str, said: EventScript) -> Iterator[str]:
        settings = ", ".join(f"{key}={value}" for key, value in self._settings(said))
        yield f"@{self._own('event')}({settings})"
        yield f"def {name}({self._parameters(said)}):"
        yield f"    return {self._own('play')}({_passed(said)})"

    def _class(self, name: str, said: EventScript) -> Iterator[str]:
        yield f"class {name}({self._own('EventBase')}):"
        settings = [f"    {key} = {value}" for key, value in self._settings(said)]
        if settings:
            yield from [*settings, ""]
        if said.form == "coroutine":
            yield f"    async def process({self._parameters(said)}):"
            yield f"        return await {self._own('play_async')}({_passed(said)})"
        else:
            yield f"    def process({self._parameters(said)}):"
            yield f"        return {self._own('play')}({_passed(said)})"
        if said.bypass is not UNSAID:
            yield ""
            yield "    def can_bypass(self):"
            yield f"        return True, {said.bypass!r}"

    def _settings(self, said: EventScript) -> Iterator[tuple[str, str]]:
        if said.retry_policy is not None:
            fields = (f"{key}={_field(value)}" for key, value in said.retry_policy.items())
            yield "retry_policy", f"{self._own('RetryPolicy')}({', '.join(fields)})"
        if said.evaluation is not None:
            states = self._own("EventExecutionEvaluationState")
            yield "execution_evaluation_state", f"{states}.{said.evaluation}"
        if said.every is not None:
            yield "every", repr(said.every)
        if said.within is not None:
            yield "within", repr(said.within)
        if said.stop_on_exception:
            yield "stop_on_exception", "True"
        if said.executor is not None:
            yield "executor", self._own(_EXECUTORS[said.executor])
        if said.conditions:
            tests = (f"{number}: lambda result: {test}" for number, test in said.conditions.items())
            yield "conditions", "{" + ", ".join(tests) + "}"

    def _parameters(self, said: EventScript) -> str:
        return ", ".join(["self", *map(self._parameter, said.arguments)])

    def _parameter(self, text: str) -> str:
        """A parameter, with imports for the types that it names."""
        name, colon, rest = text.partition(":")
        return name + colon + re.sub(rf"\b({_TYPES})\b", lambda found: self._own(found[1]), rest)


def _passed(said: EventScript) -> str:
    names = [re.sub(r"[:=].*", "", text).strip(" *") for text in said.arguments]
    return ", ".join(["self", "SCRIPT", *(f"{name}={name}" for name in names)])


def _field(value: Any) -> str:
    """A field of a retry policy; exceptions are written by name."""
    if isinstance(value, list):
        return "(" + "".join(f"{name}, " for name in value) + ")"
    return json.dumps(value) if not isinstance(value, bool) else str(value)
