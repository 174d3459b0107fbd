"""`volnux fmt`: what is written, what is not, and the messages."""

import io
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

UGLY = "A->B||C   # why\n"
PRETTY = "A -> B || C  # why\n"


@pytest.fixture
def stdin(monkeypatch):
    def give(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def test_files_are_written_and_named(cli, write):
    write("a.pty", UGLY)
    write("b.pty", PRETTY)
    result = cli("fmt", "a.pty", "b.pty")
    assert (result.code, result.err) == (0, "")
    assert result.out == "reformatted a.pty\n1 file reformatted, 1 file already formatted\n"
    assert Path("a.pty").read_text() == PRETTY
    again = cli("fmt", "a.pty")
    assert (again.code, again.out) == (0, "1 file already formatted\n")


def test_check_writes_nothing(cli, write):
    write("p/a.pty", UGLY)
    result = cli("fmt", "p", "--check")
    assert result.code == 1
    assert result.out == "would reformat p/a.pty\n1 file would be reformatted\n"
    assert Path("p/a.pty").read_text() == UGLY
    assert cli("fmt", write("b.pty", PRETTY), "--check").code == 0


def test_diff_writes_nothing(cli, write):
    path = write("a.pty", UGLY)
    result = cli("fmt", path, "--diff")
    assert result.code == 0
    assert result.out == (
        "--- a.pty\n+++ a.pty (formatted)\n@@ -1 +1 @@\n-A->B||C   # why\n+A -> B || C  # why\n"
    )
    assert path.read_text() == UGLY
    assert cli("fmt", path, "--diff", "--check").code == 1


def test_line_breaks_alone_are_a_change_too(cli):
    Path("a.pty").write_bytes(PRETTY.encode().replace(b"\n", b"\r\n"))
    assert cli("fmt", "a.pty", "--diff").out == "a.pty: only line breaks differ\n"
    assert cli("fmt", "a.pty").code == 0
    assert Path("a.pty").read_bytes() == PRETTY.encode()


def test_a_file_with_errors_is_left_alone_and_the_others_are_not(cli, write):
    write("a.pty", "A->->B")
    write("b.pty", UGLY)
    result = cli("fmt", "a.pty", "b.pty", "missing.pty")
    assert result.code == 2
    assert "a.pty:1:4: error: " in result.err
    assert "missing.pty: error: there is no such file" in result.err
    assert result.out == "reformatted b.pty\n1 file reformatted, 2 files left as they are\n"
    assert Path("a.pty").read_text() == "A->->B"


def test_permissions_and_links_are_kept(cli, write):
    path = write("real/a.pty", UGLY)
    path.chmod(0o640)
    Path("a.pty").symlink_to(path)
    assert cli("fmt", "a.pty").code == 0
    assert Path("a.pty").is_symlink()
    assert path.read_text() == PRETTY
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [path.name for path in Path("real").iterdir()] == ["a.pty"]


def test_a_file_that_cannot_be_written_stays_whole(write):
    path = write("a.pty", UGLY)
    done = subprocess.run(
        [sys.executable, "-m", "volnux.cli", "fmt", str(path)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert (done.returncode, done.stdout) == (2, "1 file left as it is\n")
    assert done.stderr == "error: a.pty cannot be written: File too large\n"
    assert path.read_text() == UGLY
    assert [found.name for found in Path().iterdir()] == ["a.pty"]


def test_a_name_as_long_as_a_name_can_be(cli, write):
    path = write("a" * 251 + ".pty", UGLY)
    assert cli("fmt", path).code == 0
    assert path.read_text() == PRETTY


def test_standard_input(cli, stdin):
    stdin(UGLY.encode())
    result = cli("fmt", "-")
    assert (result.code, result.out, result.err) == (0, PRETTY, "")


@pytest.mark.parametrize(("text", "code"), [(UGLY, 1), (PRETTY, 0)])
def test_check_of_standard_input(cli, stdin, text, code):
    stdin(text.encode())
    result = cli("fmt", "-", "--check")
    assert (result.code, result.out) == (code, "")


def test_errors_of_standard_input(cli, stdin):
    stdin(b"A ->")
    result = cli("fmt", "-")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("<stdin>:1:")
    stdin(b"caf\xe9")
    result = cli("fmt", "-")
    assert result.code == 2
    assert result.err == "<stdin>: error: the byte 0xE9 is not UTF-8\n"


def test_standard_input_stands_alone(cli, write):
    result = cli("fmt", "-", write("a.pty", UGLY))
    assert result.code == 2
    assert result.err == "error: '-' is standard input and cannot be combined with paths\n"


def test_a_folder_without_files(cli):
    Path("empty").mkdir()
    result = cli("fmt", "empty")
    assert (result.code, result.err) == (0, "warning: no .pty files in empty\n")


# Used files.


@pytest.fixture
def used(write):
    write(
        "flows/main.pty",
        '@use: clean="../shared/clean.pty"\n@use: x="package:shop/x.pty"\nclean->x',
    )
    write("shared/clean.pty", '@use: repair="repair.pty"\nA->repair')
    write("shared/repair.pty", UGLY)
    write("shop/x.pty", UGLY)
    write("shop/__init__.py", "")


def test_files_that_are_used_by_path_are_formatted_once_and_named(cli, used):
    result = cli("fmt", "flows/main.pty", "shared", "--check")
    assert (result.code, result.err) == (1, "")
    assert result.out == (
        "would reformat flows/main.pty\nwould reformat shared/clean.pty\n"
        "would reformat shared/repair.pty\n3 files would be reformatted\n"
    )
    result = cli("fmt", "flows")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "reformatted flows/main.pty\nreformatted shared/clean.pty\nreformatted shared/repair.pty\n"
        "3 files reformatted\n"
    )
    assert Path("shared/repair.pty").read_text() == PRETTY
    assert Path("shop/x.pty").read_text() == UGLY
    assert cli("fmt", "flows", "--check").out == "3 files already formatted\n"


def test_the_changes_of_used_files_are_shown(cli, used):
    out = cli("fmt", "flows/main.pty", "--diff").out
    assert out.count("(formatted)") == 3
    assert "--- shared/repair.pty\n" in out


def test_a_used_file_that_cannot_be_formatted(cli, used, write):
    write("shared/repair.pty", "A ->")
    write("flows/main.pty", '@use: clean = "../shared/clean.pty"\n@use: no = "no.pty"\nclean\n')
    result = cli("fmt", "flows/main.pty")
    assert result.code == 2
    assert result.err.startswith("shared/repair.pty:1:5: error: ")
    assert result.out.endswith("2 files reformatted, 1 file left as it is\n")


def test_files_that_use_each_other_are_formatted_once(cli, write):
    write("a.pty", '@use: b="b.pty"\nb')
    write("b.pty", '@use: a="a.pty"\na')
    assert cli("fmt", "a.pty").out == "reformatted a.pty\nreformatted b.pty\n2 files reformatted\n"
