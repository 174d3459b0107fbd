"""The messages for bad files: the complete first message, with place and hint, word for word."""

import pytest

from tests.unit.pointy.bad_arguments import BAD_ARGUMENTS, BAD_FAILS, BAD_VALUES
from tests.unit.pointy.bad_declarations import BAD_DECLARATIONS
from tests.unit.pointy.bad_each import BAD_EACH
from tests.unit.pointy.bad_use import BAD_IMPORTS, BAD_PATHS, BAD_PLACES, BAD_USES
from tests.unit.pointy.rows import bad
from volnux.errors import PointyError, PointySyntaxError, Severity, Source
from volnux.pointy import analyze, parse

BAD_FLOWS = [
    bad(
        "",
        "1:1: error: there is no flow in this file: expected an event or a group",
        "  1 | ",
        "    | ^",
        "  hint: the smallest flow is the name of one event",
    ),
    bad(
        "# only a comment\n",
        "1:17: error: there is no flow in this file: expected an event or a group",
        "  1 | # only a comment",
        "    |                 ^",
        "  hint: the smallest flow is the name of one event",
    ),
    bad(
        "@name: x\n",
        "1:9: error: there is no flow in this file: expected an event or a group",
        "  1 | @name: x",
        "    |         ^",
        "  hint: the smallest flow is the name of one event",
    ),
    bad(
        "\ufeff",
        "1:1: error: there is no flow in this file: expected an event or a group",
        "  1 | ",
        "    | ^",
        "  hint: the smallest flow is the name of one event",
    ),
    bad(
        "A -> ",
        "1:5: error: expected an event or a group after '->', found the end of the file",
        "  1 | A -> ",
        "    |     ^",
        "  hint: name the event that comes next, or remove the '->'",
    ),
    bad(
        "A ->\n\n# the end\n",
        "1:5: error: expected an event or a group after '->', found the end of the file",
        "  1 | A ->",
        "    |     ^",
        "  hint: name the event that comes next, or remove the '->'",
    ),
    bad(
        "-> A",
        "1:1: error: expected an event or a group at the start of the flow, found '->'",
        "  1 | -> A",
        "    | ^^",
        "  hint: a flow begins with the name of an event",
    ),
    bad(
        "A || ",
        "1:5: error: expected an event or a group after '||', found the end of the file",
        "  1 | A || ",
        "    |     ^",
        "  hint: name the event that comes next, or remove the '||'",
    ),
    bad(
        "A -> -> B",
        "1:6: error: expected an event or a group after '->', found '->'",
        "  1 | A -> -> B",
        "    |      ^^",
        "  hint: one '->' is enough",
    ),
    bad(
        "A -> || B",
        "1:6: error: expected an event or a group after '->', found '||'",
        "  1 | A -> || B",
        "    |      ^^",
        "  hint: remove '->' or '||'",
    ),
    bad(
        "A |-> -> B",
        "1:7: error: expected an event or a group after '|->', found '->'",
        "  1 | A |-> -> B",
        "    |       ^^",
        "  hint: remove '|->' or '->'",
    ),
    bad(
        "A B",
        "1:3: error: expected '->', '|->' or '||' after 'A', found 'B'",
        "  1 | A B",
        "    |   ^",
        "  hint: write A -> B to run one after the other, A || B to run both at once",
    ),
    bad(
        "A\nB",
        "2:1: error: expected '->', '|->' or '||' after 'A', found 'B'",
        "  2 | B",
        "    | ^",
        "  hint: write A -> B to run one after the other, A || B to run both at once",
    ),
    bad(
        "A, B",
        "1:2: error: expected '->', '|->' or '||' after 'A', found ','",
        "  1 | A, B",
        "    |  ^",
        "  hint: write A -> B to run one after the other, A || B to run both at once",
    ),
    bad(
        "A -> B, C",
        "1:7: error: expected '->', '|->' or '||' after 'B', found ','",
        "  1 | A -> B, C",
        "    |       ^",
        "  hint: write B -> C to run one after the other, B || C to run both at once",
    ),
    bad(
        "A {B}",
        "1:3: error: expected '->', '|->' or '||' after 'A', found '{'",
        "  1 | A {B}",
        "    |   ^",
        "  hint: write A -> {…} to run one after the other, A || {…} to run both at once",
    ),
    bad(
        "A -> B {C || D}",
        "1:8: error: expected '->', '|->' or '||' after 'B', found '{'",
        "  1 | A -> B {C || D}",
        "    |        ^",
        "  hint: write B -> {…} to run one after the other, B || {…} to run both at once",
    ),
    bad(
        'A "x"',
        "1:3: error: expected '->', '|->' or '||' after 'A', found the string \"x\"",
        '  1 | A "x"',
        "    |   ^^^",
        "  hint: event names are written without quotes: x",
    ),
    bad(
        '"A" -> B',
        ('1:1: error: expected an event or a group at the start of the flow, found the string "A"'),
        '  1 | "A" -> B',
        "    | ^^^",
        "  hint: event names are written without quotes: A",
    ),
    bad(
        "A = 3",
        "1:3: error: expected '->', '|->' or '||' after 'A', found '='",
        "  1 | A = 3",
        "    |   ^",
        "  hint: options are written in brackets: A[timeout=30]",
    ),
    bad(
        "A -> [timeout=3]",
        "1:6: error: expected an event or a group after '->', found '['",
        "  1 | A -> [timeout=3]",
        "    |      ^",
        "  hint: options are written after an event: A[timeout=30]",
    ),
    bad(
        "A 3",
        "1:3: error: expected '->', '|->' or '||' after 'A', found the number 3",
        "  1 | A 3",
        "    |   ^",
        "  hint: a factor is written A * 3",
    ),
    bad(
        "A -3",
        "1:3: error: expected '->', '|->' or '||' after 'A', found the number -3",
        "  1 | A -3",
        "    |   ^^",
        "  hint: a factor is written A * 3",
    ),
    bad(
        "load-data",
        "1:5: error: '-' is not a Pointy operator",
        "  1 | load-data",
        "    |     ^",
        "  hint: did you mean '->'? A name cannot contain a hyphen, but it may contain '_'",
    ),
    bad(
        "step-1 -> B",
        "1:5: error: expected '->', '|->' or '||' after 'step', found the number -1",
        "  1 | step-1 -> B",
        "    |     ^^",
        "  hint: a name has no hyphen: step_1",
    ),
]

