"""`volnux prefect flow`: a Python flow that does what a `.pty` says, and needs it no more.

The flow is written from the syntax tree, so that it reads as the text does: a sequence is a row of
`await`, a branch a `match`, a parallel group one `all_of`, a branch on a group a `try`. Where the
linked graph settled something (evaluations, continue, the order of places), it is asked.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from volnux.errors import VolnuxError
from volnux.events.executors import ExecutorKind
from volnux.events.link import Plan
from volnux.events.modules import module_of
from volnux.events.spec import EventSpec
from volnux.graph.model import Graph, InputSpec, Node
from volnux.loading import load_plan
from volnux.pointy.options import split_tags
from volnux.pointy.parser import parse
from volnux_prefect.backend import PrefectBackend
from volnux_prefect.codeflow import Walk, runner_variable, snake
from volnux_prefect.parameters import default_of
from volnux_prefect.pretty import call, row
from volnux_prefect.translate import concurrency_tag, retry_delays

__all__ = ["CodegenError", "source_of"]


class CodegenError(VolnuxError):
    """A flow cannot be written as Python."""


def source_of(path: str | Path) -> str:
    """The Python text of a flow that does the same as a `.pty` file.

    Raises:
        FileError, PointyError: the file cannot be used.
        RefusedError: it says something that Prefect cannot do.
        CodegenError: Python cannot nest as deep as the file does.
    """
    plan = load_plan(path)
    PrefectBackend().refuse(plan)
    try:
        text = _Program(plan, Path(path).name).text()
        compile(text, str(path), "exec")
    except (RecursionError, SyntaxError, MemoryError) as error:
        raise CodegenError(
            f"{path} is nested too deep for a Python function: {error or type(error).__name__}"
        ) from error
    return text


class _Program:
    """The text of one flow, from top to bottom."""

    def __init__(self, plan: Plan, filename: str) -> None:
        self._plan = plan
        self._filename = filename
        self._places = {
            node.id: (node, spec)
            for node, spec in zip(plan.graph.nodes, plan.specs, strict=True)
            if spec is not None
        }
        self._function = _identifier(plan.graph.name)
        self._modules: set[str] = set()
        self._names = {self._function, *(item.name for item in plan.graph.inputs)}
        self._tasks: dict[Any, tuple[str, list[str]]] = {}
        self._task_of = {place: self._task(*each) for place, each in self._places.items()}
        self._stops = tuple(p for p, (_, spec) in self._places.items() if spec.stop_on_exception)
        self._needed_runners()

    def text(self) -> str:
        """The whole text."""
        flow = list(self._flow())
        body = "\n".join(
            [*self._head(), *self._helpers(), *self._events(), "", "", *flow, *self._main()]
        )
        return body + "\n"

    # The parts, in the order of the text.

    def _head(self) -> Iterator[str]:
        graph = self._plan.graph
        title = (graph.description or "").replace("\\", "\\\\").replace('"""', "'''").strip()
        yield f'"""{graph.name}: {title}' if title else f'"""The flow {graph.name}.'
        yield ""
        yield f"Written by `volnux prefect flow {self._filename}`, and yours to change."
        yield "It needs Prefect, and the events, which it imports from beside it, and no .pty."
        yield '"""'
        yield ""
        yield "import asyncio"
        if any(item.type in ("date", "datetime") for item in graph.inputs):
            yield "import datetime"
        yield "from collections.abc import Coroutine"
        yield "from typing import Any, NamedTuple"
        yield ""
        for module in sorted(self._modules):
            yield f"import {module}"
        yield "from prefect import Task, allow_failure, flow, task"
        yield "from prefect.cache_policies import NO_CACHE"
        yield "from prefect.client.schemas.objects import State"
        yield "from prefect.context import TaskRunContext"
        yield "from prefect.states import Cancelled, Completed, Failed"
        made = [self._main_runner, *self._beside]
        names = sorted({each.partition("(")[0] for each in made if each})
        pools = [name for name in names if name != "DaskTaskRunner"]
        if pools:
            yield f"from prefect.task_runners import {', '.join(pools)}"
        if "DaskTaskRunner" in names:
            yield "from prefect_dask import DaskTaskRunner"
        yield "from volnux.events import Call, run_attempt"
        yield "from volnux.events.spec import spec_of"
        yield "from volnux.graph import Failure"
        yield ""
        yield from row("PLACES = ", [_quoted(place) for place in self._places])
        yield '"""The places of the flow, in reading order."""'
        if self._stops:
            yield ""
            yield from row("STOPS = ", [_quoted(place) for place in self._stops])
            yield '"""The places whose exceptions end the run."""'

    def _helpers(self) -> list[str]:
        source = Path(__file__).with_name("plain.py").read_text(encoding="utf-8")
        text = re.split(r"^# -{20,}\n", source, flags=re.MULTILINE)[1]
        mark = "  # stop-only"
        kept = []
        for line in text.rstrip("\n").split("\n"):
            if line.endswith(mark):
                if not self._stops:
                    continue
                line = line.removesuffix(mark)
            kept.append(line)
        # Without its lines a class leaves too many blank ones behind.
        return re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept)).split("\n")

    def _events(self) -> Iterator[str]:
        yield ""
        yield ""
        yield "# The events as tasks."
        for _, lines in self._tasks.values():
            yield ""
            yield ""
            yield from lines

    def _flow(self) -> Iterator[str]:
        graph = self._plan.graph
        options = [f"name={_quoted(graph.name)}"]
        if graph.description:
            options.append(f"description={_quoted(graph.description)}")
        if self._main_runner:
            options.append(f"task_runner={self._main_runner}")
        yield from call("@flow", "", options)
        parameters = [self._parameter(item) for item in _required_first(graph)]
        yield from call(f"async def {self._function}", " -> State[Any]:", parameters)
        given = [f"{item.name}={item.name}" for item in graph.inputs]
        yield from call("    run = Run", "", given)
        indent = "    "
        for made, variable in self._beside.items():
            yield f"{indent}with {made} as {variable}:"
            indent += "    "
        yield f"{indent}try:"
        assert graph.source is not None
        taken = {*_TAKEN, *self._names, *self._modules, *self._beside.values()}
        runners = {p: self._beside.get(self._runner_of(p), "") for p in self._places}
        walk = Walk(self._plan, self._task_of, runners, taken)
        tree = parse(graph.source.text, graph.source.filename).flow
        body = walk.body(tree, indent + "    ")
        yield from body.lines
        caught = "(EventFailed, RunStopped)" if self._stops else "EventFailed"
        yield f"{indent}except {caught} as failure:"
        yield f"{indent}    return Failed(message=str(failure))"
        yield f"{indent}return Completed(data={body.value})"

    def _main(self) -> Iterator[str]:
        if not any(item.required for item in self._plan.graph.inputs):
            yield ""
            yield ""
            yield 'if __name__ == "__main__":'
            yield f"    asyncio.run({self._function}())"

    # Events.

    def _task(self, node: Node, spec: EventSpec) -> str:
        """The name of a place's task; tasks of places that say the same are one."""
        graph = self._plan.graph
        taken = tuple(
            sorted({d for edge in graph.edges if edge.source == node.id for d in edge.when})
        )
        branches = tuple(d for d in taken if d != 1)
        tags = sorted(_tags(graph, node))
        delays: list[float] = retry_delays(spec)
        key = (node.event, tuple(delays), spec.retry, spec.timeout, branches, tuple(tags))
        if key in self._tasks:
            return self._tasks[key][0]
        target = self._target(spec)
        name = self._fresh(snake(spec.name.rpartition(".")[2]) + "_task")
        options = [f"name={_quoted(spec.name)}", 'task_run_name="{place}"', "cache_policy=NO_CACHE"]
        if tags:
            options.append(f"tags=[{', '.join(map(_quoted, tags))}]")
        if delays:
            late = spec.timeout is not None and spec.retry.covers(TimeoutError())
            options += [
                f"retries={spec.retry.max_attempts - 1}",
                f"retry_delay_seconds={_delays(spec)}",
                f"retry_condition_fn={'late_or_' if late else ''}worth_repeating",
            ]
        if spec.timeout is not None:
            options.append(f"timeout_seconds={spec.timeout:g}")
        text = []
        if "concurrency" in node.options:
            tag, limit = concurrency_tag(graph, node), node.options["concurrency"]
            text.append(f"# Its limit: prefect concurrency-limit create {tag} {limit}")
        text += call("@task", "", options)
        given = [target, _quoted(spec.name), "place", "received", "inputs", _tuple(branches)]
        if node.retry is not None:
            given.append(f"factor={node.retry}")
        if spec.timeout is not None:
            given.append(f"timeout={spec.timeout:g}")
        text.append(f"def {name}(place: str, received: Any, inputs: dict[str, Any]) -> State[Any]:")
        text += call("    return attempt", "", given)
        self._tasks[key] = (name, text)
        self._names.add(name)
        return name

    def _target(self, spec: EventSpec) -> str:
        """The event as an expression, its module noted for import."""
        target = spec.target
        module = module_of(target)
        found = [name for name, value in vars(module).items() if value is target] if module else []
        if not found:
            raise CodegenError(f"{spec.name} is no global name of its module {target.__module__}")
        name = target.__module__
        self._modules.add(name)
        return f"{name}.{target.__name__ if target.__name__ in found else found[0]}"

    def _fresh(self, name: str) -> str:
        number, fresh = 1, name
        while fresh in {*self._names, *self._modules, *_TAKEN} or keyword.iskeyword(fresh):
            number += 1
            fresh = f"{name}_{number}"
        return fresh

    # Task runners.

    def _runner_of(self, place: str) -> str:
        """The call that makes the task runner of a place; empty for the flow's usual one."""
        spec = self._places[place][1]
        return "" if spec.executor.kind is ExecutorKind.DEFAULT else _runner(spec)

    def _needed_runners(self) -> None:
        every = list(dict.fromkeys(self._runner_of(place) for place in self._places))
        self._main_runner = every[0] if len(every) == 1 else ""
        beside = [made for made in every if made not in ("", self._main_runner)]
        self._beside: dict[str, str] = {}
        for made in beside:
            number = 0
            while runner_variable(number, made) in self._beside.values():
                number += 1
            self._beside[made] = runner_variable(number, made)

    def _parameter(self, item: InputSpec) -> str:
        kind = {"date": "datetime.date", "datetime": "datetime.datetime", "any": "Any"}.get(
            item.type, item.type
        )
        if item.required:
            return f"{item.name}: {kind}"
        default = default_of(self._plan, item)
        if default is None and kind != "Any":
            kind += " | None"
        return f"{item.name}: {kind} = {_literal(default)}"


