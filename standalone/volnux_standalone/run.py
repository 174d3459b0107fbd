"""One run on the standalone backend: the state machine, driven by threads.

There is no scheduler thread. Whoever finishes an event advances the state machine and goes on with
the next ready event itself; further ready events wake or start other workers. So a chain costs no
thread switch, and nothing polls.

Workers never wait for the lock: a finished event goes into a queue, and whoever holds the lock
takes in what is queued before letting go of it for good (`_advance`). With waiting, threads that
do next to nothing would hand the lock around one by one.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from volnux import usercode
from volnux.backends.port import RunOptions
from volnux.events.executors import ExecutorKind
from volnux.events.link import Plan
from volnux.events.run import Call, Outcome, raised, run_attempt
from volnux.events.spec import EventSpec
from volnux.graph.execution import Execution
from volnux.graph.outcome import FAILURE, SUCCESS, State
from volnux.graph.report import RunReport, places_of
from volnux.telemetry.watch import watch
from volnux_standalone.attempt import Attempt, Notes, moment
from volnux_standalone.elsewhere import Elsewhere
from volnux_standalone.interrupts import Interrupts
from volnux_standalone.timers import Timers
from volnux_standalone.workers import Workers, default_workers

__all__ = ["Run"]

log = logging.getLogger("volnux.standalone")

_DEFAULT = ExecutorKind.DEFAULT


class _Locked:
    """The lock as a context: what others queued meanwhile is taken in after letting go of it."""

    def __init__(self, lock: threading.Lock, advance: Callable[[], object]) -> None:
        self._lock = lock
        self._advance = advance

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._advance()


class Run:
    """Everything that belongs to one run; `execute` is called once."""

    def __init__(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions, backend: str
    ) -> None:
        self._plan = plan
        self._nodes = plan.graph.nodes
        # Joins and catches have no spec, and never come here.
        self._specs: tuple[EventSpec, ...] = plan.specs  # type: ignore[assignment]  # see above
        self._inputs = dict(inputs)
        self._backend = backend
        self._run_id = options.run_id or uuid.uuid4().hex
        self._portable = options.portable
        self._keep_results = options.results
        self._observer = options.observer
        self._control = options.control
        self._context = options.context
        self._announce: Any = None
        self.watch = watch(plan, self._run_id, backend)

        # Deques, sets and lists are used without the lock where one call does it all.
        self._lock = threading.Lock()
        self._locked = _Locked(self._lock, self._advance)
        self._over = threading.Event()
        self._observing = threading.RLock()
        self._execution = Execution(plan.graph, keep_results=options.results)
        self._open = 0  # Places that are ready, handed out, or wait for a retry.
        self._outbox: deque[int] = deque()
        self._flying: set[Attempt] = set()
        self._finished: deque[tuple[int, Outcome]] = deque()
        self._retrying: set[int] = set()
        # Places that failed, to be logged; with an outcome, an attempt that is repeated.
        self._to_log: deque[tuple[int, Outcome | None]] = deque()
        self._may_be_taken: set[str] | None = None
        self._undecided: list[int] = []  # Those of which only the rest of the run tells.
        self._cancelled = False
        self._stopped = False
        self._crash: BaseException | None = None

        self._notes = Notes(len(self._nodes))

        self._workers = Workers(
            options.workers or default_workers(), self._run_here, self._fail, self._control
        )
        self._ready = self._workers.ready
        self._elsewhere = Elsewhere()
        self._given_up = False
        self._stuck = 0
        self._timers = Timers()
        self._sending = threading.local()

    # From the caller's thread.

    def execute(self) -> RunReport:
        """Run to the end and report; see `Backend.run`."""
        started = time.time()
        if self._observer is not None:
            self._observe(lambda o: o.run_started(self._plan, self._run_id))
        # A control may outlive its run by far.
        alive = weakref.ref(self)
        self._control.on_cancel(functools.partial(_if_alive, alive, Run._cancel))
        self._control.on_give_up(functools.partial(_if_alive, alive, Run._abandon))
        outer = getattr(threading.current_thread(), "control", None)
        if outer is not None:
            # An event of another run has started this one, which ends with it.
            outer.on_cancel(functools.partial(_if_alive, alive, Run._cancel))
            outer.on_give_up(functools.partial(_if_alive, alive, Run._abandon))
        with Interrupts(self._interrupted, self._note_interrupt):
            try:
                self._begin()
                self._over.wait()
            except KeyboardInterrupt:
                # Only where somebody else handles SIGINT.
                self._note_interrupt()
                self._interrupted()
                try:
                    self._over.wait()
                except KeyboardInterrupt:
                    self._interrupted()
            self._close()
        self._log_failures()
        if self._crash is not None:
            raise self._crash
        report = self._report(started)
        self._log_undecided(report)
        if self._observer is not None:
            self._observe(lambda o: o.run_ended(report))
        return report

    def _begin(self) -> None:
        with self._locked:
            if not self._cancelled:
                self._take(self._execution.start())
                self._workers.wake(len(self._ready))
            self._check_over()

    def _interrupted(self) -> None:
        """Ctrl-C: the first cancels, a second gives up what still runs."""
        if not self._cancelled and not self._stopped:
            self._control.cancel()
        else:
            self._control.give_up()

    def _note_interrupt(self) -> None:
        self._control.interrupted = True

    def _abandon(self) -> None:
        """Wait no more for what runs."""
        with self._locked:
            self._give_up()
        # Also when only the end of a worker process is waited for.
        self._elsewhere.kill()

    def _cancel(self) -> None:
        """Start nothing more; what runs may finish."""
        with self._locked:
            if self._cancelled or self._stopped or self._over.is_set():
                return
            self._cancelled = True
            self._execution.cancel()
            self._drop_waiting()
            running = len(self._flying)
            self._open += 1  # Until everybody has been told.
        if self._observer is not None:
            self._observe(lambda o: o.cancelling(running))
        self._tell_stop()

    def _tell_stop(self) -> None:
        """Tell listeners that the run is to stop; it has been kept open for that."""
        try:
            announce = self._announcer()
            if announce is not None:
                announce.announce_stop(self._context)
        finally:
            with self._locked:
                self._open -= 1
                self._check_over()

    def _drop_waiting(self) -> None:
        """Forget what has not begun: the lock is held."""
        for queue in (self._ready, self._outbox):
            while queue:
                try:
                    queue.popleft()
                except IndexError:
                    break
                self._open -= 1
        self._open -= len(self._retrying)
        self._retrying.clear()
        for attempt in self._flying.copy():
            if attempt.handle is not None:
                self._take_back(attempt)

    def _take_back(self, attempt: Attempt) -> None:
        """Forget an attempt that was handed out, if it has not begun: the lock is held."""
        if attempt.handle.take_back() and self._claim(attempt):
            self._open -= 1

    def _give_up(self) -> None:
        """Expect nothing more of what runs: the lock is held."""
        self._given_up = True
        for attempt in self._flying.copy():
            if self._claim(attempt):
                self._expire(attempt)
        self._over.set()

    def _expire(self, attempt: Attempt) -> None:
        """Note that an attempt runs on whose end was claimed: the lock is held."""
        attempt.expired = True
        attempt.stuck = bool(attempt.started) and not attempt.stoppable
        self._stuck += attempt.stuck

    # The way of one place, from ready to finished.

    def _take(self, nodes: list[int]) -> None:
        """Queue ready events, for our own workers or to be sent elsewhere: the lock is held."""
        for node in nodes:
            if self._nodes[node].receives is not None:
                self._notes.received[node] = self._execution.received(node)
            self._queue(node)
        self._open += len(nodes)

    def _queue(self, node: int) -> None:
        spec = self._specs[node]
        if spec.executor.kind is _DEFAULT and not spec.is_async:
            self._ready.append(node)
        else:
            self._outbox.append(node)

    def _run_here(self, node: int) -> None:
        """Run an attempt on this thread."""
        attempt = Attempt(node, self._notes.made[node] + 1)
        self._flying.add(attempt)
        self._started(attempt)
        spec = self._specs[node]
        call = self._call(attempt)
        if self.watch is not None:
            call = self.watch.call(spec.name, call)
        # No variable of ours holds the outcome: the frames of an exception in it lead back here.
        self._ended(attempt, self._outcome_here(spec, call, attempt), goes_on=True)

    def _outcome_here(self, spec: EventSpec, call: Call, attempt: Attempt) -> Outcome:
        try:
            return run_attempt(spec, call)
        except KeyboardInterrupt as interrupt:
            return self._interrupted_by(spec, call, interrupt, attempt)

    def _started(self, attempt: Attempt) -> None:
        """Note that an attempt begins; its timeout counts from here."""
        node = attempt.node
        now = attempt.started = time.time()
        if self._notes.first[node] is None:
            self._notes.first[node] = now
        self._notes.made[node] = attempt.number
        timeout = self._specs[node].timeout
        if timeout is not None:
            attempt.drop_timer = self._timers.after(timeout, lambda: self._timed_out(attempt))
        if self._observer is not None:
            self._observe(lambda o: o.place_started(self._nodes[node], attempt.number))
        announce = self._announcer()
        if announce is not None and announce.hears_begin():
            announce.announce_begin(self._specs[node], self._call(attempt), self._context)

    def _call(self, attempt: Attempt) -> Call:
        node = attempt.node
        return Call(
            self._nodes[node].id,
            self._run_id,
            self._inputs,
            self._notes.received[node],
            attempt.number,
            self._portable,
        )

    def _interrupted_by(
        self, spec: EventSpec, call: Call, interrupt: KeyboardInterrupt, attempt: Attempt
    ) -> Outcome:
        """An event raised KeyboardInterrupt: that cancels the run, and is not repeated."""
        self._cancel()
        return raised(spec, call, interrupt, attempt.started)._replace(retry_after=None)

    def _send(self) -> None:
        """Start what runs elsewhere than on our own workers."""
        if getattr(self._sending, "now", False):
            # Called back from below, by an executor that ran something at once: the loop further
            # up goes on, or a long chain would be a deep recursion.
            return
        self._sending.now = True
        try:
            while self._outbox:
                try:
                    node = self._outbox.popleft()
                except IndexError:
                    break
                self._send_one(node)
        finally:
            self._sending.now = False

    def _send_one(self, node: int) -> None:
        attempt = Attempt(node, self._notes.made[node] + 1)
        self._flying.add(attempt)
        spec = self._specs[node]
        call = self._call(attempt)
        if self.watch is not None:
            call = self.watch.call(spec.name, call)

        def began() -> None:
            self._started(attempt)

        def done(ended: Outcome | BaseException) -> None:
            try:
                if isinstance(ended, KeyboardInterrupt):
                    ended = self._interrupted_by(spec, call, ended, attempt)
                elif isinstance(ended, BaseException):
                    # It is an attempt even so, unless it is only swept out with its pool.
                    if not (attempt.started or attempt.expired):
                        began()
                    ended = raised(spec, call, ended, attempt.started)
                self._ended(attempt, ended)
            except BaseException as fault:  # noqa: BLE001 - a fault of ours must end the run, not hang it
                self._fail(fault)

        try:
            attempt.stoppable = self._elsewhere.can_stop(spec)
            if self._cancelled or self._stopped:
                # Its pool was made meanwhile, which may take long.
                self._leave(attempt)
                return
            handle = self._elsewhere.send(spec, call, began, done)
        except Exception as error:  # noqa: BLE001 - a user's executor class may raise anything
            done(error)
            return
        with self._locked:
            # Whatever came in between could not know whom to ask.
            attempt.handle = handle
            unwanted = attempt.expired or self._stopped
            if self._cancelled or self._stopped:
                self._take_back(attempt)
                self._check_over()
        if unwanted:
            handle.abandon()

    def _leave(self, attempt: Attempt) -> None:
        """Forget an attempt that was not handed out."""
        with self._locked:
            if self._claim(attempt):
                self._open -= 1
                self._check_over()

    def _claim(self, attempt: Attempt) -> bool:
        """Whether the end of an attempt is the caller's to tell: it is that of the first."""
        try:
            self._flying.remove(attempt)
        except KeyError:
            return False
        if attempt.drop_timer is not None:
            attempt.drop_timer()
        return True

    def _ended(self, attempt: Attempt, outcome: Outcome, *, goes_on: bool = False) -> None:
        """Take in how an attempt ended; `goes_on`: this thread will look for more work."""
        if self._claim(attempt):
            self._finish(attempt, outcome, goes_on=goes_on)
        else:
            self._late(attempt)

    def _finish(self, attempt: Attempt, outcome: Outcome, *, goes_on: bool = False) -> None:
        if self._observer is not None:
            node = self._nodes[attempt.node]
            if outcome.retry_after is not None and not self._cancelled:
                self._observe(lambda o: o.place_retries(node, outcome))
            else:
                self._observe(lambda o: o.place_ended(node, outcome))
        announce = self._announcer()
        if announce is not None and announce.hears_end():
            told = outcome._replace(retry_after=None) if self._cancelled else outcome
            unhandled = self._execution.unhandled(attempt.node, outcome.descriptor)
            if unhandled is not None:
                told = told._replace(descriptor=FAILURE, result=unhandled)
            announce.announce_end(
                self._specs[attempt.node], self._call(attempt), told, self._context
            )
        self._finished.append((attempt.node, outcome))
        self._advance(goes_on=goes_on)

    def _announcer(self) -> Any:
        """What tells listeners to signals; None while nobody can have connected any."""
        if self._announce is None and "volnux.signal.soft" in sys.modules:
            from volnux.signal import announce

            self._announce = announce
        return self._announce

    def _late(self, attempt: Attempt) -> None:
        with self._locked:
            if not attempt.stuck:
                return
            self._stuck -= 1
        log.warning(
            "%s ended after it was given up: what it returned is discarded",
            self._nodes[attempt.node].id,
        )

    def _advance(self, *, goes_on: bool = False) -> None:
        """Take in all that has finished, unless another thread is at it, which then does."""
        while self._finished and self._lock.acquire(blocking=False):
            try:
                before = len(self._ready)
                while self._finished:
                    self._conclude(*self._finished.popleft())
                ready = len(self._ready)
                if ready > before or not goes_on:
                    self._workers.wake(ready - 1 if goes_on else ready)
                self._check_over()
            finally:
                self._lock.release()
        if self._to_log:
            self._log_failures()
        if self._outbox:
            self._send()

    def _conclude(self, node: int, outcome: Outcome) -> None:
        """Go from the end of an attempt to what follows: the lock is held."""
        if self._given_up:
            return
        # Nothing but a failure is repeated, logged, or has raised.
        succeeded = outcome.descriptor == SUCCESS
        again = not succeeded and outcome.retry_after is not None
        if again and not (self._cancelled or self._stopped):
            self._to_log.append((node, outcome))
            self._retrying.add(node)
            self._timers.after(outcome.retry_after or 0, lambda: self._retry(node))
            return
        self._open -= 1
        if self._stopped or again:
            return
        if self._keep_results:
            self._notes.last[node] = outcome
        else:
            self._notes.last[node] = outcome._replace(result=None)
            self._notes.received[node] = None
        if not succeeded and outcome.raised:
            # The execution alone keeps the exception, and with it the event's locals.
            self._notes.last[node] = outcome._replace(result=None)
            if self._specs[node].stop_on_exception:
                self._stop(node, outcome)
                return
        ready = self._execution.finish(node, outcome.descriptor, outcome.result)
        if not succeeded and self._execution.descriptors[node] == FAILURE:
            self._to_log.append((node, None))
        if ready:
            self._take(ready)

    def _retry(self, node: int) -> None:
        """The wait before a retry is over."""
        with self._locked:
            if node not in self._retrying:
                return
            self._retrying.discard(node)
            self._queue(node)
            self._workers.wake(len(self._ready))

    def _stop(self, node: int, outcome: Outcome) -> None:
        """`stop_on_exception`: end the run; what can be cancelled is: the lock is held."""
        self._stopped = True
        self._execution.stop(node, outcome.result)
        self._to_log.append((node, None))
        self._drop_waiting()
        self._open += 1  # Until listeners have been told, which may want the lock.
        self._timers.after(0, self._tell_stop)
        for attempt in self._flying.copy():
            if attempt.handle is not None and attempt.stoppable:
                # Not from here: it may tell an observer, who may want the lock.
                self._timers.after(0, attempt.handle.abandon)

    def _check_over(self) -> None:
        """Set the end when no place is open any more: the lock is held."""
        if self._open == 0:
            self._over.set()

    def _fail(self, error: BaseException) -> None:
        with self._locked:
            if self._crash is None:
                self._crash = error
            self._give_up()

    def _timed_out(self, attempt: Attempt) -> None:
        with self._locked:
            if not self._claim(attempt):
                return
            self._expire(attempt)
            handle = attempt.handle
        if handle is not None:
            handle.abandon()
        spec = self._specs[attempt.node]
        error = TimeoutError(f"{spec.name} took longer than {spec.timeout:g} s")
        outcome = raised(spec, self._call(attempt), error, attempt.started)
        try:
            self._finish(attempt, outcome)
        except BaseException as fault:  # noqa: BLE001 - a fault of ours must end the run, not hang it
            self._fail(fault)

    # The log of failures. No lock is held: a handler of the user's may do anything.

    def _log_failures(self) -> None:
        """Log what is certain: attempts that are repeated, failures that are handled or not."""
        if not self._to_log:
            return
        from volnux.backends import run_log
        from volnux.graph.handling import may_be_taken

        with self._observing:
            while self._to_log:
                node, repeated = self._to_log.popleft()
                if repeated is not None:
                    self._log_retry(node, repeated)
                    continue
                if self._may_be_taken is None:
                    self._may_be_taken = may_be_taken(self._plan.graph)
                if self._execution.states[node] is State.DONE:
                    self._log_failure(node, run_log.handled)
                elif self._nodes[node].id in self._may_be_taken and not self._stopped:
                    self._undecided.append(node)
                else:
                    self._log_failure(node, run_log.failed)

    def _log_retry(self, node: int, outcome: Outcome) -> None:
        from volnux.backends import run_log

        name, place = self._plan.graph.name, self._nodes[node].id
        wait = outcome.retry_after or 0
        run_log.repeated(name, self._run_id, place, outcome.result, outcome.attempts, wait)

    def _log_undecided(self, report: RunReport) -> None:
        """Log the other failures, now that the run is over."""
        if not self._undecided:
            return
        from volnux.backends import run_log

        for node in self._undecided:
            place = report.places[self._nodes[node].id]
            self._log_failure(node, run_log.handled if place.handled else run_log.failed)

    def _log_failure(self, node: int, tell: Callable[..., None]) -> None:
        place = self._nodes[node].id
        result = self._execution.results[node]
        tell(self._plan.graph.name, self._run_id, place, result, self._notes.made[node])

    # The end.

    @property
    def left_behind(self) -> bool:
        """Whether threads still run the user's code that nobody waits for."""
        return bool(self._stuck or self._given_up)

    def _close(self) -> None:
        """End threads, pools and the loop; what is stuck in the user's code is left behind."""
        with self._locked:
            self._workers.close()
            self._outbox.clear()
            wait = not self.left_behind
        self._timers.close()
        if wait:
            self._workers.join()
        cancelled = self._cancelled or self._given_up
        self._elsewhere.close(wait=wait, cancelled=cancelled, wait_for_loop=not self._given_up)

    # The report.

    def _report(self, started: float) -> RunReport:
        execution = self._execution
        with self._locked:
            if self._cancelled or not execution.ended:
                execution.abandon()

        return RunReport(
            pipeline=self._plan.graph.name,
            backend=self._backend,
            run_id=self._run_id,
            status=execution.status,
            places=places_of(execution, self._notes.details),
            inputs=self._inputs,
            started_at=moment(started),
            ended_at=moment(time.time()),
            results_kept=self._keep_results,
        )

    def _observe(self, tell: Callable[[Any], object]) -> None:
        generation = usercode.generation
        with self._observing:
            try:
                tell(self._observer)
            except BaseException as error:
                if usercode.generation != generation:
                    usercode.end_child(error)
                if not isinstance(error, Exception):
                    raise
                log.exception("an observer of the run failed")
        if usercode.generation != generation:
            usercode.end_child()


def _if_alive(ref: weakref.ref[Run], do: Callable[[Run], object]) -> None:
    run = ref()
    if run is not None:
        do(run)
