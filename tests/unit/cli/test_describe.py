"""`volnux describe`: what someone needs to run a pipeline, or to use it as a step of another."""

import json
from pathlib import Path

import pytest

EVENTS = '''
"""A module that describe must not import."""
from __future__ import annotations

from typing import Any

from parts.shop import Sell
from volnux import EventBase, RetryPolicy, event

raise SystemExit("imported")


class Row: ...


@event
def parse(previous_result: list[Row], table: str) -> tuple[bool, list[dict[str, Any]]]:
    """Reads the rows.

    Slowly.
    """


class Base(EventBase):
    """Base of checks."""

    def process(self, previous_result: "list[dict]") -> "tuple[int, Row] | tuple[bool, None]":
        """Checks them."""


class Check(Base):
    pass


@event
async def Repair(self, *, previous_result) -> tuple[int, str]: ...


@event
def Start(): ...
'''

SHOP = """
from volnux import Outcome, event
@event
def Sell(previous_result: int) -> Outcome[float]:
    "Sells."
"""


@pytest.fixture
def described(cli, write):
    """What `describe --json` says about a text whose events are those above."""
    write("clean_events.py", EVENTS)
    write("parts/__init__.py", "")
    write("parts/shop.py", SHOP)

    def described(text):
        result = cli("describe", write("clean.pty", text), "--json")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return described


ROWS = "list[dict[str, Any]]"

PASSED = {
    "Parse": ([("Parse", "list[Row]")], [("Parse", ROWS)]),
    "Parse |-> Check": ([("Parse", "list[Row]")], [("Check", "Row | None")]),
    "Start |-> Repair": ([], [("Repair", "str")]),
    "Repair -> Start": ([("Repair", None)], [("Start", None)]),
    "Parse || Check": (
        [("Parse", "list[Row]"), ("Check", "list[dict]")],
        [("Parse", ROWS), ("Check", "Row | None")],
    ),
    "Start |-> Check (0 |-> Repair)": ([], [("Repair", "str"), ("Check", "Row | None")]),
    "{Sell}[each=x]": ([("Sell", "list[int]")], [("Sell", "list[float]")]),
    "{{Sell}[each=y]}[each=x]": ([("Sell", "list[list[int]]")], [("Sell", "list[list[float]]")]),
    "@input: xs: list\nStart[each=x, in=xs] -> Sell[each=x, in=xs]": (
        [],
        [("Sell", "list[float]")],
    ),
    "{Sell}[again=3]": ([("Sell", "int")], [("Sell", "float")]),
    "Sell (0 -> !)": ([("Sell", "int")], [("Sell", "float")]),
    "parts.shop.Sell": ([("parts.shop.Sell", "int")], [("parts.shop.Sell", "float")]),
    "Gone -> parts.gone.Sell": ([], [("parts.gone.Sell", None)]),
}


@pytest.mark.parametrize("text", PASSED)
def test_what_a_pipeline_receives_and_returns(described, text):
    receives, returns = PASSED[text]
    found = described(text)
    assert [(each["place"], each["type"]) for each in found["receives"]] == receives
    assert [(each["place"], each["type"]) for each in found["returns"]] == returns


def test_a_step_in_full(cli, write, described):
    write("shared/repair.pty", '@description: "Repairs rows"\n@secret: token\nFix')
    write("shared/events.py", 'from volnux import event\n@event\ndef Fix():\n    """Fixes."""\n')
    described(
        '@description: "Cleans a table"\n@use: repair = "shared/repair.pty"\n'
        '@input: table: "sales" | "refunds", "the table"\n@input: day: date = scheduled - 1d\n'
        '@variable: region: str = "eu"\nParse(table=table) |-> Check (0 -> repair)'
    )
    assert cli("describe", "clean.pty").out == (
        "clean: Cleans a table\n"
        "3 places, 3 events\n"
        "\n"
        "as a step:\n"
        '  @use: clean = "clean.pty"\n'
        "  clean(table=…)\n"
        "\n"
        "receives:\n"
        "  list[Row]  Parse\n"
        "\n"
        "returns:\n"
        "  not annotated  repair.Fix\n"
        "  Row | None     Check\n"
        "\n"
        "inputs:\n"
        "  table  str   required          one of 'sales', 'refunds', the table\n"
        "  day    date  = scheduled - 1d\n"
        "\n"
        "variables:\n"
        '  region  str  = "eu"\n'
        "\n"
        "secrets:\n"
        "  token\n"
        "\n"
        "events:\n"
        "  Parse  Reads the rows.\n"
        "  Check  Checks them.\n"
        "\n"
        "places:\n"
        "  Parse, Check, repair.Fix\n"
        "\n"
        "uses:\n"
        "  shared/repair.pty  Repairs rows\n"
    )
    found = json.loads(cli("describe", "clean.pty", "--json").out)
    assert found["as_step"] == {
        "directive": '@use: clean = "clean.pty"',
        "call": "clean(table=…)",
    }
    assert found["uses"] == [{"file": "shared/repair.pty", "description": "Repairs rows"}]
    assert found["events"][-1] == {
        "name": "Fix", "file": "shared/repair.pty", "description": "Fixes.",
    }  # fmt: skip
    assert found["secrets"] == ["token"]


