"""Makes plans from classes in memory."""

import types

import pytest
from volnux_standalone import StandaloneBackend

from volnux.backends import RunOptions
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.pointy import parse


@pytest.fixture
def flow():
    """A plan of a flow and the events that it names."""

    def make(text, *events, **named):
        module = types.ModuleType("made")
        for event in events:
            setattr(module, event.__name__, event)
        for name, event in named.items():
            setattr(module, name, event)
        return link(compile(parse(text, filename="flow.pty")), Lookup(extra=[module]))

    return make


@pytest.fixture
def run():
    def run(plan, inputs=None, **options):
        return StandaloneBackend().run(plan, inputs or {}, RunOptions(**options))

    return run


@pytest.fixture(autouse=True)
def nothing_left():
    """No test leaves a thread of ours behind."""
    import threading

    yield
    for thread in threading.enumerate():
        if thread.name.startswith("volnux-"):
            thread.join(10)
            assert not thread.is_alive(), f"{thread.name} is left behind"
