"""Runs one file from the command line: the part of `volnux run` after reading the options.

It does not import Typer or pydantic: loading them takes longer than running a small pipeline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from volnux.cli import ending, output
from volnux.cli.given import Given, Values
from volnux.cli.usage import UsageError, event_modules
from volnux.errors import VolnuxError
from volnux.hooks import signals_loaded

if TYPE_CHECKING:
    from volnux.backends import Backend
    from volnux.cli.htmlfile import HtmlFile
    from volnux.cli.progress import Progress
    from volnux.events import Plan
    from volnux.graph import RunReport
    from volnux.kit.resume import Resumption
    from volnux.runs.model import KeptLine
    from volnux.runs.store import Store

__all__ = ["DEFAULT_BACKEND", "run_file"]

DEFAULT_BACKEND = "standalone"

_CODES = {"success": 0, "failed": 1, "cancelled": 130}


def run_file(
    file: Path,
    *,
    json: bool = False,
    values: bool = False,
    inputs: Sequence[str] = (),
    input_file: Path | None = None,
    at: str | None = None,
    variables: Sequence[str] = (),
    events: Sequence[str] = (),
    backend: str = DEFAULT_BACKEND,
    workers: int | None = None,
    portable: bool = False,
    plain: bool = False,
    pdb: bool = False,
    results: bool = True,
    grace: float = ending.GRACE,
    store: str | None = None,
    resume: str | None = None,
    anew: Sequence[str] = (),
    page: Path | None = None,
) -> int:
    """Run a file, show its progress and its result, and return the exit code.

    Args:
        file: the `.pty` file.
        json: print the run report as JSON instead, and nothing else on standard output.
        values: keep the types of values in the JSON.
        inputs: `name=value` texts.
        input_file: a JSON file with an object of further inputs.
        at: the scheduled time of the run, as ISO text; now if None.
        variables: `name=value` texts.
        events: modules to look events up in; they replace `@events`.
        backend: the backend's name.
        workers: the maximum number of events that run at once; None for the backend's default.
        portable: pass results on as JSON.
        plain: show plain lines, even on a terminal.
        pdb: open the debugger in the event whose failure ended the run.
        results: whether to keep the results for the JSON or a listener. Without either, each result
            is released after its last reader in any case.
        grace: the seconds for running events to finish after SIGTERM or SIGHUP.
        store: where the run is kept, or `none`; see `where_of`.
        resume: the id of a run to resume, or its beginning; empty for the last one.
        anew: places that run anew with everything behind them when a run is resumed.
        page: the file for the HTML report; None for none.
    """
    if pdb and json:
        raise UsageError(["--pdb uses standard output: remove --json"])
    if values and not json:
        raise UsageError(["--values changes the JSON: add --json"])

    html = None
    if page is not None:
        from volnux.cli.htmlfile import HtmlFile

        html = HtmlFile(page)

    def run(stream: TextIO | None) -> RunReport | None:
        ready = _prepare(
            file,
            Given(inputs, input_file, at, variables),
            events=events,
            name=backend,
            find=find if resumes else None,
        )
        if ready is None:
            return None
        kept = _store(file, store, unkept)
        report = _run(
            *ready,
            workers=workers,
            portable=portable,
            results=results and (json or html is not None or _listened()),
            plain=plain,
            stream=stream,
            grace=grace,
            store=kept,
            html=html,
        )
        if html is not None:
            html.write(report, _lines(kept, report.run_id))
        return report

    def find(plan: Plan) -> Resumption:
        return _resumed(file, store, plan, resume, anew)

    unkept: list[str] = []
    resumes = resume is not None or bool(anew)
    try:
        with output.failures_said_once():
            if json:
                with output.json_only() as result:
                    report = run(sys.stderr)
                    if report is not None:
                        result.write(report.to_json(values=values))
            else:
                report = run(sys.stdout)
                if report is not None:
                    _show(report, plain=plain)
                    if pdb:
                        from volnux.cli.postmortem import post_mortem

                        post_mortem(report)
    except KeyboardInterrupt:
        return ending.cancelled()
    finally:
        for sentence in unkept:
            output.warn(sentence)
    code = 2 if report is None else _CODES[report.status.value]
    if html is not None and html.fault is not None:
        output.error(str(html.fault))
        code = code or 1
    return code


def _prepare(
    file: Path,
    given: Given,
    *,
    events: Sequence[str],
    name: str,
    find: Callable[[Plan], Resumption] | None,
) -> tuple[Backend, Plan, Values] | None:
    """Prepare a run; None if it cannot start, after showing all reasons.

    Args:
        file: the file.
        given: what was written for the run.
        events: modules to look events up in.
        name: the name of the backend.
        find: finds the run that it resumes, if it resumes one.
    """
    from volnux.backends.registry import get_backend
    from volnux.loading import load_plan

    faults: list[VolnuxError] = []
    backend = plan = None
    values = None
    try:
        backend = get_backend(name)
    except VolnuxError as error:
        faults.append(error)
    try:
        plan = load_plan(file, events=event_modules(events))
        values = given.read(plan, find and find(plan))
    except VolnuxError as error:
        faults.append(error)
    if backend is not None and plan is not None:
        try:
            backend.refuse(plan)
            if values is not None and values.resumed is not None:
                values.resumed.need(backend)
        except VolnuxError as error:
            faults.append(error)
        if values is not None and not faults:
            return backend, plan, values
    if ending.received:
        # Interrupted code may have raised any other error instead.
        raise KeyboardInterrupt
    for fault in faults:
        output.refuse(fault)
    return None


def _run(
    backend: Backend,
    plan: Plan,
    values: Values,
    *,
    workers: int | None,
    portable: bool,
    plain: bool,
    results: bool,
    stream: TextIO | None,
    grace: float,
    store: Store | None,
    html: HtmlFile | None,
) -> RunReport:
    """Run a plan with progress on a stream. The first signal cancels it, the next gives it up."""
    from volnux.backends.port import RunControl, RunOptions
    from volnux.cli.asking import answers_for

    output.show(plan.warnings)
    control = RunControl()

    def give_up() -> None:
        if not control.can_give_up:
            raise KeyboardInterrupt
        ending.on_thread(control.give_up)()

    cancel = ending.on_thread(control.cancel)
    progress = _progress(stream, plain=plain)
    with progress as observer, ending.steps(cancel, give_up, grace=grace):
        options: dict[str, Any] = {
            "workers": workers,
            "portable": portable,
            "observer": observer if html is None else html.before(observer),
            "control": control,
            "results": results,
            "scheduled_at": values.scheduled_at,
            "variables": values.variables,
            "answers": answers_for(plan, stream, store),
            "store": store,
        }
        if signals_loaded():
            # The user's modules may listen to signals, or have a class for this file.
            from volnux.pipeline import Pipeline

            pipeline = Pipeline.of_plan(plan)(**values.inputs)
            report = pipeline.start(backend=backend, resume=values.resumed, **options).report
        else:
            if values.resumed is not None:
                options["earlier"] = values.resumed.earlier(values.inputs)
            report = backend.run(plan, values.inputs, RunOptions(**options))
            report = report if results else report.without_results()
    if report.status.value != "cancelled":
        ending.came_too_late()
    if backend.left_behind:
        ending.leave_behind()
    return report


def _store(file: Path, chosen: str | None, unkept: list[str]) -> Store | None:
    """Where the run is kept, if anywhere. `unkept` gets the reason if it cannot be kept."""
    from volnux.runs.store import Store
    from volnux.runs.where import where_of

    try:
        where = where_of(file, chosen)
    except VolnuxError as error:
        unkept.append(f"this run is not kept: {error}")
        return None
    return where and Store(where.path, keep=where.keep, warn=unkept.append)


def _lines(store: Store | None, run_id: str) -> Sequence[KeptLine]:
    """The log lines of a run that has ended; none if it is not kept."""
    from volnux.runs.model import RunStoreError

    try:
        return store.lines(run_id) if store is not None else ()
    except RunStoreError:
        return ()  # the run could not be kept either, and a warning says why


def _resumed(
    file: Path, chosen: str | None, plan: Plan, run_id: str | None, anew: Sequence[str]
) -> Resumption:
    """The run that a run resumes; see `run_file`."""
    from volnux.kit.resume import resumption
    from volnux.runs.store import Store
    from volnux.runs.where import where_of

    where = where_of(file, chosen)
    if where is None:
        raise UsageError(["only a run that was kept can be resumed: name its store with --store"])
    with Store.open(where.path, create=False) as store:
        return resumption(store, plan, run_id or None, anew=anew)


def _listened() -> bool:
    """Whether the user's modules listen to the end of the run, and can read its results."""
    if not signals_loaded():
        return False
    from volnux.signal.signals import pipeline_execution_end

    return pipeline_execution_end.has_listeners


def _progress(stream: TextIO | None, *, plain: bool) -> Progress:
    from volnux.cli import progress

    return progress.on(stream, plain=plain)


def _show(report: RunReport, *, plain: bool) -> None:
    from volnux.cli.summary import summary

    fold = not plain and output.on_terminal(sys.stdout)
    output.say("\n".join(summary(report, colour=output.coloured(sys.stdout), fold=fold)))
