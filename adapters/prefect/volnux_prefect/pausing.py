"""Asks people by pausing the flow run with an input, on Prefect's page and in its API."""

from __future__ import annotations

import contextvars
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.input.run_input import Keyset, keyset_from_paused_state
from prefect.settings import PREFECT_API_URL
from prefect.states import Paused, Running

from volnux.backends.asking import AnyAnswers
from volnux.errors import VolnuxError
from volnux.events.answers import Answers, Question
from volnux.events.link import Plan
from volnux_prefect import compat
from volnux_prefect.host import client_here

__all__ = ["PauseAnswers", "answers_of"]

_SOONEST, _LATEST = 0.5, 5.0
"""The seconds between two requests to the server: at first, and after a while."""


def answers_of(plan: Plan, given: Answers | None, flow_run_id: uuid.UUID | None) -> Answers | None:
    """Where the answers for a run come from; None if it asks nothing.

    Args:
        plan: the plan of the run.
        given: another source, such as a terminal.
        flow_run_id: the id of the flow run.

    Raises:
        VolnuxError: nobody can answer, because the server is a temporary one.
    """
    asking = [spec.name for spec in plan.specs if spec is not None and spec.asks]
    if not asking or (given is not None and not PREFECT_API_URL.value()):
        return given
    answers = PauseAnswers.of(flow_run_id, asking[0])
    return answers if given is None else AnyAnswers([given, answers])


class PauseAnswers:
    """The `Answers` of one flow run.

    The flow run is paused while there are open questions. The form on the page has a field for each
    of them. Where a question comes or goes, the flow run is paused anew with another form.
    """

    def __init__(self, flow_run_id: uuid.UUID) -> None:
        self._flow_run_id = flow_run_id
        self._lock = threading.RLock()
        # The thread that asks has no settings and no client of its own.
        self._context = contextvars.copy_context()
        self._server_answers = True
        self._open: dict[str, Question] = {}
        self._told: dict[str, str] = {}
        self._shown: tuple[str, ...] = ()
        self._keys: Keyset | None = None
        self._wait = _SOONEST
        self._next = 0.0

    @classmethod
    def of(cls, flow_run_id: uuid.UUID | None, event: str) -> PauseAnswers:
        """The answers of a flow run on a server that people can reach.

        Raises:
            VolnuxError: there is no such server.
        """
        if flow_run_id is None or not PREFECT_API_URL.value():
            raise VolnuxError(
                f"{event} asks a person, but nobody can answer on Prefect's temporary server: "
                "start one with `prefect server start`, and set PREFECT_API_URL to its address"
            )
        return cls(flow_run_id)

    def asked(self, question: Question) -> None:
        """See `Answers`."""
        with self._lock:
            self._open[question.place] = question
            self._soon()

    def answer(self, question: Question) -> str | None:
        """See `Answers`."""
        with self._lock:
            if time.monotonic() >= self._next:
                self._look()
            return self._told.get(question.place)

    def closed(self, question: Question) -> None:
        """See `Answers`."""
        with self._lock:
            self._open.pop(question.place, None)
            self._told.pop(question.place, None)
            if self._open:
                self._soon()
            elif self._keys is not None:
                self._try(self._resume)

    def _soon(self) -> None:
        self._wait, self._next = _SOONEST, 0.0

    def _look(self) -> None:
        """Read what has been answered, and show the questions that are open."""
        self._try(self._update)
        self._next = time.monotonic() + self._wait
        self._wait = min(_LATEST, self._wait * 1.2)

    def _update(self, client: SyncPrefectClient) -> None:
        state = client.read_flow_run(self._flow_run_id).state
        if state is None or not (state.is_running() or state.is_paused()):
            return  # it is being cancelled
        if not state.is_paused():
            self._read(client)
        waiting = tuple(place for place in self._open if place not in self._told)
        if waiting and (self._keys is None or waiting != self._shown):
            self._pause(client, waiting)

    def _pause(self, client: SyncPrefectClient, places: tuple[str, ...]) -> None:
        name = re.sub(r"[^A-Za-z0-9]+", "-", places[-1]).strip("-").lower()
        questions = [self._open[place] for place in places]
        text = "\n\n".join(f"{each.place}: {each.text}" for each in questions)
        state: State[Any] = Paused(pause_key=f"{name}-{uuid.uuid4().hex[:8]}", message=text)
        keys = keyset_from_paused_state(state)
        state.state_details.run_input_keyset = dict(keys.items())
        told = {"schema": _schema(questions), "description": text}
        for kind, value in told.items():
            client.create_flow_run_input(self._flow_run_id, keys[kind], json.dumps(value))  # type: ignore[index]  # the keys are known
        client.set_flow_run_state(self._flow_run_id, state, force=True)
        # Somebody may have answered the questions that were shown before.
        self._read(client)
        self._keys, self._shown = keys, places

    def _read(self, client: SyncPrefectClient) -> None:
        """Read the answers to the questions that were shown last."""
        if self._keys is None:
            return
        try:
            text = client.read_flow_run_input(self._flow_run_id, self._keys["response"])
        except PrefectHTTPStatusError as error:
            if error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
            text = "{}"
        self._keys = None
        found = json.loads(text)
        self._told.update((place, found[place]) for place in self._shown if found.get(place))

    def _resume(self, client: SyncPrefectClient) -> None:
        state = client.read_flow_run(self._flow_run_id).state
        if state is not None and state.is_paused():
            client.set_flow_run_state(self._flow_run_id, Running(), force=True)
        self._keys = None

    def _try(self, act: Callable[[SyncPrefectClient], None]) -> None:
        """Do something with the server. If it does not answer now, it may answer later."""
        try:
            self._context.run(_with_client, act)
            self._server_answers = True
        except Exception as error:  # noqa: BLE001 - whatever the client and the network raise
            if self._server_answers:
                compat.logger().warning("cannot read answers from Prefect's server: %s", error)
            self._server_answers = False


def _with_client(act: Callable[[SyncPrefectClient], None]) -> None:
    with client_here() as client:
        act(client)


def _schema(questions: list[Question]) -> dict[str, Any]:
    """The form with a field for each question. Only a single one has to be filled in."""
    single = len(questions) == 1
    properties: dict[str, Any] = {}
    for number, each in enumerate(questions):
        choice: dict[str, Any] = {"type": "string", "enum": list(each.options)}
        if not single:
            choice = {"anyOf": [choice, {"type": "null"}], "default": None}
        properties[each.place] = {**choice, "title": each.text, "position": number}
    required = {"required": [questions[0].place]} if single else {}
    return {
        "title": "Answers",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **required,
    }
