"""`volnux simulate`: the path for given outcomes."""

import json

import pytest


def states(result):
    return {
        place: (entry["state"], entry["descriptor"])
        for place, entry in json.loads(result.out)["places"].items()
    }


def test_everything_succeeds_unless_told_otherwise(cli, flow):
    result = cli("simulate", flow("A -> B (0 -> C, 1 -> D)"))
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "\n"
        "place  state    descriptor  attempts\n"
        "A      done     1           1\n"
        "B      done     1           1\n"
        "C      skipped  -           0\n"
        "D      done     1           1\n"
        "\n"
        "flow: success\n"
    )


def test_an_each_without_a_list_is_a_warning(cli, flow):
    result = cli("simulate", flow("A -> B[each=day]"), "--items", "day=1")
    assert result.code == 0
    assert ":1:8: warning: each=day needs a list, but nothing is piped to it here" in result.err
    assert cli("simulate", flow("A |-> B[each=day]"), "--items", "day=1").err == ""


def test_an_event_and_a_place(cli, flow):
    path = flow("Z (0 -> A, 3 -> B) -> Z (0 -> C)")
    result = cli("simulate", path, "--outcome", "Z=0", "--place", "Z__2=1", "--json")
    assert result.code == 0
    assert states(result) == {
        "Z": ("done", 0),
        "A": ("done", 1),
        "B": ("skipped", None),
        "Z__2": ("done", 1),
        "C": ("skipped", None),
    }
    assert json.loads(result.out)["backend"] == "simulate"


def test_a_failed_run(cli, flow):
    result = cli("simulate", flow("A -> B"), "--outcome", "A=0")
    assert result.code == 1
    assert result.out.endswith("\nflow: failed\n")
    assert "A failed" in result.out


def test_no_python_is_imported(cli, flow, write):
    write("flow_events.py", "raise SystemExit")
    assert cli("simulate", flow("A")).code == 0


def test_a_group_that_only_a_class_decides_is_noted_where_it_matters(cli, flow):
    path = flow("A || B -> C")
    assert cli("simulate", path).err == ""
    result = cli("simulate", path, "--outcome", "A=0", "--json")
    assert result.code == 1
    assert json.loads(result.out)["status"] == "failed"
    assert (
        "flow.pty:1:1: note: this simulation assumes that all arms of this group must be done"
        in result.err
    )
    assert "only the class of B knows" in result.err
    again = cli("simulate", flow("{{A || B} -> C}[again=3]"), "--outcome", "A=0")
    assert again.err.count("this simulation assumes") == 1, "once for all rounds"
    path = flow("{A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> C")
    result = cli("simulate", path, "--outcome", "A=0")
    assert (result.code, result.err) == (0, "")


BAD = [
    (["--outcome", "Alhpa=0"], "error: there is no event 'Alhpa'; did you mean 'Alpha'?\n"),
    (["--place", "Alpha__3=0"], "error: there is no place 'Alpha__3'; did you mean 'Alpha__2'?\n"),
    (["--place", "X=0"], "error: there is no place 'X'; places: Alpha, Alpha__2, Beta\n"),
    (["--outcome", "Alpha__2=0"], "error: there is no event 'Alpha__2'; did you mean 'Alpha'?\n"),
    (["--outcome", "Alpha"], "error: --outcome takes EVENT=DESCRIPTOR, found 'Alpha'\n"),
    (["--place", "=1"], "error: --place takes PLACE=DESCRIPTOR, found '=1'\n"),
    (
        ["--outcome", "Alpha=10"],
        "error: a descriptor must be from 0 to 9, found '10' for 'Alpha'\n",
    ),
    (
        ["--outcome", "Alpha=-1"],
        "error: a descriptor must be from 0 to 9, found '-1' for 'Alpha'\n",
    ),
    (["--outcome", "Alpha="], "error: a descriptor must be from 0 to 9, found '' for 'Alpha'\n"),
    (
        ["--outcome", "Alpha=1", "--outcome", "Alpha=0"],
        "error: --outcome is given twice for 'Alpha'\n",
    ),
    (
        ["--outcome", "Gamma=x", "--place", "Bteta=1"],
        "error: there is no event 'Gamma'; events: Alpha, Beta\n"
        "error: a descriptor must be from 0 to 9, found 'x' for 'Gamma'\n"
        "error: there is no place 'Bteta'; did you mean 'Beta'?\n",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(case[0]) for case in BAD])
