"""Keeps one run in a store while it runs."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from volnux._version import __version__
from volnux.events.outcome import Call
from volnux.graph.outcome import FAILURE, Failure, State
from volnux.graph.places import template_of
from volnux.here import Scope
from volnux.hooks import About, Listener
from volnux.imported import imported
from volnux.runs.given import Digests
from volnux.runs.lines import Lines, storable
from volnux.runs.model import KeptPlace, KeptStatus
from volnux.runs.process import this_process
from volnux.runs.values import Values
from volnux.runs.where import storable_path
from volnux.runs.writer import ANEW
from volnux.shown import shown

if TYPE_CHECKING:
    from volnux.events.link import Plan
    from volnux.events.outcome import Outcome
    from volnux.events.spec import EventSpec
    from volnux.graph.report import PlaceReport, RunReport

__all__ = ["Keeper", "Writes", "file_of", "fingerprint_of"]

_LONGEST_TRACEBACK = 100_000
_LONGEST_REASON = 500
_MOST_TRIES = 100
_SCOPE = Call._fields.index("scope")
_DONE = State.DONE.value


class Writes(Protocol):
    """Writes a run; see `Writer`, which writes it into a store."""

    def start(self) -> None:
        """See `Writer`."""

    def place(self, columns: dict[str, Any]) -> None:
        """See `Writer`."""

    def line(self, line: tuple[Any, ...]) -> None:
        """See `Writer`."""

    def close(self, end: Mapping[str, Any]) -> None:
        """See `Writer`."""


class Keeper(Listener):
    """Writes what happens in a run, in the background; `Store.begin` makes one.

    It never raises: if the store cannot be written, it warns once, and the run goes on unkept.

    Args:
        about: the run, with its plan.
        inputs: the values of its inputs, by name.
        writer: makes what writes it, as `Writer` does without the store.
        scheduled_at: the scheduled time of the run, aware.
        resumed_from: the id of the run that it resumes.
        anew: the places that it runs anew with everything behind them.
        lines: whether log lines of its events are written, too.
    """

    def __init__(
        self,
        about: About,
        inputs: Mapping[str, Any],
        *,
        writer: Callable[[dict[str, Any], tuple[str, str]], Writes],
        scheduled_at: dt.datetime | None = None,
        resumed_from: str | None = None,
        anew: Iterable[str] = (),
        lines: bool = True,
    ) -> None:
        assert about.plan is not None
        self._plan = about.plan
        self._run_id = about.run_id
        self._values = Values(about.run_id)
        self._digests = Digests()
        self._index = self._plan.graph.topology.index
        self._scopes: dict[str, Scope] = {}
        self._known: dict[str, tuple[State, int | None, int]] = {}
        self._tries: dict[str, list[tuple[float, float, str | None]]] = {}
        now = time.time()
        run = {
            "id": about.run_id,
            "pipeline": storable(about.pipeline),
            "file": file_of(self._plan),
            "backend": about.backend,
            "status": KeptStatus.RUNNING.value,
            "started": now,
            "beat": now,
            "process": this_process(),
            "scheduled": scheduled_at and scheduled_at.isoformat(),
            "resumed_from": resumed_from,
            "anew": json.dumps(sorted(anew)),
            "versions": json.dumps(_versions(about.backend)),
            "inputs": json.dumps(self._values.inputs(inputs, self._plan.visible)),
        }
        texts = fingerprint_of(self._plan), json.dumps(_texts_of(self._plan))
        self._writer = writer(run, texts)
        self._lines = Lines(self._writer.line) if lines else None

    def run_begins(self) -> None:
        """See `Listener`."""
        self._writer.start()
        if self._lines is not None:
            self._lines.begin(self._run_id)

    def call(self, spec: EventSpec, call: Call) -> Call:
        """See `Listener`. Lets log lines find the place."""
        if self._lines is None:
            return call
        if call.run_id != self._run_id:
            self._lines.begin(call.run_id)  # a host may have its own id for the run
        if call.scope is not None:
            return call
        scope = self._scopes.get(spec.name)
        if scope is None:
            scope = self._scopes[spec.name] = Scope(spec.name)
        # Faster than `_replace`; this is called for each event.
        return Call._make((*call[:_SCOPE], scope, *call[_SCOPE + 1 :]))

    def began(self, spec: EventSpec, call: Call) -> None:
        """See `Listener`."""
        place = call.task_id
        if call.polls is not None and call.polls.under_way:
            return
        if call.attempt > 1:
            self._writer.place({"place": place, "attempts": call.attempt})
            return
        self._writer.place(
            {
                "place": place,
                "event": spec.name,
                "position": self._position(place),
                "attempts": 1,
                "started": time.time(),
                "given": self._digests.of(spec, call),
            }
        )

    def retries(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        self._tries.setdefault(call.task_id, [])
        self._writer.place({"place": call.task_id, "tries": self._tried(call.task_id, outcome)})

    def waits(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        assert outcome.polls is not None
        self._writer.place({"place": call.task_id, "polls": outcome.polls.number})

    def ended(self, spec: EventSpec, call: Call, outcome: Outcome) -> None:
        """See `Listener`."""
        place, descriptor, attempts = call.task_id, outcome.descriptor, outcome.attempts
        state = State.DONE
        if descriptor == FAILURE:
            taken = self._plan.graph.topology.taken[self._position(place)]
            if FAILURE not in taken or (outcome.raised and spec.stop_on_exception):
                state = State.FAILED
        self._known[place] = state, descriptor, attempts
        columns = {
            "place": place,
            "state": _DONE if state is State.DONE else state.value,
            "descriptor": descriptor,
            "attempts": attempts,
            "ended": outcome.ended_at,
        }
        if outcome.bypassed:
            columns["bypassed"] = True
        if place in self._tries:
            columns["tries"] = self._tried(place, outcome)
        if outcome.result is None:
            columns["result"] = "null"
        else:
            self._add_result(columns, spec, outcome.result)
        self._writer.place(columns)

    def reused(self, spec: EventSpec, call: Call, outcome: Outcome, kept: KeptPlace) -> None:
        """See `Listener`. The place has no attempts and no times in this run."""
        assert kept.state is not None
        self._known[kept.place] = kept.state, kept.descriptor, 0
        self._writer.place(
            {
                "place": kept.place,
                "event": kept.event,
                "position": self._position(kept.place),
                "state": kept.state.value,
                "descriptor": kept.descriptor,
                "bypassed": kept.bypassed,
                "reused": True,
                "given": kept.given,
                "failure": _failure_text(kept.failure),
                "result": kept.result,
            }
        )

    def run_ended(self, report: RunReport | None, error: BaseException | None) -> None:
        """See `Listener`. Returns when everything is committed."""
        if self._lines is not None:
            self._lines.end()
        now = time.time()
        end: dict[str, Any] = {"ended": now, "beat": now}
        if report is None:
            cancelled = isinstance(error, KeyboardInterrupt)
            end["status"] = (KeptStatus.CANCELLED if cancelled else KeptStatus.FAILED).value
            if error is not None and not cancelled:
                end["failure"] = _failure_text(Failure(type(error).__name__, str(error)))
        else:
            end["status"] = report.status.value
            end["failure"] = _failure_text(report.failure)
            for place, found in report.places.items():
                self._complete(place, found)
        self._writer.close(end)

    def _complete(self, place: str, found: PlaceReport) -> None:
        """Write what only the report knows of a place."""
        columns: dict[str, Any] = {}
        if found.received_from is not None:
            columns["received_from"] = json.dumps(found.received_from)
        if found.handled:
            columns["handled"] = True
        known = self._known.get(place)
        if known != (found.state, found.descriptor, found.attempts):
            columns |= {
                "event": found.event,
                "position": self._position(place),
                "state": found.state.value,
                "descriptor": found.descriptor,
                "attempts": found.attempts,
                "started": found.started_at and found.started_at.timestamp(),
                "ended": found.ended_at and found.ended_at.timestamp(),
                "bypassed": found.bypassed,
                "polls": found.polls,
            }
            if known is not None:
                # It ended after the run had been stopped, and what it did does not count.
                columns |= {ANEW: True, "result": None, "unkept": None, "failure": None}
            if found.failure or (known is None and found.descriptor is not None):
                spec = self._plan.spec(template_of(place))
                result = found.result if found.failure is None else found.failure
                self._add_result(columns, spec, result, place)
        if columns:
            self._writer.place({"place": place, **columns})

    def _tried(self, place: str, outcome: Outcome) -> str:
        """The attempts of a place as JSON, with one that has ended; none if they are too many."""
        tries = self._tries[place]
        if len(tries) > _MOST_TRIES:
            return "[]"
        reason = None
        if outcome.descriptor == FAILURE:
            result = outcome.result
            said = str(result) if isinstance(result, Failure) else f"it returned {shown(result)}"
            reason = storable(said, _LONGEST_REASON)
        tries.append((outcome.started_at, outcome.ended_at, reason))
        return "[]" if len(tries) > _MOST_TRIES else json.dumps(tries)

    def _add_result(
        self, columns: dict[str, Any], spec: EventSpec, result: Any, place: str | None = None
    ) -> None:
        if isinstance(result, Failure):
            columns["failure"] = _failure_text(result)
            return
        at = place or columns["place"]
        text, why = self._values.write(result, at, f"the result of {spec.name}", spec.visible)
        columns["result"] = text
        if why is not None:
            columns["unkept"] = storable(why)

    def _position(self, place: str) -> int:
        index = self._index.get(place)
        return self._index[template_of(place)] if index is None else index


def file_of(plan: Plan) -> str | None:
    """The path of the file of a plan; None if the text is not in a file."""
    source = plan.graph.source
    if source is None:
        return None
    path = Path(source.filename)
    return storable_path(path) if path.is_file() else None


def fingerprint_of(plan: Plan) -> str:
    """The SHA-256 in hex of the texts of all files of a plan; their paths do not count."""
    return hashlib.sha256(json.dumps([*_texts_of(plan).values()]).encode()).hexdigest()


def _texts_of(plan: Plan) -> dict[str, str]:
    """The texts of a plan by file; the name of its own is empty."""
    graph = plan.graph
    texts = {"": graph.source.text if graph.source else ""}
    texts.update((os.path.realpath(used.text.filename), used.text.text) for used in graph.files)
    return texts


def _versions(backend: str) -> dict[str, str]:
    found = {"python": sys.version.split()[0], "volnux": __version__}
    host = getattr(imported(backend), "__version__", None)
    return found if host is None else {**found, backend: host}


def _failure_text(failure: Failure | None) -> str | None:
    if failure is None:
        return None
    return json.dumps(
        {
            "type": storable(failure.type),
            "message": storable(failure.message),
            "traceback": storable(failure.traceback, _LONGEST_TRACEBACK),
            "attempts": failure.attempts,
        }
    )
