"""One run on the standalone backend: the state machine, driven by threads.

There is no scheduler thread. Whoever finishes an event advances the state machine and goes on with
the next ready event itself; further ready events wake or start other workers. So a chain costs no
thread switch, and nothing polls.

Workers never wait for the lock: a finished event goes into a queue, and whoever holds the lock
takes in what is queued before letting go of it for good (`_advance`). With waiting, threads that
do next to nothing would hand the lock around one by one.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
import weakref
from collections.abc import Mapping
from typing import Any

from volnux.backends.port import RunOptions
from volnux.events.link import Plan
from volnux.events.outcome import Call, Host, Outcome
from volnux.events.run import raised, run_attempt, too_long
from volnux.events.spec import EventSpec
from volnux.graph.outcome import FAILURE, SUCCESS
from volnux.graph.report import RunReport
from volnux.hooks import About, hooks_of
from volnux.kit.instants import instant_of
from volnux.kit.processes import default_workers
from volnux_standalone.attempt import Attempt
from volnux_standalone.board import Board, Locked
from volnux_standalone.elsewhere import Elsewhere
from volnux_standalone.failures import FailureLog
from volnux_standalone.interrupts import Interrupts, obey
from volnux_standalone.timers import Timers
from volnux_standalone.workers import Workers

__all__ = ["Run"]

log = logging.getLogger("volnux.standalone")


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
        self._options = options
        self._run_id = options.run_id or uuid.uuid4().hex
        self._scheduled_at = instant_of(plan.graph, options.scheduled_at)
        self._host: Host | None = None
        if plan.graph.variables or plan.graph.secrets:
            from volnux.kit.config import host_of

            self._host = host_of(plan, options)
        self._about = About(plan.graph.name, backend, self._run_id, plan, options.context)
        self._hooks = hooks_of(self._about, observer=options.observer)
        self._board = Board(plan, keep_results=options.results)
        self._locked = Locked(self._board.lock, self._advance)
        self._failures = FailureLog(plan, self._run_id, self._board.execution, self._board.notes)
        self._workers = Workers(
            options.workers or default_workers(),
            self._board.ready,
            self._run_here,
            self._fail,
            options.control,
        )
        self._elsewhere = Elsewhere()
        self._timers = Timers()
        self._sending = threading.local()
        self._crash: BaseException | None = None

    # From the caller's thread.

    def execute(self) -> RunReport:
        """Run to the end and report; see `Backend.run`."""
        return self._hooks.around(self._execute)

    def _execute(self) -> RunReport:
        # An event of another run may have started this one, which ends with it.
        outer = getattr(threading.current_thread(), "control", None)
        for control in (self._options.control, outer):
            if control is not None:
                obey(control, weakref.ref(self), Run._cancel, Run._abandon)
        with Interrupts(self._interrupted, self._note_interrupt):
            try:
                self._begin()
                self._wait()
            except KeyboardInterrupt:
                # Only where somebody else handles SIGINT.
                self._note_interrupt()
                self._interrupted()
                try:
                    self._wait()
                except KeyboardInterrupt:
                    self._interrupted()
            self._close()
        self._failures.write(stopped=self._board.stopped)
        if self._crash is not None:
            raise self._crash
        report = self._report()
        self._failures.write_rest(report)
        return report

    def _wait(self) -> None:
        # Python does not see a signal that comes just before it begins to wait: it looks again.
        while not self._board.over.wait(0.5):
            pass

    def _begin(self) -> None:
        board = self._board
        with self._locked:
            if not board.cancelled:
                limit = self._plan.graph.run_timeout
                if limit is not None:
                    self._timers.after(limit, self._run_out)
                board.take(board.execution.start())
                self._workers.wake(len(board.ready))
            board.check_over()

    def _interrupted(self) -> None:
        """Ctrl-C: the first cancels, a second gives up what still runs."""
        if not self._board.cancelled and not self._board.stopped:
            self._options.control.cancel()
        else:
            self._options.control.give_up()

    def _note_interrupt(self) -> None:
        self._options.control.interrupted = True

    def _abandon(self) -> None:
        """Wait no more for what runs."""
        with self._locked:
            self._board.give_up()
        # Also when only the end of a worker process is waited for.
        self._elsewhere.kill()

    def _cancel(self) -> None:
        """Start nothing more; what runs may finish."""
        board = self._board
        with self._locked:
            if board.cancelled or board.stopped or board.over.is_set():
                return
            board.cancel()
            running = len(board.flying)
            board.open += 1  # Until everybody has been told.
        self._tell_stop(running)

    def _tell_stop(self, running: int | None) -> None:
        """Tell listeners that the run is to stop; it has been kept open for that."""
        try:
            self._hooks.stops(running)
        finally:
            with self._locked:
                self._board.open -= 1
                self._board.check_over()

    # The way of one place, from ready to finished.

    def _run_here(self, node: int) -> None:
        """Run an attempt on this thread."""
        attempt = Attempt(node, self._board.notes.made[node] + 1)
        self._board.flying.add(attempt)
        spec = self._specs[node]
        call = self._call(attempt)
        if self._hooks:
            call = self._hooks.call(spec, call)
        self._started(spec, attempt)
        # No variable of ours holds the outcome: the frames of an exception in it lead back here.
        self._ended(attempt, self._outcome_here(spec, call, attempt), goes_on=True)

    def _outcome_here(self, spec: EventSpec, call: Call, attempt: Attempt) -> Outcome:
        try:
            return run_attempt(spec, call)
        except KeyboardInterrupt as interrupt:
            return self._interrupted_by(spec, call, interrupt, attempt)

    def _started(self, spec: EventSpec, attempt: Attempt) -> None:
        """Note that an attempt begins; its timeout counts from here."""
        attempt.started = now = time.time()
        self._board.notes.begins(attempt.node, attempt.number, now)
        if spec.timeout is not None:
            attempt.drop_timer = self._timers.after(spec.timeout, lambda: self._timed_out(attempt))
        if self._hooks:
            self._hooks.began(spec, self._call(attempt))

    def _call(self, attempt: Attempt) -> Call:
        """What an attempt is given."""
        return Call(
            self._nodes[attempt.node].id,
            self._run_id,
            self._inputs,
            self._board.notes.received[attempt.node],
            attempt.number,
            self._options.portable,
            None,
            self._scheduled_at,
            self._host,
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
            while self._board.outbox:
                try:
                    node = self._board.outbox.popleft()
                except IndexError:
                    break
                self._send_one(node)
        finally:
            self._sending.now = False

    def _send_one(self, node: int) -> None:
        board = self._board
        attempt = Attempt(node, board.notes.made[node] + 1)
        board.flying.add(attempt)
        spec = self._specs[node]
        call = self._hooks.call(spec, self._call(attempt))

        def began() -> None:
            self._started(spec, attempt)

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
            if board.cancelled or board.stopped:
                # Its pool was made meanwhile, which may take long.
                with self._locked:
                    board.forget(attempt)
                    board.check_over()
                return
            handle = self._elsewhere.send(spec, call, began, done)
        except Exception as error:  # noqa: BLE001 - a user's executor class may raise anything
            done(error)
            return
        with self._locked:
            # Whatever came in between could not know whom to ask.
            attempt.handle = handle
            unwanted = attempt.expired or board.stopped
            if board.cancelled or board.stopped:
                board.take_back(attempt)
                board.check_over()
        if unwanted:
            handle.abandon()

    def _ended(self, attempt: Attempt, outcome: Outcome, *, goes_on: bool = False) -> None:
        """Take in how an attempt ended; `goes_on`: this thread will look for more work."""
        if self._board.claim(attempt):
            self._finish(attempt, outcome, goes_on=goes_on)
        else:
            self._late(attempt)

    def _finish(self, attempt: Attempt, outcome: Outcome, *, goes_on: bool = False) -> None:
        if self._hooks:
            self._tell_end(attempt, outcome)
        self._board.finished.append((attempt.node, outcome))
        self._advance(goes_on=goes_on)

    def _tell_end(self, attempt: Attempt, outcome: Outcome) -> None:
        """Tell listeners how an attempt ended, as the flow takes it."""
        told = outcome._replace(retry_after=None) if self._board.cancelled else outcome
        unhandled = self._board.execution.unhandled(attempt.node, outcome.descriptor)
        if unhandled is not None:
            told = told._replace(descriptor=FAILURE, result=unhandled)
        self._hooks.attempt_ended(self._specs[attempt.node], self._call(attempt), told)

    def _late(self, attempt: Attempt) -> None:
        with self._locked:
            if not attempt.stuck:
                return
            self._board.stuck -= 1
        log.warning(
            "%s ended after it was given up: what it returned is discarded",
            self._nodes[attempt.node].id,
        )

    def _advance(self, *, goes_on: bool = False) -> None:
        """Take in all that has finished, unless another thread is at it, which then does."""
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
        if self._failures:
            self._failures.write(stopped=board.stopped)
        if board.outbox:
            self._send()

    def _conclude(self, node: int, outcome: Outcome) -> None:
        """Go from the end of an attempt to what follows: the lock is held."""
        board = self._board
        if board.given_up:
            return
        # Nothing but a failure is repeated, logged, or has raised.
        again = outcome.descriptor != SUCCESS and outcome.retry_after is not None
        if again and not (board.cancelled or board.stopped):
            self._failures.add(node, outcome)
            board.retrying.add(node)
            self._timers.after(outcome.retry_after or 0, lambda: self._retry(node))
            return
        board.open -= 1
        if board.stopped or again:
            return
        if outcome.raised and self._specs[node].stop_on_exception:
            self._stop(node, outcome)
        elif board.finish(node, outcome):
            self._failures.add(node)

    def _retry(self, node: int) -> None:
        """The wait before another attempt is over."""
        with self._locked:
            if self._board.retry(node):
                self._workers.wake(len(self._board.ready))

    def _stop(self, node: int, outcome: Outcome) -> None:
        """`stop_on_exception`: end the run; what can be cancelled is: the lock is held."""
        still_running = self._board.stop(node, outcome)
        self._failures.add(node)
        self._board.open += 1  # Until listeners have been told, which may want the lock.
        # Not from here: it may tell an observer, who may want the lock.
        self._timers.after(0, lambda: self._tell_stop(None))
        for attempt in still_running:
            self._timers.after(0, attempt.handle.abandon)

    def _run_out(self) -> None:
        """The time of the whole run is over."""
        with self._locked:
            if self._board.over.is_set():
                return
            self._board.run_out()
        self._hooks.stops(None)
        # Worker processes end now; threads that still run are left behind.
        self._elsewhere.kill()

    def _fail(self, error: BaseException) -> None:
        with self._locked:
            if self._crash is None:
                self._crash = error
            self._board.give_up()

    def _timed_out(self, attempt: Attempt) -> None:
        with self._locked:
            if not self._board.claim(attempt):
                return
            self._board.expire(attempt)
            handle = attempt.handle
        if handle is not None:
            handle.abandon()
        spec = self._specs[attempt.node]
        outcome = raised(spec, self._call(attempt), too_long(spec), attempt.started)
        try:
            self._finish(attempt, outcome)
        except BaseException as fault:  # noqa: BLE001 - a fault of ours must end the run, not hang it
            self._fail(fault)

    # The end.

    @property
    def left_behind(self) -> bool:
        """Whether threads still run the user's code that nobody waits for."""
        return self._board.left_behind

    def _close(self) -> None:
        """End threads, pools and the loop; what is stuck in the user's code is left behind."""
        board = self._board
        with self._locked:
            self._workers.close()
            board.outbox.clear()
            wait = not board.left_behind
        self._timers.close()
        if wait:
            self._workers.join()
        cancelled = board.cancelled or board.given_up
        self._elsewhere.close(wait=wait, cancelled=cancelled, wait_for_loop=not board.given_up)

    def _report(self) -> RunReport:
        board, about = self._board, self._about
        with self._locked:
            if board.cancelled or not board.execution.ended:
                board.execution.abandon()
        return board.notes.report(
            about,
            board.execution,
            self._inputs,
            results_kept=self._options.results,
            scheduled_at=self._scheduled_at,
        )
