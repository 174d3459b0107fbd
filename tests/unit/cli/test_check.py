"""`volnux check`: findings as text and JSON, folders, events, backends, exit codes."""

import json
import os
from pathlib import Path

import pytest

CLEAN = "checked 1 file: no errors\n"


def test_a_file_without_faults(cli, flow):
    result = cli("check", flow("Ok -> Nowhere"))
    assert (result.code, result.out, result.err) == (0, CLEAN, "")


def test_all_errors_of_all_files(cli, write):
    write("a.pty", "A => B\n")
    write("b.pty", "@mdoe: x\nA -> B (1 -> C\n")
    result = cli("check", "a.pty", "b.pty")
    assert result.code == 1
    assert result.out.startswith("a.pty:1:3: error: ")
    assert "\n  1 | A => B\n    |   ^^\n" in result.out
    assert "b.pty:1:1: error: there is no directive '@mdoe'" in result.out
    assert result.out.endswith("checked 2 files: 3 errors\n")


def test_warnings_and_notes_are_no_errors(cli, flow):
    result = cli("check", flow("@mode: x\nA (2 -> B)"))
    assert result.code == 0
    assert ": warning: " in result.out
    assert ": note: " in result.out
    assert result.out.endswith("checked 1 file: 1 warning, 1 note\n")


@pytest.mark.parametrize("options", [(), ("--link",)])
def test_an_each_without_a_list_is_a_warning_once_for_all_rounds(cli, flow, write, options):
    write("flow_events.py", "from volnux import event\n@event\ndef ok(self): return 1, 1\n")
    result = cli("check", flow("{Ok -> Ok[each=day]}[again=3] |-> Ok[each=day]"), *options)
    assert result.code == 0
    assert ":1:11: warning: each=day needs a list, but nothing is piped to it here" in result.out
    assert result.out.endswith("checked 1 file: 1 warning\n")


def test_json_has_every_finding_with_its_place(cli, write):
    write("a.pty", "A => B\n")
    result = cli("check", "a.pty", "--json")
    assert result.code == 1
    (found,) = json.loads(result.out)["diagnostics"]
    assert list(found) == [
        "file", "line", "column", "end_column", "severity", "code", "message", "hint",
    ]  # fmt: skip
    assert (found["file"], found["line"], found["column"], found["end_column"]) == (
        "a.pty", 1, 3, 5,
    )  # fmt: skip
    assert found["severity"] == "error"


def test_json_without_findings(cli, flow):
    result = cli("check", flow("A"), "--json")
    assert (result.code, json.loads(result.out)) == (0, {"diagnostics": []})


def test_folders_are_searched_and_hidden_ones_are_not(cli, write):
    for name in ("p/b.pty", "p/a.pty", "p/sub/c.pty", "p/.venv/d.pty", "p/e.txt"):
        write(name, "A ->")
    result = cli("check", "p", "p/a.pty", "--json")
    assert result.code == 1
    files = [found["file"] for found in json.loads(result.out)["diagnostics"]]
    assert files == ["p/a.pty", "p/b.pty", "p/sub/c.pty"]


def test_what_is_no_file_is_skipped_with_a_word_and_a_broken_link_is_an_error(cli, write):
    write("a.pty", "A\n")
    os.mkfifo("f.pty")
    Path("z.pty").symlink_to("/dev/zero")
    said = "f.pty: warning: skipped: it is not a regular file\nz.pty: warning: skipped: it is not"
    for command in (["check"], ["fmt", "--check"]):
        result = cli(*command, ".")
        assert result.code == 0
        assert said in result.out + result.err
    Path("z.pty").unlink()
    Path("z.pty").symlink_to("nowhere")
    for command in (["check"], ["fmt", "--check"]):
        result = cli(*command, ".")
        assert result.code == 2
        assert "z.pty: error: it cannot be read: it is a broken symbolic link" in (
            result.out + result.err
        )


@pytest.mark.parametrize("command", ["check", "fmt", "graph", "run"])
def test_a_pipe_that_is_named_is_refused(cli, command):
    os.mkfifo("f.pty")
    result = cli(command, "f.pty")
    assert result.code == 2
    assert "f.pty: error: it cannot be read: it is not a regular file" in result.out + result.err


def test_a_path_that_is_too_long_is_an_error(cli):
    result = cli("check", "x" * 300)
    assert result.code == 2
    assert "it cannot be read: file name too long" in result.out


def test_a_folder_without_files(cli):
    Path("empty").mkdir()
    result = cli("check", "empty")
    assert (result.code, result.err) == (0, "warning: no .pty files in empty\n")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_path_that_cannot_be_read_does_not_hide_the_others(cli, write, as_json):
    write("a.pty", "A ->")
    result = cli("check", "b.pty", "a.pty", *(["--json"] if as_json else []))
    assert result.code == 2
    if as_json:
        first, second = json.loads(result.out)["diagnostics"]
        assert (first["file"], first["code"], first["line"]) == ("b.pty", "unreadable", None)
        assert second["file"] == "a.pty"
    else:
        assert "b.pty: error: there is no such file\na.pty:1:5: error: expected" in result.out


