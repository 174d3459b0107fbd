"""Rules that hold for every test."""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

# Programs under test inherit what is ignored here: Ctrl-C where a shell started the tests in the
# background, SIGHUP under nohup.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts in its own empty folder and leaves nothing behind elsewhere."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    """In CI, a test that skips itself fails, because all that it needs is installed there."""
    report = yield
    # A worker of pytest-xdist cannot send a lone surrogate in what a test logged or printed.
    report.sections = [
        (name, text.encode(errors="replace").decode()) for name, text in report.sections
    ]
    return _without_skip(report, item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, Any, pytest.CollectReport]:
    """The same for a module that skips as a whole, as `pytest.importorskip` does."""
    report = yield
    return _without_skip(report, collector.nodeid)


def _without_skip(report: Report, name: str) -> Report:
    # An expected failure is reported as skipped too; it did run.
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{name} did not run, which is a failure in CI: {reason}"
    return report
