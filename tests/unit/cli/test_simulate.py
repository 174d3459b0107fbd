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