BAD_SIGNS = [
    bad(
        "A | B",
        "1:3: error: '|' is not a Pointy operator",
        "  1 | A | B",
        "    |   ^",
        "  hint: did you mean '||'?",
    ),
    bad(
        "A => B",
        "1:3: error: '=>' is not a Pointy operator",
        "  1 | A => B",
        "    |   ^^",
        "  hint: did you mean '->'?",
    ),
    bad(
        "A --> B",
        "1:3: error: '-->' is not a Pointy operator",
        "  1 | A --> B",
        "    |   ^^^",
        "  hint: did you mean '->'?",
    ),
    bad(
        "A >> B",
        "1:3: error: '>>' is not a Pointy operator",
        "  1 | A >> B",
        "    |   ^^",
        "  hint: did you mean '->'?",
    ),
    bad(
        "A > B",
        "1:3: error: '>' is not a Pointy operator",
        "  1 | A > B",
        "    |   ^",
        "  hint: did you mean '->'?",
    ),
    bad(
        "A <- B",
        "1:3: error: '<-' is not a Pointy operator",
        "  1 | A <- B",
        "    |   ^^",
        "  hint: arrows point to the right: '->'",
    ),
    bad(
        "A → B",
        "1:3: error: '→' is not a Pointy operator",
        "  1 | A → B",
        "    |   ^",
        "  hint: did you mean '->'?",
    ),
    bad(
        "A |> B",
        "1:3: error: '|>' is not a Pointy operator",
        "  1 | A |> B",
        "    |   ^^",
        "  hint: did you mean '|->'?",
    ),
    bad(
        "A & B",
        "1:3: error: '&' is not a Pointy operator",
        "  1 | A & B",
        "    |   ^",
        "  hint: did you mean '||'?",
    ),
    bad(
        "A && B",
        "1:3: error: '&&' is not a Pointy operator",
        "  1 | A && B",
        "    |   ^^",
        "  hint: did you mean '||'?",
    ),
    bad(
        "A; B",
        "1:2: error: ';' is not a Pointy operator",
        "  1 | A; B",
        "    |  ^",
        "  hint: parts of a flow are joined by '->'; a line break has no meaning",
    ),
    bad(
        "A: B",
        "1:2: error: ':' is not a Pointy operator",
        "  1 | A: B",
        "    |  ^",
        "  hint: only a directive has a colon: @name: value, on a line before the flow",
    ),
    bad(
        "A ! B",
        "1:3: error: expected '->', '|->' or '||' after 'A', found '!'",
        "  1 | A ! B",
        "    |   ^",
        "  hint: '!' is a unit of its own: A -> !",
    ),
    bad(
        "A . B",
        "1:3: error: '.' is not a Pointy operator",
        "  1 | A . B",
        "    |   ^",
        "  hint: a dotted name is written without spaces: billing.Charge",
    ),
    bad(
        "A // then B",
        "1:3: error: '//' is not a Pointy operator",
        "  1 | A // then B",
        "    |   ^^",
        "  hint: comments begin with #",
    ),
    bad(
        "/* note */ A",
        "1:1: error: '/*' is not a Pointy operator",
        "  1 | /* note */ A",
        "    | ^^",
        "  hint: comments begin with #",
    ),
    bad(
        "A\u200b -> B",
        "1:2: error: U+200B (zero width space) is not allowed in a flow",
        "  1 | A� -> B",
        "    |  ^",
        "  hint: the character may be invisible: delete it",
    ),
    bad(
        "A -> \x00B",
        "1:6: error: U+0000 (a control character) is not allowed in a flow",
        "  1 | A -> �B",
        "    |      ^",
        "  hint: the character may be invisible: delete it",
    ),
    bad(
        "A -> $B",
        "1:6: error: '$' is not a Pointy operator",
        "  1 | A -> $B",
        "    |      ^",
    ),
    bad(
        "A -> é",
        "1:6: error: the name 'é' has a letter outside A-Z, a-z",
        "  1 | A -> é",
        "    |      ^",
        "  hint: names are made of the letters A-Z and a-z, digits and underscores",
    ),
    bad(
        "A -> 3A",
        "1:6: error: '3A' is neither a number nor a name",
        "  1 | A -> 3A",
        "    |      ^^",
        "  hint: a name cannot begin with a digit",
    ),
    bad(
        "A -> 'B'",
        ("1:6: error: a string is written in plain double quotes, and only as a value"),
        "  1 | A -> 'B'",
        "    |      ^^^",
        "  hint: event names are written without quotes: B",
    ),
    bad(
        "A -> “B”",
        ("1:6: error: a string is written in plain double quotes, and only as a value"),
        "  1 | A -> “B”",
        "    |      ^^^",
        "  hint: event names are written without quotes: B",
    ),
]

BAD_FACTORS = [
    bad(
        "A * 1",
        "1:5: error: a retry factor is a whole number of at least 2, found 1",
        "  1 | A * 1",
        "    |     ^",
        ("  hint: A * 3 means at most 3 attempts in all; for one attempt, remove the factor"),
    ),
    bad(
        "A * 0",
        "1:5: error: a retry factor is a whole number of at least 2, found 0",
        "  1 | A * 0",
        "    |     ^",
        ("  hint: A * 3 means at most 3 attempts in all; for one attempt, remove the factor"),
    ),
    bad(
        "A * -2",
        "1:5: error: a retry factor is a whole number of at least 2, found -2",
        "  1 | A * -2",
        "    |     ^^",
        "  hint: A * 3 means at most 3 attempts in all",
    ),
    bad(
        "A * 2.5",
        "1:5: error: a retry factor is a whole number of at least 2, found 2.5",
        "  1 | A * 2.5",
        "    |     ^^^",
        "  hint: A * 3 means at most 3 attempts in all",
    ),
    bad(
        "A * B",
        "1:5: error: expected a retry factor, a whole number of at least 2, found 'B'",
        "  1 | A * B",
        "    |     ^",
        "  hint: A * 3 means at most 3 attempts in all",
    ),
    bad(
        "A *",
        (
            "1:4: error: expected a retry factor, a whole number of at least 2, "
            "found the end of the file"
        ),
        "  1 | A *",
        "    |    ^",
        "  hint: A * 3 means at most 3 attempts in all",
    ),
    bad(
        "A * * 3",
        "1:5: error: expected a retry factor, a whole number of at least 2, found '*'",
        "  1 | A * * 3",
        "    |     ^",
        "  hint: A * 3 means at most 3 attempts in all",
    ),
    bad(
        "* 3",
        "1:1: error: expected an event or a group at the start of the flow, found '*'",
        "  1 | * 3",
        "    | ^",
        "  hint: a factor is written after its event, A * 3, or before it, 3 * A",
    ),
    bad(
        "3 * A * 3",
        "1:9: error: this unit already has a retry factor",
        "  1 | 3 * A * 3",
        "    |         ^",
        "  hint: write the factor once: A * 3 or 3 * A",
    ),
    bad(
        "1 * A",
        "1:1: error: a retry factor is a whole number of at least 2, found 1",
        "  1 | 1 * A",
        "    | ^",
        ("  hint: A * 3 means at most 3 attempts in all; for one attempt, remove the factor"),
    ),
    bad(
        "3 A",
        "1:3: error: expected '*' and an event after the number 3, found 'A'",
        "  1 | 3 A",
        "    |   ^",
        "  hint: a factor is written 3 * A or A * 3",
    ),
    bad(
        "A * 3x",
        "1:5: error: '3x' is neither a number nor a name",
        "  1 | A * 3x",
        "    |     ^^",
        "  hint: a name cannot begin with a digit",
    ),
    bad(
        "A * .5",
        "1:5: error: '.5' is not a valid number",
        "  1 | A * .5",
        "    |     ^^",
        "  hint: numbers are written like 3, -3 or 2.5",
    ),
    bad(
        "A * 1e3",
        "1:5: error: a retry factor is a whole number of at least 2, found 1e3",
        "  1 | A * 1e3",
        "    |     ^^^",
        "  hint: A * 3 means at most 3 attempts in all",
    ),
    bad(
        "A * 3[retry_attempts=2]",
        "1:7: error: this unit already has a retry factor",
        "  1 | A * 3[retry_attempts=2]",
        "    |       ^^^^^^^^^^^^^^^^",
        "  hint: retry_attempts=3 is the same as * 3: remove one of them",
    ),
    bad(
        "3 * A[retry_attempts=2]",
        "1:7: error: this unit already has a retry factor",
        "  1 | 3 * A[retry_attempts=2]",
        "    |       ^^^^^^^^^^^^^^^^",
        "  hint: retry_attempts=3 is the same as * 3: remove one of them",
    ),
    bad(
        "3 *",
        "1:4: error: expected an event or a group after '*', found the end of the file",
        "  1 | 3 *",
        "    |    ^",
        "  hint: a factor is written 3 * A or A * 3",
    ),
    bad(
        "5",
        ("1:2: error: expected '*' and an event after the number 5, found the end of the file"),
        "  1 | 5",
        "    |  ^",
        "  hint: a factor is written 3 * A or A * 3",
    ),
]

