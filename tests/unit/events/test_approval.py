"""Events that ask a person: how they are defined, linked and run."""

import textwrap
import threading
import time
from pathlib import Path

import pytest

from volnux.backends import RefusedError, RunControl, RunObserver, RunOptions, get_backend
from volnux.errors import PointyError
from volnux.events.approval import approval
from volnux.events.base import EventDefinitionError
from volnux.loading import load_plan
from volnux.runs import Store

EVENTS = """
    from volnux import approval, event

    Approve = approval("Ship {table}?")
    Choose = approval("Ship {table}?", options={"Ship it": 1, "Hold": 0, "Later": 3})

    class Patient(approval("{item}?", within=0.3)):
        pass

    @event
    def Load(previous_result=None):
        return True, previous_result

    @event
    def Late(previous_result=None):
        return True, str(previous_result)
"""


class Given:
    """Answers by place; a place that is not among them gets none."""

    def __init__(self, **answers):
        self.answers = answers
        self.questions = []
        self.still_open = []
        self.all_asked = threading.Event()

    def asked(self, question):
        self.questions.append(question)
        self.still_open.append(question)

    def answer(self, question):
        return self.answers.get(question.place)

    def closed(self, question):
        self.still_open.remove(question)


def plan_of(text):
    Path("flow.pty").write_text(text)
    Path("flow_events.py").write_text(textwrap.dedent(EVENTS))
    return load_plan("flow.pty")


def run(text, answers, inputs=None, **options):
    plan = plan_of(text)
    options = RunOptions(answers=answers, **options)
    return get_backend("standalone").run(plan, plan.bind(inputs or {}), options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"question": " "}, "the question of an approval is a text, found ' '"),
        ({"question": "{0}?"}, "a name of an input or argument is expected in braces"),
        ({"question": "{a.b}?"}, "{a.b}: a name of an input or argument is expected"),
        ({"question": "{self}"}, "{self}: a name of an input or argument is expected"),
        ({"question": "{for}"}, "{for}: a name of an input or argument is expected"),
        ({"question": "{a:{b}}"}, "{a:{b}}: a name of an input or argument is expected"),
        ({"question": "{a"}, "cannot be read: expected '}' before end of string"),
        ({"question": "?", "options": ["yes"]}, "options of an approval is a dict"),
        ({"question": "?", "options": {}}, "options of an approval is a dict"),
        ({"question": "?", "options": {"a\nb": 1}}, "an answer is one line of text"),
        ({"question": "?", "options": {"a": 10}}, "must be 0 to 9, found 10"),
        ({"question": "?", "options": {"a": True}}, "must be 0 to 9, found True"),
    ],
)
def test_a_wrong_definition(arguments, message):
    with pytest.raises(EventDefinitionError) as caught:
        approval(**arguments)
    assert message in str(caught.value)


def test_a_name_in_the_question_is_an_input_or_an_argument():
    with pytest.raises(PointyError) as caught:
        plan_of("Load -> Approve")
    assert "flow.pty:1:9: error: process of Approve requires the argument 'table'" in str(
        caught.value
    )
    answers = Given(Approve="Approve", Choose="Hold")
    run("@input: table: str\nApprove -> Choose(table=3) (0 -> Load)", answers, {"table": "orders"})
    assert [question.text for question in answers.questions] == ["Ship orders?", "Ship 3?"]


def test_an_answer_without_a_branch_is_a_warning():
    found = plan_of('Choose(table="x") -> Load').warnings
    assert [(each.code, each.span.line, each.hint) for each in found] == [
        ("no-branch", 1, "add a branch: Choose (3 -> …)")
    ]
    assert not plan_of('Choose(table="x") (3 -> Load)').warnings


@pytest.mark.parametrize(
    ("answer", "descriptor", "runs"),
    [("Ship it", 1, "Load"), ("Hold", 0, "Late"), ("Later", 3, "Load__2")],
)
def test_the_descriptor_is_that_of_the_answer(answer, descriptor, runs):
    report = run('Choose(table="x") (0 |-> Late, 1 |-> Load, 3 |-> Load)', Given(Choose=answer))
    place = report.places["Choose"]
    assert (place.descriptor, place.result, place.attempts, place.polls) == (
        descriptor, answer, 1, 0
    )  # fmt: skip
    assert [name for name, each in report.places.items() if each.state == "done"] == [
        "Choose", runs
    ]  # fmt: skip


def test_every_does_not_ask_again():
    answers = Given()
    run('Patient(item="pen")[every=0.01] (0 |-> Late)', answers)
    assert len(answers.questions) == 1


@pytest.mark.parametrize("answer", [None, "what"])
def test_without_an_answer_it_fails_after_within(answer):
    answers = Given(Patient=answer)
    report = run('Patient(item="pen") (0 |-> Late)', answers)
    assert report.status == "success"
    assert report.places["Late"].result == "NotYetError: pen?"
    assert not answers.still_open


def test_the_last_answer_counts():
    class Late(Given):
        def answer(self, question):
            return "Approve" if time.time() >= question.deadline else None

    report = run('Patient(item="pen") (0 |-> Late)', Late())
    assert report.places["Patient"].result == "Approve"


def test_every_copy_of_an_each_asks():
    answers = Given(**{"Patient[0]": "Approve", "Patient[1]": "Reject"})
    report = run('@input: things: list = ["a", "b"]\nPatient[each=item, in=things]', answers)
    assert {question.text for question in answers.questions} == {"a?", "b?"}
    assert [place.descriptor for place in report.places.values()] == [1, 0]


def test_a_cancelled_run_asks_no_more():
    control = RunControl()

    class Cancels(Given):
        def answer(self, question):
            threading.Thread(target=control.cancel).start()

    answers = Cancels()
    report = run('Approve(table="x") -> Load', answers, control=control)
    assert [place.state for place in report.places.values()] == ["cancelled", "cancelled"]
    assert not answers.still_open


def test_answers_that_raise_end_the_run():
    class Broken(Given):
        def answer(self, question):
            raise RuntimeError("no connection")

    with pytest.raises(RuntimeError, match="no connection"):
        run('Approve(table="x")', Broken())


def test_a_kept_run_is_answered_in_its_store():
    plan = plan_of('Approve(table="x")')
    store = Store("runs.db")

    class Answers(RunObserver):
        def place_waits(self, node, outcome):
            threading.Thread(target=self.answer).start()

        def answer(self):
            while not store.questions():
                time.sleep(0.01)
            (question,) = store.questions()
            assert store.answer(question.run_id, question.place, "Reject", by="Ada")

    report = get_backend("standalone").run(plan, {}, RunOptions(store=store, observer=Answers()))
    assert (report.places["Approve"].descriptor, report.places["Approve"].result) == (0, "Reject")
    assert not store.questions()


def test_it_is_refused_where_nobody_can_answer():
    with pytest.raises(RefusedError) as caught:
        run('Load -> Approve(table="x")', None)
    assert "flow.pty:1:9: error: Approve asks a person" in str(caught.value)
