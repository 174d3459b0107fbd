"""The last lines of `make test-all`: what did not run, what failed, and one closing line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "tools" / "test_report.py"
JUNIT = """<testsuites><testsuite time="1.5">
    <testcase classname="tests.unit.test_a" name="test_one"/>
    <testcase classname="tests.unit.test_a" name="test_gap">
        <skipped type="pytest.xfail" message="known"/></testcase>
    {more}
</testsuite></testsuites>"""
SKIPPED = '<testcase name="test_dot"><skipped type="pytest.skip" message="no dot"/></testcase>'
FAILED = '<testcase name="test_two"><failure message="no"/></testcase>'


def write_part(folder, part, sessions):
    """Write the report of nox for one part: each session with its result."""
    named = [{"name": name, "result": result} for name, result in sessions.items()]
    (folder / f"{part}.nox.json").write_text(json.dumps({"sessions": named}))


def report(folder, *parts):
    """Run the program, and return the exit code and the lines that it prints."""
    done = subprocess.run(
        [sys.executable, PROGRAM, folder, *parts], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("sessions", "more", "lines", "closing", "status"),
    [
        ({"tests": "success"}, "", [], "1 passed, 1 xfailed in 1.50s", 0),
        (
            {"tests": "success"},
            SKIPPED,
            ["Did not run:", "  test_dot: no dot"],
            "1 passed, 1 skipped, 1 xfailed in 1.50s",
            0,
        ),
        (
            {"lint": "failed", "tests": "failed"},
            FAILED,
            ["Failed:", "  test_two", "Errors:", "  session lint: failed"],
            "1 failed, 1 passed, 1 xfailed, 1 error in 1.50s",
            1,
        ),
        (
            {},
            "",
            ["Errors:", "  nox ended without a report for the part 'core'"],
            "1 error in 0.00s",
            1,
        ),
    ],
)
def test_the_report(tmp_path, sessions, more, lines, closing, status):
    if sessions:
        write_part(tmp_path, "core", sessions)
        (tmp_path / "tests.xml").write_text(JUNIT.format(more=more))
    code, said = report(tmp_path, "core")
    assert said == ["", *lines, f" {closing} ".center(80, "=")]
    assert (tmp_path / "closing_line").read_text().splitlines() == said[-1:]
    assert code == status


@pytest.mark.parametrize(
    ("hosts", "closing", "status"),
    [
        ("success", "2 passed, 2 xfailed in 3.00s", 0),
        ("failed", "2 passed, 2 xfailed, 1 error in 3.00s", 1),
        (None, "1 passed, 1 xfailed, 1 error in 1.50s", 1),
    ],
)
def test_one_closing_line_for_all_parts(tmp_path, hosts, closing, status):
    write_part(tmp_path, "core", {"tests": "success"})
    if hosts is not None:
        write_part(tmp_path, "hosts", {"host": hosts})
    for name in ("tests", "host"):
        (tmp_path / f"{name}.xml").write_text(JUNIT.format(more=""))
    code, said = report(tmp_path, "core", "hosts")
    assert (code, said[-1]) == (status, f" {closing} ".center(80, "="))


def test_a_session_with_parameters_has_a_file_of_each(tmp_path):
    sessions = [
        {"name": "host", "signatures": [f"host({release})"], "result": "success"}
        for release in ("2.0", "1.9")
    ]
    (tmp_path / "hosts.nox.json").write_text(json.dumps({"sessions": sessions}))
    for release in ("2.0", "1.9"):
        (tmp_path / f"host({release}).xml").write_text(JUNIT.format(more=""))
    code, said = report(tmp_path, "hosts")
    assert code == 0
    assert " 2 passed, 2 xfailed in 3.00s " in said[-1]