def test_link_finds_the_events(cli, flow):
    path = flow("Ok -> Nowhere")
    result = cli("check", path, "--link")
    assert result.code == 1
    assert "flow.pty:1:7: error: there is no event 'Nowhere'" in result.out


def test_without_link_no_python_is_imported(cli, flow, write):
    path = flow("Ok")
    write("flow_events.py", "raise SystemExit('imported')")
    assert cli("check", path).code == 0
    result = cli("check", path, "--link")
    assert result.code == 1
    assert "the module 'flow_events' cannot be imported: SystemExit: imported" in result.out


def test_events_implies_link(cli, flow):
    result = cli("check", flow("Ok"), "--events", "nowhere")
    assert result.code == 1
    assert "there is no module 'nowhere'" in result.out


def test_what_a_module_prints_is_no_finding(cli, flow, write):
    path = flow("Ok")
    write("flow_events.py", "print('hello')\nfrom volnux import event\n@event\ndef Ok(): ...\n")
    text = cli("check", path, "--link")
    assert (text.code, text.out, text.err) == (0, CLEAN, "hello\n")


def test_what_a_module_prints_is_no_json(cli, flow, write):
    path = flow("Ok")
    write("flow_events.py", "print('hello')\nfrom volnux import event\n@event\ndef Ok(): ...\n")
    result = cli("check", path, "--link", "--json")
    assert (json.loads(result.out), result.err) == ({"diagnostics": []}, "hello\n")


def test_a_hint_at_the_same_position_of_two_used_files_is_two_notes(cli, write):
    for name in ("a", "b"):
        write(f"{name}.pty", 'Ok[queue="q"]')
    write("events.py", "from volnux import event\n@event\ndef Ok(): ...\n")
    write("main.pty", '@use: a = "a.pty"\n@use: b = "b.pty"\na -> b -> a')
    out = cli("check", "main.pty", "--backend", "standalone").out
    for name in ("a", "b"):
        assert out.count(f"{name}.pty:1:1: note: standalone ignores the hint 'queue'") == 1


def test_backend_shows_what_it_refuses_and_ignores(cli, flow):
    path = flow('Ok[executor="gopher://host", queue="q"]')
    result = cli("check", path, "--backend", "standalone")
    assert result.code == 1
    assert "error: standalone cannot send an event to gopher://host" in result.out
    assert "note: standalone ignores the hint 'queue'" in result.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--live needs a backend: add --backend NAME"),
        (["--backend", "standalone"], "standalone has no installation to check"),
    ],
)
def test_live_needs_an_installation(cli, flow, options, said):
    result = cli("check", flow("Ok"), "--live", *options)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_backend_that_is_not_there(cli, flow):
    result = cli("check", flow("Ok"), "--backend", "standalon")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: there is no backend 'standalon'; did you mean 'standalone'?\n"


def test_a_required_input_cannot_have_a_schedule(cli, flow):
    result = cli("check", flow('@schedule: "0 6 * * *"\n@input: day: date\nOk'))
    assert result.code == 1
    assert result.out == (
        "flow.pty:2:1: error: the input 'day' is required, but the pipeline has a schedule: "
        "a scheduled run gets no inputs\n"
        "  2 | @input: day: date\n"
        "    | ^^^^^^^^^^^^^^^^^\n"
        "  hint: give it a default: @input: day: date = …\n"
        "checked 1 file: 1 error\n"
    )


def test_an_input_with_a_default_can(cli, flow):
    assert cli("check", flow("@schedule: @daily\n@input: n: int = 1\nOk")).code == 0


def test_a_file_that_is_there_and_cannot_be_read(cli):
    Path("loop.pty").symlink_to("loop.pty")
    result = cli("check", "loop.pty")
    assert result.code == 2
    assert result.out.startswith(
        "loop.pty: error: it cannot be read: too many levels of symbolic links\n"
    )


def test_a_name_that_is_not_utf8_can_be_shown(cli):
    Path(os.fsdecode(b"caf\xe9.pty")).write_text("A ->")
    result = cli("check", ".")
    assert result.code == 1
    assert "caf\\udce9.pty:1:" in result.out


def test_what_a_file_reads_is_listed_for_a_backend(cli, flow):
    path = flow('@variable: region: str = "eu"\n@variable: limit: int\n@secret: token\nOk')
    assert "note" not in cli("check", "--link", path).out
    out = cli("check", "--backend", "standalone", path).out
    assert "flow.pty:1:1: note: it reads the variable 'region' (str, with a default)\n" in out
    assert "flow.pty:2:1: note: it reads the variable 'limit' (int)\n" in out
    assert "flow.pty:3:1: note: it reads the secret 'token'\n" in out


