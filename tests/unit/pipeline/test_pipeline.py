"""Pipelines as classes: fields, flows, runs, and the messages for mistakes."""

import copy
import datetime as dt
import pickle
import shutil
import sys
import textwrap
import threading
import types
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from volnux import (
    EventBase,
    ExecutionContext,
    FileInputDataField,
    InputDataField,
    InputError,
    Pipeline,
    PointyError,
    RunFailedError,
    VolnuxError,
)
from volnux.decorators import event
from volnux.graph.draw import DrawError
from volnux.graph.outcome import RunStatus, State
from volnux.pipeline import BatchPipeline, PipelineDefinitionError, PipelineStateError
from volnux.pipeline.definition import META_KEYS
from volnux.pipeline.fields import FieldError
from volnux.signal.signals import pipeline_shutdown, pipeline_stop

GATE = threading.Event()
BEGUN = threading.Event()


class Compose(EventBase):
    def process(self, who):
        return True, f"Dear {who}"


class Send(EventBase):
    def process(self, previous_result=None):
        return True, f"{previous_result}!"


@event
def fail():
    raise ValueError("no paper")


@event
def wait():
    BEGUN.set()
    GATE.wait(20)
    return True, None


@event
def everything(**kwargs):
    return True, kwargs


class Letter(Pipeline):
    who = InputDataField(data_type=str, required=True)

    class Meta:
        pointy = "Compose |-> Send"


class Waiting(Pipeline):
    class Meta:
        pointy = "wait -> everything"


@pytest.fixture(autouse=True)
def gate():
    GATE.clear()
    BEGUN.clear()
    yield
    GATE.set()


def module(monkeypatch, folder, name, source):
    """Import a module from a folder, as a user's own."""
    path = Path(folder) / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    made = types.ModuleType(name)
    made.__file__ = str(path)
    monkeypatch.setitem(sys.modules, name, made)
    exec(compile(path.read_text(), str(path), "exec"), made.__dict__)
    return made


def test_a_run_gives_its_context():
    context = Letter(who="Ada").start()
    assert isinstance(context, ExecutionContext)
    assert context.status is RunStatus.SUCCESS
    assert context.results == {"Compose": "Dear Ada", "Send": "Dear Ada!"}
    assert [place.event for place in context] == ["Compose", "Send"]
    assert context["Send"].received == "Dear Ada"
    assert context.results_of(Send) == context.results_of("Send") == ["Dear Ada!"]
    assert context.first_failed is None
    assert context.report.pipeline == "Letter"
    context.raise_for_status()


def test_a_failed_run_gives_its_context_too():
    class Failing(Pipeline):
        class Meta:
            pointy = "fail -> everything"

    pipeline = Failing()
    context = pipeline.start()
    assert not context.succeeded
    assert context.first_failed.event == "fail"
    assert context.filter_by_event(fail)[0].failure.message == "no paper"
    assert context.results_of(fail)[0].type == "ValueError"
    assert context.results == {}
    assert context["everything"].state is State.FAILED
    with pytest.raises(RunFailedError, match=r"of Failing failed: fail \(ValueError: no paper\)"):
        context.raise_for_status()
    assert pipeline.context is context


def test_every_place_of_an_event_is_found():
    class Twice(Letter):
        class Meta:
            pointy = "Compose |-> Send |-> send"

    context = Twice(who="Ada").start()
    assert [p.event for p in context.filter_by_event(Send)] == ["Send", "send"]
    assert context.results_of(Send) == ["Dear Ada!", "Dear Ada!!"]
    with pytest.raises(TypeError, match="an event, or the name of one, is expected: found 3"):
        context.filter_by_event(3)


def test_a_context_has_no_report_before_the_end():
    with pytest.raises(VolnuxError, match="the run r has not ended: it has no report yet"):
        _ = ExecutionContext(None, "r", {}).status


