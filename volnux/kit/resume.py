"""Resuming a kept run: its inputs, and what is known of its places."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from volnux.errors import nearest, shortened
from volnux.events.files import InputFile
from volnux.graph.compiling import compile
from volnux.graph.parts import Kind
from volnux.graph.places import index_of, template_of
from volnux.kit.reuse import Earlier, EarlierRun
from volnux.kit.ways import changed_places
from volnux.runs.given import Digests
from volnux.runs.keeper import file_of, fingerprint_of
from volnux.runs.model import KeptPlace, KeptRun, KeptStatus, RunStoreError
from volnux.runs.store import Store
from volnux.runs.values import read_value

if TYPE_CHECKING:
    from volnux.backends.port import Backend
    from volnux.events.link import Plan
    from volnux.events.outcome import Call
    from volnux.events.spec import EventSpec
    from volnux.runs.store import StoreLike

__all__ = [
    "Resume",
    "ResumeError",
    "Resumption",
    "places_from",
    "resumed_by",
    "resumption",
    "resumption_of",
]


class ResumeError(RunStoreError):
    """A run cannot be resumed; the message says why, and what to do."""


@dataclass(frozen=True)
class Resumption:
    """A run that is about to be resumed.

    Attributes:
        run: the run.
        inputs: the values of its inputs, by name, as far as they were kept.
        runs: what is known of it, and of those that it resumed itself.
        anew: the places that must run anew with everything behind them.
    """

    run: KeptRun
    inputs: Mapping[str, Any]
    runs: tuple[EarlierRun, ...]
    anew: frozenset[str]

    def need(self, backend: Backend) -> None:
        """Check that a backend can resume the run.

        Raises:
            ResumeError: it cannot.
        """
        if not backend.capabilities.resume:
            raise ResumeError(
                f"{backend.name} cannot resume a kept run: let the orchestrator repeat what failed"
            )

    def instant(self, given: dt.datetime | None = None) -> dt.datetime | None:
        """The scheduled time of the new run: that of the resumed one.

        Args:
            given: what is given for the new run, aware. It must be the same.

        Raises:
            ResumeError: it is another one.
        """
        instant = self.run.scheduled_at
        if given is not None and given != instant:
            raise ResumeError(
                f"the scheduled time of the run {self.run.id} is {instant}: a resumed run has the "
                "same one, so leave it out"
            )
        return instant

    def bind(self, plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of the new run: those of the resumed one.

        Args:
            plan: the plan of the new run.
            given: inputs that are given for the new run, by name. They must have the same values.

        Raises:
            ResumeError: an input is given another value, or was not kept and is not given.
            InputError: the text has another input, which is required, or another type for one.
        """
        names = [spec.name for spec in plan.graph.inputs]
        lost = [n for n in names if n in self.run.inputs and n not in {*self.inputs, *given}]
        if lost:
            raise ResumeError(
                f"the value of the input '{lost[0]}' of the run {self.run.id} was not kept: give "
                "the same value again"
            )
        kept = {name: self.inputs[name] for name in names if name in self.inputs}
        values = plan.bind({**given, **kept}, scheduled_at=self.run.scheduled_at)
        others = plan.bind({**kept, **given}, scheduled_at=self.run.scheduled_at)
        changed = [name for name in kept if not _same(values[name], others[name])]
        if changed:
            raise ResumeError(
                f"the input '{changed[0]}' of the run {self.run.id} has another value: a resumed "
                "run has the inputs of the earlier one; begin a new run, or leave the input out "
                "and use --from PLACE to run a part anew"
            )
        return values

    def earlier(self, inputs: Mapping[str, Any]) -> Earlier:
        """What a backend needs: `RunOptions.earlier`.

        Args:
            inputs: what `bind` returned.
        """
        before = {n: self.inputs.get(n, inputs.get(n)) for n in self.run.inputs}
        # A file is kept as its path.
        before.update((n, inputs[n]) for n in before if isinstance(inputs.get(n), InputFile))
        both = before.keys() & inputs.keys()
        changed = {n for n in both if not _same(before[n], inputs[n])}
        changed |= before.keys() ^ inputs.keys()
        return Earlier(self.run.id, self.runs, _given(before, inputs, changed), self.anew)


