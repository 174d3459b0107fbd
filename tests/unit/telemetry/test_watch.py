"""Watching a run while another thread is still importing telemetry."""

from __future__ import annotations

import sys
from types import ModuleType

from volnux.hooks import About, hooks_of


def test_a_module_that_is_half_imported_has_no_listeners(monkeypatch):
    monkeypatch.setitem(sys.modules, "volnux.telemetry.records", ModuleType("records"))
    monkeypatch.delitem(sys.modules, "volnux.telemetry.logs", raising=False)
    monkeypatch.delitem(sys.modules, "volnux.signal.soft", raising=False)
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    assert not hooks_of(About("shop", "standalone", "run"))
