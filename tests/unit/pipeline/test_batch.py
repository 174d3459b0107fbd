"""Batch pipelines: how data is split, how batches run, and what is reported."""

import os
import pickle
import signal
import sys
import threading
import time

import pytest

from volnux import FileInputDataField, InputDataField, InputError, Pipeline
from volnux.decorators import event
from volnux.graph.outcome import RunStatus
from volnux.pipeline import (
    BatchFailedError,
    BatchPipeline,
    BatchProgress,
    PipelineDefinitionError,
    PipelineStateError,
)
from volnux.signal import SoftSignal
from volnux.signal.signals import event_execution_end, pipeline_post_init, task_completed

BOTH = pytest.mark.parametrize("executor", ["thread", "process"])


@event
def total(name):
    if -1 in name:
        raise ValueError("minus one")
    if -9 in name:
        os.kill(os.getpid(), signal.SIGKILL)
    return True, sum(name)


@event
def report(**kwargs):
    said = {k: v.read() if hasattr(v, "read") else v for k, v in kwargs.items()}
    SoftSignal("batch_test_reported").emit(None, pid=os.getpid(), thing=lambda: None)
    return True, said


@event
def odd():
    return True, lambda: None


class Total(Pipeline):
    name = InputDataField(data_type=list[int], batch_size=5)

    class Meta:
        pointy = "total"


class Totals(BatchPipeline):
    pipeline_template = Total
    listen_to_signals = [task_completed, SoftSignal("event_execution_end")]  # noqa: RUF012 - as a user writes it


class Mixed(Pipeline):
    name = InputDataField(data_type=tuple, batch_size=2)
    book = FileInputDataField(chunk_size=8)
    same = InputDataField(data_type=str, default="-")

    class Meta:
        pointy = "report"


class MixedBatch(BatchPipeline):
    pipeline_template = Mixed
    listen_to_signals = [SoftSignal("batch_test_reported")]  # noqa: RUF012 - as a user writes it


@BOTH
def test_batches_are_reported_in_order(executor):
    batch = Totals(name=range(23))
    result = batch.execute(executor=executor, max_workers=2)
    assert result.status is RunStatus.SUCCESS
    assert [b.index for b in result] == [0, 1, 2, 3, 4]
    assert [b.results["total"] for b in result] == [10, 35, 60, 85, 63]
    assert result[4].report.inputs == {"name": [20, 21, 22]}
    assert result[4].context.results_of("total") == [63]
    assert (result.total, len(result), result.failed) == (5, 5, 0)
    result.raise_for_status()
    data = result.to_json()
    assert data["succeeded"] == 5
    assert data["batches"][1]["report"]["places"]["total"]["result"] == 35
    assert pickle.loads(pickle.dumps(result))[1].results == {"total": 35}


@BOTH
def test_one_failed_batch_harms_no_other(executor):
    result = Totals(name=[1, 2, 3, 4, 5, -1, 0, 0, 0, 0, "x", 0, 0, 0, 0, 7]).execute(
        executor=executor, max_workers=2
    )
    assert [b.status.value for b in result] == ["success", "failed", "failed", "success"]
    assert result[2].report is None
    assert result[2].failure.type == "volnux.events.inputs.InputError"
    with pytest.raises(
        BatchFailedError,
        match=r"^2 of 4 batches of Total failed: batch 1 \(total: ValueError: minus one\), batch 2 "
        r"\(volnux.events.inputs.InputError: the input 'name' is of type list",
    ) as caught:
        result.raise_for_status()
    assert pickle.loads(pickle.dumps(caught.value)).report.failed == 2


def test_a_dead_worker_process_takes_its_own_batch_only():
    result = Totals(name=[1, 1, 1, 1, 1, -9, 0, 0, 0, 0, 2, 2, 2, 2, 2, 3]).execute(
        executor="process", max_workers=1
    )
    assert [b.status.value for b in result] == ["success", "failed", "success", "success"]
    assert result[1].failure.type == "volnux.WorkerLost"
    assert "the worker process of batch 1 died (exit code -9)" in result[1].failure.message


def test_no_data_makes_no_batch():
    for batch in (Totals(), Totals(name=[]), Totals(name=iter(()))):
        result = batch.execute()
        assert result.status is RunStatus.SUCCESS
        assert result.total == 0
        assert list(result) == []
        result.raise_for_status()


