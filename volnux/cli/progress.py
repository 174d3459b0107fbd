"""The progress of `volnux run`: a live display on a terminal, else one line per event."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from volnux.backends.port import RunObserver
from volnux.cli import ending, output
from volnux.cli.summary import seconds
from volnux.errors import shortened
from volnux.graph.outcome import FAILURE, SUCCESS, Failure, State
from volnux.graph.places import template_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from volnux.events import Outcome, Plan
    from volnux.graph import Graph, Node

__all__ = ["LiveProgress", "Progress", "on"]

_MOST_SHOWN = 10
"""The maximum number of running places in the live display."""


def on(stream: TextIO | None, *, plain: bool = False) -> Progress:
    """The progress for a stream: a live display on a terminal unless `plain`, else plain lines."""
    live = stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    if live and not plain:
        assert stream is not None
        return LiveProgress(stream)
    return Progress(stream)


class Progress(RunObserver):
    """Plain lines: one each time a place starts, is retried or ends."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._begun = time.monotonic()
        self._taken: dict[str, frozenset[int]] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def run_started(self, plan: Plan, run_id: str) -> None:
        self._begun = time.monotonic()
        self._taken = _taken(plan.graph)
        count = len(self._taken)
        places = f"{count} place{'' if count == 1 else 's'}"
        self._line(f"{plan.graph.name}: run {run_id} of {places} started")

    def place_started(self, node: Node, attempt: int) -> None:
        self._started.setdefault(node.id, time.monotonic())
        if attempt == 1:
            self._line(f"{node.id}: started")
        else:
            self._line(f"{node.id}: started, attempt {attempt}")

    def place_retries(self, node: Node, outcome: Outcome) -> None:
        self._line(self._retries(node, outcome))

    def place_ended(self, node: Node, outcome: Outcome) -> None:
        self._line(self._ended(node, outcome))

    def place_reused(self, node: Node, outcome: Outcome) -> None:
        self._line(self._reused(node, outcome))

    def cancelling(self, running: int) -> None:
        ending.seen()
        self._line(_cancelling(running))

    def _retries(self, node: Node, outcome: Outcome) -> str:
        wait = seconds(outcome.retry_after or 0)
        return (
            f"{node.id}: attempt {outcome.attempts} failed, retrying in {wait}: "
            f"{_reason(outcome.result)}"
        )

    def _ended(self, node: Node, outcome: Outcome, *, colour: bool = False) -> str:
        descriptor = outcome.descriptor
        if self._has_failed(node, outcome):
            state, style = "failed", "red"
        else:
            state, style = "done", "green" if descriptor else "yellow"
        text = f"{node.id}: {output.paint(state, style, colour=colour)}"
        if state == "done" and descriptor != SUCCESS:
            text += f" with descriptor {descriptor}"
        text += f" in {seconds(time.monotonic() - self._started.pop(node.id, self._begun))}"
        if outcome.attempts > 1:
            text += f" after {outcome.attempts} attempts"
        if descriptor == FAILURE:
            text += f": {_reason(outcome.result)}"
        return text

    def _reused(self, node: Node, outcome: Outcome) -> str:
        known = "" if outcome.descriptor == SUCCESS else f" with descriptor {outcome.descriptor}"
        return f"{node.id}: reused{known}"

    def _has_failed(self, node: Node, outcome: Outcome) -> bool:
        taken = self._taken.get(template_of(node.id), frozenset())
        return outcome.descriptor == FAILURE and FAILURE not in taken

    def _line(self, text: str) -> None:
        output.say(f"[{time.monotonic() - self._begun:8.2f}s] {text}", self._stream)


_MOST_FAILED = 10
"""The maximum number of failed copies of a place that have lines of their own."""


@dataclass(slots=True)
class _Copies:
    """The copies of one place in a run so far.

    Attributes:
        begun: when the first one started, by the monotonic clock.
        running: how many run.
        counts: how many have ended since the last line about them, by state.
        failed: how many have failed in all.
    """

    begun: float
    running: int = 0
    counts: Counter[State] = field(default_factory=Counter)
    failed: int = 0