def test_a_pipeline_runs_once_unless_told_otherwise():
    pipeline = Letter(who="Ada")
    first = pipeline.start()
    with pytest.raises(
        PipelineStateError,
        match=r"^<Letter finished> has already run: make a new instance, or "
        r"use start\(force_rerun=True\)$",
    ):
        pipeline.start()
    pipeline.who = "Bea"
    again = pipeline.start(force_rerun=True)
    assert again.results["Compose"] == "Dear Bea"
    assert again.run_id != first.run_id


def test_a_running_pipeline_is_not_started_again():
    pipeline = Waiting()
    thread = threading.Thread(target=pipeline.start)
    thread.start()
    assert BEGUN.wait(10)
    with pytest.raises(PipelineStateError, match="is already running: wait until it has ended"):
        pipeline.start(force_rerun=True)
    GATE.set()
    thread.join(10)
    assert pipeline.context.succeeded


@pytest.mark.parametrize("times", [1, 2])
def test_stop_lets_what_runs_finish_and_starts_nothing_more(times):
    pipeline = Waiting()
    heard = []
    pipeline_stop.connect(lambda sender: heard.append(sender), sender=pipeline)
    thread = threading.Thread(target=pipeline.start)
    thread.start()
    assert BEGUN.wait(10)
    for _ in range(times):
        pipeline.stop()
    GATE.set()
    thread.join(10)
    context = pipeline.context
    assert context.status is RunStatus.CANCELLED
    assert context["wait"].state is State.DONE
    assert context["everything"].attempts == 0
    assert heard == [pipeline]


def test_shutdown_waits_for_the_end():
    pipeline = Waiting()
    heard = []
    pipeline_shutdown.connect(lambda sender: heard.append(sender), sender=Waiting)
    thread = threading.Thread(target=pipeline.start)
    thread.start()
    assert BEGUN.wait(10)
    threading.Timer(0.05, GATE.set).start()
    pipeline.shutdown()
    assert pipeline.context.status is RunStatus.CANCELLED
    assert heard == [pipeline]
    thread.join(10)


def test_stop_and_shutdown_do_nothing_before_the_start_and_after_the_end():
    pipeline = Letter(who="Ada")
    pipeline.stop()
    pipeline.shutdown()
    assert pipeline.start().succeeded
    pipeline.shutdown()
    pipeline.stop()
    assert pipeline.context.succeeded
    assert pipeline.start(force_rerun=True).succeeded


def test_an_event_may_stop_its_own_pipeline():
    holder = {}

    class Stopping(EventBase):
        def process(self):
            holder["pipeline"].shutdown(wait=False)
            return True, None

    class Own(Pipeline):
        class Meta:
            pointy = "Stopping -> everything"
            events = [Stopping]  # noqa: RUF012 - as a user writes it

    pipeline = holder["pipeline"] = Own()
    assert pipeline.start().status is RunStatus.CANCELLED


# Input fields


def test_fields_are_typed_inputs():
    class Fields(Pipeline):
        text = InputDataField(data_type=str, required=True)
        day = InputDataField(data_type=dt.date, default=dt.date(2026, 1, 1))
        sizes = InputDataField(data_type=list[int], default=[])
        either = InputDataField(data_type=(int, str), default=1)
        rest = InputDataField()

        class Meta:
            pointy = "everything"

    given = {"text": "x", "sizes": ["1", 2], "either": "a"}
    got = Fields(**given).start().results["everything"]
    assert got == {
        "text": "x",
        "day": dt.date(2026, 1, 1),
        "sizes": [1, 2],
        "either": "a",
        "rest": None,
    }
    one, two = Fields(text="x"), Fields(text="x")
    one.sizes.append(1)
    assert two.sizes == []


def test_all_faults_of_inputs_are_told_at_once():
    with pytest.raises(InputError) as caught:
        Letter(how="x", whom="y")
    assert caught.value.faults == {
        "how": "there is no input 'how'; did you mean 'who'?",
        "whom": "there is no input 'whom'; did you mean 'who'?",
        "who": "the input 'who' (str) is required",
    }


