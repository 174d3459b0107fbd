"""Which files of a folder are used, and what happens to anything that is not a regular file."""

import os
from pathlib import Path

import pytest

from volnux.errors import PointyError, Severity
from volnux.files import LONGEST, find_files, read_bytes
from volnux.loading import FileError, load_file
from volnux.pointy import load


def make(*names: str) -> None:
    """Files by name, folders as `name/`, links as `name -> target`, pipes as `name|`."""
    for name in names:
        link, arrow, target = name.partition(" -> ")
        path = Path(link.rstrip("/|"))
        path.parent.mkdir(parents=True, exist_ok=True)
        if arrow:
            path.symlink_to(target)
        elif name.endswith("/"):
            path.mkdir()
        elif name.endswith("|"):
            os.mkfifo(path)
        else:
            path.write_text("A")


@pytest.mark.parametrize(
    ("there", "found", "said"),
    [
        (["b.pty", "a.pty", "c.PTY", "pty", "d.pty.bak", "e.py"], "a.pty b.pty c.PTY", ""),
        (["b.pty", "a/z.pty", "a.pty"], "a/z.pty a.pty b.pty", ""),
        # Hidden: of macOS, of editors, of version control.
        (["._x.pty", ".#x.pty -> me@host:1", ".git/x.pty", ".pty", "x.pty"], "x.pty", ""),
        # Of tools.
        (["__pycache__/a.pty", "node_modules/n/a.pty", "lib/site-packages/v/a.pty"], "", ""),
        (["env/pyvenv.cfg", "env/lib/a.pty", "pyvenv.cfg", "a.pty"], "a.pty", ""),
        # A ConfigMap of Kubernetes.
        (
            ["..2026/a.pty", "..data -> ..2026", "a.pty -> ..data/a.pty"],
            "a.pty",
            "",
        ),
        # Links: to files and folders elsewhere, to what is there anyway, in circles.
        (["../far/a.pty", "../far/b/c.pty", "x -> ../far"], "x/a.pty x/b/c.pty", ""),
        (["z.pty", "a.pty -> z.pty", "b/", "a -> b", "b/y.pty"], "b/y.pty z.pty", ""),
        ([".h/a.pty", "2.pty -> .h/a.pty", "1.pty -> .h/a.pty"], "1.pty", ""),
        ([".h/a.pty", "2 -> .h", "1 -> .h"], "1/a.pty", ""),
        (["a/x.pty", "a/up -> ..", "a/me -> .", "b -> a"], "a/x.pty", ""),
        ([".h/1/to -> ../2", ".h/2/to -> ../1", ".h/1/x.pty", "in -> .h/2"], "in/to/x.pty", ""),
        (["node_modules -> .h", ".h/a.pty"], "", ""),
        # Anything that is not a file is skipped; a file that cannot be read is an error.
        (["f.pty|", "a.pty"], "a.pty", "warning f.pty: skipped: it is not a regular file"),
        (["z.pty -> /dev/zero"], "", "warning z.pty: skipped: it is not a regular file"),
        (
            ["z.pty -> nowhere", "z -> nowhere"],
            "",
            "error z.pty: it cannot be read: it is a broken symbolic link",
        ),
        (["z.pty -> z.pty"], "", "error z.pty: it cannot be read: too many levels of symbolic"),
        (["dir.pty/a.pty"], "dir.pty/a.pty", ""),
    ],
)
def test_the_files_of_a_folder(there, found, said, tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    monkeypatch.chdir(tmp_path / "root")
    make(*there)
    files, diagnostics = find_files(Path())
    assert [str(file) for file in files] == found.split()
    shown = [f"{each.severity} {each.file}: {each.message}" for each in diagnostics]
    assert len(shown) == bool(said)
    assert all(text.startswith(said) for text in shown)
    # The same below another name, hidden or a link: the root itself is taken as it is.
    (tmp_path / ".hidden").symlink_to("root")
    again, _ = find_files(tmp_path / ".hidden")
    assert [str(file.relative_to(tmp_path / ".hidden")) for file in again] == found.split()


def test_a_folder_that_is_not_there():
    files, (said,) = find_files(Path("nowhere"))
    assert files == []
    assert said.severity is Severity.ERROR
    assert said.render() == "nowhere: error: it cannot be read: no such file or directory"


def test_what_a_host_leaves_out():
    make("a/x.pty", "b/x.pty", "y.pty")
    files, _ = find_files(Path(), leave_out=lambda path: path.name in ("a", "y.pty"))
    assert files == [Path("b/x.pty")]
    assert find_files(Path(), (".pyt",)).files == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("pipe.pty", "it is not a regular file"),
        ("zero.pty", "it is not a regular file"),
        ("long.pty", "it has more than 16 MB"),
        ("folder.pty", "this is a directory"),
    ],
)
def test_what_is_no_ordinary_file_is_refused_when_it_is_named(path, message):
    make("pipe.pty|", "zero.pty -> /dev/zero", "folder.pty/", "long.pty")
    os.truncate("long.pty", LONGEST + 1)
    with pytest.raises(FileError, match=message):
        load_file(path)
    with pytest.raises(OSError):
        load(path)
    with pytest.raises(OSError):
        read_bytes(path)


def test_a_file_of_the_greatest_length_is_read():
    make("long.pty")
    os.truncate("long.pty", LONGEST)
    assert len(read_bytes("long.pty")) == LONGEST
    with pytest.raises(PointyError, match=r"U\+0000"):
        load("long.pty")
