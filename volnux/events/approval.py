"""Events that ask a person: they end when somebody has answered."""

from __future__ import annotations

import inspect
import string
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any, ClassVar

from volnux.events.base import EventBase, EventDefinitionError, NotYet
from volnux.events.native import made_event

__all__ = ["ApprovalEvent", "Asks", "approval"]

YES_OR_NO: Mapping[str, int] = {"Approve": 1, "Reject": 0}


class Asks(NotYet):
    """Raised by an event that asks a person and has no answer yet."""

    is_poll = False


class ApprovalEvent(EventBase):
    """Base class of events that ask a person.

    `process` says "not yet" with the question as the reason. Once somebody has answered, it is
    called again with `Call.answer`, and ends with the descriptor of that answer.

    Attributes:
        question: the question, with names of inputs and arguments in braces.
        options: the possible answers, each with its descriptor. The answer is also the result.
        answer: the answer, one of the options; None before somebody has answered.
    """

    question: ClassVar[str]
    options: ClassVar[Mapping[str, int]]
    asks_a_person = True
    answer: str | None = None

    def text(self, arguments: Mapping[str, Any]) -> str:
        """The question with the values of its names."""
        return self.question.format_map(arguments)


def approval(
    question: str, *, options: Mapping[str, int] | None = None, within: float | None = None
) -> type[ApprovalEvent]:
    """Make an event that asks a person, for a global name of the calling module.

        Approve = approval("Ship {table}?", within=86_400)

    Args:
        question: the question. A name in braces stands for the input or argument of that name.
        options: the possible answers, each with the descriptor with which the event then ends; by
            default, `Approve` is 1 and `Reject` is 0.
        within: seconds from the question after which the event has failed if nobody has answered;
            by default, one day.

    Raises:
        EventDefinitionError: the question or the options are not valid.
    """
    if not isinstance(question, str) or not question.strip():
        raise EventDefinitionError(f"the question of an approval is a text, found {question!r}")
    names = _names_in(question)
    options = YES_OR_NO if options is None else options
    if not isinstance(options, Mapping) or not options:
        raise EventDefinitionError(
            "options of an approval is a dict with a descriptor for each answer, such as "
            f"{{'Ship': 1, 'Hold': 0}}, found {options!r}"
        )
    for answer, descriptor in options.items():
        if not isinstance(answer, str) or not answer.strip() or "\n" in answer:
            raise EventDefinitionError(f"an answer is one line of text, found {answer!r}")
        if type(descriptor) is not int or not 0 <= descriptor <= 9:
            raise EventDefinitionError(
                f"the descriptor of the answer {answer!r} must be 0 to 9, found {descriptor!r}"
            )
    members: dict[str, Any] = {
        "question": question,
        "options": dict(options),
        "process": _asking(names),
    }
    if within is not None:
        members["within"] = within
    return made_event((ApprovalEvent,), members, frames=2)


def _names_in(question: str) -> list[str]:
    try:
        found = [(name, form) for _, name, form, _ in string.Formatter().parse(question)]
    except ValueError as error:
        raise EventDefinitionError(
            f"the question {question!r} cannot be read: {error} (a brace is written twice: {{{{)"
        ) from None
    fields = {name: form or "" for name, form in found if name is not None}
    for name, form in fields.items():
        if not name.isidentifier() or iskeyword(name) or name == "self" or "{" in form:
            text = f"{name}:{form}" if form else name
            raise EventDefinitionError(
                f"the question {question!r} has {{{text}}}: a name of an input or argument is "
                "expected in braces"
            )
    return list(fields)


def _asking(names: list[str]) -> Any:
    """A `process` with the names in the question as arguments; linking reads its signature."""

    def process(self: ApprovalEvent, **arguments: Any) -> tuple[int, str]:
        if self.answer is None:
            raise Asks(self.text(arguments))
        return self.options[self.answer], self.answer

    parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    parameters += (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names)
    process.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # for linking
    return process