_TAKEN = frozenset(
    {
        "Any", "Call", "Cancelled", "Completed", "Coroutine", "Ended", "EventFailed", "Failed",
        "Failure", "NO_CACHE", "NamedTuple", "PLACES", "Repeat", "Run", "RunStopped", "STOPS",
        "State", "Task", "TaskRunContext", "all_of", "allow_failure", "any_of", "asyncio",
        "attempt", "datetime", "failure", "finished", "flow", "late_or_worth_repeating", "run",
        "run_attempt", "skipped", "spec_of", "task", "worth_repeating",
    }
)  # fmt: skip
"""Names that the flows use themselves."""


def _runner(spec: EventSpec) -> str:
    """The call that makes the task runner of an event."""
    executor = spec.executor
    if executor.kind is ExecutorKind.URL:
        host = (executor.url or "").partition("://")[2]
        return f'DaskTaskRunner(address="tcp://{host}")' if host else "DaskTaskRunner()"
    assert executor.pool is not None
    process = issubclass(executor.pool, ProcessPoolExecutor)
    most = executor.config.max_workers
    workers = f"max_workers={most}" if isinstance(most, int) else ""
    return f"{'ProcessPool' if process else 'ThreadPool'}TaskRunner({workers})"


def _required_first(graph: Graph) -> list[InputSpec]:
    return sorted(graph.inputs, key=lambda item: not item.required)


