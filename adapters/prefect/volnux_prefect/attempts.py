"""What a flow run has done, in Prefect's result storage: a retry of the flow run keeps it.

Each attempt of a flow run writes files of its own. Each file has what has happened since the one
before it, so an attempt that was killed is known up to its last file.
"""

from __future__ import annotations

import contextvars
import json
import threading
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from prefect.context import FlowRunContext

from volnux.backends.port import RunOptions
from volnux.events.link import Plan
from volnux.hooks import About
from volnux.kit.calls import Calls
from volnux.kit.keeping import keeper_of
from volnux.kit.reuse import Earlier
from volnux.runs.keeper import Keeper
from volnux_prefect import compat

__all__ = ["Attempts", "keepers_of"]

_FORMAT: Final = 1

_PAUSE: Final = 0.05
"""Seconds between two files, so that short events share one."""


class Attempts:
    """The attempts of the current flow run.

    Args:
        storage: where they are written.
        number: the number of the attempt that begins, from 1.
        earlier: what is known of the attempts before it; None if there is nothing.
        task_runs: the ids of their task runs, by place.
    """

    def __init__(
        self,
        storage: compat.Storage,
        number: int,
        earlier: Earlier | None = None,
        task_runs: Mapping[str, uuid.UUID] | None = None,
    ) -> None:
        self._storage = storage
        self._number = number
        self.earlier = earlier
        self.task_runs = dict(task_runs or {})
        self._writer: _Writer | None = None

    @classmethod
    def here(cls, plan: Plan, inputs: Mapping[str, Any]) -> Attempts | None:
        """Those of the current flow run; None if it has no result storage.

        Args:
            plan: the plan of the flow.
            inputs: the values of its inputs, by name.
        """
        context, storage = FlowRunContext.get(), compat.Storage.here()
        if context is None or context.flow_run is None or storage is None:
            return None
        number = max(1, context.flow_run.run_count)
        if number == 1:
            return cls(storage, number)
        try:
            earlier, task_runs = _read(storage, number, plan, inputs)
        except Exception as error:  # noqa: BLE001 - the storage, and the values are the user's
            said = "what its earlier attempts have done cannot be read, so all events run again: %s"
            compat.run_logger().warning(said, error)
            return cls(storage, number)
        if earlier is None:
            said = "all events run: %s has nothing unfinished of an earlier attempt%s"
            hint = "; workers on several machines need a common result storage"
            compat.run_logger().warning(said, storage, hint if storage.is_local else "")
        return cls(storage, number, earlier, task_runs)

    def keeper(self, about: About, calls: Calls) -> Keeper:
        """What writes this attempt."""

        def writer(run: dict[str, Any], texts: tuple[str, str]) -> _Writer:
            self._writer = _Writer(self._storage, self._number, run, texts)
            return self._writer

        scheduled_at = calls.scheduled_at
        return Keeper(about, calls.inputs, writer=writer, scheduled_at=scheduled_at, lines=False)

    def ran(self, place: str, id: uuid.UUID) -> None:
        """Note the task run of a place."""
        if self._writer is not None:
            self._writer.ran(place, id)


def keepers_of(
    about: About, options: RunOptions, calls: Calls, attempts: Attempts | None
) -> list[Keeper]:
    """What keeps a run: in the store of its options, and for a retry of its flow run."""
    keeper = keeper_of(about, options, calls.inputs, calls.scheduled_at)
    own = None if attempts is None else attempts.keeper(about, calls)
    return [each for each in (keeper, own) if each is not None]


