"""Compiles a syntax tree to a graph, as `docs/graph.md` describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from volnux.graph.assembly import Assembly, Exit
from volnux.graph.model import (
    Graph,
    InputSpec,
    ScheduleSpec,
    SecretSpec,
    Text,
    UsedFile,
    VariableSpec,
)
from volnux.graph.walk import Context, EventName, Walk, run_steps
from volnux.pointy.program import Program
from volnux.pointy.tree import Evaluation, Input, OnFailure, Settings

if TYPE_CHECKING:
    from volnux.pointy.parser import PointyFile

__all__ = ["compile", "input_spec", "name_of"]


def compile(
    file: PointyFile | Program,
    *,
    evaluations: Mapping[EventName, Evaluation] | None = None,
    on_failure: OnFailure | None = None,
) -> Graph:
    """The graph of a file.

    Args:
        file: the parsed file; if it uses other files, the program of all of them.
        evaluations: the evaluation state of events, as linking finds it. A parallel group without
            an option uses that of its last event, or *all* if it is not given.
        on_failure: the setting of the Pipeline class; `@on-failure` in the text overrides it.
            *stop* if neither is set.

    Raises:
        ValueError: the file uses other files, which only its program has.
    """
    program = file if isinstance(file, Program) else Program.alone(file)
    file = program.files[0]
    settings = file.settings
    decided = settings.on_failure or on_failure
    graph = Assembly()
    walk = Walk(graph, program, evaluations, continue_=decided is OnFailure.CONTINUE)
    heads: list[int] = []
    exits: list[Exit] = []
    context = Context(retry=None, receives=None, widen=False, caught=False)
    result = run_steps(walk.flow(file.flow, context, heads, exits))
    nodes, values, result = graph.finish(result)
    return Graph(
        name=name_of(file),
        nodes=nodes,
        edges=graph.edges(),
        values=values,
        result=result,
        groups=tuple(walk.groups),
        eaches=tuple(graph.eaches),
        tasks=tuple(graph.tasks),
        uses=tuple(graph.uses),
        files=tuple(map(_used, program.files[1:], program.uses[1:])),
        names=program.uses[0],
        on_failure=decided,
        source=Text.of(file),
        description=settings.description,
        tags=settings.tags,
        schedules=tuple(ScheduleSpec(s.expression, s.span) for s in settings.schedules),
        timezone=settings.timezone,
        start_date=settings.start_date.isoformat() if settings.start_date else None,
        catchup=settings.catchup,
        max_active_runs=settings.max_active_runs,
        run_timeout=settings.run_timeout,
        **_declared(settings),
    )


def name_of(file: PointyFile) -> str:
    """The pipeline's name: `@name`, else the stem of the file's name."""
    return file.settings.name or PurePath(file.source.filename).stem


def input_spec(item: Input) -> InputSpec:
    """The input that an `@input` declares."""
    return InputSpec(
        item.name,
        item.type,
        item.required,
        item.default,
        item.span,
        item.choices,
        item.least,
        item.most,
        item.description,
        item.moment,
    )


def _used(file: PointyFile, uses: Mapping[str, int]) -> UsedFile:
    return UsedFile(text=Text.of(file), uses=uses, **_declared(file.settings))


def _declared(settings: Settings) -> dict[str, Any]:
    """What a text declares for the places in it."""
    return {
        "inputs": tuple(map(input_spec, settings.inputs)),
        "variables": tuple(
            VariableSpec(item.name, item.type, item.required, item.default, item.span)
            for item in settings.variables
        ),
        "secrets": tuple(SecretSpec(item.name, item.span) for item in settings.secrets),
        "events": settings.events,
    }
