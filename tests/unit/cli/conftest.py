"""A call of the tool in this process, and the files that the tests run it on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from volnux.cli.start import start

EVENTS = """
from volnux import event

@event
def Ok(): return True, "fine"

@event
def Bad(): return False, "no"

@event
def Three(): return 3, "three"

def deeper():
    raise ValueError("no way")

@event
def Boom(): deeper()

@event
def Add(n, m=2): return True, n + m

@event
def Loud():
    print("the event says hello")
    return True, None
"""


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capfd, monkeypatch):
    """Run the tool with arguments. Returns the exit code and the output."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments):
        code = start([str(argument) for argument in arguments])
        return Result(code, *capfd.readouterr())

    return call


@pytest.fixture
def write():
    """Write a file below the test's folder, and return its path."""

    def write(name, text):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def flow(write):
    """A file `flow.pty` with a text, and a module of events beside it."""
    write("flow_events.py", EVENTS)
    return lambda text: write("flow.pty", text)
