"""Warnings about pipes between events whose annotations do not fit."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from volnux.loading import load_plan

EVENTS = """
    from __future__ import annotations

    import functools
    from collections.abc import Awaitable
    from dataclasses import dataclass
    from enum import IntEnum
    from typing import Annotated, Any, Literal, NoReturn, TYPE_CHECKING, TypeVar

    from pydantic import BeforeValidator

    from volnux import EventBase, Outcome, event

    if TYPE_CHECKING:
        from nowhere import Unknown

    T = TypeVar("T")

    @dataclass
    class Order: ...

    @dataclass
    class Urgent(Order): ...

    @dataclass
    class Invoice: ...

    class Status(IntEnum):
        GOOD = 1

    def decorated(function):
        @functools.wraps(function)
        def changed(*args, **kwargs):
            return True, function(*args, **kwargs)
        return changed

    @event
    def Load() -> Outcome[Order]: ...
    @event
    def Count() -> tuple[bool, int]: ...
    @event
    def List() -> Outcome[list[Order]]: ...
    @event
    def Pair() -> Outcome[tuple[int, str]]: ...
    @event
    def Untyped(previous_result): ...
    @event
    def Send(previous_result: Invoice) -> Outcome[Invoice]: ...
    @event
    def Store(previous_result: Order) -> Outcome[None]: ...
    @event
    def Sum(previous_result: list[int]) -> Outcome[int]: ...
    @event
    def Both(previous_result: tuple[Order, int]) -> Outcome[None]: ...
    @event
    def Say(previous_result: str) -> Outcome[str]: ...
