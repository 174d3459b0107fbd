"""Watching a run while another thread is still importing telemetry."""

from __future__ import annotations

import sys
from types import ModuleType

from volnux.telemetry.watch import watch


def test_a_module_that_is_half_imported_has_no_listeners(monkeypatch):
    monkeypatch.setitem(sys.modules, "volnux.telemetry.records", ModuleType("records"))
    monkeypatch.delitem(sys.modules, "volnux.telemetry.logs", raising=False)
    monkeypatch.setattr("volnux.telemetry.watch.tracing_wanted", lambda: False)
    assert watch(None, "run", "standalone") is None
