"""Event classes and functions that cannot work, or have settings without effect."""

import abc
import dataclasses
import enum
import textwrap
import types
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import pydantic
import pytest

from volnux import EventBase, event
from volnux.errors import PointyError
from volnux.events import Call, run_event
from volnux.events.base import EventDefinitionError
from volnux.events.spec import spec_of
from volnux.loading import load_plan

T = TypeVar("T")


def process(self):
    return True, (self.task_id, self.inputs)


WORKS = {"process": process}


class Mixin:
    def __init__(self):
        self.client = "made"


class Counts:
    def __new__(cls, *args):
        return object.__new__(cls)


class Model(pydantic.BaseModel):
    amount: int = 3


class Named(Protocol):
    name: str


def made(*bases, **attributes):
    return type("Work", (*bases, EventBase), {"process": process, **attributes})


def a_dataclass():
    return dataclasses.dataclass(made(__annotations__={"amount": int, "unit": str}))


def a_dataclass_with_slots():
    return dataclasses.dataclass(slots=True)(made(__annotations__={"amount": int}))


def a_dataclass_mixin():
    return made(dataclasses.make_dataclass("Settings", ["amount"]))


def an_attrs_class():
    # As attrs does it, which need not be installed: __init__ is set on the finished class.
    class_ = made(__attrs_attrs__=())
    class_.__init__ = lambda self, amount: None
    return class_


def a_model():
    class Work(EventBase, Model):
        process = process

    return Work


def an_enum():
    class Work(EventBase, enum.Enum):
        process = process

    return Work


def a_class_with_an_abstract_process():
    class Work(EventBase, abc.ABC):
        @abc.abstractmethod
        def process(self): ...

    return Work


async def awaited(self):
    return True, None


def generator(self):
    yield 1


async def async_generator(self):
    yield 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (a_dataclass, "event Work must not be a dataclass: volnux creates a new object for each"),
        (a_dataclass_with_slots, "event Work must not be a dataclass"),
        (a_dataclass_mixin, "event Work must not be a dataclass"),
        (an_attrs_class, "event Work must not be an attrs class"),
        (lambda: made(__init__=lambda self: None), "event Work must not define __init__"),
        (lambda: made(Mixin), "event Work must not inherit __init__ from Mixin"),
        (
            lambda: type("Work", (EventBase, Mixin), {"process": process}),
            "event Work must not inherit __init__ from Mixin",
        ),
        (lambda: made(Counts), "event Work must not define __new__"),
        (an_enum, "event Work must not "),
        (a_model, r"event Work must not inherit __init__ from (Base)?Model"),
        (
            a_class_with_an_abstract_process,
            "event Work is abstract: it does not define process",
        ),
        (
            lambda: made(task_id=property(lambda self: "mine")),
            "event Work defines task_id, which volnux sets on every event: rename it",
        ),
        (lambda: made(inputs=lambda self: {}), "event Work defines inputs"),
        (lambda: made(attempt=3), "event Work defines attempt"),
        (
            lambda: made(__setattr__=lambda self, name, value: 1 / 0),
            "event Work cannot be created \\(ZeroDivisionError: division by zero\\): derive it",
        ),
        (lambda: made(can_bypass=awaited), "event Work: can_bypass must be a plain method"),
        (lambda: made(conditions={3: awaited}), "the condition 3 must be a plain function"),
        (lambda: made(process=generator), "process must return a pair and must not yield"),
        (lambda: made(process=async_generator), "process must return a pair and must not yield"),
        (lambda: made(timeout="5"), "timeout of Work must be a number of seconds above 0"),
        (lambda: made(timeout=0), "timeout of Work must be a number of seconds above 0"),
        (lambda: made(timeout=True), "timeout of Work must be a number of seconds above 0"),
        (lambda: made(timeout=float("nan")), "and at most 1000000000, found nan"),
        (lambda: made(stop_on_exception="no"), "stop_on_exception of Work must be True or False"),
        (lambda: made(airflow="data"), "airflow of Work must be a dict of settings by name"),
        (lambda: made(prefect={1: 2}), "prefect of Work must be a dict of settings by name"),
        (
            lambda: type("Work", (EventBase,), {"proccess": process}),
            "event Work does not define process: rename proccess",
        ),
        (lambda: made(retry_policy={"max_atempts": 3}), "max_attempts"),
        (lambda: made(executor_config={"max_worker": 3}), "max_workers"),
    ],
)
def test_a_class_that_cannot_work_is_refused(make, message):
    with pytest.raises(Exception, match=message) as caught:
        spec_of("Work", make())
    assert caught.type.__module__.startswith("volnux")