"""

SENDS = "Load returns Order, but previous_result of Send must be Invoice"
HINT = "change one of the two annotations, or convert the value in an event between them"


def plan_of(flow, events="", **files):
    Path("flow.pty").write_text(flow)
    module = textwrap.dedent(EVENTS) + textwrap.dedent(events)
    Path("flow_events.py").write_text(module)
    for name, text in files.items():
        Path(f"{name}.pty").write_text(text)
        Path(f"{name}_events.py").write_text("from flow_events import *")
    return load_plan("flow.pty")


def found(flow, events="", **files):
    """The warnings of a flow: where they are, and what they say."""
    return [
        (Path(each.file).name, each.span.line, each.span.column, each.code, each.message)
        for each in plan_of(flow, events, **files).warnings
    ]


def said(flow, events="", **files):
    return [message for *_, message in found(flow, events, **files)]


def test_a_warning_is_at_the_receiver():
    Path("flow.pty").write_text("Untyped\n  -> Load |->\n  Send * 2")
    Path("flow_events.py").write_text(textwrap.dedent(EVENTS))
    [warning] = load_plan("flow.pty").warnings
    assert (warning.code, warning.severity, warning.message) == ("pipe-type", "warning", SENDS)
    assert (warning.file, warning.span.line, warning.span.column) == ("flow.pty", 3, 3)
    assert warning.hint == HINT


@pytest.mark.parametrize(
    ("returns", "takes", "warns"),
    [
        ("Outcome[Order]", "Invoice", True),
        ("Outcome[Order]", "Order", False),
        ("Outcome[Urgent]", "Order", False),
        ("Outcome[Order]", "Urgent", False),
        ("tuple[bool, Order]", "Invoice", True),
        ("tuple[int, Order]", "Invoice", True),
        ("tuple[Status, Order]", "Invoice", True),
        ("tuple[int, Order | Invoice]", "Invoice", False),
        ("tuple[int, Order | None]", "Invoice", True),
        ("tuple[int, Order] | tuple[bool, Urgent]", "Invoice", True),
        ("tuple[int, Order] | tuple[bool, Invoice]", "Invoice", False),
        ("tuple[Literal[True], Order] | tuple[Literal[False], Invoice]", "Invoice", True),
        ("tuple[Literal[False], Order] | tuple[Literal[True], Invoice]", "Invoice", False),
        ("tuple[Literal[False], Order]", "Invoice", False),
        ("tuple[Literal[3], Order] | tuple[Literal[1], Invoice]", "Invoice", False),
        ("Annotated[tuple[bool, Order], 1]", "Invoice", True),
        ("Annotated[Outcome[Order], 1] | NoReturn", "Invoice", True),
        ("NoReturn", "Invoice", False),
        ("Outcome[None]", "Invoice", True),
        ("Outcome[None]", "Invoice | None", False),
        ("Outcome[int]", "str", True),
        ("Outcome[str]", "int", False),
        ("Outcome[list[str]]", "dict", True),
        ("Outcome[dict]", "Invoice", False),
        ("Outcome[Any]", "Invoice", False),
        ("Outcome[T]", "Invoice", False),
        ("Outcome", "Invoice", False),
        ("Outcome[Order]", "Any", False),
        ("Outcome[Order]", "object", False),
        ("Outcome[Order]", "T", False),
        ("Outcome[Order]", "Annotated[int, BeforeValidator(id)]", False),
        # These are not pairs of a descriptor and a result.
        ("tuple[float, Order]", "Invoice", False),
        ("tuple[Order, Order]", "Invoice", False),
        ("tuple[int, ...]", "Invoice", False),
        ("tuple[bool, Order, int]", "Invoice", False),
        ("tuple", "Invoice", False),
        ("Order", "Invoice", False),
        ("Awaitable[Outcome[Order]]", "Invoice", False),
        ("None", "Invoice", False),
        ("Outcome[Unknown]", "Invoice", False),
        ("Outcome[", "Invoice", False),
    ],
)
def test_which_pipes_have_a_warning(returns, takes, warns):
    quote = repr(returns)
    events = f"""
        @event
        def A() -> {quote}: ...
        @event
        def B(previous_result: {takes}): ...
    """
    assert bool(said("A |-> B", events)) is warns
    assert said("A -> B", events) == []


@pytest.mark.parametrize(
    "first",
    [
        "@event\nasync def A() -> Outcome[Order]: ...",
        "@event\ndef A(self) -> 'Outcome[Order]': ...",
        "class A(EventBase):\n    def process(self) -> Outcome[Order]: ...",
        "class A(EventBase):\n    @staticmethod\n    def process() -> Outcome[Order]: ...",
        "class Z(EventBase):\n    def process(self) -> Outcome[Order]: ...\nclass A(Z): ...",
    ],
)
def test_which_events_return_what_they_say(first):
    text = textwrap.indent(first, " " * 4)
    assert said("A |-> Send", f"{text}\n") == [SENDS.replace("Load", "A")]


def test_a_decorator_may_change_what_is_returned():
    assert said("A |-> Send", "@event\n@decorated\ndef A() -> tuple[int, Order]: ...\n") == []


def test_classes_of_the_same_name_are_told_apart():
    Path("others.py").write_text("class Order: ...")
    events = """
        import others
        @event
        def B(previous_result: list[others.Order]): ...
    """
    assert said("List |-> B", events) == [
        "List returns list[flow_events.Order], but previous_result of B must be list[others.Order]"
    ]


@pytest.mark.parametrize(
    ("flow", "messages"),
    [
        # Sequences.
        ("Load |-> Store |-> Send", ["Store returns None > Send: Invoice"]),
        ("Load |-> {Untyped -> Send}", []),
        ("Load |-> {{Send} -> Untyped}", ["Load returns Order > Send: Invoice"]),
        ("Load |-> Untyped |-> Send", []),
        ("Load |-> {Store || Send}", ["Load returns Order > Send: Invoice"]),
        # Groups.
        ("Load || Count |-> Both", []),
        ("Count || Load |-> Both", ["Count || Load pipes [int, Order] > Both: tuple[Order, int]"]),
        ("Load || Count |-> Sum", ["Load || Count pipes [Order, int] > Sum: list[int]"]),
        ("Untyped || Count |-> Sum", []),
        ("Untyped || Count |-> Send", ["Untyped || Count pipes [Any, int] > Send: Invoice"]),
        (
            "Load || {Count || Load} |-> Sum",
            ["Load || {…} pipes [Order, [int, Order]] > Sum: list[int]"],
        ),
        (
            "{Count || Load}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] |-> Sum",
            ["Count || Load pipes [int | None, Order | None] > Sum: list[int]"],
        ),
        (
            "Load || Load || Load || Count || Store || Say || List |-> Send",
            [
                "Load || Load || Load || Count || … pipes [Order, Order, Order, int, None, str, …] "
                "> Send: Invoice",
            ],
        ),
        # Branches.
        ("Load (0 |-> Send)", []),
        ("Load (0 |-> Send, 1 |-> Send)", ["Load returns Order > Send: Invoice"]),
        ("Load (3 |-> Send)", ["Load returns Order > Send: Invoice"]),
        ("Count (3 |-> Sum)", []),
        ("Load (0 |-> {Send || Untyped})", []),
        ("Load (0 |-> {Untyped |-> Send})", []),
        ("Load (0 |-> {Send}[again=3])", []),
        ("Load (0 |-> {Send[each=x]}[again=2])", []),
        (
            "Load (0 -> Count) |-> Send",
            ["Count returns int > Send: Invoice", "Load returns Order > Send: Invoice"],
        ),
        ("Untyped (0 -> Load, 3 -> Count) |-> Store", ["Count returns int > Store: Order"]),
        ("{Load || Count} (0 |-> Send)", []),
        ("{Load || Count} (1 |-> Send)", ["Load || Count pipes [Order, int] > Send: Invoice"]),
        ("Load (0 -> Untyped) || Count |-> Sum", []),
        # Copies.
        ("List |-> Store[each=x]", []),
        ("List |-> Send[each=x]", ["an item of what List returns is Order > Send: Invoice"]),
        ("List |-> {Store |-> Send}[each=x]", ["Store returns None > Send: Invoice"]),
        ("Pair |-> Say[each=x]", []),
        ("Pair |-> Send[each=x]", ["an item of what Pair returns is int | str > Send: Invoice"]),
        (
            "Load || Load |-> Send[each=x]",
            ["an item of what Load || Load pipes is Order > Send: Invoice"],
        ),
        (
            "List || List |-> {Send[each=y]}[each=x]",
            ["an item of an item of what List || List pipes is Order > Send: Invoice"],
        ),
        ("Load |-> Untyped[each=x]", ["Load returns Order, but each=x needs a list"]),
        ("Load (0 |-> Untyped[each=x])", []),
        ("List |-> Untyped[each=x] |-> Sum", []),
        ("List |-> Count[each=x] |-> Sum", []),
        ("List |-> Load[each=x] |-> Sum", ["Load[each=x] pipes list[Order] > Sum: list[int]"]),
        ("List |-> Load[each=x] |-> Send", ["Load[each=x] pipes list[Order] > Send: Invoice"]),
        (
            "List |-> {Load || Count}[each=x] |-> Send",
            ["{…}[each=x] pipes list[[Order, int]] > Send: Invoice"],
        ),
        ("@input: urls: list\nSend[each=x, in=urls]", []),
        # Rounds.
        ("{Load |-> Send}[again=3]", ["Load returns Order > Send: Invoice"]),
        ("Load |-> {Send}[again=3]", ["Load returns Order > Send: Invoice"]),
        ("{Load}[again=3] |-> Send", ["Load returns Order > Send: Invoice"]),
        (
            "List |-> {Send[each=x]}[again=2]",
            ["an item of what List returns is Order > Send: Invoice"],
        ),
        # Failures.
        ("Load |-> !", []),
        ("@on-failure: continue\nLoad |-> Send", ["Load returns Order > Send: Invoice"]),
        ("@on-failure: continue\nLoad |-> Store", []),
    ],
)  # fmt: skip
def test_pipes_in_a_flow(flow, messages):
    """`A returns X > B: Y` stands for the message that B must be given Y."""
    short = [
        re.sub(", but previous_result of (.*) must be ", r" > \1: ", each) for each in said(flow)
    ]
    assert short == messages


def test_each_place_has_its_own_warning():
    assert [(line, column) for _, line, column, *_ in found("Load |-> Send -> Load |-> Send")] == [
        (1, 10), (1, 27),
    ]  # fmt: skip


def test_pipes_into_and_out_of_used_files():
    use = '@use: clean = "clean.pty"\n'
    text = "Send |-> Untyped -> Load"
    assert found(use + "Load |-> clean |-> Send", clean=text) == [
        ("clean.pty", 1, 1, "pipe-type", SENDS),
        ("flow.pty", 2, 20, "pipe-type", SENDS),
    ]
    assert found(use + "Load |-> clean -> Load |-> clean", clean=text) == [
        ("clean.pty", 1, 1, "pipe-type", SENDS)
    ]
    assert found(use + "Untyped |-> clean |-> Store", clean=text) == []


CONDITIONS = """
    class A(EventBase):
        conditions = {4: bool}
        def process(self) -> tuple[bool, Order]: ...
    class B(EventBase):
        def process(self) -> tuple[int, Order]:
            return self.further()
        def further(self):
            self.goto(3, Invoice())
    @event
    def C() -> tuple[Literal[1], Order] | tuple[Literal[3], Invoice]: ...
    @event
    def D() -> tuple[Literal[3], Order] | tuple[Literal[1], Invoice]: ...
