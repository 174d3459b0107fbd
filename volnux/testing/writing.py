"""A case as files that any backend can run: the flow, and modules of events made from its script.

The modules are plain Python beside the flow, so that workers in other processes import them too.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pprint import pformat
from typing import Any

from volnux.pythontext import docstring, one_line
from volnux.testing.cases import Case
from volnux.testing.scripts import UNSAID, EventScript, written

__all__ = ["write_case"]

_HEAD = """\
{about}

{imports}
from volnux.testing.playing import play, play_async

SCRIPT = {script}
"""

_NAMES = ("EventBase", "EventExecutionEvaluationState", "Pipeline", "RetryPolicy", "event")
_POOLS = ("ProcessPoolExecutor", "ThreadPoolExecutor")
_EXECUTORS = {"thread": "ThreadPoolExecutor", "process": "ProcessPoolExecutor"}


def write_case(case: Case, folder: str | Path) -> Path:
    """Write the flow and the modules of its events into a folder; the path of the flow.

    Args:
        case: the case.
        folder: it is made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.name}.pty"
    path.write_text(case.text, encoding="utf-8")
    for module, events in _modules(case).items():
        target = folder.joinpath(*module.split(".")).with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_module(case, module, events), encoding="utf-8")
    return path


def _modules(case: Case) -> Mapping[str, tuple[str, ...]]:
    """Which events stand in which module."""
    if case.modules:
        return case.modules
    found: dict[str, list[str]] = {f"{case.name}_events": []}
    for name in event_names(case):
        module, _, last = name.rpartition(".")
        found.setdefault(module or f"{case.name}_events", []).append(last)
    return {module: tuple(events) for module, events in found.items()}


def event_names(case: Case) -> list[str]:
    """The events of a case, in reading order; only those of the script where the text is wrong."""
    from volnux.errors import VolnuxError
    from volnux.graph import compile
    from volnux.pointy import parse

    try:
        graph = compile(parse(case.text, filename=f"{case.name}.pty"))
    except VolnuxError:
        return list(case.events)
    return list(dict.fromkeys(node.event or "" for node in graph.places()))


def _module(case: Case, module: str, events: tuple[str, ...]) -> str:
    script = {place: written(said) for place, said in case.script.items()}
    parts = []
    for name in events:
        said = case.events.get(name) or case.events.get(f"{module}.{name}") or EventScript()
        parts.append("\n".join(_event(name, said)) + "\n")
    if case.on_failure is not None and module == next(iter(_modules(case))):
        parts.append(
            f"class TheFlow(Pipeline):\n    class Meta:\n        file = {case.name + '.pty'!r}\n"
            f"        on_failure = {case.on_failure!r}\n"
        )
    shown = pformat(script, sort_dicts=False, width=95)
    imports = "\n".join(_imports("".join(parts)))
    about = docstring(one_line(f"The events of {case.name}, made from its script."))
    return "\n\n".join([_HEAD.format(about=about, imports=imports, script=shown), *parts])


def _imports(code: str) -> Iterator[str]:
    """The imports that the code needs."""
    pools = [name for name in _POOLS if name in code]
    if pools:
        yield f"from concurrent.futures import {', '.join(pools)}\n"
    names = [name for name in _NAMES if re.search(rf"\b{name}\b", code)]
    if names:
        yield f"from volnux import {', '.join(names)}"


def _event(name: str, said: EventScript) -> Iterator[str]:
    if keyword.iskeyword(name):
        name = name.capitalize()  # it is found nevertheless: case does not count
    named = "".join(f", {argument}" for argument in said.arguments)
    passed = "".join(f", {argument}={argument}" for argument in said.arguments)
    settings = dict(_settings(said))
    if said.form == "function":
        yield f"@event({', '.join(f'{key}={value}' for key, value in settings.items())})"
        yield f"def {name}(self{named}):"
        yield f"    return play(self, SCRIPT{passed})"
        return
    if said.form == "inner":
        yield f"def make_{name}():"
        yield f"    @event({', '.join(f'{key}={value}' for key, value in settings.items())})"
        yield f"    def inner(self{named}):"
        yield f"        return play(self, SCRIPT{passed})"
        yield ""
        yield "    return inner"
        yield ""
        yield ""
        yield f"{name} = make_{name}()"
        return
    yield f"class {name}(EventBase):"
    for key, value in settings.items():
        yield f"    {key} = {value}"
    if settings:
        yield ""
    if said.form == "coroutine":
        yield f"    async def process(self{named}):"
        yield f"        return await play_async(self, SCRIPT{passed})"
    else:
        yield f"    def process(self{named}):"
        yield f"        return play(self, SCRIPT{passed})"
    if said.bypass is not UNSAID:
        yield ""
        yield "    def can_bypass(self):"
        yield f"        return True, {said.bypass!r}"


def _settings(said: EventScript) -> Iterator[tuple[str, str]]:
    if said.retry_policy is not None:
        fields = (f"{key}={_field(value)}" for key, value in said.retry_policy.items())
        yield "retry_policy", f"RetryPolicy({', '.join(fields)})"
    if said.evaluation is not None:
        yield "execution_evaluation_state", f"EventExecutionEvaluationState.{said.evaluation}"
    if said.stop_on_exception:
        yield "stop_on_exception", "True"
    if said.executor is not None:
        yield "executor", _EXECUTORS[said.executor]
    if said.conditions:
        lines = (f"{number}: lambda result: {test}" for number, test in said.conditions.items())
        yield "conditions", "{" + ", ".join(lines) + "}"


def _field(value: Any) -> str:
    """A field of a retry policy; exceptions stand by their names."""
    if isinstance(value, list):
        return "(" + "".join(f"{name}, " for name in value) + ")"
    return json.dumps(value) if not isinstance(value, bool) else str(value)