def test_missing_inputs_are_refused_when_the_run_is_started():
    pipeline = Letter()
    assert (pipeline.who, pipeline.inputs) == (None, {})
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            pipeline.start()
        assert caught.value.faults == {"who": "the input 'who' (str) is required"}
        assert pickle.loads(pickle.dumps(caught.value)).missing == ("who",)
    pipeline.who = "Ada"
    assert pickle.loads(pickle.dumps(pipeline)).start().results["Compose"] == "Dear Ada"


def test_a_file_that_is_missing_is_asked_for_by_its_path():
    class Reading(Pipeline):
        book = FileInputDataField(required=True, chunk_size=10)

        class Meta:
            pointy = "everything"

    class All(BatchPipeline):
        pipeline_template = Reading

    for start in (Reading().start, All):
        with pytest.raises(InputError) as caught:
            start()
        assert str(caught.value) == "the input 'book' (file path) is required"
    with pytest.raises(InputError) as caught:
        Reading(book="none.txt")
    assert str(caught.value) == (
        "the input 'book' is of type file path, given 'none.txt': none.txt does not exist"
    )
    with pytest.raises(InputError, match="given None: expected a path or an open file"):
        Reading(book=None)


def test_a_field_refuses_a_value_of_a_wrong_type():
    pipeline = Letter(who="Ada")
    with pytest.raises(
        InputError,
        match=r"^the input 'who' is of type str, given 3: Input should be a valid string$",
    ):
        pipeline.who = 3
    assert pipeline.who == "Ada"
    with pytest.raises(InputError, match="given 3"):
        Letter(who=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: InputDataField(required=True, default=1),
            "a required field has no default: remove one of them",
        ),
        (
            lambda: InputDataField(data_type=list, batch_size=0),
            "batch_size must be a whole number of at least 1, found 0",
        ),
        (
            lambda: InputDataField(data_type=int, batch_size=2),
            "a batch has the data_type of its field, but int is not a collection: use "
            "data_type=list[int], or give a batch_processor",
        ),
        (
            lambda: InputDataField(batch_processor=list),
            "batch_processor needs a batch_size: give both",
        ),
        (
            lambda: InputDataField(batch_processor=3, batch_size=2),
            "batch_processor must be a function, found 3",
        ),
        (
            lambda: FileInputDataField(mode="w"),
            "the mode of a file input must be 'r' or 'rb', found 'w'",
        ),
        (
            lambda: FileInputDataField(chunk_size=8, encoding="utf-16"),
            "text in utf-16 cannot be split at line ends by byte: use mode='rb', or a "
            "batch_processor",
        ),
    ],
)
def test_fields_that_make_no_sense(make, message):
    with pytest.raises(FieldError) as caught:
        make()
    assert str(caught.value) == message


def test_a_field_may_not_hide_a_method():
    with pytest.raises(
        PipelineDefinitionError,
        match=r"^the field 'stop' of Bad hides Pipeline.stop: give it another name$",
    ):

        class Bad(Pipeline):
            stop = InputDataField()


def test_one_field_object_is_one_field():
    with pytest.raises(PipelineDefinitionError, match="is the same object as the field 'a'"):

        class Bad(Pipeline):
            a = b = InputDataField()


def test_a_required_argument_that_is_no_input_is_an_error():
    class Lost(Pipeline):
        class Meta:
            pointy = "Compose"

    with pytest.raises(PointyError) as caught:
        Lost()
    assert caught.value.msg == (
        "process of Compose requires the argument 'who', which is not an input of Lost"
    )


def test_a_name_is_a_field_or_an_input_of_the_text():
    class Both(Pipeline):
        who = InputDataField(data_type=str)

        class Meta:
            pointy = "@input: who: str\nCompose"

    with pytest.raises(PointyError, match="the input 'who' is also a field of the pipeline class"):
        Both.plan()


