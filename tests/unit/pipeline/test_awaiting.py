"""Runs that are awaited: `Pipeline.astart` and `volnux.arun`, and `start()` in a running loop."""

import asyncio
import contextvars
import threading
import warnings
from pathlib import Path

import pytest

import volnux
from volnux import EventBase, InputDataField, Pipeline
from volnux.graph.outcome import RunStatus
from volnux.pipeline import BatchPipeline, PipelineStateError

WHO = contextvars.ContextVar("WHO", default="nobody")


class Waits(EventBase):
    """Waits until the loop, which continues meanwhile, releases it."""

    def process(self, gates):
        begun, go = gates
        begun.set()
        assert go.wait(30)
        return True, None


class After(EventBase):
    def process(self):
        return True, WHO.get()


class Flow(Pipeline):
    gates = InputDataField()

    class Meta:
        pointy = "Waits -> After"


@pytest.fixture
def gates():
    return threading.Event(), threading.Event()


async def begun(gates):
    """Wait in the loop until the event has begun."""
    while not gates[0].is_set():
        await asyncio.sleep(0.001)


def test_the_loop_goes_on_while_a_run_is_awaited(gates):
    async def main():
        task = asyncio.create_task(Flow(gates=gates).astart())
        await begun(gates)
        gates[1].set()
        return await task

    context = asyncio.run(main())
    context.raise_for_status()
    assert list(context.results) == ["Waits", "After"]


def test_cancelling_the_task_cancels_the_run(gates):
    flow = Flow(gates=gates)

    async def main():
        task = asyncio.create_task(flow.astart())
        await begun(gates)
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()  # What runs may finish.
        gates[1].set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert flow.context.status is RunStatus.CANCELLED
        assert flow.context["Waits"].descriptor == 1
        assert flow.context["After"].attempts == 0

    asyncio.run(main())


def test_a_second_cancellation_does_not_wait(gates):
    flow = Flow(gates=gates)

    async def main():
        task = asyncio.create_task(flow.astart())
        await begun(gates)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not flow.context.ended

    asyncio.run(main())
    gates[1].set()
    flow.shutdown()
    assert flow.context.status is RunStatus.CANCELLED


def test_a_timeout_cancels_the_run(gates):
    flow = Flow(gates=gates)

    async def main():
        go = asyncio.get_running_loop().call_later(0.1, gates[1].set)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(flow.astart(), 0.05)
        go.cancel()

    asyncio.run(main())
    assert flow.context.status is RunStatus.CANCELLED


class Short(Pipeline):
    class Meta:
        pointy = "After"


def test_errors_and_arguments_of_start():
    async def main():
        flow = Short()
        context = await flow.astart(results=False)
        assert context.report.results_kept is False
        with pytest.raises(PipelineStateError, match="has already run"):
            await flow.astart()
        assert (await flow.astart(force_rerun=True)).succeeded
        with pytest.raises(volnux.InputError):
            await Needy().astart()

    asyncio.run(main())


class Needy(Pipeline):
    who = InputDataField(required=True)

    class Meta:
        pointy = "After"


class Parts(Pipeline):
    part = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "After"


class AllParts(BatchPipeline):
    pipeline_template = Parts


def helper():
    Short().start()


@pytest.mark.parametrize(
    ("start", "called", "instead"),
    [
        (lambda: Short().start(), "start", "await pipeline.astart()"),
        (helper, "start", "await pipeline.astart()"),
        (lambda: volnux.run("hello.pty", {"who": "Ada"}), "run", "await volnux.arun(…)"),
        (
            lambda: AllParts(part=[1]).execute(),
            "execute",
            "await asyncio.to_thread(batches.execute)",
        ),
        (lambda: AllParts(part=[1])(), "batches", "await asyncio.to_thread(batches)"),
    ],
)
def test_start_in_a_coroutine_gives_a_hint(start, called, instead, file):
    async def main():
        with pytest.warns(RuntimeWarning) as caught:
            start()
        assert [str(each.message) for each in caught] == [
            f"{called}() blocks the event loop until the run ends: use `{instead}`"
        ]
        assert caught[0].filename == __file__

    asyncio.run(main())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Short().start()


EVENTS = """
from volnux import event


@event
def Greet(who, times=1):
    return True, f"Hello {who} " * times


@event
def Shout(previous_result):
    return True, previous_result.upper()
"""


@pytest.fixture
def file(own_folder):
    (own_folder / "hello_events.py").write_text(EVENTS)
    (own_folder / "other.py").write_text(EVENTS.replace("Hello", "Bye"))
    path = own_folder / "hello.pty"
    path.write_text("@input: who: str\n@input: times: int = 1\nGreet |-> Shout\n")
    return path


def run(*arguments, **options):
    return volnux.run(*arguments, **options)


def arun(*arguments, **options):
    return asyncio.run(volnux.arun(*arguments, **options))


@pytest.mark.parametrize("call", [run, arun])
def test_a_file_in_one_call(call, file, own_folder):
    report = call(file, {"who": "Ada"}, times=2)
    assert report.results["Shout"] == "HELLO ADA HELLO ADA "
    report.raise_for_status()
    assert call(str(file), {"who": "Ada"}, events=["other"]).results["Greet"] == "Bye Ada "
    assert call("hello.pty", {"who": "Ada"}, events="other").results["Greet"] == "Bye Ada "
    assert call(file, {"who": "Ada"}, results=False).results_kept is False


@pytest.mark.parametrize("call", [run, arun])
@pytest.mark.parametrize(
    ("text", "inputs", "options", "error"),
    [
        (None, None, {}, "FileError"),
        ("Greet ->", None, {}, "PointySyntaxError"),
        ("Nobody", None, {}, "LinkError"),
        ("@input: who: str\nGreet", None, {}, "InputError"),
        ("@input: who: str\nGreet", {"whom": "Ada"}, {}, "InputError"),
        ("@input: who: str\nGreet", {"who": "Ada"}, {"backend": "none-such"}, "BackendError"),
    ],
)
def test_what_keeps_a_file_from_running(call, text, inputs, options, error, own_folder):
    (own_folder / "hello_events.py").write_text(EVENTS)
    if text is not None:
        Path("hello.pty").write_text(text)
    with pytest.raises(volnux.VolnuxError) as caught:
        call("hello.pty", inputs, **options)
    assert type(caught.value).__name__ == error
