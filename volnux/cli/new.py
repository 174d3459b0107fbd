"""`volnux new`: creates a small working pipeline to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from volnux.cli import disk, output
from volnux.cli.usage import UsageError
from volnux.pysource import is_name

__all__ = ["command"]


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pipeline's name.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="PATH",
            help="The folder to create; NAME by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Create a folder with a small pipeline to start from."""
    if not is_name(name):
        fixed = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
        hint = f"; did you mean '{fixed}'?" if is_name(fixed) else ""
        raise UsageError(
            [f"'{name}' is not a name for a pipeline: use letters, digits and underscores{hint}"]
        )
    target = Path(name) if folder is None else folder
    texts = {
        target / f"{name}.pty": _PIPELINE,
        target / f"{name}_events.py": _EVENTS,
        target / f"test_{name}.py": _TEST,
        target / "README.md": _README,
    }
    taken = [str(path) for path in texts if path.exists() or path.is_symlink()]
    if taken:
        raise UsageError([f"{path} already exists; nothing was written" for path in taken])
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk.WriteError(target, error) from error
    for path, text in texts.items():
        disk.write(path, text.replace("NAME", name).encode())
        output.say(f"created {path}")
    output.say(f"\nRun it:   volnux run {target / name}.pty --input who=Ada")
    output.say(f"Test it:  pytest {target}")


_PIPELINE = """\
# The flow. Its events are in NAME_events.py beside this file.
@name: NAME
@description: "Greets someone, and shouts if the greeting is short."
@input: who: str = "world"

Greet |-> Measure (3 |-> Shout) |-> Show
"""

_EVENTS = '''\
"""The events of NAME.pty."""

from volnux import EventBase, event


@event
def greet(who):
    """Inputs arrive as arguments of the same name."""
    return True, f"Hello, {who}!"


class Measure(EventBase):
    """Ends with descriptor 3 for a short greeting, otherwise with 1 (success)."""

    def process(self, previous_result):
        if len(previous_result) < 14:
            self.goto(3, previous_result)
        return True, previous_result


@event(retry_policy={"max_attempts": 3, "retry_on_exceptions": [OSError]})
def shout(previous_result):
    """If this raises an OSError, it is retried: at most three attempts in all."""
    return True, previous_result.upper()


@event
def show(previous_result):
    """`previous_result` is what was piped with |->."""
    print(previous_result)
    return True, previous_result
'''

_TEST = '''\
"""Tests of NAME: run them with pytest."""

from pathlib import Path

from NAME_events import greet
from volnux.testing import run

PIPELINE = Path(__file__).with_name("NAME.pty")


def test_an_event_alone():
    assert greet("Ada") == (True, "Hello, Ada!")


def test_a_short_greeting_is_shouted():
    report = run(PIPELINE, who="Ada")
    assert report.status == "success"
    assert report.places["Show"].result == "HELLO, ADA!"


def test_a_long_greeting_is_left_alone():
    report = run(PIPELINE, who="everybody")
    assert report.places["Shout"].state == "skipped"
    assert report.places["Show"].result == "Hello, everybody!"


def test_a_stub_takes_the_place_of_an_event():
    report = run(PIPELINE, stubs={"Greet": (1, "Hi!")})
    assert report.places["Show"].result == "HI!"
'''

_README = """\
# NAME

| file | holds |
| --- | --- |
| `NAME.pty` | the pipeline: what happens, in which order |
| `NAME_events.py` | its events: what each step does |
| `test_NAME.py` | its tests |

```
volnux run NAME.pty --input who=Ada           # run it
volnux check NAME.pty --link                  # find mistakes without running it
volnux simulate NAME.pty --outcome Measure=3  # the path for an outcome
volnux graph NAME.pty                         # a picture of it
pytest                                        # its tests
```
"""
