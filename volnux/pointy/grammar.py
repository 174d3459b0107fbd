"""The grammar of Pointy as LALR(1) productions, and their tables.

`tools/grammar_tables.py` computes the tables with ply and writes them to `tables.json`, because
computing them would take longer than most files take to run. A test compares the two.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import NamedTuple

__all__ = ["PRODUCTIONS", "Production", "Tables", "tables"]

PRODUCTIONS: tuple[tuple[str, str, str], ...] = (
    # left side, right side, method of `volnux.pointy.actions.Builder`; "" passes the only value on
    ("file", "directives flow", "file"),
    ("directives", "", "no_directives"),
    ("directives", "directives DIRECTIVE", "directive"),
    ("flow", "parallel", "flow"),
    ("flow", "flow ARROW parallel", "flow_more"),
    ("flow", "flow PIPE parallel", "flow_more"),
    ("parallel", "unit", ""),
    ("parallel", "parallel PARALLEL unit", "parallel_more"),
    ("unit", "core", "unit"),
    ("unit", "NUMBER STAR core", "unit_factor_first"),
    ("core", "primary", ""),
    ("core", "core STAR NUMBER", "factor"),
    ("core", "core LBRACKET option_list RBRACKET", "options"),
    ("core", "core LBRACKET option_list COMMA RBRACKET", "options"),
    ("core", "core LPAREN branch_list RPAREN", "branches"),
    ("core", "core LPAREN branch_list COMMA RPAREN", "branches"),
    # The builder checks that arguments directly follow the name of an event.
    ("core", "core LPAREN RPAREN", "no_arguments"),
    ("core", "core LPAREN argument_list RPAREN", "arguments"),
    ("core", "core LPAREN argument_list COMMA RPAREN", "arguments"),
    ("primary", "NAME", "event"),
    ("primary", "FAIL", "fail"),
    ("primary", "LBRACE flow RBRACE", "group"),
    ("primary", "LPAREN flow RPAREN", "group"),
    ("option_list", "option", "one"),
    ("option_list", "option_list COMMA option", "more"),
    ("option", "NAME EQUALS literal", "option"),
    ("literal", "NUMBER", ""),
    ("literal", "STRING", ""),
    ("literal", "NAME", ""),
    ("argument_list", "argument", "one"),
    ("argument_list", "argument_list COMMA argument", "more"),
    ("argument", "NAME EQUALS value", "argument"),
    ("value", "NUMBER", "number_value"),
    ("value", "STRING", "string_value"),
    ("value", "NAME", "name_value"),
    ("value", "LBRACKET RBRACKET", "empty_list"),
    ("value", "LBRACKET value_list RBRACKET", "list_value"),
    ("value", "LBRACKET value_list COMMA RBRACKET", "list_value"),
    ("value", "LBRACE RBRACE", "empty_object"),
    ("value", "LBRACE member_list RBRACE", "object_value"),
    ("value", "LBRACE member_list COMMA RBRACE", "object_value"),
    ("value_list", "value", "one"),
    ("value_list", "value_list COMMA value", "more"),
    ("member_list", "member", "one"),
    ("member_list", "member_list COMMA member", "more"),
    ("member", "STRING COLON value", "member"),
    ("branch_list", "branch", "one"),
    ("branch_list", "branch_list COMMA branch", "more"),
    ("branch", "NUMBER ARROW flow", "branch"),
    ("branch", "NUMBER PIPE flow", "branch"),
)


class Production(NamedTuple):
    """A rule for the parser: its left side, the number of values, and the method of its action."""

    left: str
    length: int
    action: str


class Tables(NamedTuple):
    """The tables of the parser.

    `actions[state][terminal]` is the state to shift into, minus the number of the production to
    reduce by, or 0 to accept; `gotos[state][left side]` is the state after a reduction.
    """

    actions: list[dict[str, int]]
    gotos: list[dict[str, int]]
    productions: tuple[Production, ...]


@functools.cache
def tables() -> Tables:
    """The LALR(1) tables of the grammar, shared by all parses and never changed."""
    path = Path(__file__).with_name("tables.json")
    actions, gotos = json.loads(path.read_bytes())
    rules = [Production(left, len(right.split()), action) for left, right, action in PRODUCTIONS]
    # Production 0 is the start of the grammar.
    return Tables(actions, gotos, (Production("S'", 1, ""), *rules))