def test_fields_and_inputs_of_the_text_go_together():
    class Both(Pipeline):
        a = InputDataField(data_type=int, default=1)

        class Meta:
            pointy = "@input: b: int = 2\neverything"

    assert Both(b="3").start().results["everything"] == {"a": 1, "b": 3}
    assert Both().inputs == {"a": 1, "b": 2}


def test_inputs_go_by_name():
    with pytest.raises(TypeError, match=r"^Letter takes its inputs by name: Letter\(name=value\)$"):
        Letter("Ada")


# Files


def test_a_file_reaches_each_event_as_its_own(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("one\ntwo\n")
    seen = []

    @event
    def first(book):
        seen.append(book)
        return True, book.readline()

    @event(retry_policy={"max_attempts": 2, "backoff_factor": 0})
    def second(book):
        seen.append(book)
        book.read()
        if len(seen) < 3:
            raise OSError
        with open(book) as again:  # noqa: PTH123 - a path for every function that takes one
            return True, list(again)

    @event
    async def third(book):
        seen.append(book)
        return True, next(iter(book))

    class Reading(Pipeline):
        book = FileInputDataField(required=True)

        class Meta:
            pointy = "first -> second -> third"
            events = [first, second, third]  # noqa: RUF012 - as a user writes it

    pipeline = Reading(book=book)
    context = pipeline.start()
    context.raise_for_status()
    assert context.results == {"first": "one\n", "second": ["one\n", "two\n"], "third": "one\n"}
    assert len({id(file) for file in seen}) == 4
    assert all(file.closed for file in seen)
    assert pipeline.book.closed
    with book.open() as opened:
        assert Reading(book=opened).book.path == book


class InProcess(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}  # noqa: RUF012 - as a user writes it

    def process(self, book):
        before = InProcess.__dict__.get("seen")
        InProcess.seen = book
        return True, (book.closed, book.readline(), before and before.closed)


def test_a_file_reaches_worker_processes_and_is_closed_there(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("one\n")

    class Reading(Pipeline):
        book = FileInputDataField(required=True)

        class Meta:
            pointy = "InProcess -> InProcess"

    context = Reading(book=book).start()
    context.raise_for_status()
    assert context.results == {
        "InProcess": (True, "one\n", None),
        "InProcess__2": (True, "one\n", True),
    }


def test_a_file_that_is_not_there():
    class Reading(Pipeline):
        book = FileInputDataField(path="missing.txt")

        class Meta:
            pointy = "everything"

    with pytest.raises(InputError, match=r"missing\.txt does not exist"):
        Reading()


# Where the flow is


def test_the_file_beside_the_module(tmp_path, monkeypatch):
    (tmp_path / "Beside.pty").write_text("everything")
    made = module(
        monkeypatch,
        tmp_path,
        "beside_module",
        """
        from volnux import Pipeline
        from volnux.decorators import event

        @event
        def everything():
            return True, "found"

        class Beside(Pipeline):
            pass

        class Named(Pipeline):
            class Meta:
                file = "Beside.pty"

        class Wins(Pipeline):
            meta = {"pointy": "everything -> everything", "file": "Beside.pty"}

        class Child(Beside):
            pass

        class Missing(Beside):
            class Meta:
                file = "none.pty"
        """,
    )
    assert made.Beside().start().results == {"everything": "found"}
    assert made.Named.plan().graph.name == "Beside"
    assert made.Child.plan().graph.name == "Child"
    assert len(made.Wins().start()) == 2
    with pytest.raises(PipelineDefinitionError) as caught:
        made.Missing()
    assert str(caught.value) == (
        f"Meta.file of Missing is 'none.pty', but there is no file {tmp_path / 'none.pty'}"
    )


def test_no_flow_says_what_was_tried():
    class Nowhere(Letter):
        pass

    class Empty(Pipeline):
        pass

    assert Nowhere.plan().graph.name == "Nowhere"
    with pytest.raises(PipelineDefinitionError) as caught:
        Empty()
    assert str(caught.value) == (
        "Empty has no flow: write Meta.pointy or Meta.file, or one of these files:\n"
        f"  {Path(__file__).parent / 'Empty.pty'}"
    )


def test_inheritance_of_fields_meta_and_flow():
    class Polite(Letter):
        title = InputDataField(data_type=str, default="Dr")

        class Meta(Letter.Meta):
            on_failure = "continue"
            name = "polite"

    class Deeper(Polite):
        who = InputDataField(data_type=str, default="nobody")

    assert list(Polite.fields()) == ["who", "title"]
    assert Polite.plan().graph.name == "polite"
    assert Deeper.plan().graph.name == "Deeper"
    assert Deeper.plan().graph.on_failure == "continue"
    assert Deeper().inputs == {"who": "nobody", "title": "Dr"}


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"pointly": "A"}, "Meta of Bad has no key 'pointly'; did you mean 'pointy'?"),
        ({"zzz": 1}, f"Meta of Bad has no key 'zzz'; keys: {', '.join(META_KEYS)}"),
        ({"pointy": 3}, "Meta.pointy of Bad is a string of Pointy, found 3"),
        ({"file": 3}, "Meta.file of Bad is the path of a .pty file, found 3"),
        ({"on_failure": "no"}, "Meta.on_failure of Bad must be 'stop' or 'continue', found 'no'"),
        ("A -> B", "meta of Bad must be a dict, such as {'pointy': 'A -> B'}, found 'A -> B'"),
    ],
)
def test_a_meta_that_makes_no_sense(meta, message):
    with pytest.raises(PipelineDefinitionError) as caught:
        type("Bad", (Pipeline,), {"meta": meta})
    assert str(caught.value) == message


