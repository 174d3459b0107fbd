"""Delivery to a publisher: nothing waits, and every lost record is counted."""

import gc
import logging
import os
import threading
import time
import tracemalloc

import pytest

from volnux import event, telemetry
from volnux.telemetry import CompositePublisher, MetricsPublisher, PublishError
from volnux.telemetry.publishers.delivery import Delivery


class Collecting(MetricsPublisher):
    """Stores what it receives."""

    def __init__(self):
        self.events = []
        self.operations = []
        self.closed = 0

    def publish_event_metrics(self, metrics):
        self.events.append(metrics)

    def publish_network_metrics(self, metrics):
        self.operations.append(metrics)

    def close(self):
        self.closed += 1


class Server(MetricsPublisher):
    """A publisher whose server can die; it counts what arrived."""

    batch_size = 50

    def __init__(self):
        self.up = threading.Event()
        self.arrived = 0
        self.tried = 0

    def publish_event_metrics(self, metrics):
        self.publish_batch((metrics,))

    def publish_batch(self, items):
        self.tried += 1
        if not self.up.is_set():
            raise PublishError("no connection")
        self.arrived += len(items)


@event
def Quick():
    return True, 1


def eventually(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture
def delivery():
    made = []

    def make(publisher, **settings):
        made.append(Delivery(publisher, **{"first_wait": 0.01, "longest_wait": 0.05, **settings}))
        return made[-1]

    yield make
    for each in made:
        each.close(0.2)


def test_a_publisher_of_ones_own_gets_each_event(run):
    publisher = Collecting()
    telemetry.monitor_events([publisher])
    run("Quick -> Quick", Quick)
    assert telemetry.flush()
    assert [each.task_id for each in publisher.events] == ["Quick", "Quick__2"]
    telemetry.stop_monitoring()
    assert publisher.closed == 1


def test_it_is_called_on_a_thread_of_its_own(delivery, event_metrics):
    threads = []

    class Where(Collecting):
        def publish_event_metrics(self, metrics):
            threads.append(threading.current_thread().name)

    sent = delivery(Where())
    sent.put(event_metrics())
    assert sent.flush()
    assert threads == ["volnux-Where"]


def test_a_composite_gives_each_its_own_queue(run):
    class Hangs(Collecting):
        let_go = threading.Event()

        def publish_event_metrics(self, metrics):
            self.let_go.wait(20)

    hanging, working = Hangs(), Collecting()
    telemetry.monitor_events(CompositePublisher([hanging, CompositePublisher([working])]))
    run("Quick -> Quick", Quick)
    eventually(lambda: len(working.events) == 2)
    hanging.let_go.set()
    telemetry.stop_monitoring()


def test_a_composite_called_alone_passes_everything_on(event_metrics, operation):
    first, second = Collecting(), Collecting()
    both = CompositePublisher([first, second])
    both.publish_event_metrics(event_metrics())
    both.publish_network_metrics(operation())
    both.close()
    for each in (first, second):
        assert (len(each.events), len(each.operations), each.closed) == (1, 1, 1)


def test_network_operations_are_published(operation):
    publisher = Collecting()
    telemetry.monitor_events([publisher])
    telemetry.monitor._network_ended(operation())
    assert telemetry.flush()
    assert publisher.operations == [operation()]


def test_a_dead_server_is_tried_again_until_it_is_back(delivery, event_metrics):
    server = Server()
    sent = delivery(server)
    for _ in range(100):
        sent.put(event_metrics())
    eventually(lambda: server.tried > 3)
    assert (sent.published, sent.dropped, sent.waiting) == (0, 0, 100)
    server.up.set()
    assert sent.flush()
    assert (sent.published, sent.dropped, sent.waiting) == (100, 0, 0)
    assert server.arrived == 100


def test_of_too_many_the_oldest_are_dropped_and_counted(delivery, event_metrics):
    server = Server()
    server.batch_size = 1
    sent = delivery(server, size=10)
    for number in range(1_000):
        sent.put(event_metrics(run_id=str(number)))
    assert sent.waiting == 10
    assert sent.dropped == 990
    server.up.set()
    assert sent.flush()
    assert (sent.published, server.arrived) == (10, 10)


def test_what_is_refused_for_good_is_not_sent_again(delivery, event_metrics):
    seen = []

    class Picky(Collecting):
        batch_size = 4
        linger = 0.05

        def publish_batch(self, items):
            seen.append([item.run_id for item in items])
            if len(seen) == 1:
                raise PublishError("one is bad, one is for later", again=items[2:3], rejected=1)

    sent = delivery(Picky())
    for number in range(4):
        sent.put(event_metrics(run_id=str(number)))
    assert sent.flush()
    assert seen == [["0", "1", "2", "3"], ["2"]]
    assert (sent.published, sent.dropped) == (3, 1)


def test_a_publisher_that_raises_is_tried_a_few_times_and_logged_once(
    delivery, event_metrics, caplog
):
    class Broken(Collecting):
        tries = 0

        def publish_event_metrics(self, metrics):
            self.tries += 1
            raise RuntimeError("a mistake")

    broken = Broken()
    sent = delivery(broken, attempts=3)
    for _ in range(5):
        sent.put(event_metrics())
    assert sent.flush()
    assert (broken.tries, sent.dropped, sent.published) == (15, 5, 0)
    assert [record.message for record in caplog.records] == [
        "Broken cannot publish: RuntimeError: a mistake"
    ]


def test_closing_does_not_wait_longer_than_it_is_told(delivery, event_metrics, caplog):
    server = Server()
    sent = delivery(server, first_wait=60.0, longest_wait=60.0)
    for _ in range(7):
        sent.put(event_metrics())
    eventually(lambda: server.tried)
    started = time.monotonic()
    sent.close(0.3)
    assert time.monotonic() - started < 2
    assert (sent.published, sent.dropped, sent.waiting) == (0, 7, 0)
    assert "Server: 7 metrics were not published in time" in caplog.text
    sent.put(event_metrics())
    assert sent.dropped == 8


def test_closing_counts_a_batch_that_failed_before_more_arrived(delivery, event_metrics, caplog):
    server = Server()
    sent = delivery(server, first_wait=60.0, longest_wait=60.0)
    sent.put(event_metrics())
    eventually(lambda: server.tried)
    for _ in range(6):
        sent.put(event_metrics())
    sent.close(0.3)
    assert (sent.published, sent.dropped, sent.waiting) == (0, 7, 0)
    assert "Server: 7 metrics were not published in time" in caplog.text


def test_a_publisher_that_hangs_holds_nobody_up(run, caplog):
    class Hangs(Collecting):
        let_go = threading.Event()

        def publish_event_metrics(self, metrics):
            self.let_go.wait(20)

    hanging = Hangs()
    telemetry.monitor_events([hanging])
    started = time.monotonic()
    assert run("Quick -> Quick", Quick).status == "success"
    telemetry.stop_monitoring(timeout=0.1)
    assert time.monotonic() - started < 5
    hanging.let_go.set()


def test_a_publisher_in_the_foreground_that_fails_harms_no_run(run, caplog):
    class Broken(Collecting):
        background = False

        def publish_event_metrics(self, metrics):
            raise RuntimeError("a mistake")

    telemetry.monitor_events([Broken()])
    assert run("Quick -> Quick", Quick).status == "success"
    assert "Broken cannot publish" in caplog.text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_publishes_for_itself(delivery, event_metrics):
    publisher = Collecting()
    sent = delivery(publisher)
    sent.put(event_metrics())
    assert sent.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            publisher.events.clear()
            sent.put(event_metrics(run_id="child"))
            arrived = sent.flush(5.0)
            told = f"{arrived} {sent.published} {[e.run_id for e in publisher.events]}"
            os.write(writing, told.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "True 1 ['child']"
    os.waitpid(child, 0)


def test_a_server_that_dies_and_returns_costs_no_memory_and_no_count(delivery, event_metrics):
    logging.getLogger("volnux.telemetry").setLevel(logging.CRITICAL)
    server = Server()
    server.up.set()
    sent = delivery(server, size=500)
    total = 20_000

    def put(number):
        for _ in range(number):
            sent.put(event_metrics())

    put(2_000)
    sent.flush()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    server.up.clear()
    put(12_000)
    server.up.set()
    put(6_000)
    assert sent.flush()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert sent.published + sent.dropped == total
    assert server.arrived == sent.published
    assert sent.dropped >= 11_000
    assert grown < 100_000
