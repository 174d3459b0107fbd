"""One run on the standalone backend: the state machine, driven by threads.

There is no scheduler thread. Whoever finishes an event advances the state machine under the lock
and goes on with the next ready event itself; further ready events wake or start other workers. So
a chain costs no thread switch, and nothing polls: workers and the caller sleep on conditions.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from volnux.backends.port import RunOptions
from volnux.events.executors import ExecutorKind
from volnux.events.link import Plan
from volnux.events.run import Call, Outcome, raised, run_attempt, run_attempt_async
from volnux.events.spec import EventSpec
from volnux.graph.execution import Execution
from volnux.graph.report import RunReport, places_of

__all__ = ["Run", "default_workers"]

log = logging.getLogger("volnux.standalone")


def default_workers() -> int:
    """How many events of the default executor run at once unless told otherwise."""
    return min(32, (os.cpu_count() or 1) + 4)


class _Attempt:
    """One attempt that was handed out; `over` once its outcome is known or not wanted."""

    __slots__ = (
        "begun",
        "cancel_timer",
        "number",
        "on_loop",
        "over",
        "started",
        "stuck",
        "take_back",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.started = 0.0
        self.begun = False
        self.on_loop = False
        self.over = False
        self.stuck = False
        self.cancel_timer: Callable[[], None] | None = None
        self.take_back: Callable[[], bool] | None = None


_Work = tuple[int, _Attempt]
"""A node, and the attempt of it that is to run."""


class Run:
    """Everything that belongs to one run; `execute` is called once."""

    def __init__(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions, backend: str
    ) -> None:
        self._plan = plan
        self._nodes = plan.graph.nodes
        self._specs = plan.specs
        self._inputs = dict(inputs)
        self._backend = backend
        self._run_id = options.run_id or uuid.uuid4().hex
        self._portable = options.portable
        self._observer = options.observer
        self._control = options.control
        self._limit = options.workers or default_workers()

        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._over = threading.Event()
        self._observing = threading.RLock()
        self._execution = Execution(plan.graph)
        self._ready: deque[int] = deque()
        self._attempts: dict[int, _Attempt] = {}
        self._retrying: set[int] = set()
        self._sending = 0
        self._cancelled = False
        self._stopped = False
        self._crash: BaseException | None = None

        size = len(self._nodes)
        self._made = [0] * size
        self._first: list[float | None] = [None] * size
        self._last: list[Outcome | None] = [None] * size
        self._received: list[Any] = [None] * size

        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closing = False
        self._stuck = 0
        self._loop: Any = None
        self._pools: dict[Any, Any] = {}

    # From the caller's thread.

    def execute(self) -> RunReport:
        """Run to the end and report; see `Backend.run`."""
        started = time.time()
        if self._observer is not None:
            self._observe(lambda o: o.run_started(self._plan, self._run_id))
        self._control.on_cancel(self._cancel)
        elsewhere: list[int] = []
        with self._lock:
            self._take(self._execution.start(), elsewhere)
            self._sending = len(elsewhere)
            self._wake()
        self._wait(lambda: self._send(elsewhere))
        self._close()
        if self._crash is not None:
            raise self._crash
        report = self._report(started)
        if self._observer is not None:
            self._observe(lambda o: o.run_ended(report))
        return report

    def _wait(self, begin: Callable[[], None]) -> None:
        """Wait for the end; Ctrl-C cancels, a second one gives up what still runs."""
        try:
            begin()
            self._over.wait()
        except KeyboardInterrupt:
            self._cancel()
            try:
                self._over.wait()
            except KeyboardInterrupt:
                with self._lock:
                    self._give_up()

    def _cancel(self) -> None:
        """Start nothing more; what runs may finish."""
        with self._lock:
            if self._cancelled or self._stopped or self._over.is_set():
                return
            self._cancelled = True
            self._execution.cancel()
            self._drop_waiting()
            running = len(self._attempts)
            self._check_over()
        if self._observer is not None:
            self._observe(lambda o: o.cancelling(running))

    def _drop_waiting(self) -> None:
        """Forget what was handed out and has not begun: the lock is held."""
        self._ready.clear()
        self._retrying.clear()
        for node, attempt in list(self._attempts.items()):
            if attempt.take_back is not None and attempt.take_back():
                self._end_attempt(node, attempt)

    def _give_up(self) -> None:
        """Expect nothing more of what runs: the lock is held."""
        for node, attempt in list(self._attempts.items()):
            if attempt.take_back is None or not attempt.take_back():
                self._leave_behind(attempt)
            self._end_attempt(node, attempt)
        self._over.set()

    # The way of one place, from ready to finished.

    def _take(self, nodes: list[int], elsewhere: list[int]) -> None:
        """Queue ready events for our own workers; the others go into `elsewhere`. Lock held."""
        for node in nodes:
            spec = self._specs[node]
            assert spec is not None
            if self._nodes[node].receives is not None:
                self._received[node] = self._execution.received(node)
            if spec.executor.kind is ExecutorKind.DEFAULT and not spec.is_async:
                self._ready.append(node)
            else:
                elsewhere.append(node)

    def _wake(self) -> None:
        """See that there are workers for what is ready: the lock is held."""
        wanted = len(self._ready)
        if not wanted:
            return
        if self._idle:
            self._work.notify(min(wanted, self._idle))
            wanted -= self._idle
        room = self._limit - len(self._threads)
        for _ in range(min(wanted, room)):
            thread = threading.Thread(
                target=self._serve, name=f"volnux-{len(self._threads) + 1}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        """A worker: run ready events until the run closes."""
        try:
            while True:
                with self._lock:
                    while not self._ready:
                        if self._closing:
                            return
                        self._idle += 1
                        self._work.wait()
                        self._idle -= 1
                    node = self._ready.popleft()
                    work: _Work | None = (node, self._hand_out(node))
                while work is not None:
                    work = self._run_here(*work)
        except BaseException as error:  # noqa: BLE001 - a fault of ours must end the run, not hang it
            self._fail(error)

    def _hand_out(self, node: int) -> _Attempt:
        """A new attempt of a place: the lock is held."""
        attempt = self._attempts[node] = _Attempt(self._made[node] + 1)
        return attempt

    def _begin(self, node: int, attempt: _Attempt) -> None:
        """Note that an attempt begins; its timeout counts from here."""
        now = time.time()
        if self._first[node] is None:
            self._first[node] = now
        attempt.started = now
        attempt.begun = True
        self._made[node] = attempt.number
        spec = self._specs[node]
        assert spec is not None
        if spec.timeout is not None:
            with self._lock:
                if not attempt.over:
                    attempt.cancel_timer = self._background().after(
                        spec.timeout, lambda: self._timed_out(node, attempt, spec)
                    )
        if self._observer is not None:
            self._observe(lambda o: o.place_started(self._nodes[node], attempt.number))

    def _call(self, node: int, attempt: _Attempt) -> Call:
        return Call(
            self._nodes[node].id,
            self._run_id,
            self._inputs,
            self._received[node],
            attempt.number,
            self._portable,
        )

    def _run_here(self, node: int, attempt: _Attempt) -> _Work | None:
        """Run an attempt on this thread; the event to go on with, if there is one."""
        self._begin(node, attempt)
        spec = self._specs[node]
        assert spec is not None
        call = self._call(node, attempt)
        try:
            outcome = run_attempt(spec, call)
        except KeyboardInterrupt as interrupt:
            outcome = raised(spec, call, interrupt, attempt.started)._replace(retry_after=None)
            self._cancel()
        return self._ended(node, attempt, outcome, go_on=True)

    def _send(self, nodes: list[int]) -> None:
        """Start attempts that run elsewhere than on our own workers."""
        for node in nodes:
            with self._lock:
                if self._cancelled or self._stopped:
                    break
                attempt = self._hand_out(node)
            self._send_one(node, attempt)
        with self._lock:
            self._sending -= len(nodes)
            self._check_over()

    def _send_one(self, node: int, attempt: _Attempt) -> None:
        spec = self._specs[node]
        assert spec is not None
        call = self._call(node, attempt)

        def begin() -> None:
            self._begin(node, attempt)

        def done(ended: Outcome | BaseException) -> None:
            try:
                if isinstance(ended, BaseException):
                    ended = raised(spec, call, ended, attempt.started or time.time())
                self._ended(node, attempt, ended, go_on=False)
            except BaseException as fault:  # noqa: BLE001 - a fault of ours must end the run, not hang it
                self._fail(fault)

        try:
            if spec.executor.kind is ExecutorKind.DEFAULT:
                attempt.on_loop = True
                begin()
                attempt.take_back = self._background().run(run_attempt_async(spec, call), done)
            else:
                attempt.take_back = self._pool(spec).submit(spec, call, begin, done)
        except Exception as error:  # noqa: BLE001 - a user's executor class may raise anything
            done(error)

    def _ended(
        self, node: int, attempt: _Attempt, outcome: Outcome, *, go_on: bool
    ) -> _Work | None:
        """Take in how an attempt ended; with `go_on`, an event that this thread runs next."""
        spec = self._specs[node]
        assert spec is not None
        elsewhere: list[int] = []
        following: _Work | None = None
        with self._lock:
            if attempt.over:
                if attempt.stuck:
                    self._stuck -= 1
                    log.warning(
                        "%s ended after it was given up: what it returned is discarded",
                        self._nodes[node].id,
                    )
                return None
            self._end_attempt(node, attempt)
            if self._stopped:
                self._check_over()
                return None
            again = outcome.retry_after if not self._cancelled else None
            if again is not None:
                self._retrying.add(node)
                self._background().after(again, lambda: self._retry(node))
            elif outcome.retry_after is None:
                self._last[node] = outcome
                if spec.stop_on_exception and outcome.raised:
                    self._stop(node, outcome)
                else:
                    ready = self._execution.finish(node, outcome.descriptor, outcome.result)
                    if ready and not self._cancelled:
                        self._take(ready, elsewhere)
            if go_on and self._ready:
                number = self._ready.popleft()
                following = (number, self._hand_out(number))
            self._sending += len(elsewhere)
            self._wake()
            self._check_over()
        if self._observer is not None:
            model = self._nodes[node]
            if again is not None:
                self._observe(lambda o: o.place_retries(model, outcome))
            else:
                self._observe(lambda o: o.place_ended(model, outcome))
        if elsewhere:
            self._send(elsewhere)
        return following

    def _retry(self, node: int) -> None:
        """The wait before a retry is over."""
        spec = self._specs[node]
        assert spec is not None
        with self._lock:
            if node not in self._retrying:
                return
            self._retrying.discard(node)
            if spec.executor.kind is ExecutorKind.DEFAULT and not spec.is_async:
                self._ready.append(node)
                self._wake()
                return
            self._sending += 1
        self._send([node])

    def _end_attempt(self, node: int, attempt: _Attempt) -> None:
        attempt.over = True
        self._attempts.pop(node, None)
        if attempt.cancel_timer is not None:
            attempt.cancel_timer()

    def _stop(self, node: int, outcome: Outcome) -> None:
        """`stop_on_exception`: end the run; what can be cancelled is: the lock is held."""
        self._stopped = True
        self._execution.stop(node, outcome.result)
        self._drop_waiting()
        for pool in self._pools.values():
            pool.kill()

    def _check_over(self) -> None:
        """Set the end when nothing runs, is ready, waits or is on its way: the lock is held."""
        if not (self._attempts or self._ready or self._retrying or self._sending):
            self._over.set()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._crash is None:
                self._crash = error
            self._give_up()

    # Timeouts.

    def _timed_out(self, node: int, attempt: _Attempt, spec: EventSpec) -> None:
        with self._lock:
            if attempt.over:
                return
            # Whoever runs the attempt finds it over when it comes back.
            attempt.over = True
            late = self._attempts[node] = _Attempt(attempt.number)
            late.started = attempt.started
            if attempt.take_back is None or not attempt.take_back():
                self._leave_behind(attempt)
        error = TimeoutError(f"{spec.name} took longer than {spec.timeout:g} s")
        outcome = raised(spec, self._call(node, attempt), error, attempt.started)
        try:
            self._ended(node, late, outcome, go_on=False)
        except BaseException as fault:  # noqa: BLE001 - a fault of ours must end the run, not hang it
            self._fail(fault)

    def _leave_behind(self, attempt: _Attempt) -> None:
        """Note that user code still runs that nobody waits for: the lock is held."""
        if attempt.begun and not attempt.on_loop:
            attempt.stuck = True
            self._stuck += 1

    # What is made at first use, and closed at the end.

    def _background(self) -> Any:
        if self._loop is None:
            # asyncio is imported late: most runs need neither coroutines nor timers.
            from volnux_standalone.loop import BackgroundLoop

            self._loop = BackgroundLoop()
        return self._loop

    def _pool(self, spec: EventSpec) -> Any:
        key = (spec.event_class, spec.executor)
        with self._lock:
            if key not in self._pools:
                from volnux_standalone.pools import make_pool

                self._pools[key] = make_pool(spec.executor)
            return self._pools[key]

    def _close(self) -> None:
        """End threads, pools and the loop; what is stuck in the user's code is left behind."""
        with self._lock:
            self._closing = True
            self._ready.clear()
            self._work.notify_all()
            stuck = self._stuck > 0
        if not stuck:
            for thread in self._threads:
                thread.join()
        for pool in self._pools.values():
            pool.close(wait=not stuck)
        if self._loop is not None:
            self._loop.close(wait=not stuck)

    # The report.

    def _report(self, started: float) -> RunReport:
        execution = self._execution
        if self._cancelled or not execution.ended:
            execution.abandon()

        def details(node: int) -> dict[str, Any]:
            last = self._last[node]
            return {
                "attempts": self._made[node],
                "received": self._received[node],
                "started_at": _moment(self._first[node]),
                "ended_at": _moment(last.ended_at) if last else None,
                "bypassed": last.bypassed if last else False,
            }

        return RunReport(
            pipeline=self._plan.graph.name,
            backend=self._backend,
            run_id=self._run_id,
            status=execution.status,
            places=places_of(execution, details),
            inputs=self._inputs,
            started_at=_moment(started),
            ended_at=_moment(time.time()),
        )

    def _observe(self, tell: Callable[[Any], object]) -> None:
        with self._observing:
            try:
                tell(self._observer)
            except Exception:
                log.exception("an observer of the run failed")


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