BAD_BRANCHES = [
    bad(
        "0 -> X",
        "1:1: error: a descriptor (0) is only allowed in the branches of an event or a group",
        "  1 | 0 -> X",
        "    | ^",
        ("  hint: branches are written (0 -> X, 1 -> Y) after their event: Event (0 -> X, 1 -> Y)"),
    ),
    bad(
        "0 -> X, 1 -> Y",
        "1:1: error: a descriptor (0) is only allowed in the branches of an event or a group",
        "  1 | 0 -> X, 1 -> Y",
        "    | ^",
        ("  hint: branches are written (0 -> X, 1 -> Y) after their event: Event (0 -> X, 1 -> Y)"),
    ),
    bad(
        "A -> (0 -> X, 1 -> Y)",
        "1:7: error: a descriptor (0) is only allowed in the branches of an event or a group",
        "  1 | A -> (0 -> X, 1 -> Y)",
        "    |       ^",
        (
            "  hint: remove the '->' before the '(': branches are written directly "
            "after their event, Event (0 -> X, 1 -> Y)"
        ),
    ),
    bad(
        "A -> 0 -> X",
        "1:6: error: a descriptor (0) is only allowed in the branches of an event or a group",
        "  1 | A -> 0 -> X",
        "    |      ^",
        ("  hint: branches are written (0 -> X, 1 -> Y) after their event: Event (0 -> X, 1 -> Y)"),
    ),
    bad(
        "A (0 -> B, 0 -> C)",
        "1:12: error: descriptor 0 already has a branch",
        "  1 | A (0 -> B, 0 -> C)",
        "    |            ^",
        ("  hint: for several events in one branch write a flow: (0 -> X -> Y) or (0 -> {X || Y})"),
    ),
    bad(
        "A (12 -> B)",
        "1:4: error: '12' is not a descriptor: it must be one digit from 0 to 9",
        "  1 | A (12 -> B)",
        "    |    ^^",
        "  hint: 0 is failure, 1 is success, 3 to 9 are your own",
    ),
    bad(
        "A (-1 -> B)",
        "1:4: error: '-1' is not a descriptor: it must be one digit from 0 to 9",
        "  1 | A (-1 -> B)",
        "    |    ^^",
        "  hint: 0 is failure, 1 is success, 3 to 9 are your own",
    ),
    bad(
        "{A || B} (3 -> X)",
        "1:11: error: a group finishes with 0 or 1 only: it cannot have a branch for 3",
        "  1 | {A || B} (3 -> X)",
        "    |           ^",
        "  hint: put the branch on the event inside the group that ends with it",
    ),
    bad(
        "{A || B} (2 -> X)",
        "1:11: error: a group finishes with 0 or 1 only: it cannot have a branch for 2",
        "  1 | {A || B} (2 -> X)",
        "    |           ^",
        "  hint: put the branch on the event inside the group that ends with it",
    ),
    bad(
        "A (B)",
        "1:4: error: expected a descriptor, a digit from 0 to 9, after '(', found 'B'",
        "  1 | A (B)",
        "    |    ^",
        (
            "  hint: to continue the flow write A -> B; branches are written (0 -> X, 1 -> "
            "Y), arguments (a=1)"
        ),
    ),
    bad(
        "A (0)",
        "1:5: error: expected '->' or '|->' after the descriptor, found ')'",
        "  1 | A (0)",
        "    |     ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "A (0 B)",
        "1:6: error: expected '->' or '|->' after the descriptor, found 'B'",
        "  1 | A (0 B)",
        "    |      ^",
        "  hint: branches are written (0 -> X, 1 -> Y)",
    ),
    bad(
        "A (0, B)",
        "1:5: error: expected '->' or '|->' after the descriptor, found ','",
        "  1 | A (0, B)",
        "    |     ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "A (0: B)",
        "1:5: error: ':' is not a Pointy operator",
        "  1 | A (0: B)",
        "    |     ^",
        "  hint: did you mean '->'?",
    ),
    bad(
        "A (0 -> B 1 -> C)",
        "1:11: error: expected '->', '|->', '||', ',' or ')' after 'B', found the number 1",
        "  1 | A (0 -> B 1 -> C)",
        "    |           ^",
        "  hint: branches are separated by commas: (0 -> X, 1 -> Y)",
    ),
    bad(
        "A (0 -> B; 1 -> C)",
        "1:10: error: ';' is not a Pointy operator",
        "  1 | A (0 -> B; 1 -> C)",
        "    |          ^",
        "  hint: parts of a flow are joined by '->'; a line break has no meaning",
    ),
    bad(
        "A (0 -> B,, 1 -> C)",
        "1:11: error: expected a descriptor, a digit from 0 to 9, after ',', found ','",
        "  1 | A (0 -> B,, 1 -> C)",
        "    |           ^",
        "  hint: branches are written (0 -> X, 1 -> Y)",
    ),
    bad(
        "A (,0 -> B)",
        "1:4: error: expected a descriptor, a digit from 0 to 9, after '(', found ','",
        "  1 | A (,0 -> B)",
        "    |    ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "A (0 -> )",
        "1:9: error: expected an event or a group after '->', found ')'",
        "  1 | A (0 -> )",
        "    |         ^",
        "  hint: name the event that comes next, or remove the '->'",
    ),
    bad(
        "A (0 || B)",
        "1:6: error: expected '->' or '|->' after the descriptor, found '||'",
        "  1 | A (0 || B)",
        "    |      ^^",
        "  hint: branches are written (0 -> X, 1 -> Y)",
    ),
    bad(
        "A (0 -> B) (1 -> C)",
        "1:12: error: this unit already has branches",
        "  1 | A (0 -> B) (1 -> C)",
        "    |            ^^^^^^^^",
        "  hint: put all branches of a unit into one pair of brackets",
    ),
    bad(
        "A (x -> B)",
        "1:4: error: expected a descriptor, a digit from 0 to 9, after '(', found 'x'",
        "  1 | A (x -> B)",
        "    |    ^",
        (
            "  hint: to continue the flow write A -> x; branches are written (0 -> X, 1 -> "
            "Y), arguments (a=1)"
        ),
    ),
    bad(
        "A ((0 -> B))",
        "1:4: error: expected a descriptor, a digit from 0 to 9, after '(', found '('",
        "  1 | A ((0 -> B))",
        "    |    ^",
        (
            "  hint: to continue the flow write A -> {…}; branches are written (0 -> X, 1 -> "
            "Y), arguments (a=1)"
        ),
    ),
    bad(
        "A (0 -> B, C)",
        "1:12: error: expected a descriptor, a digit from 0 to 9, after ',', found 'C'",
        "  1 | A (0 -> B, C)",
        "    |            ^",
        "  hint: branches are written (0 -> X, 1 -> Y)",
    ),
]