class LiveProgress(Progress):
    """Shows the running places with their times, below a line for each place that has ended.

    The copies of a place in a unit with `each` share a line, except the first failed ones. While
    code reads from the terminal, the display is hidden and lines are held back.
    """

    def __init__(self, stream: TextIO) -> None:
        # Imported here, because it is needed only with a terminal.
        from volnux.cli.readers import Readers

        super().__init__(stream)
        self._lock = threading.Lock()
        self._running: dict[str, str] = {}
        self._ended_count = 0
        self._total = ""
        self._copies: dict[str, _Copies] = {}
        # The index of each node, and of the end of the outermost `each` around it.
        self._index: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._lines: list[str] = []
        self._printed = 0.0
        self._over = threading.Event()
        self._refresher = threading.Thread(target=self._refresh, daemon=True)
        self._colour = output.coloured(stream)
        self._console = self._new_console(stream)
        self._live: Live | None = None
        self._switching = threading.RLock()
        self._readers = Readers(self._step_aside)

    def _new_console(self, stream: TextIO) -> Console:
        from rich.console import Console

        # Without a colour system, rich does not write bold or dim text either.
        system: Literal["auto"] | None = "auto" if self._colour else None
        return Console(file=stream, color_system=system, highlight=False, markup=False, emoji=False)

    def __enter__(self) -> Self:
        self._readers.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._over.set()
        if self._refresher.is_alive():
            self._refresher.join()
        self._readers.__exit__()
        with self._lock:
            self._running.clear()
            self._lines += self._of_copies(None)
        self._print()
        self._step_aside()

    def _step_aside(self) -> None:
        """Remove the display from the terminal, and restore the streams."""
        with self._switching:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    def _show(self) -> None:
        """Show a new display on the terminal: an old one would draw at its old position."""
        from rich.live import Live

        with self._switching:
            if self._live is None and not self._readers.any:
                self._live = Live(
                    console=self._console,
                    get_renderable=self._render,
                    auto_refresh=False,
                    transient=True,
                )
                self._live.start()

    def run_started(self, plan: Plan, run_id: str) -> None:
        self._begun = time.monotonic()
        graph = plan.graph
        self._taken = _taken(graph)
        if graph.eaches:  # Then the number of places is not known yet.
            self._index = graph.topology.index
            around = zip(graph.nodes, graph.topology.around, strict=True)
            self._ends = {node.id: self._index[e[0].gather] for node, e in around if e}
        else:
            self._total = f" of {len(self._taken)}"
        self._show()
        self._refresher.start()

    def place_started(self, node: Node, attempt: int) -> None:
        template = template_of(node.id)
        now = time.monotonic()
        with self._lock:
            self._started.setdefault(node.id, now)
            if template != node.id and node.id not in self._running:
                self._copies.setdefault(template, _Copies(now)).running += 1
            self._running[node.id] = f"attempt {attempt}" if attempt > 1 else ""
            lines = self._of_copies(template) if self._copies else ()
        for line in lines:
            self._line(line)

    def place_retries(self, node: Node, outcome: Outcome) -> None:
        with self._lock:
            wait = seconds(outcome.retry_after or 0)
            self._running[node.id] = f"attempt {outcome.attempts} failed, retrying in {wait}"

    def place_ended(self, node: Node, outcome: Outcome) -> None:
        with self._lock:
            self._running.pop(node.id, None)
            self._ended_count += 1
            copies = self._copies.get(template_of(node.id))
            if copies is not None and not self._has_own_line(copies, node, outcome):
                self._started.pop(node.id, None)
                return
            text = self._ended(node, outcome, colour=self._colour)
        self._line(text)

    def place_reused(self, node: Node, outcome: Outcome) -> None:
        template = template_of(node.id)
        with self._lock:
            self._ended_count += 1
            if template != node.id:
                copies = self._copies.setdefault(template, _Copies(time.monotonic()))
                copies.counts[State.DONE] += 1
                return
        self._line(self._reused(node, outcome))

    def _has_own_line(self, copies: _Copies, node: Node, outcome: Outcome) -> bool:
        """Count a copy that has ended; return whether it also has a line of its own."""
        copies.running -= 1
        failed = self._has_failed(node, outcome)
        copies.counts[State.FAILED if failed else State.DONE] += 1
        copies.failed += failed
        return failed and copies.failed <= _MOST_FAILED

    def _of_copies(self, next_: str | None) -> list[str]:
        """A line for each place whose copies have ended.

        Args:
            next_: a place that starts now: only places in front of it count; None for all places.
        """
        lines = []
        for template, copies in self._copies.items():
            over = next_ is None or (
                self._index[next_] > self._ends[template] and not copies.running
            )
            if over and copies.counts:
                took = seconds(time.monotonic() - copies.begun)
                lines.append(f"{template}: {_numbers(copies, colour=self._colour)} in {took}")
                copies.counts.clear()
        return lines

    def _line(self, text: str) -> None:
        """Print a line, alone or together with others, because each print is expensive."""
        with self._lock:
            self._lines.append(text)
            if time.monotonic() - self._printed < _PERIOD:
                return
        self._print()

    def _print(self) -> None:
        from rich.text import Text

        # Hold the lock while writing: otherwise a display that is removed meanwhile would be drawn
        # again.
        with self._switching:
            if self._readers.any and not self._over.is_set():
                return
            with self._lock:
                lines, self._lines = self._lines, []
                self._printed = time.monotonic()
            if lines:
                text = Text.from_ansi(output.finished("\n".join(lines)))
                self._console.print(text, soft_wrap=True)

    def _refresh(self) -> None:
        while not self._over.wait(_PERIOD):
            self._show()
            self._print()
            with self._switching:
                if self._live is not None:
                    self._live.refresh()

    def _render(self) -> RenderableType:
        """The live part."""
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        with self._lock:
            rows = [
                f"  {place} {seconds(now - self._started.get(place, now))} {note}".rstrip()
                for place, note in itertools.islice(self._running.items(), _MOST_SHOWN)
            ]
            more = len(self._running) - len(rows)
            status = f"{self._ended_count}{self._total} places ended"
            copied = [
                f"  {template}: {_numbers(copies, colour=False)}"
                for template, copies in self._copies.items()
                if copies.counts
            ]
        if more > 0:
            rows.append(f"  … and {more} more")
        rows += copied[-_MOST_SHOWN:]
        spinner = _SPINNER[int(now / _PERIOD) % len(_SPINNER)]
        lines = [Text(f"{spinner} {status}, {seconds(now - self._begun)}", style="bold")]
        lines += [Text(row, no_wrap=True, overflow="ellipsis") for row in rows]
        return Group(*lines)


_SPINNER = "|/-\\"
_PERIOD = 0.1
"""The seconds between two updates of the live display."""


def _taken(graph: Graph) -> dict[str, frozenset[int]]:
    """The descriptors that have a branch, for each place."""
    nodes = zip(graph.nodes, graph.topology.taken, strict=True)
    return {node.id: taken for node, taken in nodes if node.event is not None}


def _numbers(copies: _Copies, *, colour: bool) -> str:
    styles = {State.DONE: "green", State.FAILED: "red"}
    return ", ".join(
        output.paint(f"{copies.counts[state]} {state}", style, colour=colour)
        for state, style in styles.items()
        if copies.counts[state]
    )


def _reason(result: Any) -> str:
    if isinstance(result, Failure):
        return shortened(str(result))
    from volnux.shown import shown

    return f"returned {shortened(shown(result))}"


def _cancelling(running: int) -> str:
    if not running:
        return "cancelled"
    places = f"{running} place{'' if running == 1 else 's'}"
    return f"cancelling: {places} may still finish (Ctrl-C again to give up)"
