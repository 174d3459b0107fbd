"""What a deployment needs to know about `.pty` files. Each file is loaded in its own process.

Loading a file imports the user's modules, which may hang, exit, crash or fork. So each file is
loaded in a separate forked process, which answers in JSON and ends. If one
file fails, the error is reported for that file only, and the others are still described.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import volnux
import volnux_prefect
from volnux.backends.port import RefusedError
from volnux.errors import Diagnostic, PointyError, Severity, Span, VolnuxError
from volnux.events.link import Plan
from volnux.graph.model import Graph
from volnux.graph.report import jsonable
from volnux.kit.outside import used_outside
from volnux.kit.processes import (
    Surroundings,
    WorkerGroup,
    begin_worker,
    how_ended,
    worker_context,
)
from volnux_prefect.schedules import crons_of

__all__ = ["LOAD_SECONDS", "Described", "describe_all"]

LOAD_SECONDS = 60.0
"""The time limit for loading a file and its events, in seconds."""

_LARGEST = 64 * 2**20
"""The largest answer that is read, in bytes."""


@dataclass(frozen=True)
class Described:
    """The properties of a pipeline that matter for its deployment.

    Attributes:
        name: the name of the flow.
        version: the fingerprint of the pipeline and its events.
        description: the description in the file.
        tags: the tags of the file.
        parameters: the defaults of its inputs, as JSON.
        schedules: slug, cron expression and time zone of each schedule.
        concurrency_limit: the maximum number of concurrent runs.
        schema: the schema of its parameters, as Prefect creates it; None if it is not needed.
        limits: the tag concurrency limits that its places need.
    """

    name: str
    version: str
    description: str | None
    tags: tuple[str, ...]
    parameters: Mapping[str, Any]
    schedules: tuple[Mapping[str, str], ...]
    concurrency_limit: int | None
    schema: Mapping[str, Any] | None
    limits: Mapping[str, int]

    @staticmethod
    def of(plan: Plan, schema: Mapping[str, Any] | None = None) -> Described:
        """Describe a plan."""
        from volnux_prefect.translate import limits_of

        graph = plan.graph
        return Described(
            name=graph.name,
            version=plan.fingerprint[:16],
            description=graph.description,
            tags=tuple(graph.tags),
            parameters=_parameters(plan),
            schedules=tuple(crons_of(graph)),
            concurrency_limit=graph.max_active_runs,
            schema=schema,
            limits=limits_of(graph),
        )


def describe_all(
    paths: Sequence[Path], folder: Path, *, seconds: float = LOAD_SECONDS
) -> dict[Path, Described | list[Diagnostic]]:
    """Describe files concurrently. Returns the description or the errors of each.

    Args:
        paths: the files.
        folder: the folder of the project, which has all files that these use.
        seconds: the time limit for each file.
    """
    if not paths:
        return {}
    _preload()
    workers = min(len(paths), 2 * (os.cpu_count() or 1))
    with (
        tempfile.TemporaryDirectory(prefix="volnux-") as traces,
        ThreadPoolExecutor(workers) as pool,
    ):
        asking = _Asking(folder, Path(traces), seconds)
        try:
            found = dict(zip(paths, pool.map(asking.ask, paths), strict=True))
            # One of the files ended the fork server, and with it the other processes. Load each
            # affected file again, one at a time.
            found.update({path: asking.ask(path) for path, each in found.items() if each is None})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            asking.give_up()
            raise
    return {
        path: [_fault(path, "its import ends other processes")] if each is None else each
        for path, each in found.items()
    }


def _parameters(plan: Plan) -> dict[str, Any]:
    from volnux.events.inputs import bind_inputs

    found = {}
    for item in plan.graph.inputs:
        if item.required or item.moment is not None:
            continue
        value = jsonable(bind_inputs([item], {}, plan.readers).get(item.name))
        # The flow itself has the default, so a value without a JSON form can be left out.
        if value is not None and '"repr"' not in json.dumps(value):
            found[item.name] = value
    return found


# In the parent process.


def _preload() -> None:
    """Let the fork server import Prefect once for all processes that it starts."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    from multiprocessing import forkserver

    known = list(getattr(forkserver._forkserver, "_preload_modules", ("__main__",)))
    needed = [name for name in (__name__, "volnux_prefect.flow") if name not in known]
    if needed:
        multiprocessing.set_forkserver_preload([*known, *needed])