def test_meta_is_given_once():
    with pytest.raises(PipelineDefinitionError, match="has both a class Meta and a dict meta"):
        type("Bad", (Pipeline,), {"meta": {}, "Meta": type("Meta", (), {})})


# Drawings and copies


@pytest.mark.parametrize(
    "drawn", [Letter, Letter(who="Ada"), Letter()], ids=["class", "instance", "without inputs"]
)
def test_drawings(drawn, tmp_path, capsys):
    text = drawn.draw_ascii_graph()
    assert capsys.readouterr().out == text
    assert "Compose" in text
    path = drawn.draw_graphviz_image(directory=tmp_path / "new", format="dot")
    assert path == tmp_path / "new" / "Letter.dot"
    assert "Compose" in path.read_text()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(
    ("format", "name", "start"),
    [
        ("png", "Letter.png", b"\x89PNG"),
        ("png:cairo", "Letter.png", b"\x89PNG"),
        ("pdf", "Letter.pdf", b"%PDF"),
        ("svg", "Letter.svg", b"<?xml"),
        ("plain", "Letter.plain", b"graph "),
    ],
)
def test_images_in_every_format_of_graphviz(format, name, start, tmp_path):
    path = Letter.draw_graphviz_image(tmp_path, format=format)
    assert path == tmp_path / name
    assert path.read_bytes().startswith(start)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("jpag", "Graphviz cannot write the format 'jpag'\n  hint: one of: "),
        ("x11", "Graphviz writes no file in the format 'x11'"),
    ],
)
def test_a_format_that_graphviz_cannot_write(format, message, tmp_path):
    with pytest.raises(DrawError) as caught:
        Letter.draw_graphviz_image(tmp_path, format=format)
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_a_copy_starts_afresh():
    pipeline = Letter(who="Ada")
    twin = copy.copy(pipeline)
    pipeline.start()
    twin.who = "Bea"
    assert twin.start().results["Compose"] == "Dear Bea"
    assert pipeline.who == "Ada"
