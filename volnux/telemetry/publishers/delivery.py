"""Delivers items to a publisher through a bounded queue and a thread: pipelines never wait."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

from volnux.errors import VolnuxError
from volnux.redaction import redacted
from volnux.telemetry.publishers.base import Item, MetricsPublisher
from volnux.telemetry.records import shortened

__all__ = ["Delivery", "PublishError"]

log = logging.getLogger("volnux.telemetry")

_ALL: weakref.WeakSet[Delivery] = weakref.WeakSet()


class PublishError(VolnuxError):
    """A publisher could not publish.

    Args:
        message: why.
        again: the items to publish again; the whole batch if None, nothing if empty.
        rejected: the number of items that the server rejected permanently; they count as dropped.
        retry_after: the seconds to wait if the server requested that, else None.
        patient: whether to retry until the server is back, without a limit.
    """

    def __init__(
        self,
        message: str,
        *,
        again: Sequence[Item] | None = None,
        rejected: int = 0,
        retry_after: float | None = None,
        patient: bool = True,
    ) -> None:
        super().__init__(message)
        self.again = again
        self.rejected = rejected
        self.retry_after = retry_after
        self.patient = patient


class Delivery:
    """Passes items to a publisher on a separate thread.

    Each item of the queue is counted as `published`, `dropped` or still `waiting`.

    Args:
        publisher: the publisher.
        size: the maximum number of waiting items; if there are more, the oldest are dropped.
        first_wait, longest_wait: seconds before a repetition; doubled each time in between.
        attempts: the maximum number of attempts for an item if the publisher fails with another
            error than a patient `PublishError`.
    """

    def __init__(
        self,
        publisher: MetricsPublisher,
        *,
        size: int = 10_000,
        first_wait: float = 0.25,
        longest_wait: float = 30.0,
        attempts: int = 5,
    ) -> None:
        if size < 1:
            raise ValueError(f"a queue must hold at least one item, found {size}")
        self.publisher = publisher
        self._size = size
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._attempts = attempts
        self.published = 0
        self.dropped = 0
        self._prepare()
        _ALL.add(self)

    def _prepare(self) -> None:
        self._queue: deque[Item] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._batch: list[Item] = []
        self._closing = False
        self._deadline: float | None = None
        self._hurry = 0
        self._idle = True
        self._failing = False
        self._last_error: str | None = None

    @property
    def waiting(self) -> int:
        """The number of items that are neither published nor dropped yet."""
        with self._changed:
            return len(self._queue) + len(self._batch)

    def put(self, item: Item) -> None:
        """Queue an item; never waits, never fails."""
        publisher = self.publisher
        if not publisher.background:
            try:
                publisher.publish_batch((item,))
            except Exception as error:  # noqa: BLE001 - a publisher must not harm a run
                self._say(error)
                self.dropped += 1
            else:
                self.published += 1
            return
        with self._changed:
            if self._closing:
                self.dropped += 1
                return
            queue = self._queue
            if len(queue) + len(self._batch) >= self._size and queue:
                queue.popleft()
                self.dropped += 1
            queue.append(item)
            if self._thread is None:
                self._start()
            elif self._idle or len(queue) == publisher.batch_size:
                self._changed.notify_all()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until all items are published or dropped; returns whether that was in time."""
        end = time.monotonic() + timeout
        with self._changed:
            self._hurry += 1
            self._changed.notify_all()
            try:
                while self._queue or self._batch:
                    left = end - time.monotonic()
                    if left <= 0 or self._thread is None:
                        return False
                    self._changed.wait(min(left, 0.1))
            finally:
                self._hurry -= 1
        return True

    def close(self, timeout: float = 5.0) -> None:
        """Publish for `timeout` seconds at most, drop the rest, and close the publisher."""
        with self._changed:
            self._closing = True
            self._deadline = time.monotonic() + timeout
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            # A publisher that hangs is left behind: its thread ends with the process.
            thread.join(timeout + 0.5)
        with self._changed:
            lost = len(self._queue) + len(self._batch)
            self.dropped += lost
            self._queue.clear()
            self._batch = []
        if lost:
            log.warning("%s: %d metrics were not published in time", self.name, lost)
        try:
            self.publisher.close()
        except Exception as error:  # noqa: BLE001 - a publisher may raise anything
            log.warning("%s could not be closed: %s", self.name, _said(error))

    @property
    def name(self) -> str:
        """The publisher's class."""
        return type(self.publisher).__name__

    def to_json(self) -> dict[str, Any]:
        """The state of the publisher."""
        return {
            "publisher": self.name,
            "published": self.published,
            "dropped": self.dropped,
            "waiting": self.waiting,
            "last_error": self._last_error,
        }

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._serve, name=f"volnux-{self.name}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is shutting down, or the system has no more threads.
            self._thread = None

    def _serve(self) -> None:
        while True:
            batch = self._next()
            if not batch or not self._publish(batch):
                return

    def _next(self) -> list[Item]:
        """The next batch; empty at the end."""
        size, linger = self.publisher.batch_size, self.publisher.linger
        with self._changed:
            self._idle = True
            while not self._queue:
                self._changed.notify_all()
                if self._closing:
                    return []
                self._changed.wait()
            self._idle = False
            due = time.monotonic() + linger
            while len(self._queue) < size and not self._closing and not self._hurry:
                left = due - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            take = min(size, len(self._queue))
            self._batch = [self._queue.popleft() for _ in range(take)]
            return self._batch

    def _publish(self, batch: list[Item]) -> bool:
        """Publish a batch, with retries if needed; False if the time is over."""
        wait = self._first_wait
        tries = 0
        while True:
            again: list[Item]
            rejected, patient, told = 0, False, None
            try:
                self.publisher.publish_batch(batch)
                again = []
                if self._failing:
                    self._failing = False
                    log.info("%s publishes again", self.name)
            except PublishError as error:
                again = batch if error.again is None else list(error.again)
                rejected, patient, told = error.rejected, error.patient, error.retry_after
                self._say(error)
            except Exception as error:  # noqa: BLE001 - a publisher may raise anything
                again = batch
                self._say(error)
            tries += 1
            with self._changed:
                if self._batch is not batch:
                    return False  # It was closed meanwhile: all items are already counted.
                done = len(batch) - len(again) - rejected
                self.published += done
                self.dropped += rejected
                if again and not patient and tries >= self._attempts:
                    self.dropped += len(again)
                    again = []
                batch = self._batch = again
                if not batch:
                    self._changed.notify_all()
                    return True
                if done or rejected:
                    tries, wait = 0, self._first_wait
                if not self._sleep(wait if told is None else min(told, self._longest_wait)):
                    return False  # Items that could not be published stay, and `close` counts them.
            wait = min(wait * 2, self._longest_wait)

    def _sleep(self, seconds: float) -> bool:
        """Wait before a retry; False if there is no time left for one."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._deadline is not None:
                if time.monotonic() + min(left, self._first_wait) >= self._deadline:
                    return False
                left = min(left, self._first_wait)
                self._changed.wait(left)
                return True
            self._changed.wait(left)
        return True

    def _say(self, error: Exception) -> None:
        self._last_error = _said(error)
        if not self._failing:
            # Once for each outage, not for each event.
            self._failing = True
            log.warning("%s cannot publish: %s", self.name, self._last_error)

    def _after_fork(self) -> None:
        """In a forked child: the thread is gone, and the parent publishes the waiting items."""
        self.published = self.dropped = 0
        self._prepare()


def _said(error: Exception) -> str:
    """An error in one line; the errors of clients quote URLs and headers."""
    return redacted(shortened(f"{type(error).__name__}: {error}"))


def _after_fork() -> None:
    for delivery in list(_ALL):
        delivery._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