BAD_BRACKETS = [
    bad(
        "(",
        "1:2: error: expected an event or a group after '(', found the end of the file",
        "  1 | (",
        "    |  ^",
        "  hint: the '(' of line 1, column 1 is not closed",
    ),
    bad(
        "A (0 -> B",
        (
            "1:10: error: expected '->', '|->', '||', ',' or ')' after 'B', found "
            "the end of the file"
        ),
        "  1 | A (0 -> B",
        "    |          ^",
        "  hint: the '(' of line 1, column 3 is not closed",
    ),
    bad(
        "{A -> B",
        "1:8: error: expected '->', '|->', '||' or '}' after 'B', found the end of the file",
        "  1 | {A -> B",
        "    |        ^",
        "  hint: the '{' of line 1, column 1 is not closed",
    ),
    bad(
        "{A || {B}",
        ("1:10: error: expected '->', '|->', '||' or '}' after '}', found the end of the file"),
        "  1 | {A || {B}",
        "    |          ^",
        "  hint: the '{' of line 1, column 1 is not closed",
    ),
    bad(
        "A[timeout=3",
        "1:12: error: expected ',' or ']' after the number 3, found the end of the file",
        "  1 | A[timeout=3",
        "    |            ^",
        "  hint: the '[' of line 1, column 2 is not closed",
    ),
    bad(
        "A)",
        "1:2: error: ')' has no opening bracket",
        "  1 | A)",
        "    |  ^",
        "  hint: remove it",
    ),
    bad(
        "A -> B}",
        "1:7: error: '}' has no opening bracket",
        "  1 | A -> B}",
        "    |       ^",
        "  hint: remove it",
    ),
    bad(
        "{A)",
        "1:3: error: '{' (line 1, column 1) is closed by ')'",
        "  1 | {A)",
        "    |   ^",
        "  hint: close it with '}'",
    ),
    bad(
        "A (0 -> B}",
        "1:10: error: '(' (line 1, column 3) is closed by '}'",
        "  1 | A (0 -> B}",
        "    |          ^",
        "  hint: close it with ')'",
    ),
    bad(
        "A[timeout=3)",
        "1:12: error: '[' (line 1, column 2) is closed by ')'",
        "  1 | A[timeout=3)",
        "    |            ^",
        "  hint: close it with ']'",
    ),
    bad(
        "{A (0 -> B}",
        "1:11: error: '(' (line 1, column 4) is not closed before '}'",
        "  1 | {A (0 -> B}",
        "    |           ^",
        "  hint: close it with ')'",
    ),
    bad(
        "()",
        "1:2: error: expected an event or a group after '(', found ')'",
        "  1 | ()",
        "    |  ^",
        "  hint: a group needs at least one event",
    ),
    bad(
        "{}",
        "1:2: error: expected an event or a group after '{', found '}'",
        "  1 | {}",
        "    |  ^",
        "  hint: a group needs at least one event",
    ),
    bad(
        "((((A)))",
        "1:9: error: expected '->', '|->', '||' or ')' after ')', found the end of the file",
        "  1 | ((((A)))",
        "    |         ^",
        "  hint: the '(' of line 1, column 1 is not closed",
    ),
    bad(
        "A (0 -> {B || C)",
        "1:16: error: '{' (line 1, column 9) is not closed before ')'",
        "  1 | A (0 -> {B || C)",
        "    |                ^",
        "  hint: close it with '}'",
    ),
]

BAD_NAMES = [
    bad(
        "A__2",
        (
            "1:1: error: the name 'A__2' ends in two underscores and digits, which "
            "mark the second and later places of an event"
        ),
        "  1 | A__2",
        "    | ^^^^",
        "  hint: write 'A' again for another place of it, or rename the event",
    ),
    bad(
        "billing.Charge__10 -> A",
        (
            "1:1: error: the name 'billing.Charge__10' ends in two underscores and "
            "digits, which mark the second and later places of an event"
        ),
        "  1 | billing.Charge__10 -> A",
        "    | ^^^^^^^^^^^^^^^^^^",
        "  hint: write 'billing.Charge' again for another place of it, or rename the event",
    ),
]