@pytest.mark.parametrize(
    "make",
    [
        lambda: made(__slots__=("client",)),
        lambda: types.new_class("Work", (EventBase, Generic[T]), {}, lambda n: n.update(WORKS)),
        lambda: made(Named),
        lambda: made(process=staticmethod(lambda: (True, None))),
        lambda: made(process=classmethod(lambda cls: (True, None))),
        lambda: made(type("Helper", (), {"help": lambda self: 1})),
        lambda: made(__annotations__={"attempt": int, "amount": int}),
        lambda: dataclasses.dataclass(init=False)(made(__annotations__={"amount": int})),
        lambda: made(can_bypass=staticmethod(lambda: (False, None))),
    ],
)
def test_a_class_that_can_work_runs(make):
    assert run_event(spec_of("Work", make()), Call("Work")).descriptor == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retry_polcy": {}}, "@event has no argument 'retry_polcy'; did you mean 'retry_policy'?"),
        ({"timout": 3}, "@event has no argument 'timout'; did you mean 'timeout'?"),
        ({"xyzzy": 3}, "@event has no argument 'xyzzy'; it takes airflow, conditions, every, "),
    ],
)
def test_an_unknown_argument_of_event(arguments, message):
    with pytest.raises(EventDefinitionError) as caught:
        event(**arguments)
    assert isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(message)


# Through a file, as `volnux check --link` sees it.


def warnings(flow, events):
    Path("flow.pty").write_text(flow)
    Path("flow_events.py").write_text("from volnux import *\n" + textwrap.dedent(events))
    return [(w.code, w.message, w.hint) for w in load_plan("flow.pty").warnings]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("retry_polcy = {}", ("retry_polcy", "did you mean 'retry_policy'?")),
        ("Timeout = 3", ("Timeout", "did you mean 'timeout'?")),
        ("condition = {}", ("condition", "did you mean 'conditions'?")),
        ("def can_bypas(self): return True, 1", ("can_bypas", "did you mean 'can_bypass'?")),
        ("retries = 3", ("retries", "write retry_policy = {'max_attempts': …}")),
        ("max_attempts = 3", ("max_attempts", "write retry_policy = {'max_attempts': …}")),
        ("max_workers = 3", ("max_workers", "write executor_config = {'max_workers': …}")),
        ("execution_timeout = 3", ("execution_timeout", "write timeout = …")),
        ("retry_policy = {'max_attempts': 2}", None),
        ("time = 3", None),
        ("def processor(self): ...", None),
        ("def preprocess(self): ...", None),
        ("_timeout = 3", None),
        ("Client = dict", None),
    ],
)
def test_an_attribute_without_effect_is_a_warning(line, said):
    found = warnings(
        "Work -> Work", f"class Work(EventBase):\n    {line}\n    def process(self): return 1, 1\n"
    )
    expected = []
    if said:
        name, hint = said
        expected = [("no-effect", f"the attribute '{name}' of event Work has no effect", hint)]
    assert found == expected


GROUPS = """
    ANY = EventExecutionEvaluationState.SUCCESS_FOR_PARTIAL_SUCCESS
    ALL = EventExecutionEvaluationState.SUCCESS_ON_ALL_EVENTS_SUCCESS

    @event(execution_evaluation_state=ANY)
    def AnyOk(): return True, 1

    class AllOk(EventBase):
        execution_evaluation_state = ALL
        def process(self): return True, 1

    @event
    def Plain(): return True, 1
"""