class _Writer:
    """Writes an attempt, in a thread of its own. After an error it warns once, and writes no more.

    Args:
        storage: where it is written.
        attempt: the number of the attempt.
        run: see `Writer`.
        texts: see `Writer`.
    """

    def __init__(
        self, storage: compat.Storage, attempt: int, run: dict[str, Any], texts: tuple[str, str]
    ) -> None:
        self._storage = storage
        self._attempt = attempt
        fingerprint, sources = texts
        self._run = {**run, "ended": None, "failure": None, "fingerprint": fingerprint}
        self._run["texts"] = sources
        self._places: deque[dict[str, Any]] = deque()
        self._task_runs: deque[tuple[str, str]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._failed = False
        # With the context of the flow run, for its log.
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._work,), daemon=True)

    def start(self) -> None:
        """See `Writer`."""
        self._thread.start()

    def place(self, columns: dict[str, Any]) -> None:
        """See `Writer`. What has only begun is written with the next place that ends."""
        if self._failed:
            return
        self._places.append(columns)
        if "state" in columns:
            self._wake.set()

    def line(self, line: tuple[Any, ...]) -> None:
        """See `Writer`. Prefect keeps the log."""

    def ran(self, place: str, id: uuid.UUID) -> None:
        """Write the task run of a place."""
        if not self._failed:
            self._task_runs.append((place, str(id)))

    def close(self, end: Mapping[str, Any]) -> None:
        """See `Writer`. After a success, there is nothing left to retry."""
        self._run.update(end)
        self._closing.set()
        self._wake.set()
        self._thread.join()
        if end["status"] == "success":
            self._storage.clear()

    def _work(self) -> None:
        try:
            number, closing = 0, False
            while not closing:
                self._wake.wait()
                self._wake.clear()
                closing = self._closing.is_set()
                content = {
                    "format": _FORMAT,
                    "run": self._run if closing or not number else None,
                    "places": list(_taken(self._places)),
                    "task_runs": list(_taken(self._task_runs)),
                }
                name = _name(self._attempt, number)
                self._storage.write(name, json.dumps(content).encode())
                number += 1
                self._closing.wait(_PAUSE)
        except Exception as error:  # noqa: BLE001 - the storage is the user's, and the run goes on
            self._failed = True
            compat.run_logger().warning(
                "a retry of this flow run would run all events again, since what they have done "
                "cannot be stored: %s",
                error,
            )


def _taken(queue: deque[Any]) -> Iterator[Any]:
    while queue:
        yield queue.popleft()


def _name(attempt: int, number: int) -> str:
    return f"{attempt}-{number}.json"


def _read(
    storage: compat.Storage, number: int, plan: Plan, inputs: Mapping[str, Any]
) -> tuple[Earlier | None, dict[str, uuid.UUID]]:
    """What is known of the attempts before one, and their task runs by place."""
    # They load a database, which other runs do not need.
    from volnux.kit.resume import resumption_of
    from volnux.runs.model import KeptStatus
    from volnux.runs.rows import place_of, run_of

    runs = []
    task_runs: dict[str, uuid.UUID] = {}
    for attempt in range(number - 1, 0, -1):
        row, places, own = _attempt(storage, attempt)
        if row is None:
            continue
        run = run_of(row)
        if run.status is KeptStatus.SUCCESS:
            break  # it was retried although nothing had failed
        runs.append((run, [place_of(each) for each in places.values()]))
        task_runs = {**own, **task_runs}
    if not runs:
        return None, {}
    return resumption_of(plan, runs).earlier(inputs), task_runs


def _attempt(
    storage: compat.Storage, attempt: int
) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]], dict[str, uuid.UUID]]:
    """The columns of an attempt and of its places, and its task runs.

    Raises:
        ValueError: another version has written them.
    """
    from volnux.runs.rows import PLACE
    from volnux.runs.writer import ANEW

    run: dict[str, Any] | None = None
    places: dict[str, dict[str, Any]] = {}
    task_runs: dict[str, uuid.UUID] = {}
    number = 0
    while True:
        try:
            content = storage.read(_name(attempt, number))
        except Exception:  # noqa: BLE001 - each file system has its own error for a missing file
            return run, places, task_runs
        data = json.loads(content)
        if data["format"] != _FORMAT:
            raise ValueError("another version of volnux has written it")
        number, run = number + 1, data["run"] or run
        task_runs.update((place, uuid.UUID(id)) for place, id in data["task_runs"])
        for columns in data["places"]:
            known = places.setdefault(columns["place"], dict.fromkeys(PLACE.split(", ")))
            anew = columns.pop(ANEW, False)
            known.update((n, v) for n, v in columns.items() if anew or v is not None)