BAD_OPTIONS = [
    bad(
        "A[]",
        "1:3: error: expected the name of an option after '[', found ']'",
        "  1 | A[]",
        "    |   ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        "A[timeout]",
        "1:10: error: expected '=' and a value after the option 'timeout', found ']'",
        "  1 | A[timeout]",
        "    |          ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        "A[timeout=]",
        "1:11: error: expected a value after '=', found ']'",
        "  1 | A[timeout=]",
        "    |           ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        "A[timeout 3]",
        ("1:11: error: expected '=' and a value after the option 'timeout', found the number 3"),
        "  1 | A[timeout 3]",
        "    |           ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        "A[timeout: 3]",
        "1:10: error: ':' is not a Pointy operator",
        "  1 | A[timeout: 3]",
        "    |          ^",
        "  hint: did you mean '='?",
    ),
    bad(
        'A[timeout=3 pool="x"]',
        "1:13: error: expected ',' or ']' after the number 3, found 'pool'",
        '  1 | A[timeout=3 pool="x"]',
        "    |             ^^^^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        'A[timeout=3; pool="x"]',
        "1:12: error: ';' is not a Pointy operator",
        '  1 | A[timeout=3; pool="x"]',
        "    |            ^",
        "  hint: parts of a flow are joined by '->'; a line break has no meaning",
    ),
    bad(
        "A[=3]",
        "1:3: error: expected the name of an option after '[', found '='",
        "  1 | A[=3]",
        "    |   ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        'A["timeout"=3]',
        "1:3: error: expected the name of an option after '[', found the string \"timeout\"",
        '  1 | A["timeout"=3]',
        "    |   ^^^^^^^^^",
        "  hint: option names are written without quotes: timeout",
    ),
    bad(
        "A[timeout==3]",
        "1:11: error: expected a value after '=', found '='",
        "  1 | A[timeout==3]",
        "    |           ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        'A[timeout=3,,pool="x"]',
        "1:13: error: expected the name of an option after ',', found ','",
        '  1 | A[timeout=3,,pool="x"]',
        "    |             ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        "A[timeout=->]",
        "1:11: error: expected a value after '=', found '->'",
        "  1 | A[timeout=->]",
        "    |           ^^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        'A[timeout=3] [pool="x"]',
        "1:14: error: this unit already has options",
        '  1 | A[timeout=3] [pool="x"]',
        "    |              ^^^^^^^^^^",
        "  hint: put all options of a unit into one pair of brackets",
    ),
    bad(
        "A[timeout=3, timeout=4]",
        "1:14: error: the option 'timeout' is already set here",
        "  1 | A[timeout=3, timeout=4]",
        "    |              ^^^^^^^^^",
        "  hint: remove one of the two",
    ),
    bad(
        "A[timeuot=3]",
        "1:3: error: there is no option 'timeuot'",
        "  1 | A[timeuot=3]",
        "    |   ^^^^^^^^^",
        "  hint: did you mean 'timeout'?",
    ),
    bad(
        "A[retries=3]",
        "1:3: error: there is no option 'retries'",
        "  1 | A[retries=3]",
        "    |   ^^^^^^^^^",
        "  hint: write Event * 3 for 3 attempts, which other tools call retries=2",
    ),
    bad(
        "A[poke_interval=3]",
        "1:3: error: there is no option 'poke_interval'",
        "  1 | A[poke_interval=3]",
        "    |   ^^^^^^^^^^^^^^^",
        (
            '  hint: call self.not_yet("no file") in the event, which is then called again: '
            "Event[every=60, within=3600]"
        ),
    ),
    bad(
        "A[mode=reschedule]",
        "1:3: error: there is no option 'mode'",
        "  1 | A[mode=reschedule]",
        "    |   ^^^^^^^^^^^^^^^",
        (
            '  hint: call self.not_yet("no file") in the event, which is then called again; '
            "meanwhile it holds no slot, if the host can do that"
        ),
    ),
    bad(
        "A[soft_fail=true]",
        "1:3: error: there is no option 'soft_fail'",
        "  1 | A[soft_fail=true]",
        "    |   ^^^^^^^^^^^^^^",
        (
            "  hint: write a branch for an event that waited too long: "
            "Event[within=3600] (0 -> Note)"
        ),
    ),
    bad(
        'A[colour="x"]',
        "1:3: error: there is no option 'colour'",
        '  1 | A[colour="x"]',
        "    |   ^^^^^^^^^^",
        (
            "  hint: for an argument write A(colour=…); options: timeout, every, within, "
            "retry_attempts, executor, evaluation, each, in, at_once, batch, pool, queue, "
            "priority, concurrency, tags"
        ),
    ),
    bad(
        "A[every=0]",
        "1:9: error: the option 'every' takes a number of seconds above 0, such as 60 or 0.5",
        "  1 | A[every=0]",
        "    |         ^",
    ),
    bad(
        'A[within="1h"]',
        "1:10: error: the option 'within' takes a number of seconds above 0, such as 3600",
        '  1 | A[within="1h"]',
        "    |          ^^^^",
    ),
    bad(
        "{A || B}[every=60]",
        "1:10: error: the option 'every' belongs to an event, not to a group",
        "  1 | {A || B}[every=60]",
        "    |          ^^^^^^^^",
        "  hint: write it after each event that needs it",
    ),
    bad(
        "A[timeout=0]",
        ("1:11: error: the option 'timeout' takes a number of seconds above 0, such as 30 or 2.5"),
        "  1 | A[timeout=0]",
        "    |           ^",
    ),
    bad(
        "A[timeout=-1]",
        ("1:11: error: the option 'timeout' takes a number of seconds above 0, such as 30 or 2.5"),
        "  1 | A[timeout=-1]",
        "    |           ^^",
    ),
    bad(
        'A[timeout="30"]',
        ("1:11: error: the option 'timeout' takes a number of seconds above 0, such as 30 or 2.5"),
        '  1 | A[timeout="30"]',
        "    |           ^^^^",
        "  hint: numbers are written without quotes: 30",
    ),
    bad(
        "A[timeout=true]",
        ("1:11: error: the option 'timeout' takes a number of seconds above 0, such as 30 or 2.5"),
        "  1 | A[timeout=true]",
        "    |           ^^^^",
    ),
    bad(
        "A[timeout=1e999]",
        ("1:11: error: the option 'timeout' takes a number of seconds above 0, such as 30 or 2.5"),
        "  1 | A[timeout=1e999]",
        "    |           ^^^^^",
        "  hint: the maximum is 1000000000 (31 years); for no limit, remove the option",
    ),
    bad(
        "A[retry_attempts=1]",
        "1:18: error: the option 'retry_attempts' takes a whole number of at least 2",
        "  1 | A[retry_attempts=1]",
        "    |                  ^",
    ),
    bad(
        "A[retry_attempts=2.5]",
        "1:18: error: the option 'retry_attempts' takes a whole number of at least 2",
        "  1 | A[retry_attempts=2.5]",
        "    |                  ^^^",
    ),
    bad(
        "A[executor=threads]",
        (
            "1:12: error: the option 'executor' takes inline, thread, process or a "
            'URL such as "dask://host:8786"'
        ),
        "  1 | A[executor=threads]",
        "    |            ^^^^^^^",
        "  hint: did you mean thread?",
    ),
    bad(
        'A[executor="dask"]',
        (
            "1:12: error: the option 'executor' takes inline, thread, process or a "
            'URL such as "dask://host:8786"'
        ),
        '  1 | A[executor="dask"]',
        "    |            ^^^^^^",
    ),
    bad(
        "A[executor=Process]",
        (
            "1:12: error: the option 'executor' takes inline, thread, process or a "
            'URL such as "dask://host:8786"'
        ),
        "  1 | A[executor=Process]",
        "    |            ^^^^^^^",
        "  hint: did you mean process?",
    ),
    bad(
        "A[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
        "1:3: error: the option 'evaluation' belongs to a parallel group, not to an event",
        "  1 | A[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
        "    |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: write it after the braces: {A || B}[evaluation=…]",
    ),
    bad(
        "{A -> B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
        ("1:10: error: the option 'evaluation' needs braces that contain exactly 'a || b …'"),
        "  1 | {A -> B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
        "    |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: put the parallel part into its own braces: {A || B}[evaluation=…]",
    ),
    bad(
        "{A || B -> C}[evaluation=FAILURE_FOR_PARTIAL_ERROR]",
        ("1:15: error: the option 'evaluation' needs braces that contain exactly 'a || b …'"),
        "  1 | {A || B -> C}[evaluation=FAILURE_FOR_PARTIAL_ERROR]",
        "    |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: put the parallel part into its own braces: {A || B}[evaluation=…]",
    ),
    bad(
        "{A || B}[evaluation=any]",
        (
            "1:21: error: the option 'evaluation' takes one of "
            "SUCCESS_ON_ALL_EVENTS_SUCCESS, FAILURE_FOR_PARTIAL_ERROR, "
            "SUCCESS_FOR_PARTIAL_SUCCESS, FAILURE_FOR_ALL_EVENTS_FAILURE"
        ),
        "  1 | {A || B}[evaluation=any]",
        "    |                     ^^^",
    ),
    bad(
        "{A || B}[evaluation=success_for_partial_success]",
        (
            "1:21: error: the option 'evaluation' takes one of "
            "SUCCESS_ON_ALL_EVENTS_SUCCESS, FAILURE_FOR_PARTIAL_ERROR, "
            "SUCCESS_FOR_PARTIAL_SUCCESS, FAILURE_FOR_ALL_EVENTS_FAILURE"
        ),
        "  1 | {A || B}[evaluation=success_for_partial_success]",
        "    |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: did you mean SUCCESS_FOR_PARTIAL_SUCCESS?",
    ),
    bad(
        "{{A || B} * 2}[evaluation=FAILURE_FOR_PARTIAL_ERROR]",
        ("1:16: error: the option 'evaluation' needs braces that contain exactly 'a || b …'"),
        "  1 | {{A || B} * 2}[evaluation=FAILURE_FOR_PARTIAL_ERROR]",
        "    |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "  hint: put the parallel part into its own braces: {A || B}[evaluation=…]",
    ),
    bad(
        "{A || B}[timeout=3]",
        "1:10: error: the option 'timeout' belongs to an event, not to a group",
        "  1 | {A || B}[timeout=3]",
        "    |          ^^^^^^^^^",
        "  hint: write it after each event that needs it",
    ),
    bad(
        "{A || B}[executor=thread]",
        "1:10: error: the option 'executor' belongs to an event, not to a group",
        "  1 | {A || B}[executor=thread]",
        "    |          ^^^^^^^^^^^^^^^",
        "  hint: write it after each event that needs it",
    ),
    bad(
        '{A || B}[pool="x"]',
        "1:10: error: the option 'pool' belongs to an event, not to a group",
        '  1 | {A || B}[pool="x"]',
        "    |          ^^^^^^^^",
        "  hint: write it after each event that needs it",
    ),
    bad(
        'A[pool=""]',
        "1:8: error: the option 'pool' takes a name, such as \"database\"",
        '  1 | A[pool=""]',
        "    |        ^^",
    ),
    bad(
        "A[queue=true]",
        "1:9: error: the option 'queue' takes a name, such as \"large\"",
        "  1 | A[queue=true]",
        "    |         ^^^^",
    ),
    bad(
        "A[priority=1.5]",
        "1:12: error: the option 'priority' takes a whole number",
        "  1 | A[priority=1.5]",
        "    |            ^^^",
    ),
    bad(
        'A[priority="high"]',
        "1:12: error: the option 'priority' takes a whole number",
        '  1 | A[priority="high"]',
        "    |            ^^^^^^",
    ),
    bad(
        "A[concurrency=0]",
        "1:15: error: the option 'concurrency' takes a whole number of at least 1",
        "  1 | A[concurrency=0]",
        "    |               ^",
    ),
    bad(
        "A[tags=3]",
        (
            "1:8: error: the option 'tags' takes names separated by commas in a string, "
            'such as "daily,finance"'
        ),
        "  1 | A[tags=3]",
        "    |        ^",
    ),
    bad(
        'A[tags=" "]',
        (
            "1:8: error: the option 'tags' takes names separated by commas in a string, "
            'such as "daily,finance"'
        ),
        '  1 | A[tags=" "]',
        "    |        ^^^",
    ),
]

