"""Error recovery: how parsing continues after a word that does not fit, and what was expected.

Everything here is a function of the parser's state and of the next few words: possible repairs
(inserting words before the faulty one, or removing it) are tried against the tables, and the repair
that accepts the most of the following words is used.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from volnux.pointy import grammar
from volnux.pointy.lexer import END, SIGNS, TOKENS

__all__ = [
    "CLOSERS",
    "INSERTED",
    "REACH",
    "Repair",
    "after_value",
    "choose",
    "expected",
    "needs_literal",
    "opens_arguments",
]

CLOSERS = {"LPAREN": "RPAREN", "LBRACE": "RBRACE", "LBRACKET": "RBRACKET"}
"""The closing bracket of each opening one."""

REACH = 48
"""How many states from the top of the stack a repair may depend on: three levels of brackets."""


INSERTED = {"LPAREN": "("}
"""What an inserted word is called in a later message."""


AFTER_EVENT = frozenset(
    {"ARROW", "PIPE", "PARALLEL", "STAR", "COMMA", "LPAREN", "RPAREN", "LBRACKET", "LBRACE"}
)
"""The types of the words that may follow the name of an event, but not that of an argument."""


class Repair(NamedTuple):
    """Insert `insert` before the word and read it as `read_as`; None means to remove the word."""

    insert: tuple[str, ...]
    read_as: str | None


_LEAVE_OUT = Repair((), None)

# What may be inserted before a word that does not fit, the likeliest first.
_INSERTIONS: tuple[tuple[str, ...], ...] = (
    ("NAME",),
    ("ARROW",),
    ("COMMA",),
    ("EQUALS",),
    ("NUMBER",),
    ("NUMBER", "ARROW"),
    ("NUMBER", "ARROW", "NAME"),
    ("ARROW", "NAME"),
    ("STAR", "NAME"),
    ("NAME", "EQUALS"),
    ("NAME", "EQUALS", "NAME"),
    ("EQUALS", "NAME"),
    ("COLON",),
    ("COLON", "NAME"),
    ("COMMA", "NAME"),
)
_JOINS = ("ARROW", "PIPE", "PARALLEL")


@functools.lru_cache(maxsize=1024)
def expected(states: tuple[int, ...]) -> frozenset[str]:
    """The terminals that may come next, given the states on top of the stack."""
    return frozenset(t for t in (*TOKENS, END) if _passed(states, (t,)) == 1)


def after_value(states: tuple[int, ...]) -> bool:
    """Whether the value of an option or argument has just ended."""
    terminals = expected(states)
    return "COMMA" in terminals and "ARROW" not in terminals


def needs_literal(states: tuple[int, ...]) -> bool:
    """Whether the value of an option comes next."""
    return expected(states) == {"NAME", "NUMBER", "STRING"}


def opens_arguments(states: tuple[int, ...]) -> bool:
    """Whether parentheses after an event or a group have just been opened."""
    return expected(states) == {"NAME", "NUMBER", "RPAREN"}


@functools.lru_cache(maxsize=4096)
def choose(
    states: tuple[int, ...],
    found: str,
    coming: tuple[str, ...],
    *,
    repeats: bool,
    openers: tuple[str, ...],
) -> Repair:
    """The repair for a word that does not fit.

    Args:
        states: the states on top of the stack, `REACH` of them at most.
        found: the type of the word.
        coming: the types of the words after it.
        repeats: whether the word directly follows the same operator.
        openers: the types of the brackets around the word, the innermost first.
    """
    best, most = _LEAVE_OUT, 0
    for repair in _candidates(found, repeats=repeats, openers=openers):
        word = () if repair.read_as is None else (repair.read_as,)
        before = (*repair.insert, *word)
        passed = _passed(states, (*before, *coming)) - len(before)
        # Removing a word must at least allow the next one.
        score = passed + 1 if word else passed + bool(passed)
        if score > most:
            best, most = repair, score
            if passed == len(coming):
                break
    return best


def _candidates(found: str, *, repeats: bool, openers: tuple[str, ...]) -> Iterable[Repair]:
    if repeats and found in SIGNS:
        yield _LEAVE_OUT
    for insertion in _INSERTIONS:
        yield Repair(insertion, found)
    if found in ("COMMA", "PARALLEL"):
        yield Repair((), "ARROW")
    if found == "STRING":
        yield Repair((), "NAME")
    if found in ("NAME", "NUMBER"):
        yield Repair((), "STRING")
    if found in _JOINS:
        yield Repair((), "EQUALS")
    if found == "LBRACE":
        yield Repair((), "LPAREN")
    if openers and openers[0] == "LPAREN" and found in ("NAME", "NUMBER"):
        # Branches after arguments, or arguments after branches.
        yield Repair(("RPAREN", "LPAREN"), found)
    if openers and found in CLOSERS.values():
        closer = CLOSERS[openers[0]]
        if found in (CLOSERS[opener] for opener in openers[1:]):
            for insertion in ((), *_INSERTIONS):
                yield Repair((*insertion, closer), found)
        for insertion in ((), *_INSERTIONS):
            yield Repair(insertion, closer)
    elif openers and found in _JOINS:
        yield Repair((CLOSERS[openers[0]],), found)
        yield Repair((), "COMMA")
    yield _LEAVE_OUT


def _passed(states: tuple[int, ...], types: tuple[str, ...]) -> int:
    """How many of the terminals could be shifted, one after the other, from these states."""
    actions, gotos, productions = grammar.tables()
    stack = list(states)
    for count, type_ in enumerate(types):
        while True:
            action = actions[stack[-1]].get(type_)
            if action is None:
                return count
            if action >= 0:
                stack.append(action)
                break
            left, length, _ = productions[-action]
            if length >= len(stack):
                return count
            if length:
                del stack[-length:]
            stack.append(gotos[stack[-1]][left])
    return len(types)
