"""README and guides are correct: their flows parse, and their commands give the output shown.

How a page is read, from top to bottom, in an empty folder with a copy of `examples`:

- a ```pty block parses, a ```pty broken block does not, a ```python block compiles and a ```json
  block is JSON;
- a block whose first line is a comment with a file's name (`# shop.pty`) is written to that file;
- a ```console block runs each line after `$ `. The lines below it are the output, where `…` stands
  for anything, in a line or for any number of lines. Times, run ids, versions and spaces may
  differ;
- ```text, ```sh, ```toml and ```yaml blocks are only read by people.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from volnux.errors import PointyError
from volnux.pointy import parse

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "docs/install.md",
    "docs/getting-started.md",
    "docs/events.md",
    "docs/recipes.md",
    "docs/values.md",
    "docs/modules.md",
    "docs/standalone.md",
    "docs/report.md",
    "docs/cli.md",
    "docs/files.md",
    "docs/pipelines.md",
    "docs/batches.md",
    "docs/signals.md",
    "docs/telemetry.md",
    "docs/backends.md",
    "docs/conformance.md",
    "docs/runs.md",
    "docs/scheduling.md",
    "docs/airflow.md",
    "docs/prefect.md",
]
HOME = "/home/ada"
"""How the folder of a page is shown in it."""

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"# ([\w./-]+\.(?:pty|py))\n")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


class Block(NamedTuple):
    line: int
    kind: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        kind = f"{found[1]}{found[2]}".strip()
        yield Block(text.count("\n", 0, found.start()) + 1, kind, found[3])


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block and the output below it."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


class Shell:
    """Runs commands in turn, and remembers the folder that they change to."""

    def __init__(self, home: Path) -> None:
        self.home = self.folder = home
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV", "NOX"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**kept, "PATH": path, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        self.code = 0

    def run(self, command: str) -> str:
        """The output of a command on both streams."""
        note = self.home / ".folder"
        script = f"(exit {self.code}); {command}\ncode=$?; pwd > {note}; exit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=100,
            check=False,
        )
        self.code = done.returncode
        self.folder = Path(note.read_text().strip())
        return done.stdout.replace(str(self.home), HOME)


def plain(text: str) -> list[str]:
    """The lines of an output without what differs from run to run."""
    text = re.sub(r"\[ *\d+\.\d\ds\]|\b\d+(\.\d+)?m?s\b|\b\d+m \d\ds\b", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{4}…", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "MOMENT", text)
    text = re.sub(r"\b\d+\.\d+\.\d+\b", "VERSION", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # Python marks the place in a line of a traceback, each version in another way.
    lines = [line for line in lines if not re.fullmatch(r"[~^ ]*[~^][~^ ]*", line)]
    # A busy machine takes long enough for the conformance suite to say how far it is.
    progress = re.compile(r"\[ ?TIME\] \d+ (case|program)s?, last ")
    lines = [line for line in lines if not progress.match(line)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def matches(expected: str, output: str) -> bool:
    pattern = ""
    for line in plain(expected):
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.split("…"))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in plain(output))) is not None


@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_its_word(page, tmp_path):
    home = tmp_path / "ada"
    junk = shutil.ignore_patterns("__pycache__", "*.db", "*.png", "store")
    shutil.copytree(ROOT / "examples", home / "examples", ignore=junk)
    shell = Shell(home)
    for block in blocks(ROOT / page):
        where = f"{page}:{block.line}"
        match block.kind:
            case "pty":
                parse(block.text, where)
            case "pty broken":
                with pytest.raises(PointyError):
                    parse(block.text, where)
            case "python":
                compile(block.text, where, "exec")
            case "json":
                json.loads(block.text)
            case "console":
                for command, expected in commands(block.text):
                    output = shell.run(command)
                    assert matches(expected, output), (
                        f"{where}: `{command}` printed\n{output}\nand not\n{expected}"
                    )
            case "text" | "sh" | "toml" | "yaml":
                pass
            case _:
                pytest.fail(f"{where}: what is a block of {block.kind!r}?")
        named = FILE.match(block.text)
        if named and block.kind != "console":
            (shell.folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (shell.folder / named[1]).write_text(block.text, encoding="utf-8")


@pytest.mark.parametrize("page", [*PAGES, "docs/README.md", "examples/README.md"])
def test_the_links_of_a_page_lead_somewhere(page):
    path = ROOT / page
    links = LINK.findall(path.read_text(encoding="utf-8"))
    assert not [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize(
    ("expected", "output", "is_match"),
    [
        ("a\n", "a\n\n", True),
        ("a  b 2ms\n", "a b 0.31s\n", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nd\n", True),
        ("run 3b5d… of 2\n", f"run {'0f' * 16} of 2\n", True),
        ("a … c\n", "a b c\n", True),
        ("a\n", "a\nb\n", False),
        ("a\nb\n", "a\n", False),
        ("3 places\n", "4 places\n", False),
    ],
)
def test_what_counts_as_the_same_output(expected, output, is_match):
    assert matches(expected, output) is is_match
