"""`volnux answer`: answers a question that a running pipeline asks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from volnux.cli import output
from volnux.cli.asking import meant
from volnux.cli.options import Json, StorePath
from volnux.cli.store import open_store
from volnux.cli.summary import seconds
from volnux.cli.usage import UsageError
from volnux.errors import VolnuxError, did_you_mean, shortened

if TYPE_CHECKING:
    from volnux.events.answers import Question

__all__ = ["command"]


def _runs(incomplete: str) -> list[str]:
    return _completed(incomplete, (each.run_id for each in _questions()))


def _places(ctx: typer.Context, incomplete: str) -> list[str]:
    run = ctx.params.get("run") or ""
    found = (each.place for each in _questions() if each.run_id.startswith(run) or run == "last")
    return _completed(incomplete, found)


def _questions() -> list[Question]:
    """The open questions, for completion."""
    try:
        with open_store(None, None) as store:
            return store.questions()
    except VolnuxError:
        return []


def _completed(incomplete: str, found: Iterable[str]) -> list[str]:
    return [each for each in dict.fromkeys(found) if each.startswith(incomplete)]


def command(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The run: its id, the beginning of it, or `last`.",
            autocompletion=_runs,
            show_default=False,
        ),
    ] = None,
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="PLACE",
            help="The place that asks.",
            autocompletion=_places,
            show_default=False,
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Argument(
            metavar="VALUE",
            help="The answer: one of the options, its beginning or its number.",
            show_default=False,
        ),
    ] = None,
    store: StorePath = None,
    json: Json = False,
) -> None:
    """Answer what a run asks, or list the open questions.

    Without VALUE, the open questions are listed: of all runs, of one, or of one place.

    Exit code: 0, or 2 if there is no such question or answer.
    """
    with open_store(None, store) as kept:
        run_id = None if run is None else kept.run(run).id
        found = kept.questions(run_id)
        if place is not None:
            found = [_at(place, found, run_id or "")]
        if value is None:
            _list(found, json=json)
            return
        (question,) = found
        answer = meant(value, question.options)
        if answer is None:
            options = ", ".join(question.options)
            raise UsageError(
                [f"{shortened(value)!r} is not an answer to {question.place}; expected: {options}"]
            )
        if not kept.answer(question.run_id, question.place, answer):
            raise UsageError([f"{question.place} does not wait for an answer any more"])
    if json:
        with output.json_only() as result:
            result.write({**_as_json(question), "answer": answer})
    else:
        output.say(f"{question.place} of run {question.run_id}: {answer}")


def _at(place: str, found: list[Question], run_id: str) -> Question:
    at = next((each for each in found if each.place == place), None)
    if at is None:
        places = [each.place for each in found]
        hint = did_you_mean(place, places, f"it waits at {', '.join(places) or 'no place'}")
        raise UsageError(
            [f"{shortened(place)} of run {run_id} does not wait for an answer; {hint}"]
        )
    return at


def _list(found: list[Question], *, json: bool) -> None:
    if json:
        with output.json_only() as result:
            result.write({"questions": [_as_json(each) for each in found]})
        return
    if not found:
        output.say("no run waits for an answer")
    for each in found:
        left = seconds(each.deadline - time.time())
        output.say(f"{each.place} of run {each.run_id}, {left} left: {each.text}")
        for number, option in enumerate(each.options, start=1):
            output.say(f"  {number}  {option}")


def _as_json(question: Question) -> dict[str, object]:
    return {
        "run_id": question.run_id,
        "place": question.place,
        "question": question.text,
        "options": list(question.options),
        "deadline": question.deadline,
    }