BAD_STRINGS = [
    bad(
        'A[pool="x]',
        "1:8: error: this string is not closed before the end of its line",
        '  1 | A[pool="x]',
        "    |        ^^",
        '  hint: close it with "; a line break inside a string is written \\n',
    ),
    bad(
        'A[pool="x\ny"]',
        "1:8: error: this string is not closed before the end of its line",
        '  1 | A[pool="x',
        "    |        ^^",
        '  hint: close it with "; a line break inside a string is written \\n',
    ),
    bad(
        'A[pool="',
        "1:8: error: this string is not closed before the end of its line",
        '  1 | A[pool="',
        "    |        ^",
        '  hint: close it with "; a line break inside a string is written \\n',
    ),
    bad(
        "A[pool='x']",
        ("1:8: error: a string is written in plain double quotes, and only as a value"),
        "  1 | A[pool='x']",
        "    |        ^^^",
        '  hint: write "x"',
    ),
    bad(
        "A[pool=“x”]",
        ("1:8: error: a string is written in plain double quotes, and only as a value"),
        "  1 | A[pool=“x”]",
        "    |        ^^^",
        '  hint: write "x"',
    ),
    bad(
        'A[pool="a\\d"]',
        "1:10: error: '\\d' is not a valid escape",
        '  1 | A[pool="a\\d"]',
        "    |          ^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
    bad(
        'A[pool="\\u12"]',
        "1:9: error: '\\u' is not a valid escape",
        '  1 | A[pool="\\u12"]',
        "    |         ^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
    bad(
        'A[pool="\\ud83d"]',
        "1:8: error: this string has one half of a \\uXXXX\\uXXXX pair without the other",
        '  1 | A[pool="\\ud83d"]',
        "    |        ^^^^^^^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
    bad(
        "A[pool=x y]",
        "1:10: error: expected ',' or ']' after 'x', found 'y'",
        "  1 | A[pool=x y]",
        "    |          ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
]

BAD_DIRECTIVES = [
    bad(
        "@nmae: x\nA",
        "1:1: error: there is no directive '@nmae'",
        "  1 | @nmae: x",
        "    | ^^^^^",
        "  hint: did you mean '@name'?",
    ),
    bad(
        "@retries: 3\nA",
        "1:1: error: there is no directive '@retries'",
        "  1 | @retries: 3",
        "    | ^^^^^^^^",
        "  hint: set attempts on an event or a group: Event * 3",
    ),
    bad(
        "@colour: red\nA",
        "1:1: error: there is no directive '@colour'",
        "  1 | @colour: red",
        "    | ^^^^^^^",
        (
            "  hint: directives: @name, @description, @tags, @schedule, @timezone, "
            "@start-date, @catchup, @max-active-runs, @events, @use, @input, @variable, "
            "@secret, @run-timeout, @on-failure, @recursive-depth, @mode"
        ),
    ),
    bad(
        "@timeout: 30\nA",
        "1:1: error: there is no directive '@timeout'",
        "  1 | @timeout: 30",
        "    | ^^^^^^^^",
        "  hint: limit the whole run with @run-timeout: 4h, one event with Event[timeout=30]",
    ),
    bad(
        "@max-active-tasks: 3\nA",
        "1:1: error: there is no directive '@max-active-tasks'",
        "  1 | @max-active-tasks: 3",
        "    | ^^^^^^^^^^^^^^^^^",
        (
            "  hint: limit concurrent tasks for each event: Event[concurrency=2], or "
            "Event[pool=name]; for the DAG, use an argument of load_dags or to_dag"
        ),
    ),
    bad(
        "@Name: x\nA",
        "1:1: error: there is no directive '@Name'",
        "  1 | @Name: x",
        "    | ^^^^^",
        "  hint: did you mean '@name'?",
    ),
    bad(
        "@start_date: 2026-01-01\nA",
        "1:1: error: there is no directive '@start_date'",
        "  1 | @start_date: 2026-01-01",
        "    | ^^^^^^^^^^^",
        "  hint: did you mean '@start-date'?",
    ),
    bad(
        "@name x\nA",
        "1:6: error: expected ':' after '@name'",
        "  1 | @name x",
        "    |      ^",
        "  hint: write @name: x",
    ),
    bad(
        "@name = x\nA",
        "1:6: error: expected ':' after '@name'",
        "  1 | @name = x",
        "    |      ^",
        "  hint: write @name: x",
    ),
    bad(
        "@name:\nA",
        "1:1: error: '@name' has no value",
        "  1 | @name:",
        "    | ^^^^^",
        "  hint: it takes a name",
    ),
    bad(
        "@name: # none\nA",
        "1:1: error: '@name' has no value",
        "  1 | @name: # none",
        "    | ^^^^^",
        "  hint: it takes a name",
    ),
    bad(
        "@name: x\n@name: y\nA",
        "2:1: error: '@name' is already in this file",
        "  2 | @name: y",
        "    | ^^^^^",
        "  hint: remove one of the two",
    ),
    bad(
        "A\n@name: x",
        "2:1: error: the directive '@name' comes after the start of the flow",
        "  2 | @name: x",
        "    | ^^^^^^^^",
        "  hint: directives come first, each on a line of its own",
    ),
    bad(
        "A @name: x",
        "1:3: error: the directive '@name' comes after the start of the flow",
        "  1 | A @name: x",
        "    |   ^^^^^^^^",
        "  hint: directives come first, each on a line of its own",
    ),
    bad(
        "A ->\n@name: x\nB",
        "2:1: error: the directive '@name' comes after the start of the flow",
        "  2 | @name: x",
        "    | ^^^^^^^^",
        "  hint: directives come first, each on a line of its own",
    ),
    bad(
        "@name: my flow\nA",
        "1:8: error: 'my flow' is not a valid pipeline name",
        "  1 | @name: my flow",
        "    |        ^^^^^^^",
        "  hint: a name has letters, digits, '_', '-' or '.', and starts with a letter or '_'",
    ),
    bad(
        "@name: 3x\nA",
        "1:8: error: '3x' is not a valid pipeline name",
        "  1 | @name: 3x",
        "    |        ^^",
        "  hint: a name has letters, digits, '_', '-' or '.', and starts with a letter or '_'",
    ),
    bad(
        '@name: "x\nA',
        "1:8: error: this string is not closed",
        '  1 | @name: "x',
        "    |        ^^",
        '  hint: close it with "',
    ),
    bad(
        "@name: 'x'\nA",
        "1:8: error: a string is written in plain double quotes",
        "  1 | @name: 'x'",
        "    |        ^^^",
        '  hint: write "x"',
    ),
    bad(
        '@name: "x" y\nA',
        "1:11: error: nothing may follow the string",
        '  1 | @name: "x" y',
        "    |           ^^",
        "  hint: a comment begins with #",
    ),
    bad(
        '@name: "a\\qb"\nA',
        "1:10: error: '\\q' is not a valid escape",
        '  1 | @name: "a\\qb"',
        "    |          ^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
    bad(
        "@tags: a b, c\nA",
        "1:8: error: 'a b' is not a tag",
        "  1 | @tags: a b, c",
        "    |        ^^^",
        "  hint: tags are names without spaces, separated by commas",
    ),
    bad(
        "@tags: a,,b\nA",
        "1:10: error: a name is missing next to the comma",
        "  1 | @tags: a,,b",
        "    |          ^",
    ),
    bad(
        '@tags: "a, b c"\nA',
        "1:12: error: 'b c' is not a tag",
        '  1 | @tags: "a, b c"',
        "    |            ^^^",
        "  hint: tags are names without spaces, separated by commas",
    ),
    bad(
        "@description: 'x'\nA",
        "1:15: error: a string is written in plain double quotes",
        "  1 | @description: 'x'",
        "    |               ^^^",
        '  hint: write "x"',
    ),
    bad(
        "@schedule: 0 6 * * *\nA",
        ("1:12: error: expected a cron expression in double quotes or a preset such as @daily"),
        "  1 | @schedule: 0 6 * * *",
        "    |            ^^^^^^^^^",
        '  hint: write @schedule: "0 6 * * *"',
    ),
    bad(
        "@schedule: '0 6 * * *'\nA",
        ("1:12: error: expected a cron expression in double quotes or a preset such as @daily"),
        "  1 | @schedule: '0 6 * * *'",
        "    |            ^^^^^^^^^^^",
        '  hint: write @schedule: "0 6 * * *"',
    ),
    bad(
        "@schedule: daily\nA",
        ("1:12: error: expected a cron expression in double quotes or a preset such as @daily"),
        "  1 | @schedule: daily",
        "    |            ^^^^^",
        "  hint: write @schedule: @daily",
    ),
    bad(
        "@schedule: @midnight\nA",
        "1:12: error: there is no preset '@midnight'",
        "  1 | @schedule: @midnight",
        "    |            ^^^^^^^^^",
        "  hint: presets: @hourly, @daily, @weekly, @monthly, @yearly",
    ),
    bad(
        '@schedule: "0 25 * * *"\nA',
        "1:15: error: hour: expected 0 to 23, found '25'",
        '  1 | @schedule: "0 25 * * *"',
        "    |               ^^",
    ),
    bad(
        '@schedule: "0 6 * *"\nA',
        "1:13: error: a cron expression has five fields, found 4",
        '  1 | @schedule: "0 6 * *"',
        "    |             ^^^^^^^",
        ("  hint: the fields are minute, hour, day of month, month, day of week: 30 6 * * 1-5"),
    ),
    bad(
        '@schedule: "0 0 30 2 *"\nA',
        "1:13: error: this date never occurs: none of these months has such a day",
        '  1 | @schedule: "0 0 30 2 *"',
        "    |             ^^^^^^^^^^",
    ),
    bad(
        '@schedule: "0 6 * * 5-1"\nA',
        "1:21: error: day of week: the range 5-1 is in the wrong order",
        '  1 | @schedule: "0 6 * * 5-1"',
        "    |                     ^^^",
        "  hint: write it as two ranges: 5-7,0-1",
    ),
    bad(
        "@schedule: every day\nA",
        ("1:12: error: expected a cron expression in double quotes or a preset such as @daily"),
        "  1 | @schedule: every day",
        "    |            ^^^^^^^^^",
    ),
    bad(
        "@timezone: Europe/Pariss\nA",
        "1:12: error: there is no time zone 'Europe/Pariss'",
        "  1 | @timezone: Europe/Pariss",
        "    |            ^^^^^^^^^^^^^",
        "  hint: did you mean 'Europe/Paris'?",
    ),
    bad(
        "@timezone: Paris\nA",
        "1:12: error: there is no time zone 'Paris'",
        "  1 | @timezone: Paris",
        "    |            ^^^^^",
        "  hint: did you mean 'Europe/Paris'?",
    ),
    bad(
        "@timezone: CET+1\nA",
        "1:12: error: there is no time zone 'CET+1'",
        "  1 | @timezone: CET+1",
        "    |            ^^^^^",
        "  hint: did you mean 'CET'?",
    ),
    bad(
        "@timezone: ../x\nA",
        "1:12: error: there is no time zone '../x'",
        "  1 | @timezone: ../x",
        "    |            ^^^^",
        "  hint: time zones have IANA names, such as Europe/Paris or UTC",
    ),
    bad(
        "@timezone: localtime\nA",
        "1:12: error: there is no time zone 'localtime'",
        "  1 | @timezone: localtime",
        "    |            ^^^^^^^^^",
        "  hint: time zones have IANA names, such as Europe/Paris or UTC",
    ),
    bad(
        "@timezone: Mars/Olympus Mons\nA",
        "1:12: error: there is no time zone 'Mars/Olympus Mons'",
        "  1 | @timezone: Mars/Olympus Mons",
        "    |            ^^^^^^^^^^^^^^^^^",
        "  hint: time zones have IANA names, such as Europe/Paris or UTC",
    ),
    bad(
        "@start-date: 31.01.2026\nA",
        "1:14: error: '31.01.2026' is not a date",
        "  1 | @start-date: 31.01.2026",
        "    |              ^^^^^^^^^^",
        "  hint: dates are written like 2026-01-31",
    ),
    bad(
        "@start-date: 2026-02-30\nA",
        "1:14: error: '2026-02-30' is not a date",
        "  1 | @start-date: 2026-02-30",
        "    |              ^^^^^^^^^^",
        "  hint: dates are written like 2026-01-31",
    ),
    bad(
        "@start-date: 2026-1-5\nA",
        "1:14: error: '2026-1-5' is not a date",
        "  1 | @start-date: 2026-1-5",
        "    |              ^^^^^^^^",
        "  hint: dates are written like 2026-01-31",
    ),
    bad(
        "@catchup: yes\nA",
        "1:11: error: '@catchup' takes true or false, found yes",
        "  1 | @catchup: yes",
        "    |           ^^^",
    ),
    bad(
        "@catchup: True\nA",
        "1:11: error: '@catchup' takes true or false, found True",
        "  1 | @catchup: True",
        "    |           ^^^^",
        "  hint: write true",
    ),
    bad(
        "@max-active-runs: 0\nA",
        "1:19: error: '@max-active-runs' takes a whole number of at least 1, found 0",
        "  1 | @max-active-runs: 0",
        "    |                   ^",
    ),
    bad(
        "@max-active-runs: many\nA",
        "1:19: error: '@max-active-runs' takes a whole number of at least 1, found many",
        "  1 | @max-active-runs: many",
        "    |                   ^^^^",
    ),
    bad(
        "@events: shop/events.py\nA",
        "1:10: error: 'shop/events.py' is not a dotted module name",
        "  1 | @events: shop/events.py",
        "    |          ^^^^^^^^^^^^^^",
        "  hint: write shop.events",
    ),
    bad(
        '@events: "shop.events"\nA',
        "1:10: error: '\"shop.events\"' is not a dotted module name",
        '  1 | @events: "shop.events"',
        "    |          ^^^^^^^^^^^^^",
        "  hint: write shop.events",
    ),
    bad(
        "@events: shop events\nA",
        "1:10: error: 'shop events' is not a dotted module name",
        "  1 | @events: shop events",
        "    |          ^^^^^^^^^^^",
        "  hint: write modules as Python imports them: shop.events, common",
    ),
    bad(
        "@events: a,,b\nA",
        "1:12: error: a name is missing next to the comma",
        "  1 | @events: a,,b",
        "    |            ^",
    ),
    bad(
        "@on-failure: ignore\nA",
        "1:14: error: '@on-failure' takes stop or continue, found ignore",
        "  1 | @on-failure: ignore",
        "    |              ^^^^^^",
    ),
    bad(
        "@input: x\nA",
        "1:10: error: expected ':' after 'x'",
        "  1 | @input: x",
        "    |          ^",
        "  hint: an input is written name: type, or name: type = default",
    ),
    bad(
        "@input: x:\nA",
        "1:11: error: expected a type after 'x:'",
        "  1 | @input: x:",
        "    |           ^",
        "  hint: types: str, int, float, bool, date, datetime, list, dict",
    ),
    bad(
        "@input: x str\nA",
        "1:10: error: expected ':' after 'x'",
        "  1 | @input: x str",
        "    |          ^^^^",
        "  hint: an input is written name: type, or name: type = default",
    ),
    bad(
        "@input: x: string\nA",
        "1:12: error: 'string' is not an input type",
        "  1 | @input: x: string",
        "    |            ^^^^^^",
        "  hint: did you mean 'str'?",
    ),
    bad(
        "@input: x: object\nA",
        "1:12: error: 'object' is not an input type",
        "  1 | @input: x: object",
        "    |            ^^^^^^",
        "  hint: types: str, int, float, bool, date, datetime, list, dict",
    ),
    bad(
        "@input: 3x: str\nA",
        "1:9: error: '3x' is not a valid input name",
        "  1 | @input: 3x: str",
        "    |         ^^",
        "  hint: an input is written name: type, or name: type = default",
    ),
    bad(
        "@input: class: str\nA",
        "1:9: error: 'class' is not a valid input name",
        "  1 | @input: class: str",
        "    |         ^^^^^",
        "  hint: an input is written name: type, or name: type = default",
    ),
    bad(
        "@input: previous_result: str\nA",
        "1:9: error: 'previous_result' is reserved: choose another name for the input",
        "  1 | @input: previous_result: str",
        "    |         ^^^^^^^^^^^^^^^",
    ),
    bad(
        "@input: x: str = abc\nA",
        "1:18: error: the default of 'x' is not JSON",
        "  1 | @input: x: str = abc",
        "    |                  ^^^",
        '  hint: write "abc"',
    ),
    bad(
        '@input: x: int = "3"\nA',
        "1:18: error: the default of 'x' is not of type int",
        '  1 | @input: x: int = "3"',
        "    |                  ^^^",
        "  hint: write 3",
    ),
    bad(
        "@input: x: int 3\nA",
        "1:16: error: expected '=' after 'int'",
        "  1 | @input: x: int 3",
        "    |                ^",
        "  hint: an input is written name: type, or name: type = default",
    ),
    bad(
        "@input: x: bool = True\nA",
        "1:19: error: the default of 'x' is not JSON",
        "  1 | @input: x: bool = True",
        "    |                   ^^^^",
        "  hint: write true",
    ),
    bad(
        '@input: x: date = "31.1.2026"\nA',
        "1:19: error: the default of 'x' is not of type date",
        '  1 | @input: x: date = "31.1.2026"',
        "    |                   ^^^^^^^^^^^",
        '  hint: write it like "2026-01-31"',
    ),
    bad(
        "@input: x: datetime = 3\nA",
        "1:23: error: the default of 'x' is not of type datetime",
        "  1 | @input: x: datetime = 3",
        "    |                       ^",
        '  hint: write it like "2026-01-31T06:00:00"',
    ),
    bad(
        "@input: x: float = NaN\nA",
        "1:20: error: the default of 'x' cannot be used: JSON has no NaN",
        "  1 | @input: x: float = NaN",
        "    |                    ^^^",
    ),
    bad(
        "@input: x: float = -1e999\nA",
        "1:20: error: the default of 'x' cannot be used: the number -1e999 is too large",
        "  1 | @input: x: float = -1e999",
        "    |                    ^^^^^^",
    ),
    bad(
        '@input: x: str = "\\ud800"\nA',
        "1:18: error: the default of 'x' cannot be used: a string has one half of a surrogate "
        "pair without the other",
        '  1 | @input: x: str = "\\ud800"',
        "    |                  ^^^^^^^^",
    ),
    bad(
        "@description: a\0b\nA",
        "1:16: error: U+0000 is not allowed in a file, not even in a comment or a string",
        "  1 | @description: a�b",
        "    |                ^",
        r"  hint: delete it; in the default of an input it is written \u0000",
    ),
    bad(
        '@description: "a\\u0000b"\nA',
        "1:15: error: a description cannot contain the character U+0000",
        '  1 | @description: "a\\u0000b"',
        "    |               ^^^^^^^^^^",
    ),
    bad(
        "A # \0",
        "1:5: error: U+0000 is not allowed in a file, not even in a comment or a string",
        "  1 | A # �",
        "    |     ^",
        r"  hint: delete it; in the default of an input it is written \u0000",
    ),
    bad(
        '@tags: "a\\u0085b"\nA',
        "1:9: error: 'a�b' is not a tag",
        '  1 | @tags: "a\\u0085b"',
        "    |         ^^^",
        "  hint: tags are names without spaces, separated by commas",
    ),
    bad(
        'A[pool="a\\u0000"]',
        "1:8: error: the option 'pool' takes a name, such as \"database\"",
        '  1 | A[pool="a\\u0000"]',
        "    |        ^^^^^^^^^",
        "  hint: it cannot contain the character U+0000",
    ),
    bad(
        "A[timeout=1e15]",
        "1:11: error: the option 'timeout' takes a number of seconds above 0, such as 30 or 2.5",
        "  1 | A[timeout=1e15]",
        "    |           ^^^^",
        "  hint: the maximum is 1000000000 (31 years); for no limit, remove the option",
    ),
    bad(
        "@input: x: list = {}\nA",
        "1:19: error: the default of 'x' is not of type list",
        "  1 | @input: x: list = {}",
        "    |                   ^^",
        '  hint: write it like ["a", "b"]',
    ),
    bad(
        "@input: x: list = [1,\nA",
        "1:19: error: the default of 'x' is not JSON",
        "  1 | @input: x: list = [1,",
        "    |                   ^^^",
        '  hint: write it like ["a", "b"]',
    ),
    bad(
        "@input: x: str\n@input: x: int\nA",
        "2:9: error: the input 'x' is already in this file",
        "  2 | @input: x: int",
        "    |         ^",
        "  hint: remove one of the two",
    ),
    bad(
        "@input x: str\nA",
        "1:7: error: expected ':' after '@input'",
        "  1 | @input x: str",
        "    |       ^",
        "  hint: write @input: x: str",
    ),
    bad(
        "@mode:\nA",
        "1:1: error: '@mode' has no value",
        "  1 | @mode:",
        "    | ^^^^^",
        "  hint: it takes anything: it has no effect",
    ),
    bad(
        "@recursive_depth: 5\nA",
        "1:1: error: there is no directive '@recursive_depth'",
        "  1 | @recursive_depth: 5",
        "    | ^^^^^^^^^^^^^^^^",
        "  hint: did you mean '@recursive-depth'?",
    ),
]

BAD_SEVERAL_ERRORS = [
    bad(
        "A => B | C",
        "1:3: error: '=>' is not a Pointy operator",
        "  1 | A => B | C",
        "    |   ^^",
        "  hint: did you mean '->'?",
        errors=2,
    ),
    bad(
        "@nmae: x\nA -> \n",
        "1:1: error: there is no directive '@nmae'",
        "  1 | @nmae: x",
        "    | ^^^^^",
        "  hint: did you mean '@name'?",
        errors=2,
    ),
    bad(
        "A B C D",
        "1:3: error: expected '->', '|->' or '||' after 'A', found 'B'",
        "  1 | A B C D",
        "    |   ^",
        "  hint: write A -> B to run one after the other, A || B to run both at once",
        errors=3,
    ),
    bad(
        "A[timeuot=3] -> A__2 -> B (12 -> C)",
        "1:3: error: there is no option 'timeuot'",
        "  1 | A[timeuot=3] -> A__2 -> B (12 -> C)",
        "    |   ^^^^^^^^^",
        "  hint: did you mean 'timeout'?",
        errors=3,
    ),
    bad(
        "3A -> 'b' -> ;",
        "1:1: error: '3A' is neither a number nor a name",
        "  1 | 3A -> 'b' -> ;",
        "    | ^^",
        "  hint: a name cannot begin with a digit",
        errors=3,
    ),
]

ALL = [
    *BAD_FLOWS,
    *BAD_SIGNS,
    *BAD_FACTORS,
    *BAD_BRANCHES,
    *BAD_BRACKETS,
    *BAD_NAMES,
    *BAD_OPTIONS,
    *BAD_STRINGS,
    *BAD_DIRECTIVES,
    *BAD_SEVERAL_ERRORS,
    *BAD_ARGUMENTS,
    *BAD_VALUES,
    *BAD_FAILS,
    *BAD_DECLARATIONS,
    *BAD_EACH,
    *BAD_USES,
    *BAD_PATHS,
    *BAD_PLACES,
    *BAD_IMPORTS,
]


@pytest.mark.parametrize(("text", "message", "errors"), ALL)
def test_the_first_message_about_a_bad_file(text, message, errors):
    file, diagnostics = analyze(Source(text, "bad.pty"))
    found = [d for d in diagnostics if d.severity is Severity.ERROR]
    assert file is None, f"repeat with: volnux.pointy.parse({text!r})"
    assert found[0].render() == f"bad.pty:{message}"
    assert len(found) == errors, "\n".join(d.render() for d in found)


@pytest.mark.parametrize(("text", "message", "errors"), ALL)
def test_parse_raises_the_same_as_a_syntax_error_with_its_place(text, message, errors):
    with pytest.raises(PointyError) as caught:
        parse(text, "bad.pty")
    error = caught.value
    first = next(d for d in error.diagnostics if d.severity is Severity.ERROR)
    if any(d.syntax for d in error.diagnostics):
        assert isinstance(error, PointySyntaxError) and isinstance(error, SyntaxError)
        first = next(d for d in error.diagnostics if d.syntax)
    assert (error.filename, error.lineno, error.offset) == (
        "bad.pty",
        first.span.line,
        first.span.column,
    )
    assert (error.end_lineno, error.end_offset) == first.span[2:]
    assert error.text == Source(text).line(error.lineno)
    assert error.msg == first.message
    assert str(error).count(": error: ") == errors
    assert f"bad.pty:{message}" in str(error)