def _tags(graph: Graph, node: Node) -> set[str]:
    tags = set(split_tags(str(node.options.get("tags", ""))))
    if "pool" in node.options:
        tags.add(str(node.options["pool"]))
    if "concurrency" in node.options:
        tags.add(concurrency_tag(graph, node))
    return tags


def _identifier(name: str) -> str:
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not plain.isidentifier() or keyword.iskeyword(plain) or plain in _TAKEN:
        plain = f"flow_{plain}"
    return plain


def _quoted(text: str) -> str:
    """A string literal, in double quotes where that needs no more escapes."""
    shown = repr(text)
    if shown[0] == "'" and '"' not in text:
        shown = '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


def _literal(value: Any) -> str:
    """A value as Python, its strings as `_quoted` gives them."""
    match value:
        case str():
            return _quoted(value)
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case dict():
            items = (f"{_literal(key)}: {_literal(item)}" for key, item in value.items())
            return f"{{{', '.join(items)}}}"
        case _:
            return repr(value)


def _tuple(values: tuple[int, ...]) -> str:
    return f"({values[0]},)" if len(values) == 1 else f"({', '.join(map(str, values))})"


def _delays(spec: EventSpec) -> str:
    policy = spec.retry
    delays = retry_delays(spec)
    if len(set(delays)) == 1:
        return repr(delays[0])
    if len(delays) <= 5:
        return f"[{', '.join(map(repr, delays))}]"
    first, most = float(policy.backoff_factor), float(policy.max_backoff)
    return f"[min({first!r} * 2**n, {most!r}) for n in range({len(delays)})]"