def _given(
    before: dict[str, Any], inputs: Mapping[str, Any], changed: set[str]
) -> Callable[[EventSpec, Call], str | None]:
    """What makes the digest of what an event is given, as it was made in the earlier run.

    Args:
        before: the inputs of the earlier run, in their order.
        inputs: those of this one.
        changed: the names of inputs that only one of them has, or that have other values.
    """
    digests = Digests()
    if not changed and list(before) == list(inputs):
        return digests.of

    def given(spec: EventSpec, call: Call) -> str | None:
        if changed and _sees(spec, changed):
            return None
        return digests.of(spec, call._replace(inputs=before))

    return given


def _sees(spec: EventSpec, names: set[str]) -> bool:
    """Whether an event at its place may be given one of these inputs."""
    if spec.extra or not names.isdisjoint(spec.named):
        return True
    if spec.given is None:
        return False
    arguments = [*spec.given.arguments]
    for level in spec.given.scope.levels if spec.given.scope else ():
        arguments += level.arguments.values()
    return any(at.name in names for argument in arguments for at in argument.names)


def resumption(
    store: Store, plan: Plan, run_id: str | None = None, *, anew: Iterable[str] = ()
) -> Resumption:
    """Find the run to resume.

    Args:
        store: where it was kept.
        plan: the plan of the new run.
        run_id: the id of the run, or the beginning of it; `last` for the last one of the file; None
            for the last one that is not a success, or, with `anew`, for the last one.
        anew: the places that must run anew with everything behind them.

    Raises:
        ResumeError: it cannot be resumed, or there is none, or no such place.
        RunStoreError: there is no such run, or the store cannot be read.
    """
    places = places_from(plan, anew)
    if run_id is None or run_id == "last":
        run = _last(store, plan, any_=bool(places or run_id))
    else:
        run = store.run(run_id)
    _check(run, plan, any_=bool(places))
    found = [(run, store.places(run.id))]
    seen = {run.id}
    before = run.resumed_from
    while before is not None and before not in seen:
        seen.add(before)
        try:
            earlier = store.run(before)
        except RunStoreError:
            break  # it was removed
        found.append((earlier, store.places(before)))
        before = earlier.resumed_from
    return resumption_of(plan, found, places)


def resumption_of(
    plan: Plan,
    runs: Sequence[tuple[KeptRun, Iterable[KeptPlace]]],
    anew: frozenset[str] = frozenset(),
) -> Resumption:
    """What is known of runs, for a run that resumes the first of them.

    Args:
        plan: the plan of the new run.
        runs: the run that is resumed with its places, then the one that it resumed, and so on.
        anew: the places that must run anew with everything behind them.

    Raises:
        FormatError: the value of an input cannot be read.
    """
    run = runs[0][0]
    inputs = {}
    for name, text in run.inputs.items():
        if text is not None:
            inputs[name] = read_value(text, plan.visible)
    changes = _Changes(plan)
    found = tuple(
        EarlierRun({kept.place: kept for kept in places}, frozenset(each.anew), changes.of(each))
        for each, places in runs
    )
    return Resumption(run, inputs, found, anew)


def _last(store: Store, plan: Plan, *, any_: bool) -> KeptRun:
    """The last run that is not a success, and that no other one has resumed with success."""
    file = file_of(plan)
    name = _name(plan)
    runs = store.list(file=file, pipeline=None if file else plan.graph.name)
    if not runs:
        raise ResumeError(f"there is no run of {name} in {store.path}")
    if any_:
        return store.run(runs[0].id)
    resumed: set[str | None] = set()
    for run in runs:
        if run.status is KeptStatus.SUCCESS or run.id in resumed:
            resumed.add(run.resumed_from)
        else:
            return store.run(run.id)
    raise ResumeError(_nothing(runs[0], name))


