"""`volnux files`: every file that pipelines are read from, and no other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EVENT = "from volnux import event\n@event\ndef {}(): return True, None\n"


@pytest.fixture
def project(write):
    """A pipeline that uses another one, whose events import modules, and files of others."""
    write("flows/main.pty", '@use: clean = "shared/clean.pty"\nclean -> Load -> shop.Sell')
    write(
        "flows/main_events.py", f"import helpers\nfrom parts import tools\n{EVENT.format('Load')}"
    )
    write("flows/helpers.py", "import json\n")
    write("flows/parts/__init__.py", "")
    write("flows/parts/tools.py", "import importlib\nimportlib.import_module('hidden')\n")
    write("flows/hidden.py", "")
    write("flows/shop.py", EVENT.format("Sell"))
    write("flows/shared/clean.pty", '@events: rules.names\n@variable: region: str = "eu"\nParse')
    write("flows/shared/rules/__init__.py", "")
    write("flows/shared/rules/names.py", f"from . import base\n{EVENT.format('Parse')}")
    write("flows/shared/rules/base.py", "")
    write("flows/shared/clean_events.py", "raise SystemExit('this is not of the pipeline')")
    write("flows/other.pty", "Other")
    write("flows/other_events.py", EVENT.format("Other"))
    write("flows/README.md", "")
    write("volnux.toml", '[variables]\nregion = "us"\n')


TOLD = [
    "flows/main.pty",
    "flows/shared/clean.pty",
    "flows/main_events.py",
    "flows/shared/rules/__init__.py",
    "flows/shared/rules/names.py",
    "flows/shop.py",
    "volnux.toml",
]
IMPORTED = [
    "flows/helpers.py",
    "flows/hidden.py",
    "flows/parts/__init__.py",
    "flows/parts/tools.py",
    "flows/shared/rules/base.py",
]


def test_texts_modules_and_variables(cli, project):
    result = cli("files", "flows/main.pty")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        *TOLD[:2], *sorted([*TOLD[2:-1], *IMPORTED]), TOLD[-1],
    ]  # fmt: skip


def test_without_linking_nothing_is_imported(cli, project, write):
    write("flows/main_events.py", "raise SystemExit('imported')")
    result = cli("files", "flows/main.pty", "--no-link")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == TOLD
    assert cli("files", "flows/main.pty").code == 2


def test_json_says_what_a_file_is_and_who_uses_it(cli, project):
    found = json.loads(cli("files", "flows/main.pty", "--json").out)
    assert all(list(each) == ["path", "kind", "used_by"] for each in found)
    about = {each["path"]: (each["kind"], each["used_by"]) for each in found}
    main, clean = "flows/main.pty", "flows/shared/clean.pty"
    assert about[main] == ("text", [])
    assert about[clean] == ("text", [main])
    assert about["flows/shop.py"] == ("module", [main])
    assert about["flows/hidden.py"] == ("module", [main])
    assert about["flows/shared/rules/base.py"] == ("module", [clean])
    assert about["volnux.toml"] == ("config", [clean])


def test_the_files_of_several_pipelines_are_listed_once(cli, project):
    paths = cli("files", "flows", "flows/main.pty").out.splitlines()
    assert len(paths) == len(set(paths))
    assert {"flows/main.pty", "flows/other.pty", "flows/other_events.py"} < {*paths}
    found = json.loads(cli("files", "flows", "--json").out)
    about = {each["path"]: each["used_by"] for each in found}
    assert about["flows/other_events.py"] == ["flows/other.pty"]
    with_clean = json.loads(cli("files", "flows", "--no-link", "--json").out)
    about = {each["path"]: each["used_by"] for each in with_clean}
    assert about["flows/shared/clean.pty"] == ["flows/main.pty"]


def test_nuls_for_other_programs(cli, project):
    result = cli("files", "flows/main.pty", "-0", "--no-link")
    assert result.out.split("\0") == [*TOLD, ""]
    assert cli("files", "flows/main.pty", "-0", "--json").code == 2


def test_names_with_unusual_characters_are_not_changed(cli, write):
    write("a\tb c.pty", "A")
    assert cli("files", "a\tb c.pty", "--no-link").out == "a\tb c.pty\n"


def test_an_archive_of_the_files_runs_elsewhere(project, write):
    names = subprocess.run(
        [sys.executable, "-m", "volnux", "files", "flows/main.pty", "-0"],
        capture_output=True,
        check=True,
    )
    archive = subprocess.run(
        ["tar", "-c", "--null", "-T", "-"], input=names.stdout, capture_output=True, check=True
    )
    Path("elsewhere").mkdir()
    subprocess.run(["tar", "-x", "-C", "elsewhere"], input=archive.stdout, check=True)
    subprocess.run(
        [sys.executable, "-m", "volnux", "run", "flows/main.pty"], cwd="elsewhere", check=True
    )
    assert not Path("elsewhere/flows/other.pty").exists()


def test_what_a_module_prints_is_no_path(cli, flow, write):
    path = flow("Ok")
    write("flow_events.py", f"print('hello')\n{EVENT.format('Ok')}")
    result = cli("files", path)
    assert (result.out, result.err) == ("flow.pty\nflow_events.py\n", "hello\n")


def test_paths_outside_of_the_working_folder_are_absolute(cli, project, monkeypatch):
    here = Path.cwd()
    monkeypatch.chdir("flows/shared")
    paths = cli("files", "../main.pty", "--no-link").out.splitlines()
    assert paths[:2] == [str(here / "flows/main.pty"), "clean.pty"]


def test_a_folder_that_is_a_link(cli, project):
    Path("link").symlink_to("flows")
    paths = cli("files", "link/main.pty").out.splitlines()
    assert {path.replace("link/", "flows/") for path in paths} == {*TOLD, *IMPORTED}


def test_installed_packages_are_left_out(cli, write, monkeypatch):
    write("lib/site-packages/shop/__init__.py", "raise SystemExit('imported')")
    write("lib/site-packages/shop/flows/clean.pty", "Parse")
    write("lib/site-packages/shop/flows/clean_events.py", EVENT.format("Parse"))
    write("main.pty", '@use: clean = "package:shop.flows/clean.pty"\nclean -> Ok')
    write("main_events.py", EVENT.format("Ok"))
    monkeypatch.syspath_prepend(str(Path("lib/site-packages").absolute()))
    own = ["main.pty", "main_events.py"]
    assert cli("files", "main.pty").out.splitlines() == own
    every = cli("files", "main.pty", "--installed").out.splitlines()
    assert sorted(every) == sorted(
        [*own, *(f"lib/site-packages/shop/flows/clean{end}" for end in (".pty", "_events.py"))]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A ->", "flow.pty:1:"),
        ("Nowhere", "there is no event 'Nowhere'"),
        ('@use: clean = "clean.pty"\nclean', "there is no such file"),
    ],
)
def test_a_file_with_errors(cli, flow, text, said):
    result = cli("files", flow(text))
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_path_that_is_not_there(cli):
    result = cli("files", "no.pty")
    assert (result.code, result.out) == (2, "")
    assert "no.pty: error: there is no such file" in result.err
