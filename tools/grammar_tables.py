"""Compute the LALR(1) tables of the grammar with ply.

python tools/grammar_tables.py           # write volnux/pointy/tables.json
python tools/grammar_tables.py --check   # check whether it is up to date
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from ply import yacc

from volnux.pointy.grammar import PRODUCTIONS
from volnux.pointy.lexer import TOKENS

TABLES = Path(__file__).parents[1] / "volnux/pointy/tables.json"


def text() -> str:
    """The actions and gotos of each state as JSON, one state in each line."""
    grammar = yacc.Grammar(list(TOKENS))
    for line, (left, right, action) in enumerate(PRODUCTIONS):
        grammar.add_production(left, right.split(), action, __file__, line)
    grammar.set_start("file")
    grammar.compute_first()
    grammar.compute_follow()
    table = yacc.LRGeneratedTable(grammar, "LALR", yacc.NullLogger())
    if table.sr_conflicts or table.rr_conflicts:
        sys.exit(f"the grammar has conflicts: {table.sr_conflicts} {table.rr_conflicts}")
    states = range(len(table.lr_action))
    parts = [_rows(table.lr_action.get(state, {}) for state in states)]
    parts.append(_rows(table.lr_goto.get(state, {}) for state in states))
    return f"[{','.join(parts)}]\n"


def _rows(rows: Iterable[dict[str, int]]) -> str:
    lines = (json.dumps(row, sort_keys=True) for row in rows)
    return "[\n" + ",\n".join(lines) + "\n]"


def main() -> int:
    """Write or check the tables, and return the exit code."""
    made = text()
    if "--check" in sys.argv:
        known = TABLES.read_text("utf-8") if TABLES.is_file() else ""
        return 0 if known == made else 1
    TABLES.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
