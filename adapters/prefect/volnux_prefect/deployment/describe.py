"""What a deployment needs to know of `.pty` files, each loaded in a process of its own.

Loading a file imports the user's modules, which may hang, exit, crash or fork. So each file is
loaded in a forked process that ends with it, and answers in JSON. Whatever a file does, the others
are described, and what happened is said of the one that did it.
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
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import volnux
import volnux_prefect
from volnux.backends.port import RefusedError
from volnux.errors import Diagnostic, PointyError, Severity, Span, VolnuxError
from volnux.events.link import Plan
from volnux.graph.report import jsonable
from volnux.kit.processes import Surroundings, WorkerGroup, begin_worker, worker_context
from volnux_prefect.schedules import crons_of

__all__ = ["LOAD_SECONDS", "Described", "describe_all"]

LOAD_SECONDS = 60.0
"""How long a file and its events may take to load."""

_LARGEST = 64 * 2**20
"""Bytes of the largest answer that is read."""


@dataclass(frozen=True)
class Described:
    """A pipeline as its deployment sees it.

    Attributes:
        name: of the flow.
        version: the fingerprint of the pipeline and its events.
        description: what the file says of itself.
        tags: the tags of the file.
        parameters: the defaults of its inputs, as JSON.
        schedules: slug, cron expression and time zone of each schedule.
        concurrency_limit: how many runs may run at once.
        schema: the form of its parameters, as Prefect makes it; None where only the text counts.
        limits: tag concurrency limits that its places need.
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
        """The description of a plan."""
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
    paths: Sequence[Path], *, seconds: float = LOAD_SECONDS
) -> dict[Path, Described | list[Diagnostic]]:
    """Describe files, several at once; of each its description, or what is wrong with it.

    Args:
        paths: the files.
        seconds: how long each may take.
    """
    if not paths:
        return {}
    _preload()
    workers = min(len(paths), 2 * (os.cpu_count() or 1))
    with (
        tempfile.TemporaryDirectory(prefix="volnux-") as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        asking = _Asking(Path(folder), seconds)
        try:
            found = dict(zip(paths, pool.map(asking.ask, paths), strict=True))
            # One of the files ended the fork server, and others with it: now each is alone.
            found.update({path: asking.ask(path) for path, each in found.items() if each is None})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            asking.give_up()
            raise
    return {
        path: [_fault(path, "its import ends the processes around it")] if each is None else each
        for path, each in found.items()
    }


def _parameters(plan: Plan) -> dict[str, Any]:
    from volnux.events.inputs import bind_inputs

    found = {}
    for item in plan.graph.inputs:
        if item.required:
            continue
        value = jsonable(bind_inputs([item], {}, plan.readers).get(item.name))
        # The flow has the default anyway, also one that JSON cannot say.
        if value is not None and '"repr"' not in json.dumps(value):
            found[item.name] = value
    return found


# In the process that asks.


def _preload() -> None:
    """Have the fork server import Prefect once, for all the processes that it starts."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return
    from multiprocessing import forkserver

    known = list(getattr(forkserver._forkserver, "_preload_modules", ("__main__",)))
    needed = [name for name in (__name__, "volnux_prefect.flow") if name not in known]
    if needed:
        multiprocessing.set_forkserver_preload([*known, *needed])


class _Asking:
    """Processes that load files, each for at most some seconds; they write where they are."""

    def __init__(self, traces: Path, seconds: float) -> None:
        self._traces = traces
        self._seconds = seconds
        self._running: set[WorkerGroup] = set()

    def ask(self, path: Path) -> Described | list[Diagnostic] | None:
        """The answer of a process; None if the fork server is lost."""
        context = worker_context()
        trace = self._traces / hashlib.sha256(bytes(path)).hexdigest()
        reader, writer = context.Pipe(duplex=False)
        with reader, writer:
            arguments = (str(path), str(trace), writer, Surroundings())
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
                # The answer to this signal is where the process is.
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
"""The exit code of processes whose fork server is gone."""


def _read(data: bytes) -> Described | list[Diagnostic]:
    answer = json.loads(data)
    if "faults" in answer:
        return [_diagnostic(each) for each in answer["faults"]]
    return Described(
        **{**answer, "tags": tuple(answer["tags"]), "schedules": tuple(answer["schedules"])}
    )


def _diagnostic(fields: dict[str, Any]) -> Diagnostic:
    span = fields["span"]
    return Diagnostic(
        **{
            **fields,
            "span": Span(*span) if span else None,
            "severity": Severity(fields["severity"]),
        }
    )


def _fault(path: Path, message: str, hint: str | None = None) -> Diagnostic:
    return Diagnostic("import", message, str(path), hint=hint)


def _ending(code: int | None) -> str:
    if code is None:
        return "did not end"
    if code >= 0:
        return f"ended the process with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"ended the process with {signal.Signals(-code).name}"
    return f"ended the process with signal {-code}"


_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+)')


def _place(trace: Path) -> str:
    """Where the user's code was, as far as the process could write it down."""
    with contextlib.suppress(OSError):
        for found in _FRAME.finditer(trace.read_text(errors="replace")):
            file = Path(found["file"])
            if not _SYSTEM.intersection(file.parents) and not found["file"].startswith("<"):
                return f", at {file.name}:{found['line']}"
    return ""


_SYSTEM = {Path(os.__file__).parent, *map(Path, (*volnux.__path__, *volnux_prefect.__path__))}


# In the process that loads a file.


def _answer(path: str, trace: str, writer: Any, surroundings: Surroundings) -> None:
    begin_worker(surroundings)
    _quiet()
    faulthandler.enable(os.open(trace, os.O_WRONLY | os.O_CREAT, 0o600))
    own = os.getpid()
    try:
        answer: dict[str, Any] = _describe(Path(path))
    except (PointyError, RefusedError) as error:
        answer = {"faults": [_fields(each) for each in error.diagnostics]}
    except VolnuxError as error:
        known = getattr(error, "diagnostic", None) or _fault(Path(path), str(error))
        answer = {"faults": [_fields(known)]}
    if os.getpid() == own:  # what an import has forked comes back here as well
        writer.send_bytes(json.dumps(answer).encode())
    # The threads and exit handlers of an import end with its process.
    os._exit(0)


def _describe(path: Path) -> dict[str, Any]:
    from volnux.loading import load_plan, schedule_faults
    from volnux_prefect.checks import check
    from volnux_prefect.flow import flow_of_plan
    from volnux_prefect.origin import Origin, Place

    plan = load_plan(path)
    faults = schedule_faults(plan.graph)
    faults += [d for d in check(plan) if d.severity is Severity.ERROR]
    if faults:
        return {"faults": [_fields(each) for each in faults]}
    flow = flow_of_plan(plan, Origin(path, Place("__main__", str(path))))
    return dataclasses.asdict(Described.of(plan, flow.parameters.model_dump_for_openapi()))


def _fields(diagnostic: Diagnostic) -> dict[str, Any]:
    fields = {item.name: getattr(diagnostic, item.name) for item in dataclasses.fields(Diagnostic)}
    return {**fields, "severity": diagnostic.severity.value}


def _quiet() -> None:
    """Send what an import prints to nowhere, and leave no core file of one that crashes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
