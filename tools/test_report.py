"""Print what was skipped, what failed, and one closing line for all suites of `make test-all`.

    python tools/test_report.py FOLDER PART...

A part is one run of nox. For each part, the folder has the report of nox, `PART.nox.json`, and a
JUnit file for each session that ran pytest. A session that failed without a failing test (a lint
error, say) counts as one error, and so does a part without a report. The exit status is 0 when
nothing failed.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Tally:
    """The results of the tests of one or more sessions."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    xfailed: int = 0
    seconds: float = 0.0

    def closing_line(self) -> str:
        """The last line that pytest would print if it had run all sessions at once."""
        counts = {
            "failed": len(self.failed),
            "passed": self.passed,
            "skipped": len(self.skipped),
            "xfailed": self.xfailed,
            "error" if len(self.errors) == 1 else "errors": len(self.errors),
        }
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        return f" {said or 'no tests ran'} in {self.seconds:.2f}s ".center(80, "=")


def main(folder: Path, parts: list[str]) -> int:
    """Print the report for one folder and return the exit status."""
    tally = Tally()
    for part in parts:
        add_part(tally, folder, part)

    print()
    for heading, lines in (
        ("Did not run", tally.skipped),
        ("Failed", tally.failed),
        ("Errors", tally.errors),
    ):
        if lines:
            print(f"{heading}:", *lines, sep="\n  ")
    closing_line = tally.closing_line()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "closing_line").write_text(closing_line + "\n")
    print(closing_line)
    return 1 if tally.failed or tally.errors else 0


def add_part(tally: Tally, folder: Path, part: str) -> None:
    """Add the sessions of one part to a tally."""
    report = folder / f"{part}.nox.json"
    if not report.exists():
        tally.errors.append(f"nox ended without a report for the part {part!r}")
        return
    for session in json.loads(report.read_text())["sessions"]:
        # All sessions with parameters have the same `name`, so use the signature, such as
        # `name(3.8)`.
        name = (session.get("signatures") or [session["name"]])[0]
        bad_before = len(tally.failed) + len(tally.errors)
        suite = folder / f"{name}.xml"
        if suite.exists():
            add_suite(tally, suite)
        if session["result"] != "success" and bad_before == len(tally.failed) + len(tally.errors):
            tally.errors.append(f"session {name}: {session['result']}")


def add_suite(tally: Tally, path: Path) -> None:
    """Add the tests of one JUnit file to a tally."""
    root = ElementTree.parse(path).getroot()
    for suite in root.iter("testsuite"):
        tally.seconds += float(suite.get("time", 0))
    for case in root.iter("testcase"):
        name = "::".join(part for part in (case.get("classname"), case.get("name")) if part)
        skipped = case.find("skipped")
        if case.find("error") is not None:
            tally.errors.append(name)
        elif case.find("failure") is not None:
            tally.failed.append(name)
        elif skipped is None:
            tally.passed += 1
        elif skipped.get("type") == "pytest.xfail":
            tally.xfailed += 1
        else:
            tally.skipped.append(f"{name}: {skipped.get('message')}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