def test_fields_are_cut_side_by_side(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("one\ntwo\nthree\nfour\n")
    result = MixedBatch(name=(1, 2, 3, 4), book=book, same="s").execute()
    assert [b.results["report"] for b in result] == [
        {"name": (1, 2), "book": "one\ntwo\n", "same": "s"},
        {"name": (3, 4), "book": "three\nfour\n", "same": "s"},
    ]
    only_book = MixedBatch(book=book).execute()
    assert [b.results["report"]["name"] for b in only_book] == [None, None]


def test_different_numbers_of_parts_are_an_error_before_anything_runs(tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("one\ntwo\nthree\nfour\n")
    with pytest.raises(
        InputError,
        match=r"^the inputs make different numbers of batches: 'name' makes 3, 'book' makes 2;",
    ):
        MixedBatch(name=range(5), book=book).execute()
    with pytest.raises(
        InputError,
        match=r"^the number of batches of the input 'name' is not known before it is read, but it "
        r"must equal that of 'book': give a list, or another value with a length$",
    ):
        MixedBatch(name=iter(range(4)), book=book).execute()


@pytest.mark.parametrize(
    ("text", "size", "parts"),
    [
        ("a\nb\nc\n", 1, ["a\n", "b\n", "c\n"]),
        ("aaaa\nb\n", 2, ["aaaa\n", "b\n"]),
        ("aaaa", 2, ["aaaa"]),
        ("a\n\nb", 2, ["a\n", "\nb"]),
        ("äöü\nx", 3, ["äöü\n", "x"]),
        ("", 2, []),
    ],
)
def test_text_is_cut_at_line_ends(tmp_path, text, size, parts):
    path = tmp_path / "t.txt"
    path.write_text(text, encoding="utf-8")
    field = FileInputDataField(chunk_size=size)
    chunks = list(field.batches(path))
    assert [chunk.read() for chunk in chunks] == parts
    assert field.count(path) == len(parts)
    for chunk in chunks:
        chunk.close()


def test_bytes_are_cut_by_the_byte(tmp_path):
    path = tmp_path / "t.bin"
    path.write_bytes(b"12345")
    field = FileInputDataField(chunk_size=2, mode="rb")
    assert [chunk.read() for chunk in field.batches(path)] == [b"12", b"34", b"5"]


@pytest.mark.parametrize(
    ("data_type", "value", "parts"),
    [
        (list, [1, 2, 3], [[1, 2], [3]]),
        (tuple, range(3), [(0, 1), (2,)]),
        (set, [1, 1, 2], [{1}, {2}]),
        (str, "abc", ["ab", "c"]),
        (bytes, b"abc", [b"ab", b"c"]),
        (dict, {"a": 1, "b": 2, "c": 3}, [{"a": 1, "b": 2}, {"c": 3}]),
        (list[int], iter([1, 2, 3]), [[1, 2], [3]]),
    ],
)
def test_a_batch_is_of_the_type_of_its_field(data_type, value, parts):
    assert list(InputDataField(data_type=data_type, batch_size=2).batches(value)) == parts


def test_a_batch_processor_cuts_in_its_own_way(tmp_path):
    def by_sign(values, size):
        yield [v for v in values if v < 0][:size]
        yield [v for v in values if v >= 0][:size]

    def lines(file, size):
        return ([line.strip()] * size for line in file)

    class Own(Pipeline):
        name = InputDataField(data_type=list, batch_size=2, batch_processor=by_sign)

        class Meta:
            pointy = "report"

    class OwnFile(Pipeline):
        book = FileInputDataField(chunk_size=2, batch_processor=lines)

        class Meta:
            pointy = "report"

    class Owns(BatchPipeline):
        pipeline_template = Own

    assert [b["name"] for b in Owns(name=[1, -1, 2, -2, 3]).batches()] == [[-1, -2], [1, 2]]
    assert Own.fields()["name"].count([1, -1]) == 2
    path = tmp_path / "t.txt"
    path.write_text("a\nb\n")
    assert list(OwnFile.fields()["book"].batches(path)) == [["a", "a"], ["b", "b"]]


def test_misuse_is_told():
    class Uncut(Pipeline):
        x = InputDataField(data_type=int)
        y = InputDataField(data_type=int, required=True)

        class Meta:
            pointy = "report"

    class Uncuts(BatchPipeline):
        pipeline_template = Uncut

    def said(call):
        with pytest.raises(Exception) as caught:  # noqa: PT011, B017, RUF100 - the text is compared
            call()
        return str(caught.value)

    assert said(lambda: Uncuts(x=1)) == (
        "Uncut has no field with a batch_size or chunk_size: there is nothing to cut into batches"
    )
    assert said(Uncuts) == "the input 'y' (int) is required"
    assert said(BatchPipeline) == (
        "BatchPipeline has no pipeline_template: name the Pipeline that runs each batch"
    )
    assert said(lambda: Totals([1])) == "Totals takes its inputs by name: Totals(name=value)"
    assert said(lambda: Totals(nam=[1])) == "there is no input 'nam'; did you mean 'name'?"
    assert said(lambda: Totals(name=3)) == (
        "the input 'name' cannot be cut into batches: expected items to cut into batches"
    )
    assert said(lambda: Totals(name="abc")) == (
        "the input 'name' cannot be cut into batches: "
        "expected a collection to cut into batches, found a single str"
    )
    assert said(lambda: Totals(name=[1]).execute(executor="proces")) == (
        "the executor of a batch pipeline must be 'thread' or 'process', found 'proces'; "
        "did you mean 'process'?"
    )
    assert said(lambda: Totals(name=[1]).execute(max_workers=0)) == (
        "max_workers must be a whole number of at least 1, found 0"
    )
    assert said(lambda: type("Bad", (BatchPipeline,), {"pipeline_template": int})) == (
        "pipeline_template of Bad must be a subclass of Pipeline, found <class 'int'>"
    )
    assert said(lambda: type("Bad", (BatchPipeline,), {"listen_to_signals": ["a"]})) == (
        "listen_to_signals of Bad must be a list of SoftSignal, found ['a']"
    )
    with pytest.raises(PipelineDefinitionError):
        type("Bad", (BatchPipeline,), {"executor": int})


def test_a_batch_pipeline_runs_once_unless_told_otherwise():
    batch = Totals(name=[1])
    batch.execute()
    with pytest.raises(PipelineStateError, match="has already run: make a new instance"):
        batch.execute()
    assert batch.execute(force_rerun=True).succeeded == 1
    once = Totals(name=iter([1]))
    once.execute()
    with pytest.raises(PipelineStateError, match="the data of 'name' came from an iterator"):
        once.execute(force_rerun=True)


@BOTH
def test_results_stream_with_a_bounded_look_ahead(executor):
    read = 0

    def numbers():
        nonlocal read
        for number in range(1000):
            read = number
            yield number

    stream = Totals(name=numbers()).stream(executor=executor, max_workers=2)
    assert next(stream).results == {"total": 10}
    assert next(stream).index == 1
    assert read < 5 * 12
    stream.close()
    assert read < 5 * 12


def test_without_results_there_are_counts_and_the_first_failures():
    result = Totals(name=[-1] * 100).execute(keep_results=False)
    assert list(result) == []
    assert result.failed == result.total == 20
    assert len(result.failures) == 10
    with pytest.raises(BatchFailedError, match=r"and 10 more$"):
        result.raise_for_status()


def test_a_source_that_raises_ends_the_data():
    def broken():
        yield from range(7)
        raise OSError("the line is dead")

    result = Totals(name=broken()).execute()
    assert [b.results["total"] for b in result] == [10]
    assert result.status is RunStatus.FAILED
    with pytest.raises(
        BatchFailedError, match="reading the data failed: OSError: the line is dead"
    ):
        result.raise_for_status()
    stream = Totals(name=broken()).stream()
    assert next(stream).results == {"total": 10}
    with pytest.raises(OSError, match="the line is dead"):
        next(stream)


@BOTH
def test_signals_of_the_batches_reach_the_parent(executor):
    heard, ended, everybody = [], [], []
    listeners = [
        (task_completed, lambda sender, result, task_id: heard.append((sender, result)), Totals),
        (event_execution_end, lambda future, event: ended.append((future, event)), Totals),
        (task_completed, lambda result: everybody.append(result), None),
        (pipeline_post_init, lambda pipeline: heard.append("not listed"), Totals),
    ]
    for each, listener, sender in listeners:
        each.connect(listener, sender)
    try:
        Totals(name=range(10)).execute(executor=executor, max_workers=2)
        Total(name=[1]).start()
    finally:
        for each, listener, sender in listeners:
            assert each.disconnect(listener, sender)
    sender = total.__volnux_event__
    assert sorted(heard, key=str) == [(sender, 10), (sender, 35)]
    assert sorted(everybody) == [1, 10, 35]
    assert sorted(future.result() for future, _ in ended) == [10, 35]
    assert all(type(event) is sender for _, event in ended)


def test_signals_of_ones_own_come_home_from_worker_processes():
    heard = []
    mine = SoftSignal("batch_test_reported")
    mine.connect(lambda pid, thing: heard.append((pid, thing)), sender=MixedBatch)
    MixedBatch(name=[1, 2]).execute(executor="process")
    [(pid, thing)] = heard
    assert pid != os.getpid()
    assert thing.startswith("<function report.<locals>.<lambda>")


def test_results_that_cannot_be_sent_are_shown():
    class Odd(BatchPipeline):
        pipeline_template = OddOne

    result = Odd(name=[1]).execute(executor="process")
    assert result.status is RunStatus.SUCCESS
    assert result[0].results["odd"]["type"] == "function"


class OddOne(Pipeline):
    name = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "odd"


def test_progress_is_told(capsys, monkeypatch):
    seen = []
    Totals(name=[1, 2, 3, 4, 5, -1]).execute(progress=seen.append)
    assert all(isinstance(each, BatchProgress) for each in seen)
    assert [(p.done, p.total, p.succeeded, p.failed) for p in seen] == [(1, 2, 1, 0), (2, 2, 1, 1)]
    Totals(name=[1]).execute(progress=lambda progress: 1 / 0)
    assert capsys.readouterr().err == ""
    Totals(name=[1, 2]).execute()
    assert capsys.readouterr().err == ""
    Totals(name=[1, 2]).execute(progress=True)
    assert "Total" in capsys.readouterr().err
    assert "rich" in sys.modules


BEGUN = threading.Event()
GATE = threading.Event()


@event
def wait(name):
    BEGUN.set()
    GATE.wait(20)
    return True, None


class Slow(Pipeline):
    name = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "wait -> wait"


class Slows(BatchPipeline):
    pipeline_template = Slow
    max_workers = 1


@pytest.mark.parametrize("how", ["stop", "shutdown"])
def test_stop_starts_nothing_new(how):
    BEGUN.clear()
    GATE.clear()
    batch = Slows(name=iter(range(1000)))
    batch.stop()
    batch.shutdown()
    results = []
    thread = threading.Thread(target=lambda: results.append(batch.execute()))
    thread.start()
    assert BEGUN.wait(10)
    threading.Timer(0.1, GATE.set).start()
    getattr(batch, how)()
    thread.join(10)
    [result] = results
    assert result.status is RunStatus.CANCELLED
    assert [b.status.value for b in result] == ["cancelled"]
    assert result[0].report.places["wait__2"].attempts == 0
    batch.stop()
    batch.shutdown()


def test_ctrl_c_starts_nothing_new():
    BEGUN.clear()
    GATE.clear()

    def interrupt():
        BEGUN.wait(10)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        GATE.set()

    threading.Thread(target=interrupt).start()
    batch = Slows(name=range(50))
    with pytest.raises(KeyboardInterrupt):
        batch.execute()
    assert batch.report.status is RunStatus.CANCELLED
    assert batch.report.total == 1


def test_a_second_ctrl_c_waits_for_nothing():
    BEGUN.clear()
    GATE.clear()

    def interrupt():
        BEGUN.wait(10)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    threading.Thread(target=interrupt).start()
    batch = Slows(name=range(50))
    with pytest.raises(KeyboardInterrupt):
        batch.execute()
    GATE.set()
    assert batch.report.status is RunStatus.CANCELLED


def test_a_worker_process_is_replaced_after_so_many_batches():
    class Pids(BatchPipeline):
        pipeline_template = Pid
        executor = "process"
        max_workers = 1
        max_tasks_per_child = 2

    pids = [b.results["pid"] for b in Pids(name=range(4)).execute()]
    assert pids[0] == pids[1] != pids[2] == pids[3]


@event
def pid():
    return True, os.getpid()


class Pid(Pipeline):
    name = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "pid"