def _check(run: KeptRun, plan: Plan, *, any_: bool) -> None:
    file = file_of(plan)
    name = _name(plan)
    if run.file != file or (file is None and run.pipeline != plan.graph.name):
        raise ResumeError(f"the run {run.id} is one of {run.file or run.pipeline}, not of {name}")
    if run.status is KeptStatus.RUNNING:
        raise ResumeError(
            f"the run {run.id} of {name} is still running: wait until it has ended, or cancel it"
        )
    if run.status is KeptStatus.SUCCESS and not any_:
        raise ResumeError(_nothing(run, name))


def _nothing(run: KeptRun, name: str) -> str:
    return (
        f"the run {run.id} of {name} was a success, so there is nothing to resume: use --from "
        "PLACE to run a part of it anew"
    )


def _name(plan: Plan) -> str:
    source = plan.graph.source
    return source.filename if source is not None else plan.graph.name


Resume = Literal[True] | str | Resumption
"""The run to resume: its id or the beginning of it; True for the last one that is not a success."""


def resumed_by(resume: Resume, store: StoreLike | None, plan: Plan) -> Resumption:
    """The run that is meant.

    Raises:
        ResumeError: it cannot be resumed, or there is none, or no store is given.
        RunStoreError: there is no such run, or the store cannot be read.
    """
    if isinstance(resume, Resumption):
        return resume
    if store is None:
        raise ResumeError("resume needs the store that keeps the earlier run: give store=…")
    return resumption(Store.of(store), plan, None if resume is True else resume)


def places_from(plan: Plan, names: Iterable[str]) -> frozenset[str]:
    """The places that names of places and uses stand for.

    Raises:
        ResumeError: there is no such place.
    """
    graph = plan.graph
    found: set[str] = set()
    for name in names:
        inside = [use for use in graph.uses if use.place == name]
        for use in inside:
            first, last = graph.topology.index[use.first], graph.topology.index[use.last]
            nodes = graph.nodes[first : last + 1]
            found.update(node.id for node in nodes if node.kind is Kind.EVENT)
        if not inside:
            _check_place(plan, name)
            found.add(name)
    return frozenset(found)


def _check_place(plan: Plan, name: str) -> None:
    graph = plan.graph
    index = graph.topology.index.get(template_of(name))
    if index is None or graph.nodes[index].kind is not Kind.EVENT:
        known = [*(node.id for node in graph.places()), *(use.place for use in graph.uses)]
        close = nearest(template_of(name), known)
        hint = f"did you mean '{close[0]}'?" if close else f"places: {_few(known)}"
        raise ResumeError(f"there is no place '{shortened(name)}'; {hint}")
    try:
        depth = len(index_of(name))
    except ValueError:
        raise ResumeError(
            f"'{shortened(name)}' is not a place; one copy is written {template_of(name)}[3]"
        ) from None
    if depth > len(graph.topology.around[index]):
        raise ResumeError(f"there is no place '{shortened(name)}': it has no such copies")


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")


class _Changes:
    """The places that the present text reaches in another way than earlier texts.

    Args:
        plan: the plan of the present text.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._fingerprint = fingerprint_of(plan)
        self._known: dict[str, frozenset[str]] = {}

    def of(self, run: KeptRun) -> frozenset[str]:
        """Those places, compared with the text of a run."""
        if run.fingerprint == self._fingerprint:
            return frozenset()
        if run.fingerprint not in self._known:
            self._known[run.fingerprint] = self._compared(run)
        return self._known[run.fingerprint]

    def _compared(self, run: KeptRun) -> frozenset[str]:
        from volnux.programs.kept import kept_program

        # Without what linking adds: the code of the events does not count.
        before = kept_program(run.source, run.file or "<flow>", run.used)
        if before is None:
            return frozenset(node.id for node in self._now.places())
        return changed_places(compile(before), self._now)

    @functools.cached_property
    def _now(self) -> Any:
        return compile(self._plan.graph.program)


def _same(one: Any, other: Any) -> bool:
    """Whether two values of an input are the same."""
    if type(one) is not type(other):
        return False
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - comparing arrays, or objects of the user, may raise anything
        return False
