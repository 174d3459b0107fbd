"""Makes plans from files in the test's own folder."""

from pathlib import Path
from textwrap import dedent

import pytest

from volnux.loading import load_plan


@pytest.fixture
def files():
    """A plan of a flow and a module of events, both as files: what worker processes need."""

    def make(text, events, name="flow"):
        Path(f"{name}.pty").write_text(text)
        Path(f"{name}_events.py").write_text(dedent(events))
        return load_plan(Path(f"{name}.pty").resolve())

    return make