@pytest.mark.parametrize(
    ("flow", "unheard"),
    [
        ("AnyOk || Plain", ["AnyOk"]),
        ("Plain || AnyOk", []),
        ("AnyOk || Plain || AnyOk", []),
        ("AnyOk || AllOk", ["AnyOk"]),
        ("AllOk || AnyOk", ["AllOk"]),
        ("{AnyOk || Plain}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]", []),
        ("{Plain -> AnyOk} || Plain", ["AnyOk"]),
        ("{AnyOk -> Plain} || Plain", []),
        ("{Plain || AnyOk} || Plain", []),
        ("Plain (1 -> {AnyOk || Plain}, 0 -> {AnyOk || AllOk}) || Plain", ["AnyOk", "AnyOk"]),
        ("Plain -> Plain || Plain", []),
    ],
)
def test_arms_that_ask_for_different_evaluations_are_a_warning(flow, unheard):
    found = warnings(flow, GROUPS)
    assert [code for code, _, _ in found] == ["evaluations-differ"] * len(unheard)
    for name, (_, message, hint) in zip(unheard, found, strict=True):
        assert message.endswith(f"execution_evaluation_state of {name} has no effect here")
        assert hint.startswith(
            "put braces around the group and set its evaluation: {…}[evaluation="
        )


@pytest.mark.parametrize(
    ("definition", "hint"),
    [
        (
            "def load(): return True, 1",
            "there is a function load in flow_events, but @event is missing above it",
        ),
        (
            "async def LOAD(): return True, 1",
            "there is a function LOAD in flow_events, but @event is missing above it",
        ),
        (
            "class Load:\n    def process(self): return True, 1",
            "there is a class Load in flow_events, but it does not derive from EventBase",
        ),
        (
            "import functools\nLoad = functools.partial(print)",
            "Load in flow_events is not an event but a partial: an event is a function with "
            "@event, or a class that derives from EventBase",
        ),
        ("import json as load", "searched flow_events; no events"),
    ],
)
def test_an_object_that_is_not_an_event(definition, hint):
    Path("flow.pty").write_text("Load")
    Path("flow_events.py").write_text(definition + "\n")
    with pytest.raises(PointyError) as caught:
        load_plan("flow.pty")
    (fault,) = caught.value.diagnostics
    assert (fault.message, fault.hint) == ("there is no event 'Load'", hint)


@pytest.mark.parametrize(
    "index",
    ["index = 7", "def index(self): return 7", "index = property(lambda self: 7)"],
)
def test_an_index_of_its_own_is_refused_only_in_an_each(index):
    Path("flow_events.py").write_text(
        "from volnux import *\n"
        f"class Base(EventBase):\n    {index}\n"
        "class Load(Base):\n    def process(self): return 1, self.index\n"
    )
    Path("flow.pty").write_text("@input: days: list\nLoad -> Load[each=day, in=days]")
    with pytest.raises(PointyError) as caught:
        load_plan("flow.pty")
    (fault,) = caught.value.diagnostics
    assert (fault.code, fault.span.line, fault.span.column) == ("bad-event", 2, 9)
    assert fault.message == (
        "event Load defines index, which volnux sets on every event in an 'each': rename it"
    )
    Path("flow.pty").write_text("Load -> Load")
    assert load_plan("flow.pty").spec("Load").event_class.__name__ == "Load"


def test_a_timeout_of_the_class_and_of_the_flow():
    Path("flow.pty").write_text("Slow -> Slow[timeout=7] -> quick")
    Path("flow_events.py").write_text(
        "from volnux import *\n"
        "class Slow(EventBase):\n    timeout = 30\n    def process(self): return 1, 1\n"
        "@event(timeout=0.5)\ndef quick(): return 1, 1\n"
    )
    plan = load_plan("flow.pty")
    assert [spec.timeout for spec in plan.specs] == [30.0, 7.0, 0.5]
    before = plan.fingerprint
    Path("other_events.py").write_text(
        Path("flow_events.py").read_text().replace("timeout = 30", "timeout = 31")
    )
    Path("other.pty").write_text("@name: flow\nSlow -> Slow[timeout=7] -> quick")
    assert load_plan("other.pty").fingerprint != before
