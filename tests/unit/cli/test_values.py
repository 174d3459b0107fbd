"""`volnux values`: the files with large values, run by run."""

import datetime as dt
import json
import os
from pathlib import Path

import pytest

from volnux.values.store import Store


@pytest.fixture
def kept(monkeypatch):
    """A store with two runs, the first of which is 20 days old; the environment names it."""
    monkeypatch.setenv("VOLNUX_VALUES", "kept")
    store = Store("kept")
    for place in ("Fetch[0]", "Fetch[1]"):
        written(store.at("old:1+2", place), 800_000, days=20)
    written(store.at("new", "Load"), 400, days=0)
    return store


def written(shelf, size, *, days):
    path = Path("kept", shelf.put(bytes(size), ".arrow")["path"])
    moment = dt.datetime(2026, 1, 31, 6, tzinfo=dt.UTC).timestamp()
    if days:
        moment = dt.datetime.now(dt.UTC).timestamp() - days * 86_400
    os.utime(path, (moment, moment) if days else None)


def runs(store):
    return [run.run_id for run in store.runs()]


def test_list(cli, kept):
    result = cli("values", "ls")
    assert (result.code, result.err) == (0, "")
    head, new, old = result.out.splitlines()
    assert head == "newest (UTC)         files       size  run"
    assert new.endswith("      1  400 bytes  new")
    assert old.endswith("      2     1.6 MB  old:1+2")
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=20)
    assert abs(dt.datetime.fromisoformat(f"{old[:19]}+00:00") - moment) < dt.timedelta(minutes=5)


def test_list_as_json(cli, kept):
    result = cli("values", "ls", "--json")
    new, old = json.loads(result.out)
    assert old == {
        "run_id": "old:1+2", "files": 2, "size": 1_600_000, "modified": old["modified"],
    }  # fmt: skip
    assert dt.datetime.fromisoformat(old["modified"]) < dt.datetime.fromisoformat(new["modified"])


def test_list_of_nothing(cli, monkeypatch):
    monkeypatch.setenv("VOLNUX_VALUES", "kept")
    result = cli("values", "ls")
    assert (result.code, result.out, result.err) == (0, "no files\n", "")
    assert not Path("kept").exists()


@pytest.mark.parametrize("age", ["2w", "19d", "479h", "28799m", " 19d "])
def test_prune(cli, kept, age):
    result = cli("values", "prune", "--older", age)
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "deleted old:1+2: 2 files, 1.6 MB\ndeleted in total: 1 run, 2 files, 1.6 MB\n"
    )
    assert runs(kept) == ["new"]
    assert [path.name for path in Path("kept").iterdir()] == ["new"]


@pytest.mark.parametrize("age", ["3w", "21d", "481h"])
def test_nothing_is_old_enough(cli, kept, age):
    result = cli("values", "prune", "--older", age)
    assert (result.code, result.out) == (0, f"no run is older than {age}\n")
    assert runs(kept) == ["new", "old:1+2"]


def test_a_run_is_as_old_as_its_newest_file(cli, kept):
    kept.at("old:1+2", "Clean").put(b"")
    cli("values", "prune", "--older", "2w")
    assert {run.run_id: run.files for run in kept.runs()} == {"old:1+2": 3, "new": 1}


def test_dry_run(cli, kept):
    result = cli("values", "prune", "--older", "2w", "--dry-run")
    assert result.out == (
        "would delete old:1+2: 2 files, 1.6 MB\nwould delete in total: 1 run, 2 files, 1.6 MB\n"
    )
    assert runs(kept) == ["new", "old:1+2"]


def test_another_store(cli, kept):
    Store("other").at("run", "Load").put(b"")
    result = cli("values", "prune", "--older", "0d", "--store", "other")
    assert result.out == (
        "deleted run: 1 file, 0 bytes\ndeleted in total: 1 run, 1 file, 0 bytes\n"
    )
    assert runs(kept) == ["new", "old:1+2"]


@pytest.mark.parametrize("age", ["", "30", "d", "1.5d", "-1d", "30 d", "1y", "1d2h", "999999w"])
def test_an_age_that_is_none(cli, kept, age):
    result = cli("values", "prune", "--older", age)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: --older takes an age such as 30m, 12h, 30d or 2w, found '{age}'\n"
    assert runs(kept) == ["new", "old:1+2"]


@pytest.mark.parametrize("command", [("ls",), ("prune", "--older", "30d")])
def test_no_place(cli, monkeypatch, command):
    monkeypatch.delenv("VOLNUX_VALUES", raising=False)
    result = cli("values", *command)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: there is no place for large values: set VOLNUX_VALUES, or use --store URL\n"
    )


@pytest.mark.parametrize("url", ["s4://bucket/x", "s3:/bucket"])
def test_a_place_that_is_none(cli, url):
    result = cli("values", "ls", "--store", url)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1


def test_a_place_that_cannot_be_read(cli, monkeypatch):
    Path("kept").write_text("a file")
    monkeypatch.setenv("VOLNUX_VALUES", "kept/x")
    result = cli("values", "ls")
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith("kept/x cannot be read: Not a directory\n")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "error: --store is empty: give a folder or a URL\n"),
        ("nosuch", "error: the folder 'nosuch' does not exist\n"),
    ],
)
@pytest.mark.parametrize("command", [("ls",), ("prune", "--older", "30d")])
def test_a_store_must_be_there(cli, command, url, message):
    result = cli("values", *command, "--store", url)
    assert (result.code, result.out, result.err) == (2, "", message)


def test_a_run_with_a_strange_name(cli):
    Store("kept").at("\x1b[31mred", "Load").put(b"")
    assert "\\x1b[31mred" in cli("values", "ls", "--store", "kept").out