class _Asking:
    """Starts processes that load files, with a time limit. They write a traceback on request."""

    def __init__(self, folder: Path, traces: Path, seconds: float) -> None:
        self._folder = folder
        self._traces = traces
        self._seconds = seconds
        self._running: set[WorkerGroup] = set()

    def ask(self, path: Path) -> Described | list[Diagnostic] | None:
        """Load a file, and return the answer; None if the fork server was lost."""
        context = worker_context()
        trace = self._traces / hashlib.sha256(bytes(path)).hexdigest()
        reader, writer = context.Pipe(duplex=False)
        with reader, writer:
            arguments = (str(path), str(self._folder), str(trace), writer, Surroundings())
            process = context.Process(target=_answer, args=arguments, daemon=True)
            try:
                process.start()
            except (EOFError, OSError):
                return None
            writer.close()
            group = WorkerGroup(process)
            self._running.add(group)
            try:
                ready = multiprocessing.connection.wait([reader, process.sentinel], self._seconds)
                if reader in ready:
                    with contextlib.suppress(EOFError, OSError):
                        return _read(reader.recv_bytes(_LARGEST))
                if ready:
                    process.join(5)
                    if process.exitcode == _LOST:
                        return None
                    return [_fault(path, f"its import {_ending(process.exitcode)}{_place(trace)}")]
                # On this signal, the process writes its traceback.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGABRT)
                group.wait(5)
                return [
                    _fault(
                        path,
                        f"its import took longer than {self._seconds:g} s{_place(trace)}",
                        "move slow work from the module into an event, or use --load-timeout",
                    )
                ]
            finally:
                self._running.discard(group)
                group.kill()
                process.join()

    def give_up(self) -> None:
        """End the processes."""
        for group in list(self._running):
            group.kill()


_LOST = 255
"""The exit code of processes whose fork server has ended."""


def _read(data: bytes) -> Described | list[Diagnostic]:
    answer = json.loads(data)
    if "faults" in answer:
        return [_diagnostic(**each) for each in answer["faults"]]
    return Described(
        **{**answer, "tags": tuple(answer["tags"]), "schedules": tuple(answer["schedules"])}
    )


def _diagnostic(*, span: list[int] | None, severity: str, **texts: Any) -> Diagnostic:
    return Diagnostic(span=Span(*span) if span else None, severity=Severity(severity), **texts)


def _fault(path: Path, message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic("import", message, str(path), hint=hint)


def _ending(code: int | None) -> str:
    if code is None:
        return "did not end"
    return f"ended the process with {how_ended(code)}"


_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)')


def _place(trace: Path) -> str:
    """The current line of the user's code, from the traceback; empty if there is none."""
    with contextlib.suppress(OSError):
        for found in _FRAME.finditer(trace.read_text(errors="replace")):
            file = Path(found["file"])
            if not _SYSTEM.intersection(file.parents) and not found["file"].startswith("<"):
                return f", at {file.name}:{found['line']}"
    return ""


_SYSTEM = {Path(os.__file__).parent, *map(Path, (*volnux.__path__, *volnux_prefect.__path__))}


# In the process that loads a file.


def _answer(path: str, folder: str, trace: str, writer: Any, surroundings: Surroundings) -> None:
    begin_worker(surroundings)
    _quiet()
    faulthandler.enable(os.open(trace, os.O_WRONLY | os.O_CREAT, 0o600))
    own = os.getpid()
    try:
        answer: dict[str, Any] = _describe(Path(path), Path(folder))
    except (PointyError, RefusedError) as error:
        answer = _faults(error.diagnostics)
    except VolnuxError as error:
        known = getattr(error, "diagnostic", None) or _fault(Path(path), str(error))
        answer = _faults([known])
    if os.getpid() == own:  # a process that an import has forked also returns here
        writer.send_bytes(json.dumps(answer).encode())
    # Exit at once, without waiting for threads and exit handlers that the import created.
    os._exit(0)


def _describe(path: Path, folder: Path) -> dict[str, Any]:
    from volnux.loading import load_plan, schedule_faults
    from volnux_prefect.checks import check
    from volnux_prefect.flow import flow_of_plan
    from volnux_prefect.origin import Origin, Place

    plan = load_plan(path)
    faults = [*schedule_faults(plan.graph), *_outside(plan.graph, folder)]
    faults += [d for d in check(plan) if d.severity is Severity.ERROR]
    if faults:
        return _faults(faults)
    flow = flow_of_plan(plan, Origin(path, Place("__main__", str(path))))
    return dataclasses.asdict(Described.of(plan, flow.parameters.model_dump_for_openapi()))


def _outside(graph: Graph, folder: Path) -> Iterator[Diagnostic]:
    for found in used_outside(graph, [folder]):
        yield graph.diagnostic(
            "outside",
            f"'{found.path}' is outside of the folder that is deployed, so a worker may not have "
            "it",
            at=found.at,
            hint="move it into the folder, or into a package and write "
            f'"package:NAME/{found.path.name}"',
        )


def _faults(found: Iterable[Diagnostic]) -> dict[str, Any]:
    return {"faults": [dataclasses.asdict(each) for each in found]}


def _quiet() -> None:
    """Discard the output of an import, and do not write a core file if it crashes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
