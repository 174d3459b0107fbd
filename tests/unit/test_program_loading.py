"""Files that use others, loaded as plans, by their paths and by Pipeline classes."""

import importlib
import sys
from pathlib import Path

import pytest

from tests.unit.program_files import write
from volnux.errors import PointyError
from volnux.events.link import LinkError
from volnux.loading import load_graph, load_plan

EVENTS = """\
from volnux import event

@event
def extract():
    return True, 1

@event
def clean():
    return True, 1
"""
FILES = {
    "flows/daily.pty": '@use: tidy = "shared/tidy.pty"\nExtract -> tidy(limit=3) -> Extract',
    "flows/events.py": EVENTS,
    "flows/shared/tidy.pty": "@input: limit: int\nParse -> Store",
    "flows/shared/events.py": EVENTS.replace("extract", "parse").replace("clean", "store"),
}


def places(plan):
    return [node.id for node in plan.graph.places()]


def test_a_plan_has_the_places_of_the_used_file():
    write(FILES)
    plan = load_plan("flows/daily.pty")
    assert places(plan) == ["Extract", "tidy.Parse", "tidy.Store", "Extract__2"]


def test_the_warnings_of_all_files_belong_to_the_plan():
    write(FILES)
    write(
        {"flows/shared/tidy.pty": '@input: limit: int\n@use: me = "more.pty"\nParse (2 -> Store)'}
    )
    write({"flows/shared/more.pty": "Parse"})
    warnings = [(each.where, each.code) for each in load_plan("flows/daily.pty").warnings]
    assert warnings[:2] == [
        ("flows/shared/tidy.pty:2:7", "unused-use"),
        ("flows/shared/tidy.pty:3:8", "descriptor-2"),
    ]


def test_a_file_that_cannot_be_used_is_an_error_of_the_graph():
    write(FILES)
    Path("flows/shared/tidy.pty").unlink()
    with pytest.raises(PointyError) as caught:
        load_graph("flows/daily.pty")
    assert caught.value.filename == "flows/daily.pty"
    assert (caught.value.lineno, caught.value.offset) == (1, 14)
    assert caught.value.msg == "'flows/shared/tidy.pty' cannot be used: there is no such file"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("Tidy", "did you mean the used file 'tidy'?"),
        ("Tiddy", "did you mean the used file 'tidy'?"),
        ("Extrcat", "did you mean 'Extract'?"),
        # A similar event comes first, unless only the case of a used file's name differs.
        ("Clea", "did you mean 'Clean'?"),
    ],
)
def test_a_used_file_is_offered_for_an_unknown_event(written, hint):
    write(FILES)
    uses = '@use: tidy = "shared/tidy.pty"\n@use: cleaner = "shared/tidy.pty"\n'
    write({"flows/daily.pty": f"{uses}{written} -> tidy(limit=3) -> cleaner(limit=3)"})
    with pytest.raises(LinkError) as caught:
        load_plan("flows/daily.pty")
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("unknown-event", f"there is no event '{written}'")
    assert found.hint is not None
    assert found.hint.casefold() == hint.casefold()


CLASSES = """\
from volnux.pipeline import Pipeline

class Text(Pipeline):
    class Meta:
        pointy = '@use: tidy = "shared/tidy.pty"\\nExtract -> tidy(limit=3)'
        events = ["events"]

class File(Pipeline):
    class Meta:
        file = "daily.pty"

class Broken(Pipeline):
    class Meta:
        pointy = '@use: tidy = "shared/tidy.pty"\\ntidy(limit="x")'
"""


@pytest.fixture
def classes(monkeypatch):
    """A module with classes, imported while the working directory is another folder."""
    write({**FILES, "flows/classes_with_uses.py": CLASSES})
    monkeypatch.syspath_prepend(Path("flows").resolve())
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    yield importlib.import_module("classes_with_uses")
    for name in ("classes_with_uses", "events"):
        sys.modules.pop(name, None)


def test_paths_in_a_class_are_relative_to_its_module(classes):
    assert places(classes.Text.plan()) == ["Extract", "tidy.Parse", "tidy.Store"]


def test_paths_in_the_file_of_a_class_are_relative_to_that_file(classes):
    assert places(classes.File.plan()) == ["Extract", "tidy.Parse", "tidy.Store", "Extract__2"]


def test_wrong_arguments_in_a_class_are_errors_of_its_text(classes):
    with pytest.raises(PointyError) as caught:
        classes.Broken.plan()
    assert caught.value.filename == "<classes_with_uses.Broken.Meta.pointy>"
    assert (caught.value.lineno, caught.value.offset) == (2, 12)
