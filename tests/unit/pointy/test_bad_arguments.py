"""What a bad file says about arguments and `!`: the first message of each."""

import pytest

from volnux.errors import Severity, Source
from volnux.pointy import analyze


def bad(text, *lines, errors=1):
    """One bad file, the message about its first error line by line, the number of errors."""
    return pytest.param(
        text, "\n".join(lines), errors, id=text[:40].encode("unicode_escape").decode()
    )


BAD_ARGUMENTS = [
    bad(
        "A * 3 (a=1)",
        "1:7: error: arguments come directly after the name 'A'",
        "  1 | A * 3 (a=1)",
        "    |       ^^^^^",
        "  hint: write A(a=…), then the factor, the options and the branches",
    ),
    bad(
        "A[timeout=1](a=1)",
        "1:13: error: arguments come directly after the name 'A'",
        "  1 | A[timeout=1](a=1)",
        "    |             ^^^^^",
        "  hint: write A(a=…), then the factor, the options and the branches",
    ),
    bad(
        "A (0 -> B) (a=1)",
        "1:12: error: arguments come directly after the name 'A'",
        "  1 | A (0 -> B) (a=1)",
        "    |            ^^^^^",
        "  hint: write A(a=…), then the factor, the options and the branches",
    ),
    bad(
        "{A}(a=1)",
        "1:4: error: a group takes no arguments",
        "  1 | {A}(a=1)",
        "    |    ^^^^^",
        "  hint: write them after the name of an event inside the group",
    ),
    bad(
        "{A} * 2 (a=1)",
        "1:9: error: a group takes no arguments",
        "  1 | {A} * 2 (a=1)",
        "    |         ^^^^^",
        "  hint: write them after the name of an event inside the group",
    ),
    bad(
        "A(a=1)(b=2)",
        "1:7: error: this event already has arguments",
        "  1 | A(a=1)(b=2)",
        "    |       ^^^^^",
        "  hint: put all arguments of an event into one pair of parentheses",
    ),
    bad(
        "A()()",
        "1:4: error: this event already has arguments",
        "  1 | A()()",
        "    |    ^^",
        "  hint: put all arguments of an event into one pair of parentheses",
    ),
    bad(
        "A(a=1, a=2)",
        "1:8: error: the argument 'a' is already given here",
        "  1 | A(a=1, a=2)",
        "    |        ^",
        "  hint: remove one of the two",
    ),
    bad(
        "A(a.b=1)",
        "1:3: error: 'a.b' cannot be the name of an argument: it is a name with a dot",
        "  1 | A(a.b=1)",
        "    |   ^^^",
        "  hint: an argument has the name of a parameter of the event's 'process'",
    ),
    bad(
        "A(class=1)",
        "1:3: error: 'class' cannot be the name of an argument: it is a keyword of Python",
        "  1 | A(class=1)",
        "    |   ^^^^^",
        "  hint: an argument has the name of a parameter of the event's 'process'",
    ),
    bad(
        "A(previous_result=1)",
        "1:3: error: 'previous_result' cannot be given as an argument",
        "  1 | A(previous_result=1)",
        "    |   ^^^^^^^^^^^^^^^",
        "  hint: the result of the event before it is passed on by a pipe: A |-> B",
    ),
    bad(
        "A(self=1)",
        "1:3: error: 'self' cannot be given as an argument",
        "  1 | A(self=1)",
        "    |   ^^^^",
        "  hint: it is the event itself: choose another name for the parameter",
    ),
    bad(
        "A(é=1)",
        "1:3: error: the name 'é' has a letter outside A-Z, a-z",
        "  1 | A(é=1)",
        "    |   ^",
        "  hint: names are made of the letters A-Z and a-z, digits and underscores",
    ),
    bad(
        "A (B -> C) -> D",
        "1:4: error: expected a descriptor, a digit from 0 to 9, after '(', found 'B'",
        "  1 | A (B -> C) -> D",
        "    |    ^",
        (
            "  hint: to continue the flow write A -> B; branches are written (0 -> X, 1 -> Y), "
            "arguments (a=1)"
        ),
    ),
    bad(
        "Load(-> B)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found '->'",
        "  1 | Load(-> B)",
        "    |      ^^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "Load(B)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found 'B'",
        "  1 | Load(B)",
        "    |      ^",
        (
            "  hint: to continue the flow write Load -> B; branches are written (0 -> X, 1 -> Y), "
            "arguments (a=1)"
        ),
    ),
    bad(
        "Load(B || C)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found 'B'",
        "  1 | Load(B || C)",
        "    |      ^",
        (
            "  hint: to continue the flow write Load -> B; branches are written (0 -> X, 1 -> Y), "
            "arguments (a=1)"
        ),
    ),
    bad(
        "Load(B, C)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found 'B'",
        "  1 | Load(B, C)",
        "    |      ^",
        (
            "  hint: to continue the flow write Load -> B; branches are written (0 -> X, 1 -> Y), "
            "arguments (a=1)"
        ),
        errors=2,
    ),
    bad(
        'Load("x")',
        (
            "1:6: error: expected the name of an argument, or a descriptor, after '(', found the "
            'string "x"'
        ),
        '  1 | Load("x")',
        "    |      ^^^",
        '  hint: an argument is written with its name: (name="x")',
    ),
    bad(
        "Load([1])",
        "1:6: error: expected the name of an argument, or a descriptor, after '(', found '['",
        "  1 | Load([1])",
        "    |      ^",
        "  hint: an argument is written with its name: (name=[…])",
    ),
    bad(
        "Load(1)",
        "1:7: error: expected '->' or '|->' after the descriptor, found ')'",
        "  1 | Load(1)",
        "    |       ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "Load(*args)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found '*'",
        "  1 | Load(*args)",
        "    |      ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        'Load(**{"a": 1})',
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found '*'",
        '  1 | Load(**{"a": 1})',
        "    |      ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "Load(a=1, 0 -> B, 1 -> C) -> D",
        "1:11: error: branches cannot stand in the parentheses of arguments",
        "  1 | Load(a=1, 0 -> B, 1 -> C) -> D",
        "    |           ^",
        "  hint: write two pairs, the arguments first: Event(a=1) (0 -> X)",
    ),
    bad(
        "Load(0 -> B, a=1, b=2) -> D",
        "1:14: error: arguments cannot stand in the parentheses of branches",
        "  1 | Load(0 -> B, a=1, b=2) -> D",
        "    |              ^",
        "  hint: write two pairs, the arguments first: Event(a=1) (0 -> X)",
    ),
    bad(
        "Load(a: 1)",
        "1:7: error: ':' is not a Pointy operator",
        "  1 | Load(a: 1)",
        "    |       ^",
        "  hint: did you mean '='?",
    ),
    bad(
        "Load(a -> 1)",
        "1:8: error: expected '=' and a value after the argument 'a', found '->'",
        "  1 | Load(a -> 1)",
        "    |        ^^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        'Load(a -> "x")',
        "1:8: error: expected '=' and a value after the argument 'a', found '->'",
        '  1 | Load(a -> "x")',
        "    |        ^^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        "Load(a='x')",
        "1:8: error: a string is written in plain double quotes, and only as a value",
        "  1 | Load(a='x')",
        "    |        ^^^",
        '  hint: write "x"',
    ),
    bad(
        "Load(a=['x'])",
        "1:9: error: a string is written in plain double quotes, and only as a value",
        "  1 | Load(a=['x'])",
        "    |         ^^^",
        '  hint: write "x"',
    ),
    bad(
        "Load(a={'k': 1})",
        "1:9: error: a string is written in plain double quotes, and only as a value",
        "  1 | Load(a={'k': 1})",
        "    |         ^^^",
        '  hint: write "k"',
    ),
    bad(
        "Load(a=b=1)",
        "1:9: error: expected ',' or ')' after 'b', found '='",
        "  1 | Load(a=b=1)",
        "    |         ^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        "Load(a=b.c)",
        "1:8: error: 'b.c' is not a value: a name in a value has no dots",
        "  1 | Load(a=b.c)",
        "    |        ^^^",
        '  hint: for a text, write it in quotes: "b.c"',
    ),
    bad(
        "Load(a=f(1, x=2))",
        "1:9: error: a value cannot be a call, found '(' after 'f'",
        "  1 | Load(a=f(1, x=2))",
        "    |         ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        "{Load(a=f(1)) -> X}",
        "1:10: error: a value cannot be a call, found '(' after 'f'",
        "  1 | {Load(a=f(1)) -> X}",
        "    |          ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        "Load(a=1 b=2)",
        "1:10: error: expected ',' or ')' after the number 1, found 'b'",
        "  1 | Load(a=1 b=2)",
        "    |          ^",
        "  hint: arguments are separated by commas: (a=1, b=2)",
    ),
    bad(
        "Load(a=1; b=2)",
        "1:9: error: ';' is not a Pointy operator",
        "  1 | Load(a=1; b=2)",
        "    |         ^",
        "  hint: parts of a flow are joined by '->'; a line break has no meaning",
    ),
    bad(
        "Load(a=1,, b=2)",
        "1:10: error: expected the name of an argument after ',', found ','",
        "  1 | Load(a=1,, b=2)",
        "    |          ^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        "Load(,)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found ','",
        "  1 | Load(,)",
        "    |      ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "Load(=1)",
        "1:6: error: expected a descriptor, a digit from 0 to 9, after '(', found '='",
        "  1 | Load(=1)",
        "    |      ^",
        "  hint: branches are written (0 -> X, 1 -> Y), arguments (a=1)",
    ),
    bad(
        "Load(a=)",
        "1:8: error: expected a value after '=', found ')'",
        "  1 | Load(a=)",
        "    |        ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        "Load(a=,)",
        "1:8: error: expected a value after '=', found ','",
        "  1 | Load(a=,)",
        "    |        ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        "Load(a==1)",
        "1:8: error: expected a value after '=', found '='",
        "  1 | Load(a==1)",
        "    |        ^",
        "  hint: one '=' is enough",
    ),
    bad(
        "Load(a=1, b)",
        "1:12: error: expected '=' and a value after the argument 'b', found ')'",
        "  1 | Load(a=1, b)",
        "    |            ^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        "Load(a 1)",
        "1:8: error: expected '=' and a value after the argument 'a', found the number 1",
        "  1 | Load(a 1)",
        "    |        ^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        'Load(a=1, "b"=2)',
        "1:11: error: expected the name of an argument after ',', found the string \"b\"",
        '  1 | Load(a=1, "b"=2)',
        "    |           ^^^",
        "  hint: the names of arguments are written without quotes: b",
    ),
    bad(
        "Load(a=1, [2])",
        "1:11: error: expected the name of an argument after ',', found '['",
        "  1 | Load(a=1, [2])",
        "    |           ^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        "Load(a=1",
        "1:9: error: expected ',' or ')' after the number 1, found the end of the file",
        "  1 | Load(a=1",
        "    |         ^",
        "  hint: the '(' of line 1, column 5 is not closed",
    ),
    bad(
        "Load(a=[1, 2",
        "1:13: error: expected ',' or ']' after the number 2, found the end of the file",
        "  1 | Load(a=[1, 2",
        "    |             ^",
        "  hint: the '[' of line 1, column 8 is not closed (and 1 more)",
    ),
    bad(
        'Load(a={"k": 1',
        "1:15: error: expected ',' or '}' after the number 1, found the end of the file",
        '  1 | Load(a={"k": 1',
        "    |               ^",
        "  hint: the '{' of line 1, column 8 is not closed (and 1 more)",
    ),
    bad(
        "Load(a",
        "1:7: error: expected '=' and a value after the argument 'a', found the end of the file",
        "  1 | Load(a",
        "    |       ^",
        "  hint: the '(' of line 1, column 5 is not closed",
    ),
    bad(
        "Load(a=1 -> B",
        "1:10: error: expected ',' or ')' after the number 1, found '->'",
        "  1 | Load(a=1 -> B",
        "    |          ^^",
        "  hint: close the arguments with ')'",
    ),
    bad(
        "Load(a=1 || B)",
        "1:10: error: expected ',' or ')' after the number 1, found '||'",
        "  1 | Load(a=1 || B)",
        "    |          ^^",
        "  hint: close the arguments with ')'",
    ),
    bad(
        "Load{a=1}",
        "1:5: error: expected '->', '|->' or '||' after 'Load', found '{'",
        "  1 | Load{a=1}",
        "    |     ^",
        "  hint: arguments are written in parentheses: Load(a=…)",
    ),
    bad(
        "{Load{a=1, b=2} -> B}",
        "1:6: error: expected '->', '|->', '||' or '}' after 'Load', found '{'",
        "  1 | {Load{a=1, b=2} -> B}",
        "    |      ^",
        "  hint: arguments are written in parentheses: Load(a=…)",
    ),
    bad(
        "Load(a=1).x",
        "1:10: error: '.' is not a Pointy operator",
        "  1 | Load(a=1).x",
        "    |          ^",
        "  hint: a dotted name is written without spaces: billing.Charge",
    ),
    bad(
        "Load(a=x-1)",
        "1:9: error: expected ',' or ')' after 'x', found the number -1",
        "  1 | Load(a=x-1)",
        "    |         ^^",
        '  hint: arguments are written (a=1, b="text")',
    ),
    bad(
        "Load(a=!)",
        "1:8: error: expected a value after '=', found '!'",
        "  1 | Load(a=!)",
        "    |        ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        "Load(a=1e999)",
        "1:8: error: the number 1e999 is too large",
        "  1 | Load(a=1e999)",
        "    |        ^^^^^",
    ),
    bad(
        'Load(a="\\ud800")',
        "1:8: error: this string has one half of a \\uXXXX\\uXXXX pair without the other",
        '  1 | Load(a="\\ud800")',
        "    |        ^^^^^^^^",
        '  hint: the escapes are \\n \\t \\r \\" \\\\ \\uXXXX; a backslash itself is \\\\',
    ),
    bad(
        'Load(a="\ud800")',
        "1:8: error: a string has one half of a surrogate pair without the other",
        '  1 | Load(a="�")',
        "    |        ^^^",
    ),
]

BAD_VALUES = [
    bad(
        "Load(a=[1 2])",
        "1:11: error: expected ',' or ']' after the number 1, found the number 2",
        "  1 | Load(a=[1 2])",
        "    |           ^",
        '  hint: a list is written ["a", 2]',
    ),
    bad(
        "Load(a=[1, 2)",
        "1:13: error: '[' (line 1, column 8) is not closed before ')'",
        "  1 | Load(a=[1, 2)",
        "    |             ^",
        "  hint: close it with ']'",
    ),
    bad(
        "Load(a=[,])",
        "1:9: error: expected a value after '[', found ','",
        "  1 | Load(a=[,])",
        "    |         ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        "Load(a=[1,,2])",
        "1:11: error: expected a value after ',', found ','",
        "  1 | Load(a=[1,,2])",
        "    |           ^",
        '  hint: a value is JSON, such as 3, "text", true or ["a"], or the name of an input',
    ),
    bad(
        'Load(a={"k" 1})',
        "1:13: error: expected ':' and a value after the string \"k\", found the number 1",
        '  1 | Load(a={"k" 1})',
        "    |             ^",
        '  hint: an object is written {"key": 1, "other": "text"}',
    ),
    bad(
        'Load(a={"k"})',
        "1:12: error: expected ':' and a value after the string \"k\", found '}'",
        '  1 | Load(a={"k"})',
        "    |            ^",
        '  hint: an object is written {"key": 1, "other": "text"}',
    ),
    bad(
        'Load(a={"k"=1})',
        "1:12: error: expected ':' and a value after the string \"k\", found '='",
        '  1 | Load(a={"k"=1})',
        "    |            ^",
        '  hint: an object is written {"key": 1, "other": "text"}',
    ),
    bad(
        "Load(a={k: 1})",
        "1:9: error: expected a key in double quotes after '{', found 'k'",
        "  1 | Load(a={k: 1})",
        "    |         ^",
        '  hint: write "k"',
    ),
    bad(
        'Load(a={"k": 1, j: 2})',
        "1:17: error: expected a key in double quotes after ',', found 'j'",
        '  1 | Load(a={"k": 1, j: 2})',
        "    |                 ^",
        '  hint: write "j"',
    ),
    bad(
        "Load(a={1: 2})",
        "1:9: error: expected a key in double quotes after '{', found the number 1",
        "  1 | Load(a={1: 2})",
        "    |         ^",
        '  hint: write "1"',
    ),
    bad(
        'Load(a={"k": 1, "k": 2})',
        '1:17: error: the key "k" is already in this object',
        '  1 | Load(a={"k": 1, "k": 2})',
        "    |                 ^^^",
        "  hint: remove one of the two",
    ),
    bad(
        'Load(a={"k": 1 "l": 2})',
        "1:16: error: expected ',' or '}' after the number 1, found the string \"l\"",
        '  1 | Load(a={"k": 1 "l": 2})',
        "    |                ^^^",
        '  hint: an object is written {"key": 1, "other": "text"}',
    ),
    bad(
        'Load(a={"k": 1,, "l": 2})',
        "1:16: error: expected a key in double quotes after ',', found ','",
        '  1 | Load(a={"k": 1,, "l": 2})',
        "    |                ^",
        '  hint: an object is written {"key": 1, "other": "text"}',
    ),
    bad(
        'Load(a={"k": 1, 2})',
        "1:17: error: expected a key in double quotes after ',', found the number 2",
        '  1 | Load(a={"k": 1, 2})',
        "    |                 ^",
        '  hint: write "2"',
    ),
    bad(
        "Load(a=True)",
        "1:8: error: 'True' is not a value: it is written as in JSON",
        "  1 | Load(a=True)",
        "    |        ^^^^",
        "  hint: write true",
    ),
    bad(
        "Load(a=[False])",
        "1:9: error: 'False' is not a value: it is written as in JSON",
        "  1 | Load(a=[False])",
        "    |         ^^^^^",
        "  hint: write false",
    ),
    bad(
        'Load(a={"k": None})',
        "1:14: error: 'None' is not a value: it is written as in JSON",
        '  1 | Load(a={"k": None})',
        "    |              ^^^^",
        "  hint: write null",
    ),
    bad(
        "Load(a=[x.y])",
        "1:9: error: 'x.y' is not a value: a name in a value has no dots",
        "  1 | Load(a=[x.y])",
        "    |         ^^^",
        '  hint: for a text, write it in quotes: "x.y"',
    ),
    bad(
        "Load(a={\"k\": 1, 'l': 2})",
        "1:17: error: a string is written in plain double quotes, and only as a value",
        "  1 | Load(a={\"k\": 1, 'l': 2})",
        "    |                 ^^^",
        '  hint: write "l"',
    ),
]

BAD_FAILS = [
    bad(
        "! -> A",
        "1:3: error: nothing can follow '!', because the flow fails there",
        "  1 | ! -> A",
        "    |   ^^",
        "  hint: a '!' is the last unit of its flow: A -> !",
    ),
    bad(
        "A -> ! |-> B",
        "1:8: error: nothing can follow '!', because the flow fails there",
        "  1 | A -> ! |-> B",
        "    |        ^^^",
        "  hint: a '!' is the last unit of its flow: A -> !",
    ),
    bad(
        "A || ! -> B",
        "1:8: error: nothing can follow '!', because the flow fails there",
        "  1 | A || ! -> B",
        "    |        ^^",
        "  hint: put the units that run at once into braces: {A || !} -> B",
    ),
    bad(
        "{! || A -> B} -> C",
        "1:9: error: nothing can follow '!', because the flow fails there",
        "  1 | {! || A -> B} -> C",
        "    |         ^^",
        "  hint: put the units that run at once into braces: {A || !} -> B",
    ),
    bad(
        "! * 3",
        "1:5: error: '!' takes no factor: it is not an event",
        "  1 | ! * 3",
        "    |     ^",
        "  hint: '!' fails the flow where it stands: A (0 -> Alarm -> !)",
    ),
    bad(
        "3 * !",
        "1:1: error: '!' takes no factor: it is not an event",
        "  1 | 3 * !",
        "    | ^",
        "  hint: '!' fails the flow where it stands: A (0 -> Alarm -> !)",
    ),
    bad(
        "![timeout=1]",
        "1:2: error: '!' takes no options: it is not an event",
        "  1 | ![timeout=1]",
        "    |  ^^^^^^^^^^^",
        "  hint: '!' fails the flow where it stands: A (0 -> Alarm -> !)",
    ),
    bad(
        "! (0 -> B)",
        "1:3: error: '!' takes no branches: it is not an event",
        "  1 | ! (0 -> B)",
        "    |   ^^^^^^^^",
        "  hint: '!' fails the flow where it stands: A (0 -> Alarm -> !)",
    ),
    bad(
        "!(a=1)",
        "1:2: error: '!' takes no arguments: it is not an event",
        "  1 | !(a=1)",
        "    |  ^^^^^",
        "  hint: '!' fails the flow where it stands: A (0 -> Alarm -> !)",
    ),
    bad(
        "! * 2 [timeout=1]",
        "1:5: error: '!' takes no factor: it is not an event",
        "  1 | ! * 2 [timeout=1]",
        "    |     ^",
        "  hint: '!' fails the flow where it stands: A (0 -> Alarm -> !)",
        errors=2,
    ),
    bad(
        "!A",
        "1:2: error: expected '->', '|->' or '||' after '!', found 'A'",
        "  1 | !A",
        "    |  ^",
        "  hint: '!' is a unit of its own, the last one of its flow: A -> !",
    ),
    bad(
        "A!",
        "1:2: error: expected '->', '|->' or '||' after 'A', found '!'",
        "  1 | A!",
        "    |  ^",
        "  hint: '!' is a unit of its own: A -> !",
    ),
    bad(
        "A -> !B",
        "1:7: error: expected '->', '|->' or '||' after '!', found 'B'",
        "  1 | A -> !B",
        "    |       ^",
        "  hint: '!' is a unit of its own, the last one of its flow: A -> !",
    ),
    bad(
        "! !",
        "1:3: error: expected '->', '|->' or '||' after '!', found '!'",
        "  1 | ! !",
        "    |   ^",
        "  hint: '!' is a unit of its own, the last one of its flow: A -> !",
    ),
    bad(
        "A (!)",
        "1:4: error: expected a descriptor, a digit from 0 to 9, after '(', found '!'",
        "  1 | A (!)",
        "    |    ^",
        (
            "  hint: to continue the flow write A -> !; branches are written (0 -> X, 1 -> Y), "
            "arguments (a=1)"
        ),
    ),
    bad(
        "A (0 -> ! -> B)",
        "1:11: error: nothing can follow '!', because the flow fails there",
        "  1 | A (0 -> ! -> B)",
        "    |           ^^",
        "  hint: a '!' is the last unit of its flow: A -> !",
    ),
    bad(
        "A (0 !)",
        "1:6: error: expected '->' or '|->' after the descriptor, found '!'",
        "  1 | A (0 !)",
        "    |      ^",
        "  hint: branches are written (0 -> X, 1 -> Y)",
    ),
    bad(
        "Load(a != 1)",
        "1:8: error: '!=' is not a Pointy operator",
        "  1 | Load(a != 1)",
        "    |        ^^",
        "  hint: a choice is written with branches: A (0 -> B, 1 -> C); '!' alone fails the flow",
    ),
    bad(
        "A != B",
        "1:3: error: '!=' is not a Pointy operator",
        "  1 | A != B",
        "    |   ^^",
        "  hint: a choice is written with branches: A (0 -> B, 1 -> C); '!' alone fails the flow",
    ),
    bad(
        "A[pool=!]",
        "1:8: error: expected a value after '=', found '!'",
        "  1 | A[pool=!]",
        "    |        ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
    bad(
        "A[!]",
        "1:3: error: expected the name of an option after '[', found '!'",
        "  1 | A[!]",
        "    |   ^",
        '  hint: options are written [timeout=30, pool="x"]',
    ),
]


@pytest.mark.parametrize(("text", "message", "errors"), [*BAD_ARGUMENTS, *BAD_VALUES, *BAD_FAILS])
def test_the_first_message_about_a_bad_file(text, message, errors):
    file, diagnostics = analyze(Source(text, "bad.pty"))
    found = [d for d in diagnostics if d.severity is Severity.ERROR]
    assert file is None, f"repeat with: volnux.pointy.parse({text!r})"
    assert found[0].render() == f"bad.pty:{message}"
    assert len(found) == errors, "\n".join(d.render() for d in found)
