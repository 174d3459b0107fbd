"""Rewrite the generated parts of two pages: the tables of conformance, and an example backend.

Run `python -m tools.conformance_tables` after adding a case. A test fails if the pages are
outdated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

from volnux.testing import all_cases
from volnux.testing.constructs import CONSTRUCTS, constructs
from volnux.testing.sentences import SENTENCES

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "conformance.md", ROOT / "docs" / "backends.md")
TINY = ROOT / "tests" / "conformance" / "tiny_backend" / "tiny_backend.py"
LINKS = "../volnux/testing/cases"
NAMED = 6
"""The maximum number of cases that are listed for a sentence. The others are only counted."""


def filled(page: str) -> str:
    """The text of a page with its generated parts up to date."""
    from tools.mutations import MUTATIONS

    made: dict[str, Callable[[], str]] = {
        "sentences": _sentences,
        "pairs": _pairs,
        "changes": lambda: "\n".join(f"- {mutation.about}" for mutation in MUTATIONS),
        "tiny": lambda: f"```python\n{TINY.read_text(encoding='utf-8')}```",
    }

    def fill(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n\n{made[found[1]]()}\n\n<!-- end -->"

    names = "|".join(made)
    return re.sub(rf"<!-- ({names}) -->\n.*?\n<!-- end -->", fill, page, flags=re.S)


def _sentences() -> str:
    rows = ["| name | sentence | cases |", "| --- | --- | --- |"]
    for name, sentence in SENTENCES.items():
        cases = [case.name for case in all_cases() if name in case.shows]
        shown = ", ".join(f"[{case}]({LINKS}/{case}/flow.pty)" for case in cases[:NAMED])
        if len(cases) > NAMED:
            shown += f" and {len(cases) - NAMED} more"
        rows.append(f"| {name} | {sentence.replace('|', chr(92) + '|')} | {shown} |")
    return "\n".join(rows)


def _pairs() -> str:
    """How many cases contain each pair of constructs."""
    held = [constructs(case) for case in all_cases()]
    names = list(CONSTRUCTS)
    rows = [
        "| | " + " | ".join(names[1:]) + " |",
        "| --- |" + " --- |" * (len(names) - 1),
    ]
    counts = {
        frozenset(pair): sum(1 for found in held if found >= set(pair))
        for pair in combinations(names, 2)
    }
    for number, name in enumerate(names[:-1]):
        cells = ["" for _ in range(number)]
        cells += [str(counts[frozenset((name, other))]) for other in names[number + 1 :]]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
