"""Large values of events: in files of the store, and what happens if there is none."""

import types
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from volnux_standalone import StandaloneBackend

from volnux import EventBase
from volnux.backends import RunOptions
from volnux.events import Lookup, link
from volnux.graph import compile
from volnux.pointy import parse
from volnux.values import StoreError

FRAME = pd.DataFrame({"number": range(5000), "text": ["x"] * 5000})


class Load(EventBase):
    def process(self):
        return True, {"frame": FRAME, "title": "a frame"}


class Texts(EventBase):
    def process(self):
        return True, ["a text"] * 10_000


class Pass(EventBase):
    def process(self, previous_result):
        return True, previous_result


class Repair(EventBase):
    def process(self):
        return True, "repaired"


@pytest.fixture
def run(monkeypatch):
    """Run a text as on a host, with a setting of VOLNUX_VALUES, and return the report."""

    def run(text, place="kept"):
        monkeypatch.setenv("VOLNUX_VALUES", place)
        module = types.ModuleType("events")
        vars(module).update(Load=Load, Texts=Texts, Pass=Pass, Repair=Repair)
        plan = link(compile(parse(text)), Lookup(extra=[module]))
        return StandaloneBackend().run(plan, {}, RunOptions(portable=True))

    return run


def files(folder="kept"):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def test_a_frame_goes_through_a_file(run):
    report = run("Load |-> Pass")
    found = report.results["Pass"]
    assert found["frame"] is not FRAME
    assert_frame_equal(found["frame"], FRAME)
    assert found["title"] == "a frame"
    load, passed = files()
    assert load.parent == Path("kept", report.run_id, "Load")
    assert passed.parent == Path("kept", report.run_id, "Pass")
    assert load.suffix == ".arrow"


def test_long_json_goes_through_a_file(run):
    assert run("Texts |-> Pass").results["Pass"] == ["a text"] * 10_000
    assert [path.suffix for path in files()] == [".json", ".json"]


def test_without_a_store_values_of_every_size_are_part_of_the_json(run):
    assert_frame_equal(run("Load |-> Pass", place="").results["Pass"]["frame"], FRAME)
    assert files(".") == []


def test_a_store_that_cannot_be_written_is_a_failure_of_the_sender(run):
    Path("file").write_text("a file")
    report = run("Load (0 -> Repair)", place="file/kept")
    failure = report.places["Load"].failure
    assert failure.type.endswith("StoreError")
    place = Path("file/kept").absolute()
    assert failure.message == (
        f"a large value of Load cannot be written to {place} (VOLNUX_VALUES): Not a directory; "
        "set it to a place that can be written"
    )
    assert (report.status, report.results["Repair"]) == ("success", "repaired")
    assert files() == []


def test_a_wrong_setting_ends_the_run_before_the_first_event(run):
    with pytest.raises(StoreError, match="VOLNUX_VALUES=s4://x: Protocol not known"):
        run("Load", place="s4://x")