def test_an_unknown_name_is_a_warning_until_the_file_is_linked(cli, flow):
    path = flow("Add(n=limt)")
    result = cli("check", path)
    assert (result.code, "warning: 'limt' is not an input" in result.out) == (0, True)
    result = cli("check", "--link", path)
    assert (result.code, "error: 'limt' is not an input" in result.out) == (1, True)


# Used files.


def test_a_finding_is_shown_in_the_file_where_it_is(cli, write):
    write("flows/main.pty", '@use: clean = "../shared/clean.pty"\nclean(table=1) -> A')
    write("shared/clean.pty", "@input: table: str\n@mode: x\nParse(t=table)")
    found = json.loads(cli("check", "flows", "--json").out)["diagnostics"]
    assert [(each["file"], each["line"], each["column"], each["code"]) for each in found] == [
        ("flows/main.pty", 2, 13, "bad-argument"),
        ("shared/clean.pty", 2, 1, "no-effect"),
    ]
    assert cli("check", "flows").out.endswith("checked 2 files: 1 error, 1 note\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_of_a_used_file_is_reported_once_for_a_folder(cli, write, as_json):
    for name in "abc":
        write(f"p/{name}.pty", '@use: clean = "shared/clean.pty"\nclean')
    write("p/shared/clean.pty", "Fetch[tiemout=3] -> Check => Save")
    result = cli("check", "p", *(["--json"] if as_json else []))
    assert result.code == 1
    if as_json:
        found = json.loads(result.out)["diagnostics"]
        assert [(each["file"], each["line"], each["column"]) for each in found] == [
            ("p/shared/clean.pty", 1, 7), ("p/shared/clean.pty", 1, 27),
        ]  # fmt: skip
    else:
        assert result.out.count("clean.pty:1:7: error: there is no option 'tiemout'") == 1
        assert result.out.endswith("checked 4 files: 2 errors\n")


def test_findings_are_in_order_of_file_and_position(cli, write):
    write("b.pty", '@use: z = "z.pty"\n@use: a = "a.pty"\n@mode: x\nz -> a -> A (2 -> B)')
    write("a.pty", "@mode: x\nA (2 -> B)")
    write("z.pty", "@mode: x\nA (2 -> B)")
    for paths in (["b.pty", "a.pty"], ["a.pty", "b.pty"], ["."]):
        found = json.loads(cli("check", "--json", *paths).out)["diagnostics"]
        files = list(dict.fromkeys(each["file"] for each in found))
        where = [(files.index(each["file"]), each["line"], each["column"]) for each in found]
        assert where == sorted(where)
        assert len(set(where)) == 6
        assert sorted(files) == ["a.pty", "b.pty", "z.pty"]
        if "." not in paths:
            assert files[:2] == paths


def test_events_of_a_used_file_are_linked_beside_it(cli, write):
    write("main.pty", '@use: clean = "shared/clean.pty"\nclean -> Ok')
    write("main_events.py", "from volnux import event\n@event\ndef Ok(): ...\n")
    write("shared/clean.pty", "Parse -> Chekc")
    write(
        "shared/clean_events.py",
        "from volnux import event\n@event\ndef Parse(): ...\n@event\ndef Check(): ...\n",
    )
    result = cli("check", "--link", "main.pty", "shared")
    assert result.code == 1
    assert result.out.count("error") == 2
    assert "shared/clean.pty:1:10: error: there is no event 'Chekc'" in result.out


def test_what_used_files_read_is_listed_once_for_a_backend(cli, write, flow):
    write("shared/flow.pty", "@secret: token\n@variable: region: str\nOk")
    write("shared/events.py", "from volnux import event\n@event\ndef Ok(): ...\n")
    path = flow('@use: clean = "shared/flow.pty"\n@secret: token\nclean -> clean -> Ok')
    out = cli("check", path, "--backend", "standalone").out
    assert [line for line in out.splitlines() if "note" in line] == [
        "flow.pty:2:1: note: it reads the secret 'token'",
        "shared/flow.pty:1:1: note: it reads the secret 'token'",
        "shared/flow.pty:2:1: note: it reads the variable 'region' (str)",
        "checked 2 files: 3 notes",
    ]


@pytest.mark.parametrize("option", [[], ["--link"]])
def test_a_step_has_the_schedule_of_the_file_that_uses_it(cli, flow, write, option):
    write("clean.pty", "@events: flow_events\n@input: since: datetime = previous\nOk")
    path = flow('@use: clean = "clean.pty"\n@schedule: "0 6 * * *"\nclean -> Ok')
    assert cli("check", ".", *option).out == "checked 2 files: no errors\n"
    assert "there is no schedule" in cli("check", "clean.pty", *option).out
    flow('@use: clean = "clean.pty"\nclean -> Ok')
    out = cli("check", ".", *option).out
    assert out.count("'previous'") == 1
    assert f"{path}:2:1: " in out
