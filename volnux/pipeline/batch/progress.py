"""The progress of a batch pipeline: a bar on a terminal, or a function that is called."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

from volnux.errors import visible
from volnux.pipeline.batch.report import BatchProgress

__all__ = ["ProgressOption", "progress_to"]

log = logging.getLogger("volnux.batch")


ProgressOption = Callable[[BatchProgress], object] | bool | None
"""A function that is called after each batch; True for a bar, False for none, None for a bar on a
terminal."""

_Tell = Callable[[BatchProgress], None]


@contextlib.contextmanager
def progress_to(option: ProgressOption, title: str, total: int | None) -> Iterator[_Tell]:
    """Return the function that shows the progress as requested."""
    if callable(option):
        listener = option

        def tell(progress: BatchProgress) -> None:
            try:
                listener(progress)
            except Exception:
                log.exception("a progress function failed: %r", listener)

        yield tell
    elif option is True or (option is None and sys.stderr.isatty()):
        with _bar(title, total) as show:
            yield show
    else:
        yield _nothing


def _nothing(progress: BatchProgress) -> None:
    pass


@contextlib.contextmanager
def _bar(title: str, total: int | None) -> Iterator[_Tell]:
    # rich is imported late: loading it can take longer than running a batch.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(visible(title), total=total, failed="")

        def show(progress: BatchProgress) -> None:
            failed = f"{progress.failed} failed" if progress.failed else ""
            bar.update(task, completed=progress.done, failed=failed)

        yield show