"""


@pytest.mark.parametrize(
    ("flow", "warns"),
    [
        ("A (4 |-> Send)", True),
        ("A (3 |-> Send, 4 -> Untyped)", False),
        ("B (3 |-> Send)", False),
        ("B (1 |-> Send)", True),
        ("B |-> Send", True),
        ("C (3 |-> Send)", False),
        ("C (3 -> Untyped) |-> Send", True),
        ("D (3 |-> Send)", True),
        ("D |-> Send", False),
    ],
)
def test_what_an_event_returns_with_each_descriptor(flow, warns):
    assert said(flow, CONDITIONS) == ([SENDS.replace("Load", flow[0])] if warns else [])


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("Unknown", "name 'Unknown' is not defined"),
        ("'list['", "Forward reference must be an expression -- got 'list['"),
    ],
)
def test_an_annotation_that_cannot_be_used(annotation, reason):
    events = f"""
        @event
        def B(previous_result: {annotation}): ...
    """
    message = (
        "the annotation of previous_result of B cannot be used, so values are passed on unread: "
        f"{reason}"
    )
    assert found("Load |-> B |-> B -> B", events) == [
        ("flow.pty", 1, 10, "bad-annotation", message)
    ]
    assert found("Load -> B", events) == []


def test_a_type_without_a_schema_cannot_be_used():
    events = """
        @dataclass
        class Late:
            order: Unknown
        class Raises:
            @classmethod
            def __get_pydantic_core_schema__(cls, source, handler):
                raise RuntimeError("no schema")
        @event
        def B(previous_result: Late): ...
        @event
        def C(previous_result: Raises): ...
    """
    first, second = said("Load |-> B |-> C", events)
    assert "previous_result of B cannot be used, so values are passed on unread" in first
    assert second.endswith(
        "previous_result of C cannot be used, so values are passed on unread: no schema"
    )


def test_a_protocol_is_not_read():
    events = """
        from typing import Protocol
        class Sends(Protocol):
            def send(self): ...
        @event
        def B(previous_result: Sends): ...
    """
    assert said("Load |-> B", events) == []


def test_code_in_types_that_raises_is_no_error():
    events = """
        class Meta(type):
            def __subclasscheck__(cls, other):
                raise RuntimeError("asked")
        class Odd(metaclass=Meta): ...
        @event
        def B(previous_result: Odd): ...
    """
    assert said("Load |-> B", events) == []


def test_equal_pipes_are_compared_once():
    events = """
        class Asked(type):
            times = 0
            def __subclasscheck__(cls, other):
                Asked.times += 1
                return False
        class Rare(metaclass=Asked): ...
        @event
        def B(previous_result: Rare) -> Outcome[Order]: ...
    """

    def questions(flow):
        asked = plan_of(flow, events).spec("B").function.__globals__["Asked"]
        times, asked.times = asked.times, 0  # the module is imported once
        return times

    assert questions("Load |-> B |-> B") == questions("Load |-> B" + " |-> B" * 50) == 2
    group = "Load || Load |-> B"
    assert questions(group) == questions(f"{group} -> " * 50 + group) == 1


def test_deeply_nested_groups_are_not_compared():
    assert said("{Load || " * 400 + "Load" + "}" * 400 + " |-> Send") == []


def test_a_flow_without_annotations_loads_no_pydantic():
    Path("flow.pty").write_text("A |-> A")
    Path("flow_events.py").write_text(
        "from volnux import event\n@event\ndef A(previous_result) -> tuple[bool, int]: ...\n"
    )
    code = (
        "import sys\nfrom volnux.loading import load_plan\nload_plan('flow.pty')\n"
        "print([name for name in ('pydantic', 'volnux.events.pipes') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
