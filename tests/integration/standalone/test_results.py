"""Which results a run keeps: all of them, or with `results=False` only those that it needs."""

import asyncio
import gc
import subprocess
import sys
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from volnux import EventBase, InputDataField, Pipeline, RetryPolicy, VolnuxError
from volnux.backends import RunObserver
from volnux.graph import RunReport
from volnux.pipeline import BatchPipeline

ALIVE = weakref.WeakSet()


class Big:
    """A result that records when it is deleted."""

    def __init__(self):
        ALIVE.add(self)

    def __reduce__(self):
        return Big, ()


class Plain(EventBase):
    def process(self):
        return True, Big()


class Retried(EventBase):
    retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0)

    def process(self):
        assert self.previous_result is None or isinstance(self.previous_result, Big)
        if self.attempt == 1:
            raise ConnectionError
        return True, Big()


class Bypassed(EventBase):
    def can_bypass(self):
        return True, Big()

    def process(self):
        raise AssertionError


class Coroutine(EventBase):
    async def process(self):
        await asyncio.sleep(0)
        return True, Big()


class InThread(EventBase):
    executor = ThreadPoolExecutor

    def process(self):
        return True, Big()


class InProcess(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}  # noqa: RUF012 - as a user writes it

    def process(self):
        return True, Big()


class Refused(EventBase):
    def process(self):
        return False, Big()


class Raising(EventBase):
    def process(self):
        raise ValueError("no")


EVENTS = [Plain, Retried, Bypassed, Coroutine, InThread, InProcess, Refused, Raising]


class Counting(RunObserver):
    """The maximum number of results that were alive when each place started."""

    def __init__(self):
        self.most = 0

    def place_started(self, node, attempt):
        self.most = max(self.most, len(ALIVE))


def run(text, **options):
    class Flow(Pipeline):
        class Meta:
            pointy = text
            events = EVENTS

    counting = Counting()
    gc.collect()
    assert not ALIVE
    gc.disable()  # What only a collection would free counts as held.
    try:
        context = Flow().start(observer=counting, **options)
    finally:
        gc.enable()
    return context, counting.most


def chain(arrow, *names):
    return f" {arrow} ".join(names)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        pytest.param(chain("|->", *["Plain"] * 12), 2, id="plain"),
        pytest.param(chain("->", *["Plain"] * 12), 1, id="nobody receives"),
        # Threads that have run earlier attempts may still hold what was piped to them.
        pytest.param(chain("|->", *["Retried"] * 12), 6, id="retried"),
        pytest.param(chain("|->", *["Plain[timeout=60]"] * 12), 2, id="with a timeout"),
        pytest.param(chain("|->", *["Bypassed"] * 12), 2, id="bypassed"),
        pytest.param(chain("|->", *["Coroutine"] * 12), 6, id="coroutine"),
        pytest.param(chain("|->", *["InThread"] * 12), 6, id="in a pool of threads"),
        pytest.param(chain("|->", *["InProcess"] * 6), 4, id="in a pool of processes"),
        pytest.param(chain("|->", *["{Plain || Plain}"] * 8), 8, id="lists of groups"),
        pytest.param(chain("|->", *["Plain (1 |-> Plain, 3 |-> Plain)"] * 6), 3, id="branches"),
        pytest.param(chain("|->", *["{Raising || Plain} (0 |-> Plain)"] * 6), 3, id="catches"),
    ],
)
def test_a_result_is_let_go_after_its_last_reader(text, most):
    context, held = run(text, results=False)
    context.raise_for_status()
    assert held <= most
    assert not ALIVE
    kept, held = run(text)
    kept.raise_for_status()
    assert held > most
    assert len([r for r in kept.results.values() if isinstance(r, Big)]) == len(ALIVE)


def test_what_says_how_a_place_failed_is_kept():
    context, _ = run("Plain |-> Refused (0 |-> Raising)", results=False)
    report = context.report
    assert report.results_kept is False
    assert report.places["Plain"].result is None
    assert isinstance(report.places["Refused"].result, Big)
    assert report.places["Raising"].failure.message == "no"
    assert report.places["Raising"].received is None
    assert report.to_json()["places"]["Raising"]["received"] == {"from": "Refused"}
    assert report.to_json()["results_kept"] is False
    again = RunReport.from_json(report.to_json())
    assert again.results_kept is False
    assert again.places["Raising"].received is None
    for ask in (lambda: context.results, lambda: context.results_of(Plain)):
        with pytest.raises(VolnuxError, match="were not kept: start it with results=True"):
            ask()


class Numbers(Pipeline):
    number = InputDataField(data_type=list, batch_size=1)

    class Meta:
        pointy = "Plain |-> Refused"
        events = EVENTS


class AllNumbers(BatchPipeline):
    pipeline_template = Numbers


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, True),
        ({"keep_results": False}, False),
        ({"keep_results": False, "progress": lambda progress: None}, True),
    ],
)
def test_batches_let_results_go_where_their_reports_go(options, kept):
    report = AllNumbers(number=[1]).execute(**options)
    assert report.failures[0].report.results_kept is kept


MEGABYTES = 20

EVENTS_OF_BLOCKS = f"""
from volnux import event


@event
def block(previous_result=None):
    return True, bytearray({MEGABYTES} * 2**20)
"""


def test_the_memory_of_a_run_on_the_command_line(own_folder):
    """Nothing can read the results of `volnux run`, so twelve of them never add up in memory."""
    (own_folder / "blocks_events.py").write_text(EVENTS_OF_BLOCKS)
    (own_folder / "blocks.pty").write_text(chain("|->", *["Block"] * 12))
    (own_folder / "one.pty").write_text("@events: blocks_events\nBlock")
    one, twelve = (peak(own_folder / f"{name}.pty") for name in ("one", "blocks"))
    assert twelve - one < 4 * MEGABYTES
    kept = peak(own_folder / "blocks.pty", "--json")
    assert kept - one > 8 * MEGABYTES
    assert peak(own_folder / "blocks.pty", "--json", "--no-results") - one < 4 * MEGABYTES


def peak(path, *options):
    """The most memory that `volnux run` took, in MB."""
    script = (
        "import resource, subprocess, sys;"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-m", "volnux", "run", str(path), *options]
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=True
    )
    code, kilobytes = map(int, done.stdout.split())
    assert code == 0, done.stderr
    return kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)
