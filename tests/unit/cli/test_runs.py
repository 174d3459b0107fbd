"""`volnux run` keeps its run, and `volnux runs` lists, shows, compares and removes kept runs."""

import contextlib
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
    Path("other.pty").write_text("Ok")
    listed = json.loads(cli("runs", *options, "--json").out)
    assert [run["run_id"] for run in listed] == [runs[number] for number in found]
    assert not Path("none.db").exists()


def test_nothing_is_kept_yet(cli):
    result = cli("runs")
    assert (result.code, result.out, result.err) == (0, "no runs\n", "")
    assert not Path(".volnux").exists()


def test_the_list_is_light():
    code = "import sys; from volnux.cli.start import start; start(['runs']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"typer", "pydantic", "asyncio", "volnux.events", "volnux.runs.keeper"}
    assert not heavy & {*done.stdout.split()}


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
        (["report", "zzz"], "there is no run 'zzz' in "),
        (["report", "last", "-o", "no/x.html"], "cannot be written: there is no folder no"),
        (["report", "last", "--store", "x.db"], "no runs are kept in "),
        (["missing.pty"], "there is no file missing.pty, and no run of it is kept"),
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


# Pages.


def page(path="out.html"):
    """What the page of a run shows."""
    text = Path(path).read_text(encoding="utf-8")
    return json.loads(re.search(r'id="content">(.*?)</script>', text)[1])


def change(*statement):
    """Change the store."""
    with Store.open(".volnux/runs.db") as store, contextlib.closing(store.connect()) as connection:
        connection.execute(*statement)


def test_a_kept_run_is_written_as_a_page_without_its_files(cli, runs):
    Path("flow.pty").unlink()
    Path("flow_events.py").unlink()
    result = cli("runs", "report", runs[1][:8])
    assert (result.code, result.out, result.err) == (0, f"flow-{runs[1]}.html\n", "")
    found = page(result.out.strip())
    assert (found["pipeline"], found["status"], found["inputs"]) == ("flow", "failed", [["n", "1"]])
    assert [(name, state) for name, state, _ in found["pictures"][0]["boxes"]] == [
        ("Add", "done"), ("Boom", "done"), ("Ok", "done"), ("Bad", "failed")
    ]  # fmt: skip
    add, boom, _, bad = found["places"]
    assert (add["result"], bad["result"], bad["at"]) == ("3", '"no"', [0, 3])
    assert (boom["handled"], found["failures"][boom["failure"]]["type"]) == (True, "ValueError")
    assert found["texts"][0][1].endswith("Add -> Boom (0 -> Ok) -> Bad\n")
    assert {"python", "volnux"} <= dict(found["versions"]).keys()


def test_the_page_has_the_times_of_attempts(cli, write, flow):
    write(
        "again_events.py",
        """
        from volnux import event

        @event(retry_policy={"backoff_factor": 0})
        def Again(): raise ValueError("no way")
        """,
    )
    flow("@events: again_events\nAgain * 2\n")
    assert cli("run", "flow.pty").code == 1
    assert cli("runs", "report", "last", "-o", "out.html").code == 0
    (again,) = page()["places"]
    (begin, _, why), (_, end, _) = again["tries"]
    assert (end, why) == (again["end"], "ValueError: no way")
    assert again["start"] <= begin <= end


def test_values_of_unknown_classes_are_shown_as_text(cli, write, flow):
    write(
        "order_events.py",
        """
        import threading
        from dataclasses import dataclass
        from volnux import event

        @dataclass
        class Order:
            number: int

        @event
        def Make(): return True, Order(7)

        @event
        def Lock(): return True, threading.Lock()
        """,
    )
    flow("@events: order_events\nMake || Lock\n")
    assert cli("run", "flow.pty").code == 0
    assert cli("runs", "report", "last", "-o", "out.html").out == ""
    make, lock = page()["places"]
    assert json.loads(make["result"])["value"]["fields"] == {"number": 7}
    assert lock["result"].startswith("(not kept: the result of Lock is of type ")


def test_a_text_that_this_version_does_not_know_leaves_the_page_without_a_picture(cli, runs):
    change("UPDATE sources SET texts = ?", (json.dumps({"": "Add -> => Ok"}),))
    assert cli("runs", "report", "last", "-o", "out.html").code == 0
    found = page()
    assert (found["pictures"], found["texts"], len(found["places"])) == ([], [], 4)


@pytest.mark.parametrize("said", ["lost", "running"])
def test_a_run_without_an_end(cli, runs, said):
    change("UPDATE runs SET status = 'running', ended = NULL")
    if said == "lost":
        change("UPDATE runs SET process = 'other 1 1', beat = 1")
    change("UPDATE places SET state = NULL, ended = NULL WHERE place = 'Ok__2'")
    assert cli("runs", "report", "last", "-o", "out.html").code == 0
    found = page()
    assert (found["status"], found["places"][-1]["state"]) == (said, said)
    assert found["pictures"][0]["boxes"][-1][1] == said
    assert found["places"][0]["state"] == "done"


@pytest.mark.parametrize("opened", [True, False])
def test_a_page_is_opened_in_the_browser(cli, runs, monkeypatch, opened):
    urls = []
    monkeypatch.setattr("webbrowser.open", lambda url: urls.append(url) or opened)
    result = cli("runs", "report", "last", "-o", "out.html", "--open")
    assert (result.code, urls) == (0, [Path("out.html").resolve().as_uri()])
    warning = "warning: no browser could be opened: open out.html yourself\n"
    assert result.err == ("" if opened else warning)


def test_the_file_of_a_page_has_a_valid_name(cli, runs):
    change("UPDATE runs SET pipeline = '../a b', id = '/etc/x' WHERE id = ?", (runs[0],))
    assert cli("runs", "report", "last").out == "_a_b-_etc_x.html\n"


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
