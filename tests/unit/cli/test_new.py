"""`volnux new`: the new files work at once, and nothing is ever overwritten."""

import subprocess
import sys
from pathlib import Path

import pytest


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_what_is_made_works(cli):
    result = cli("new", "hello")
    assert (result.code, result.err) == (0, "")
    assert names("hello") == [
        "README.md", "hello.pty", "hello_events.py", "test_hello.py",
    ]  # fmt: skip
    assert result.out.startswith("created hello/hello.pty\n")
    assert "volnux run hello/hello.pty --input who=Ada" in result.out

    run = cli("run", "hello/hello.pty", "--input", "who=Ada")
    assert run.code == 0
    assert "HELLO, ADA!" in run.out
    assert cli("check", "hello", "--backend", "standalone").out == "checked 1 file: no errors\n"
    assert cli("fmt", "hello", "--check").code == 0
    assert cli("simulate", "hello/hello.pty", "--outcome", "Measure=3").code == 0


@pytest.mark.slow
def test_the_test_that_is_made_passes(cli):
    cli("new", "hello")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd="hello",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def test_another_folder(cli):
    Path("there").mkdir()
    Path("there/notes.txt").write_text("mine")
    assert cli("new", "hello", "--dir", "there").code == 0
    assert Path("there/hello.pty").is_file()
    assert cli("new", "hello", "--dir", "a/b").code == 0
    assert Path("a/b/test_hello.py").is_file()


def test_nothing_is_overwritten(cli):
    Path("hello").mkdir()
    Path("hello/README.md").write_text("mine")
    result = cli("new", "hello")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: hello/README.md already exists; nothing was written\n"
    assert names("hello") == ["README.md"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("my-flow", "; did you mean 'my_flow'?"), ("3x", ""), ("", ""), ("class", ""), ("é", "")],
)
def test_names_that_are_none(cli, name, hint):
    result = cli("new", name)
    assert result.code == 2
    assert result.err == (
        f"error: '{name}' is not a name for a pipeline: use letters, digits and underscores{hint}\n"
    )
    assert names(".") == []


def test_a_file_in_place_of_the_folder(cli):
    Path("hello").write_text("")
    result = cli("new", "hello")
    assert (result.code, result.err) == (2, "error: hello cannot be written: File exists\n")
