"""The tool as a whole: help, version, backends, plugins, completion, colour."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import volnux
from volnux.cli.app import COMMANDS
from volnux.cli.output import finished, rendered
from volnux.cli.summary import seconds
from volnux.errors import Diagnostic, Severity, Span, shortened


def call(*arguments, **environment):
    """Run the tool in a separate process."""
    return subprocess.run(
        [sys.executable, "-m", "volnux.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_version(cli):
    result = cli("--version")
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(
        rf"volnux {re.escape(volnux.__version__)} \(Python 3\.\d+\.\d+\S*\)\n", result.out
    )


def test_help_names_every_command(cli):
    result = cli("--help")
    assert (result.code, result.err) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"^ +{name} +\S.*\.$", result.out, re.M), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(cli, name):
    result = cli(name, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: volnux {name} ")


def test_no_arguments_show_the_help(cli):
    result = cli()
    assert result.code in (0, 2)  # as Typer has it
    assert "simulate" in result.out + result.err


def test_a_command_that_is_none(cli):
    result = cli("rnu")
    assert (result.code, result.out) == (2, "")
    assert "No such command 'rnu'" in result.err


def test_a_file_in_place_of_a_command(cli):
    result = cli("orders.pty")
    assert result.code == 2
    assert (
        result.err
        == "error: 'orders.pty' is not a command; to run the file: volnux run orders.pty\n"
    )


def test_backends_and_what_they_can(cli):
    result = cli("backends")
    assert (result.code, result.err) == (0, "")
    assert "standalone\n  hints used " in result.out
    assert re.search(r"^  timeout +yes$", result.out, re.M)


def test_completion(monkeypatch):
    done = call(_VOLNUX_COMPLETE="complete_bash", COMP_WORDS="volnux si", COMP_CWORD="1")
    assert done.stdout.split() == ["simulate"]
    done = call(
        _VOLNUX_COMPLETE="complete_bash",
        COMP_WORDS="volnux graph --format m",
        COMP_CWORD="3",
    )
    assert done.stdout.split() == ["mermaid"]
    done = call(
        _VOLNUX_COMPLETE="complete_bash", COMP_WORDS="volnux run --backend stand", COMP_CWORD="3"
    )
    assert done.stdout.split() == ["standalone"]


# Commands that backends add.


@pytest.fixture
def plugin(monkeypatch):
    """Install a distribution that adds commands: entry points, and a module `addon`."""

    def install(points, module=""):
        site = Path("site")
        info = site / "addon-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: addon\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[volnux.commands]", *lines, ""]))
        (site / "addon.py").write_text(dedent(module))
        monkeypatch.setenv("PYTHONPATH", str(site.resolve()))

    return install


ADDON = """
    import sys
    import typer

    print("loaded", file=sys.stderr)
    app = typer.Typer(help="Commands of the add-on.")

    @app.command()
    def build(name: str):
        print("built", name)

    @app.command()
    def other(): ...

    number = 3
"""


def test_a_command_of_a_plugin(plugin):
    plugin({"addon": "addon:app"}, ADDON)
    done = call("addon", "build", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "built x\n", "loaded\n")
    help_ = call("--help")
    assert re.search(r"addon +Commands of the add-on\.", help_.stdout)


def test_our_own_commands_load_no_plugin(plugin, flow):
    plugin({"addon": "addon:app"}, ADDON)
    flow("Ok")
    for arguments in (["run", "flow.pty"], ["run", "flow.pty", "--workers", "1"], ["backends"]):
        done = call(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments


def test_a_broken_plugin_is_a_warning(plugin, flow):
    plugin({"addon": "addon:app", "alone": "addon:number", "run": "addon:app"}, "1 / 0")
    done = call("--help")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "warning: the command 'addon' of addon is skipped: ZeroDivisionError: division by zero",
        "warning: the command 'alone' of addon is skipped: ZeroDivisionError: division by zero",
        "warning: the command 'run' of addon is skipped: there is already a command of that name",
    ]
    assert call("run", str(flow("Ok"))).stderr == ""
    done = call("addon", "build")
    assert done.returncode == 2
    assert "division by zero" in done.stderr
    assert "No such command 'addon'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_that_is_no_typer_app(plugin):
    plugin({"addon": "addon:number"}, ADDON)
    assert "'addon' of addon is skipped: addon:number is not a typer.Typer" in call("--help").stderr


def test_a_broken_plugin_does_not_disturb_completion(plugin):
    plugin({"addon": "addon:app"}, "1 / 0")
    done = call(_VOLNUX_COMPLETE="complete_bash", COMP_WORDS="volnux sim", COMP_CWORD="1")
    assert (done.stdout.split(), done.stderr) == (["simulate"], "")


# Text.


def test_a_diagnostic_in_colour_says_the_same():
    diagnostic = Diagnostic(
        "x", "no: such error:\nthing", "a: b.pty", Span(2, 3, 2, 5), "try this", Severity.ERROR,
        "A => B",
    )  # fmt: skip
    coloured = finished(rendered(diagnostic, colour=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == diagnostic.render()
    assert "\x1b[1ma: b.pty:2:3\x1b[0m: \x1b[1;31merror\x1b[0m: no: such" in coloured
    assert "\x1b[1;31m^^\x1b[0m" in coloured
    assert "\x1b[1;36mhint\x1b[0m: try this" in coloured
    assert rendered(diagnostic, colour=False) == diagnostic.render()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (-1, "0ms"), (0, "0ms"), (0.0129, "13ms"), (0.9994, "999ms"), (0.9996, "1.00s"),
        (9.994, "9.99s"), (9.996, "10.0s"), (59.94, "59.9s"), (59.96, "1m 00s"), (125, "2m 05s"),
        (3599.6, "1h 00m"), (7325, "2h 02m"), (100_000, "27h 46m"),
    ],
)  # fmt: skip
def test_durations(number, text):
    assert seconds(number) == text


def test_long_texts_are_cut():
    assert shortened("one\ntwo") == "one …"
    assert shortened("x" * 300) == "x" * 199 + "…"
    assert shortened(" fine\n") == "fine"


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("sqlalchemy", ["schedule", "run", "."]),
        ("sqlalchemy", ["schedule", "show"]),
        ("prefect", ["prefect", "init", "."]),
        ("prefect", ["prefect", "flow", "x.pty"]),
    ],
)
def test_a_missing_package_is_one_line_that_says_how_to_install_it(package, arguments):
    script = f"import sys; sys.modules[{package!r}] = None; from volnux.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert "pip install " in ended.stderr
    assert ended.stderr.count("\n") == 1
