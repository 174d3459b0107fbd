"""One run on the standalone backend: threads drive the state machine.

There is no scheduler thread. The thread that finishes an event advances the state machine and
continues with the next ready event. Further ready events wake or start other workers. So a chain
needs no thread switches, and nothing polls.

Workers never wait for the lock: a finished event goes into a queue, and the thread that holds the
lock processes the queue until it is empty (`_advance`). If workers waited, threads with short
events would pass the lock on one by one.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

from volnux.backends.port import RunOptions
from volnux.events.link import Plan
from volnux.events.outcome import Call, Outcome
from volnux.events.run import raised, run_attempt, too_long
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS
from volnux.graph.report import RunReport
from volnux.hooks import About, hooks_of
from volnux.kit.calls import Calls
from volnux.kit.keeping import keeper_of
from volnux.kit.processes import default_workers
from volnux_standalone.attempt import Attempt
from volnux_standalone.board import Board, Locked
from volnux_standalone.elsewhere import Elsewhere
from volnux_standalone.failures import FailureLog
from volnux_standalone.interrupts import Interrupts, obey
from volnux_standalone.timers import Timers
from volnux_standalone.waits import Waits
from volnux_standalone.workers import Workers

__all__ = ["Run"]

log = logging.getLogger("volnux.standalone")


class Run:
    """Everything that belongs to one run. `execute` is called once, and sets `left_behind`."""

    def __init__(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions, backend: str
    ) -> None:
        self._plan = plan
        calls = Calls(plan, inputs, options)
        self._board = Board(plan, options, calls)
        self._calls = calls
        self._execution = self._board.execution
        self._received = self._board.notes.received
        self._specs = self._board.specs
        self._options = options
        self._about = About(plan.graph.name, backend, calls.run_id, plan, options.context)
        keeper = keeper_of(self._about, options, calls.inputs, calls.scheduled_at)
        self._hooks = hooks_of(self._about, observer=options.observer, keeper=keeper)
        self._locked = Locked(self._board.lock, self._advance)
        self._failures = FailureLog(plan, calls.run_id, self._board.execution, self._board.notes)
        self._workers = Workers(
            options.workers or default_workers(),
            self._board.ready,
            self._run_here,
            self._fail,
            options.control,
        )
        self._elsewhere = Elsewhere()
        self._timers = Timers()
        self._waits = Waits(self._timers, options.answers, self._retry, self._fail)
        self._sending = threading.local()
        self._crash: BaseException | None = None
        self.left_behind = False

    # On the caller's thread.

    def execute(self) -> RunReport:
        """Run to the end, and return the report; see `Backend.run`."""
        return self._hooks.around(self._execute)

    def _execute(self) -> RunReport:
        # If an event of another run started this run, cancelling that run cancels this one too.
        outer = getattr(threading.current_thread(), "control", None)
        for control in (self._options.control, outer):
            if control is not None:
                obey(control, weakref.ref(self), Run._cancel, Run._abandon)
        with Interrupts(self._interrupted, self._note_interrupt):
            try:
                self._begin()
                self._board.wait()
            except KeyboardInterrupt:
                # This only happens if other code handles SIGINT.
                self._note_interrupt()
                self._interrupted()
                try:
                    self._board.wait()
                except KeyboardInterrupt:
                    self._interrupted()
            self._close()
        self._failures.write(stopped=self._board.stopped)
        if self._crash is not None:
            raise self._crash
        with self._locked:
            report = self._board.report(self._about)
        self._failures.write_rest(report)
        return report

    def _begin(self) -> None:
        board = self._board
        with board.lock:
            if not board.cancelled:
                if self._plan.graph.run_timeout is not None:
                    self._timers.after(self._plan.graph.run_timeout, self._run_out)
                board.take(board.execution.start())
        board.reuse.tell(self._hooks)
        with self._locked:
            # Threads start before anything is sent to an executor, because that can take long.
            self._workers.wake(len(board.ready))
            board.check_over()

    def _interrupted(self) -> None:
        """On Ctrl-C: the first one cancels the run, the second one abandons running attempts."""
        if not self._board.cancelled and not self._board.stopped:
            self._options.control.cancel()
        else:
            self._options.control.give_up()

    def _note_interrupt(self) -> None:
        self._options.control.interrupted = True

    def _abandon(self) -> None:
        """Stop waiting for running attempts."""
        with self._locked:
            self._board.give_up()
        # Do this even without running attempts: the run may wait for a worker process to end.
        self._elsewhere.kill()

    def _cancel(self) -> None:
        """Start no more events. Running ones may finish."""
        board = self._board
        with self._locked:
            if board.cancelled or board.stopped or board.over.is_set():
                return
            board.cancel()
            running = len(board.flying)
            board.open += 1  # Keep the run open until all listeners are notified.
        self._tell_stop(running)

    def _tell_stop(self, running: int | None) -> None:
        """Notify listeners that the run stops. The run was kept open until this is done."""
        try:
            self._hooks.stops(running)
        finally:
            with self._locked:
                self._board.open -= 1
                self._board.check_over()

    def _run_here(self, index: int) -> None:
        """Run an attempt on this thread."""
        notes = self._board.notes
        attempt = Attempt(index, notes.next(index) if notes.polls else notes.made[index] + 1)
        self._board.flying.add(attempt)
        spec = self._specs[index]
        call = attempt.call = self._call(attempt)
        if self._hooks:
            call = self._hooks.call(spec, call)
        self._started(spec, attempt)
        # Do not keep the outcome in a variable: an exception in it refers to this frame.
        self._ended(attempt, self._outcome_here(spec, call, attempt), goes_on=True)

    def _call(self, attempt: Attempt) -> Call:
        index = attempt.index
        call = self._calls.call(self._execution, index, attempt.number, self._received[index])
        if self._board.notes.polls:
            call = self._board.notes.going_on(index, call)
            call = call._replace(answer=self._waits.answer(index))
        return call

    def _outcome_here(self, spec: EventSpec, call: Call, attempt: Attempt) -> Outcome:
        try:
            return run_attempt(spec, call)
        except KeyboardInterrupt as interrupt:
            return self._interrupted_by(spec, call, interrupt, attempt)

    def _started(self, spec: EventSpec, attempt: Attempt) -> None:
        """Record that an attempt begins. Its timeout starts now."""
        attempt.started = now = time.time()
        self._board.notes.begins(attempt.index, attempt.number, now)
        if spec.timeout is not None:
            attempt.drop_timer = self._timers.after(spec.timeout, lambda: self._timed_out(attempt))
        if self._hooks:
            self._hooks.began(spec, attempt.call)

    def _interrupted_by(
        self, spec: EventSpec, call: Call, interrupt: KeyboardInterrupt, attempt: Attempt
    ) -> Outcome:
        """Cancel the run, because an event raised KeyboardInterrupt. It is not repeated."""
        self._cancel()
        return raised(spec, call, interrupt, attempt.started)._replace(retry_after=None)

    def _send(self) -> None:
        """Submit the places that do not run on our own workers."""
        if getattr(self._sending, "now", False):
            # This is a nested callback from an executor that ran something at once. The loop in the
            # outer call continues, because a long chain would otherwise be a deep recursion.
            return
        self._sending.now = True
        try:
            while self._board.outbox:
                try:
                    index = self._board.outbox.popleft()
                except IndexError:
                    break
                self._send_one(index)
        finally:
            self._sending.now = False

    def _send_one(self, index: int) -> None:
        board = self._board
        attempt = Attempt(index, board.notes.next(index))
        board.flying.add(attempt)
        spec = self._specs[index]
        attempt.call = self._call(attempt)
        call = self._hooks.call(spec, attempt.call)

        def began() -> None:
            self._started(spec, attempt)

        def done(ended: Outcome | BaseException) -> None:
            try:
                if isinstance(ended, KeyboardInterrupt):
                    ended = self._interrupted_by(spec, call, ended, attempt)
                elif isinstance(ended, BaseException):
                    # It counts as an attempt even if it did not begin, unless its pool was closed.
                    if not (attempt.started or attempt.expired):
                        began()
                    ended = raised(spec, call, ended, attempt.started)
                self._ended(attempt, ended)
            except BaseException as fault:  # noqa: BLE001 - an internal error must end the run, not block it
                self._fail(fault)

        try:
            attempt.stoppable = self._elsewhere.can_stop(spec)
            if board.cancelled or board.stopped:
                # The call above may take long to create a pool: the run may have been stopped.
                with self._locked:
                    board.forget(attempt)
                    board.check_over()
                return
            handle = self._elsewhere.send(spec, call, began, done)
        except Exception as error:  # noqa: BLE001 - a user's executor may raise anything
            done(error)
            return
        with self._locked:
            # The run may have been stopped while the handle was not known yet.
            attempt.handle = handle
            unwanted = attempt.expired or board.stopped
            if board.cancelled or board.stopped:
                board.take_back(attempt)
                board.check_over()
        if unwanted:
            handle.abandon()

    def _ended(self, attempt: Attempt, outcome: Outcome, *, goes_on: bool = False) -> None:
        """Process the end of an attempt. With `goes_on`, this thread will look for more work."""
        if self._board.claim(attempt):
            self._finish(attempt, outcome, goes_on=goes_on)
            return
        with self._locked:
            place = self._board.late(attempt)
        if place is not None:
            log.warning("%s ended after it was abandoned: its result is discarded", place)

    def _finish(self, attempt: Attempt, outcome: Outcome, *, goes_on: bool = False) -> None:
        if self._hooks:
            self._tell_end(attempt, outcome)
        attempt.drop_call()
        self._board.finished.append((attempt.index, outcome))
        self._advance(goes_on=goes_on)

    def _tell_end(self, attempt: Attempt, outcome: Outcome) -> None:
        """Notify listeners how an attempt ended, as the flow sees it."""
        goes_on = outcome.waits or not self._board.cancelled
        told = outcome if goes_on else outcome._replace(retry_after=None)
        unhandled = self._board.execution.unhandled(attempt.index, outcome.descriptor)
        if unhandled is not None:
            told = told._replace(descriptor=FAILURE, result=unhandled)
        self._hooks.attempt_ended(self._specs[attempt.index], attempt.call, told)

    def _advance(self, *, goes_on: bool = False) -> None:
        """Process all finished attempts. If another thread is doing this, it will process them."""
        board = self._board
        while board.finished and board.lock.acquire(blocking=False):
            try:
                before = len(board.ready)
                while board.finished:
                    self._conclude(*board.finished.popleft())
                ready = len(board.ready)
                if ready > before or not goes_on:
                    self._workers.wake(ready - 1 if goes_on else ready)
                board.check_over()
            finally:
                board.lock.release()
        board.reuse.tell(self._hooks)
        if self._failures:
            self._failures.write(stopped=board.stopped)
        if board.outbox:
            self._send()

    def _conclude(self, index: int, outcome: Outcome) -> None:
        """Decide what follows the end of an attempt. The lock is held."""
        board = self._board
        if board.given_up:
            return
        # Only a failure can be repeated, logged, or have raised an exception.
        again = outcome.descriptor != SUCCESS and outcome.retry_after is not None
        if again:
            board.notes.ends(index, outcome)
        if again and not (board.cancelled or board.stopped):
            if not outcome.waits:
                self._failures.add(index, outcome)
            board.retrying.add(index)
            call = self._calls.call(self._execution, index, outcome.attempts, None)
            self._waits.begin(index, self._specs[index], call, outcome)
            return
        board.open -= 1
        if board.stopped or again:
            return
        if outcome.raised and self._specs[index].stop_on_exception:
            self._stop(index, outcome)
        elif board.finish(index, outcome):
            self._failures.add(index)

    def _retry(self, index: int) -> None:
        """Called when the wait before the next call is over."""
        with self._locked:
            if self._board.retry(index):
                self._workers.wake(len(self._board.ready))

    def _stop(self, index: int, outcome: Outcome) -> None:
        """End the run after `stop_on_exception`, and stop what can be stopped. The lock is held."""
        still_running = self._board.stop(index, outcome)
        self._failures.add(index)
        # Keep the run open until listeners are notified, but not from here: they may need the lock.
        self._board.open += 1
        self._timers.after(0, lambda: self._tell_stop(None))
        for attempt in still_running:
            self._timers.after(0, attempt.handle.abandon)

    def _run_out(self) -> None:
        """End the run because its time limit is reached."""
        with self._locked:
            if self._board.over.is_set():
                return
            self._board.run_out()
        self._hooks.stops(None)
        # Worker processes end now; threads that still run are left behind.
        self._elsewhere.kill()

    def _fail(self, error: BaseException) -> None:
        with self._locked:
            self._crash = error if self._crash is None else self._crash
            self._board.give_up()

    def _timed_out(self, attempt: Attempt) -> None:
        with self._locked:
            if not self._board.claim(attempt):
                return
            self._board.expire(attempt)
            handle = attempt.handle
        if handle is not None:
            handle.abandon()
        spec = self._specs[attempt.index]
        outcome = raised(spec, attempt.call, too_long(spec), attempt.started)
        try:
            self._finish(attempt, outcome)
        except BaseException as fault:  # noqa: BLE001 - an internal error must end the run, not block it
            self._fail(fault)

    # The end.

    def _close(self) -> None:
        """End threads, pools and the loop. Threads that are stuck in user code are abandoned."""
        board = self._board
        with self._locked:
            self._workers.close()
            board.outbox.clear()
            wait = not board.left_behind
        self._timers.close()
        self._waits.close()
        if wait:
            self._workers.join()
        cancelled = board.cancelled or board.given_up
        self._elsewhere.close(wait=wait, cancelled=cancelled, wait_for_loop=not board.given_up)
        self.left_behind = board.left_behind