def test_outcomes_that_make_no_sense(cli, flow, arguments, message):
    result = cli("simulate", flow("Alpha -> Alpha -> Beta"), *arguments, "--json")
    assert (result.code, result.out, result.err) == (2, "", message)


def test_errors_of_the_file(cli, flow):
    result = cli("simulate", flow("A => B"), "--json")
    assert (result.code, result.out) == (2, "")
    assert "flow.pty:1:3: error: " in result.err


PAGES = "List |-> {Fetch |-> Save}[each=url] |-> Sum"


def test_two_items_are_assumed_and_that_is_said(cli, flow):
    result = cli("simulate", flow(PAGES), "--json")
    assert list(states(result)) == ["List", "Fetch[0]", "Fetch[1]", "Save[0]", "Save[1]", "Sum"]
    assert "flow.pty:1:10: note: this simulation assumes 2 items for url\n" in result.err
    assert "hint: give the number of items: --items url=3\n" in result.err


@pytest.mark.parametrize("name", ["url", "Fetch", "Save"])
def test_the_number_of_items(cli, flow, name):
    for number in (0, 1, 3):
        result = cli("simulate", flow(PAGES), "--items", f"{name}={number}", "--json")
        assert (result.code, result.err) == (0, "")
        fetched = [place for place in states(result) if place.startswith("Fetch")]
        assert fetched == ([f"Fetch[{i}]" for i in range(number)] or ["Fetch"])


def test_the_outcomes_of_copies(cli, flow):
    path = flow("List |-> {Fetch |-> Save (0 -> Note)}[each=url] (0 -> Tell)")
    outcomes = ["--outcome", "Fetch[1]=0", "--place", "Save=0", "--place", "Save[2]=1"]
    result = cli("simulate", path, "--items", "url=3", *outcomes, "--json")
    assert result.code == 0
    assert states(result) == {
        "List": ("done", 1),
        "Fetch[0]": ("done", 1),
        "Fetch[1]": ("failed", 0),
        "Fetch[2]": ("done", 1),
        "Save[0]": ("done", 0),
        "Save[1]": ("failed", None),
        "Save[2]": ("done", 1),
        "Note[0]": ("done", 1),
        "Note[1]": ("failed", None),
        "Note[2]": ("skipped", None),
        "Tell": ("done", 1),
    }


def test_an_index_in_front_stands_for_all_copies_in_that_copy(cli, flow):
    path = flow("Books |-> {Book |-> Page[each=page]}[each=book] (0 -> Tell)")
    given = ["--items", "Page=2", "--place", "Page[1]=0", "--place", "Page[1][1]=1"]
    result = cli("simulate", path, "--items", "book=2", *given, "--json")
    assert [(p, s) for p, (_, s) in states(result).items() if p.startswith("Page")] == [
        ("Page[0][0]", 1),
        ("Page[0][1]", 1),
        ("Page[1][0]", 0),
        ("Page[1][1]", 1),
    ]


def test_every_round_of_a_group_has_the_items(cli, flow):
    path = flow("{List |-> Fetch[each=url]}[again=2]")
    result = cli("simulate", path, "--items", "Fetch=1", "--outcome", "Fetch[0]=0", "--json")
    assert (result.code, result.err.count("note:")) == (0, 1)
    assert states(result) == {
        "List": ("done", 1),
        "Fetch[0]": ("failed", 0),
        "List.2": ("done", 1),
        "Fetch.2[0]": ("done", 1),
    }


def test_copies_that_only_a_class_decides_are_noted_where_it_matters(cli, flow):
    result = cli("simulate", flow(PAGES), "--items", "url=2", "--place", "Save[1]=0")
    assert result.code == 1
    assert "assumes that all copies of this unit must be done: only the class of Save" in result.err
    path = flow(PAGES.replace("=url", "=url, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS"))
    result = cli("simulate", path, "--items", "url=2", "--place", "Save[1]=0")
    assert (result.code, result.err) == (0, "")