def test_the_step_that_is_described_can_be_used(cli, write, described):
    described("@input: table: str\nParse(table=table)")
    as_step = json.loads(cli("describe", "clean.pty", "--json").out)["as_step"]
    write("main.pty", "\n".join(as_step.values()).replace("…", '"sales"'))
    assert cli("check", "main.pty").code == 0


def test_a_step_above_the_working_directory_can_be_used(cli, write, monkeypatch):
    write("shared/clean.pty", "A")
    write("jobs/deep/main.pty", "A")
    monkeypatch.chdir("jobs/deep")
    found = json.loads(cli("describe", "../../shared/clean.pty", "--json").out)
    write("main.pty", "\n".join(found["as_step"].values()))
    assert cli("check", "main.pty").code == 0


def test_a_step_of_an_installed_package(cli, write, monkeypatch):
    write("site-packages/shop/flows/clean.up.pty", "A")
    monkeypatch.syspath_prepend(str(Path("site-packages").absolute()))
    found = json.loads(cli("describe", "site-packages/shop/flows/clean.up.pty", "--json").out)
    assert found["as_step"] == {
        "directive": '@use: clean_up = "package:shop.flows/clean.up.pty"',
        "call": "clean_up",
    }
    write("main.pty", f"{found['as_step']['directive']}\nclean_up")
    assert cli("check", "main.pty").code == 0


def test_a_folder_is_a_table_of_steps(cli, write):
    write("p/clean.pty", '@description: "Cleans"\n@input: table: str\nA')
    write("p/load.pty", "@input: n: int = 1\nA")
    write("p/broken.pty", "A ->")
    result = cli("describe", "p")
    assert result.code == 2
    assert result.out == (
        "step            file         description\n"
        "clean(table=…)  p/clean.pty  Cleans\n"
        "load            p/load.pty\n"
    )
    assert result.err.startswith("p/broken.pty:1:5: error: ")
    result = cli("describe", "p/clean.pty", "p/load.pty", "--json")
    assert result.code == 0
    one = json.loads(cli("describe", "p/clean.pty", "--json").out)
    steps = json.loads(result.out)["steps"]
    assert [each["name"] for each in steps] == ["clean", "load"]
    assert steps[0] == one


def test_modules_that_cannot_be_read_say_nothing(cli, write):
    for text in ("def A(:", "\0", "from .... import A", "from flow_events import A", "A = A"):
        write("flow_events.py", text)
        found = json.loads(cli("describe", write("flow.pty", "A"), "--json").out)
        assert found["events"] == [{"name": "A", "file": "flow.pty", "description": None}]
        assert (found["receives"], found["returns"]) == ([], [{"place": "A", "type": None}])


def test_many_places_are_cut_short(cli, write):
    out = cli("describe", write("flow.pty", " -> ".join(["A"] * 3_000))).out
    assert "… and 2,900 more\n" in out
    assert max(map(len, out.splitlines())) <= 100


def test_units_of_used_files(cli, write):
    write("clean.pty", "A[each=x]")
    path = write("main.pty", '@use: clean = "clean.pty"\nclean |-> {clean |-> B}[again=2]')
    lines = cli("describe", path).out.splitlines()
    assert lines[2:4] == ["each x: clean.A", "each x: clean__2.A"]
