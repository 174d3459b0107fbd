"""The programs of the guide to Pointy, each read as the text around it says."""

from pathlib import Path

import pytest

from volnux.pointy import PointyFile, parse
from volnux.pointy.formatter import format_text
from volnux.pointy.tree import Arrow, Event, Flow

BLOCKS = Path(__file__).with_name("blocks")


def names(flow: Flow) -> list[str]:
    """The names of a flow's events in reading order, its groups and branches included."""
    found = []
    for part in flow.parts:
        for arm in part.arms:
            if isinstance(arm.primary, Event):
                found.append(arm.primary.name)
            else:
                found += names(arm.primary.body)
            for branch in arm.branches:
                found += names(branch.flow)
    return found


def read(name: str) -> PointyFile:
    return parse((BLOCKS / f"{name}.pty").read_text("utf-8"), f"{name}.pty")


@pytest.mark.parametrize("path", sorted(BLOCKS.glob("*.pty")), ids=lambda path: path.stem)
def test_a_block_is_read_and_formatted(path):
    text = path.read_text("utf-8")
    file = parse(text, str(path))
    assert parse(format_text(text)) == file
    assert len(file.comments) == text.count("#")


@pytest.mark.parametrize(
    ("block", "events"),
    [
        ("five_events", ["Fetch", "Process", "Execute", "SaveToDB", "Return"]),
        ("single_event", ["A"]),
        ("sequence", ["A", "B"]),
        ("parallel", ["A", "B"]),
        ("pipe", ["A", "B"]),
        ("branches", ["A", "B", "C", "D"]),
        ("own_descriptor", ["A", "B", "C", "D", "E"]),
        ("parallel_pipe", ["A", "B", "C"]),
        ("sink", ["A", "B", "C", "D"]),
        ("two_levels", ["A", "B", "C", "T", "Z", "E", "F", "Y", "Z"]),
    ],
)
def test_the_events_of_a_block(block, events):
    assert names(read(block).flow) == events


@pytest.mark.parametrize(("block", "attempts"), [("retry", 3), ("retry_before", 51)])
def test_retry_factors(block, attempts):
    (part,) = read(block).flow.parts
    assert part.arms[0].retry.attempts == attempts


def test_parallel_then_pipe():
    flow = read("parallel_pipe").flow
    assert [len(part.arms) for part in flow.parts] == [2, 1]
    assert flow.arrows == (Arrow.PIPE,)


def test_a_sink_follows_the_branches():
    flow = read("sink").flow
    assert flow.arrows == (Arrow.THEN,)
    assert [branch.descriptor for branch in flow.parts[0].arms[0].branches] == [0, 1]
    assert not flow.parts[1].arms[0].branches


def test_a_descriptor_of_ones_own():
    branches = read("own_descriptor").flow.parts[1].arms[0].branches
    assert [(b.descriptor, names(b.flow)) for b in branches] == [(0, ["C"]), (1, ["D"]), (3, ["E"])]


def test_two_levels_of_branches():
    a, b, f = (part.arms[0] for part in read("two_levels").flow.parts)
    assert (a.primary.name, b.primary.name, f.primary.name) == ("A", "B", "F")
    inner = b.branches[0].flow.parts[0].arms[0]
    assert [(x.descriptor, x.arrow, names(x.flow)) for x in inner.branches] == [
        (0, Arrow.PIPE, ["T"]),
        (1, Arrow.THEN, ["Z"]),
    ]
    assert [names(branch.flow) for branch in f.branches] == [["Y"], ["Z"]]
