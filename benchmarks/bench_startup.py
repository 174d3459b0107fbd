"""How long a small file takes on the command line, compared with Python and one pydantic model."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import arguments, interleaved, show

EVENTS = """
from volnux import EventBase

class Extract(EventBase):
    def process(self):
        return True, [1, 2, 3]

class Load(EventBase):
    def process(self, previous_result):
        return True, len(previous_result)
"""

MODEL = "from pydantic import BaseModel\nclass Model(BaseModel):\n    name: str\n"


def python(*words: str, folder: str) -> Callable[[], object]:
    command = [sys.executable, *words]
    return lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True)


def main() -> None:
    options = arguments(__doc__)
    tool = ("-m", "volnux.cli")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "small.pty").write_text("Extract |-> Load\n")
        Path(folder, "small_events.py").write_text(EVENTS)
        works = {
            "python -c pass": python("-c", "pass", folder=folder),
            "python, one pydantic model": python("-c", MODEL, folder=folder),
            "import volnux": python("-c", "import volnux", folder=folder),
            "volnux run": python(*tool, "run", "small.pty", folder=folder),
            "volnux run --json": python(*tool, "run", "small.pty", "--json", folder=folder),
            "volnux check": python(*tool, "check", "small.pty", folder=folder),
        }
        for work in works.values():
            work()
        took = interleaved(works, max(options.rounds, 9))
    model = took["python, one pydantic model"]
    rows = [[name, 1000 * s, s / model] for name, s in took.items()]
    head = ["command", "ms", "against one pydantic model"]
    show("Starting", head, rows, as_json=options.json)


if __name__ == "__main__":
    main()
