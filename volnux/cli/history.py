"""The runs in a scheduler's store as readable text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from volnux.cli.output import paint
from volnux.cli.summary import seconds
from volnux.errors import shortened
from volnux.scheduler.ledger import RunState
from volnux.scheduler.service import name_of

if TYPE_CHECKING:
    from volnux.scheduler.ledger import RunRecord

__all__ = ["history", "runs_as_json"]

_STYLES = {
    RunState.SUCCESS: "green",
    RunState.FAILED: "bold red",
    RunState.LOST: "bold red",
    RunState.CANCELLED: "yellow",
    RunState.MISSED: "yellow",
    RunState.SKIPPED: "yellow",
}


def history(records: Sequence[RunRecord], *, colour: bool) -> Iterator[str]:
    """Lines that list runs, the latest first."""
    if not records:
        yield "no runs"
        return
    header = ("due (UTC)", "pipeline", "state", "attempt", "took", "run")
    rows = [_row(record) for record in records]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row, record in zip((header, *rows), (None, *records), strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if record is None:
            yield paint("  ".join(cells).rstrip(), "bold", colour=colour)
            continue
        if record.state in _STYLES:
            cells[2] = paint(cells[2], _STYLES[record.state], colour=colour)
        yield "  ".join(cells).rstrip()
        if record.message:
            yield f"    {shortened(record.message)}"


def runs_as_json(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Runs as `volnux schedule show --json` prints them."""
    return [
        {
            "job_id": record.job_id,
            "pipeline": name_of(record.job_id),
            "scheduled": record.scheduled.isoformat(),
            "state": record.state.value,
            "attempt": record.attempt,
            "run_id": record.run_id,
            "started": record.started and record.started.isoformat(),
            "ended": record.ended and record.ended.isoformat(),
            "message": record.message,
        }
        for record in records
    ]


def _row(record: RunRecord) -> tuple[str, ...]:
    took = ""
    if record.started and record.ended:
        took = seconds((record.ended - record.started).total_seconds())
    return (
        f"{record.scheduled:%Y-%m-%d %H:%M:%S}",
        name_of(record.job_id),
        record.state.value,
        str(record.attempt) if record.started else "-",
        took or "-",
        record.run_id or "-",
    )
