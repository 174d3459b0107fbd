"""`volnux run` keeps its run, and `volnux runs` lists, shows, compares and removes kept runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from volnux.runs import Store


@pytest.fixture
def runs(cli, flow):
    """Two runs of `flow.pty`: one that failed, and a later success."""
    flow("@events: flow_events\n@input: n: int\nAdd -> Boom (0 -> Ok) -> Bad\n")
    assert cli("run", "flow.pty", "-i", "n=1").code == 1
    flow("@events: flow_events\n@input: n: int\nAdd -> Boom (0 -> Ok) -> Ok\n")
    assert cli("run", "flow.pty", "-i", "n=2").code == 0
    with Store.open(".volnux/runs.db", create=False) as store:
        yield [run.id for run in store.list()]


def test_list(cli, runs):
    result = cli("runs")
    assert (result.code, result.err) == (0, "")
    head, new, old = result.out.splitlines()
    assert head.split() == ["started", "(UTC)", "pipeline", "status", "took", "backend", "run"]
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  flow      success  \S+ +standalone  {runs[0][:12]}",
        new,
    )
    assert old.endswith(runs[1][:12])
    assert cli("runs", "ls").out == result.out


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["flow.pty"], [0, 1]),
        (["--status", "failed"], [1]),
        (["--status", "running"], []),
        (["--since", "7d"], [0, 1]),
        (["-n", "1"], [0]),
        (["other.pty"], []),
        (["--store", ".volnux"], [0, 1]),
        (["--store", "none.db"], []),
    ],
    ids=str,
)
def test_selection(cli, runs, options, found):
    listed = json.loads(cli("runs", *options, "--json").out)
    assert [run["run_id"] for run in listed] == [runs[number] for number in found]
    assert not Path("none.db").exists()


def test_nothing_is_kept_yet(cli):
    result = cli("runs")
    assert (result.code, result.out, result.err) == (0, "no runs\n", "")
    assert not Path(".volnux").exists()


def test_show_a_run(cli, runs):
    result = cli("runs", "show", runs[1][:8])
    assert (result.code, result.err) == (0, "")
    shown = result.out
    for line in (
        f"run            {runs[1]}",
        "status         failed",
        "inputs\n  n  1",
        "Boom   done    0           1 ",
        "Boom failed, handled: ValueError: no way",
        'Bad failed: it returned "no"',
    ):
        assert line in shown, line
    assert "failure handled" in shown


def test_show_the_polls_of_a_place(cli, write):
    write("flow.pty", "Looks")
    write(
        "events.py",
        """
        from volnux import event, not_yet
        looks = []

        @event(every=0.01, within=60)
        def Looks():
            looks.append(1)
            return True, len(looks) > 3 or not_yet()
        """,
    )
    assert cli("run", "flow.pty").code == 0
    for arguments in (["last"], ["last", "Looks"]):
        assert "3 polls" in cli("runs", "show", *arguments).out


def test_show_a_place(cli, runs):
    shown = cli("runs", "show", runs[1], "Boom").out
    assert "state       done\ndescriptor  0\nattempts    1\n" in shown
    assert "failure\n  ValueError: no way\n  Traceback (most recent call last):\n" in shown
    assert "in deeper\n" in shown
    assert "result\n  3\n" in cli("runs", "show", runs[1], "Add").out


def test_show_the_log(cli, write, flow):
    write("logging_events.py", "import logging\nfrom volnux import event\n\n@event\ndef Says():\n"
          "    logging.warning('hello\\n%s', 'there')\n    return True, None\n")  # fmt: skip
    flow("@events: logging_events\nSays\n")
    assert cli("run", "flow.pty").code == 0
    assert re.search(
        r"log\n  \d\d:\d\d:\d\d\.\d{6} WARNING root: hello\n +there\n",
        cli("runs", "show", "last", "Says").out,
    )
    assert "WARNING root: Says: hello" in cli("runs", "show", "last", "--log").out
    assert "hello" not in cli("runs", "show", "last").out


def test_show_as_json(cli, runs):
    data = json.loads(cli("runs", "show", "last", "--json").out)
    assert data["run_id"] == runs[0]
    assert data["inputs"] == {"n": 2}
    assert data["places"]["Add"]["result"] == 4
    assert data["places"]["Boom"]["failure"]["type"] == "ValueError"
    assert list(data["places"]) == ["Add", "Boom", "Ok", "Ok__2"]


def test_compare(cli, runs):
    result = cli("runs", "compare", runs[1], runs[0])
    assert (result.code, result.err) == (0, "")
    assert re.search(r"^A  \w{12}  flow  .* UTC  failed  ", result.out)
    assert "\ninput  A  B\nn      1  2\n" in result.out
    assert "Ok__2            -         done 1\n" in result.out
    assert "Bad              failed 0  -\n" in result.out
    data = json.loads(cli("runs", "compare", runs[1], runs[0], "--json").out)
    assert data["ended_otherwise"] == {"Ok__2": ["-", "done 1"], "Bad": ["failed 0", "-"]}


def test_compare_with_itself(cli, runs):
    out = cli("runs", "compare", "last", runs[0]).out
    assert out.endswith("\nevery place ended in the same way, and took about as long\n")


def test_remove(cli, runs):
    assert cli("runs", "rm", "--older-than", "1d").out == "removed 0 runs\n"
    assert cli("runs", "rm", runs[0][:6], runs[0]).out == "removed 1 run\n"
    assert [run["run_id"] for run in json.loads(cli("runs", "--json").out)] == [runs[1]]
    assert cli("runs", "rm", "--older-than", "0m").out == "removed 1 run\n"
    assert cli("runs").out == "no runs\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "zzz"], "there is no run 'zzz' in "),
        (["show", "last", "Nope"], " has no place 'Nope' that has begun or ended"),
        (["rm"], "name the runs, or give --older-than AGE"),
        (["rm", "--older-than", "soon"], "--older-than takes an age such as 30m, 12h, 30d or 2w"),
        (["--since", "soon"], "--since takes an age such as 30m, 12h, 30d or 2w, found 'soon'"),
        (["show", "last", "--store", "x.db"], "no runs are kept in "),
        (["--status", "good"], "Invalid value for '--status'"),
        (["compare", "last"], "Missing argument"),
    ],
    ids=str,
)
def test_what_cannot_be_shown(cli, runs, arguments, said):
    result = cli("runs", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_run_that_is_running_is_not_removed(cli, runs):
    with Store.open(".volnux/runs.db") as store:
        connection = store.connect()
        connection.execute("UPDATE runs SET status = 'running' WHERE id = ?", (runs[0],))
        connection.close()
    result = cli("runs", "rm", "last")
    assert (result.code, result.err) == (
        2, f"error: the run {runs[0]} is running: stop it first\n"
    )  # fmt: skip
    assert cli("runs", "rm", "--older-than", "0m").out == "removed 1 run\n"


# Where runs are kept.


@pytest.mark.parametrize(
    ("toml", "environment", "options", "where"),
    [
        (None, None, [], "a/b/.volnux/runs.db"),
        ("", None, [], "a/.volnux/runs.db"),
        ('[runs]\nstore = "kept.db"', None, [], "a/kept.db"),
        ('[runs]\nstore = "none"', None, [], None),
        ('[runs]\nkeep = "90d"\n[variables]\nx = 1', None, [], "a/.volnux/runs.db"),
        ('[runs]\nstore = "kept.db"', "mine.db", [], "mine.db"),
        ("", "none", [], None),
        (None, "mine.db", ["--store", "other/.volnux"], "other/.volnux/runs.db"),
        (None, None, ["--no-store"], None),
        (None, None, ["--json"], "a/b/.volnux/runs.db"),
    ],
    ids=str,
)
def test_where_runs_are_kept(cli, write, monkeypatch, toml, environment, options, where):
    write("a/b/flow.pty", "Ok\n")
    write("a/b/flow_events.py", "from volnux import event\n\n@event\ndef Ok(): return True, 1\n")
    if toml is not None:
        write("a/volnux.toml", toml)
    if environment is not None:
        monkeypatch.setenv("VOLNUX_STORE", environment)
    result = cli("run", "a/b/flow.pty", *options)
    assert (result.code, "warning" in result.err) == (0, False)
    assert [str(path) for path in Path().rglob("*.db")] == ([where] if where else [])
    if where is not None:
        with Store.open(where, create=False) as store:
            assert store.last().file == str(Path("a/b/flow.pty").resolve())


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[runs]\nstore = 3", "volnux.toml: store = 3 must be a path, or 'none'"),
        ("[runs]\nkeep = 'x'", "keep = 'x' is none of: an age such as 30m"),
        ("[runs]\nwhere = 'x'", "volnux.toml:2: [runs] has no key 'where'; keys: keep, store"),
        ("runs = 3", "volnux.toml:1: 'runs' must be a table: [runs]"),
        ("[run]", "volnux.toml:1: there is no key 'run'; keys: runs, variables"),
    ],
)
def test_a_wrong_configuration_does_not_fail_a_run(cli, flow, write, toml, said):
    flow("@events: flow_events\nOk\n")
    write("volnux.toml", toml)
    result = cli("run", "flow.pty")
    assert result.code == 0
    assert result.err.startswith("warning: this run is not kept: ")
    assert (result.err.count("\n"), said in result.err) == (1, True), result.err
    shown = cli("runs")
    assert (shown.code, shown.err.startswith("error: "), said in shown.err) == (2, True, True)


@pytest.mark.parametrize("options", [[], ["--json"], ["--plain"]], ids=str)
def test_a_store_that_cannot_be_used_is_a_warning(cli, flow, write, options):
    flow("@events: flow_events\nOk -> Boom\n")
    write("runs.db", "not a database, " * 100)
    result = cli("run", "flow.pty", "--store", "runs.db", *options)
    assert result.code == 1
    assert result.err.count("not kept") == result.err.count("warning: ") == 1
    assert "runs.db is damaged, or not a store of runs: move it away, or name another" in result.err
    if options == ["--json"]:
        assert json.loads(result.out)["status"] == "failed"


def test_completion_of_runs(cli, runs):
    environment = {"_VOLNUX_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    words = f"volnux runs show {runs[0][:3]}"
    done = subprocess.run(
        [sys.executable, "-m", "volnux.cli"],
        capture_output=True,
        text=True,
        env={**os.environ, **environment, "COMP_WORDS": words},
    )
    assert runs[0] in done.stdout.split()