BAD_ITEMS = [
    (["--items", "Sum=3"], "error: 'Sum' is not in a unit with each, so it has no items\n"),
    (
        ["--items", "Ftech=3"],
        "error: there is no each and no place 'Ftech'; did you mean 'Fetch'?\n",
    ),
    (["--items", "url"], "error: --items takes NAME=NUMBER, found 'url'\n"),
    (
        ["--items", "url=-1"],
        "error: a number of items must be 0 or more, found '-1' for 'url'\n",
    ),
    (["--items", "url=1", "--items", "url=2"], "error: --items is given twice for 'url'\n"),
    (
        ["--items", "url=9999999999"],
        "error: so many items make more than 1,000,000 places: lower --items\n",
    ),
    (
        ["--outcome", "Fetch[2]=0"],
        "error: there is no 'Fetch[2]': 'url' has 2 items here; use --items url=3\n",
    ),
    (
        ["--place", "Fetch[0][1]=0"],
        "error: there is no 'Fetch[0][1]': 'Fetch' has 1 index\n",
    ),
    (
        ["--place", "Sum[0]=0"],
        "error: 'Sum' is not in a unit with each, so there is no 'Sum[0]'\n",
    ),
    (["--outcome", "Ftech[0]=0"], "error: there is no place 'Ftech'; did you mean 'Fetch'?\n"),
    (
        ["--outcome", "Fetch[x]=0"],
        "error: an index must be a number in brackets, such as Fetch[1]: 'Fetch[x]'\n",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD_ITEMS, ids=[" ".join(case[0]) for case in BAD_ITEMS]
)
def test_items_that_make_no_sense(cli, flow, arguments, message):
    result = cli("simulate", flow(PAGES), *arguments, "--json")
    assert (result.code, result.out, result.err) == (2, "", message)


# Used files.


@pytest.fixture
def using(flow, write):
    write("clean.pty", "Parse (0 -> Repair) -> Save[each=row]")
    return flow('@use: clean = "clean.pty"\nParse |-> clean -> clean[each=row]')


@pytest.mark.parametrize("option", ["--outcome", "--place"])
def test_a_place_in_a_use(cli, using, option):
    result = cli("simulate", using, option, "clean.Parse=0", "--items", "row=1", "--json")
    found = states(result)
    assert found["clean.Parse"] == ("done", 0)
    assert found["clean.Repair"][0] == "done"
    assert found["clean__2.Parse[0]"] == ("done", 1)
    copy = cli("simulate", using, option, "clean__2.Save[1][0]=0", "--json")
    assert states(copy)["clean__2.Save[1][0]"] == ("failed", 0)


def test_an_event_is_meant_in_all_files(cli, using):
    found = states(cli("simulate", using, "--outcome", "Parse=0", "--json"))
    assert found["Parse"] == ("failed", 0)
    found = states(cli("simulate", using, "--outcome", "Repair=0", "--outcome", "Save=0", "--json"))
    assert {place for place, (state, _) in found.items() if state == "failed"} >= {"clean.Save[0]"}


def test_a_place_in_a_use_that_is_not_there(cli, using):
    result = cli("simulate", using, "--outcome", "clean.Prase=0")
    assert result.code == 2
    assert "there is no place 'clean.Prase'; did you mean 'clean.Parse'?" in result.err


def test_assumptions_are_noted_once_for_each_position_of_each_file(cli, using, write):
    write("clean.pty", "@mode: x\nParse |->        Save[each=row]")
    write("other.pty", "@mode: x\nParse |->        Save[each=row]")
    write("flow.pty", '@use: a = "clean.pty"\n@use: b = "other.pty"\na -> a -> b')
    notes = [line for line in cli("simulate", using).err.splitlines() if "2 items" in line]
    assert [line.partition(": note")[0] for line in notes] == ["clean.pty:2:18", "other.pty:2:18"]


def test_the_number_of_items_of_one_use(cli, using):
    found = states(cli("simulate", using, "--items", "clean.Save=3", "--json"))
    assert {place for place in found if place.startswith("clean.Save")} == {
        "clean.Save[0]", "clean.Save[1]", "clean.Save[2]",
    }  # fmt: skip
    assert "clean__2.Save[0][0]" in found
