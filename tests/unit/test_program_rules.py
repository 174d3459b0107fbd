"""The rules for a file and the files that it uses, with the messages word for word."""

import tracemalloc

import pytest

from tests.unit.program_files import faults, load, write
from volnux.programs import load_program

PARALLEL = "SUCCESS_FOR_PARTIAL_SUCCESS"


# Arguments.

INPUTS = """\
@input: day: date
@input: limit: int(1..100) = 10
@input: mode: "full" | "delta" = "full"
@input: rate: float = 1.5
@input: shops: list = []
@input: more: dict = {}
@input: text: str = null
@input: begin: datetime = previous
@input: end: date = scheduled - 1d
Parse
"""
DECLARED = """\
@use: clean = "clean.pty"
@input: n: int
@input: when: date
@input: at: datetime
@input: word: str
@input: names: list
@input: ratio: float
@variable: count: int
@secret: key
"""


@pytest.mark.parametrize(
    "arguments",
    [
        'day="2026-01-01"',
        'day="2026-01-01", limit=100, mode="delta", rate=1, shops=["a"], more={"a": [1]}, text="x"',
        'day="2026-01-01", limit="7"',
        'day="2026-01-01", limit=null, mode=null, text=null, end=null, begin=null',
        'day=when, limit=n, rate=n, shops=names, text=word, begin=at, end="2026-01-01"',
        "day=when, rate=ratio, limit=count, text=key, mode=key",
        'day=when, shops=[n, {"a": word}], more={"n": n, "key": key}',
        # Linking knows other names: those of an `each` and of a Pipeline class.
        "day=unknown, limit=day",
    ],
)
def test_arguments_that_fit(arguments):
    load({"a.pty": f"{DECLARED}clean({arguments})", "clean.pty": INPUTS})


def test_an_item_may_be_an_argument():
    load({"a.pty": f"{DECLARED}clean(day=x, limit=x)[each=x]", "clean.pty": INPUTS})


@pytest.mark.parametrize(
    ("arguments", "place", "message", "hint"),
    [
        ("", "clean", "'clean' requires the input 'day' (date)", "write clean(day=…)"),
        (
            "day=when, lmit=3",
            "lmit=3",
            "'clean' has no input 'lmit'",
            "did you mean 'limit'? inputs: day, limit, mode, rate, shops, more, text, begin, end",
        ),
        (
            "dya=when",
            "dya=when",
            "'clean' has no input 'dya'",
            "did you mean 'day'? inputs: day, limit, mode, rate, shops, more, text, begin, end",
        ),
        (
            "day=when, xyz=when",
            "xyz=when",
            "'clean' has no input 'xyz'",
            "inputs: day, limit, mode, rate, shops, more, text, begin, end",
        ),
        (
            'day="yesterday"',
            '"yesterday"',
            "the input 'day' is of type date, given 'yesterday': "
            "Input should be a valid date or datetime, input is too short",
            None,
        ),
        (
            "day=null",
            "null",
            "the input 'day' is of type date, given None: Input should be a valid date",
            None,
        ),
        (
            "day=when, limit=101",
            "101",
            "the input 'limit' is of type int, given 101: expected from 1 to 100",
            None,
        ),
        (
            "day=when, limit=2.5",
            "2.5",
            "the input 'limit' is of type int, given 2.5: "
            "Input should be a valid integer, got a number with a fractional part",
            None,
        ),
        (
            'day=when, mode="all"',
            '"all"',
            "the input 'mode' is of type str, given 'all': expected one of 'full', 'delta'",
            None,
        ),
        (
            'day=when, shops={"a": 1}',
            '{"a": 1}',
            "the input 'shops' is of type list, given {'a': 1}: Input should be a valid list",
            None,
        ),
        ("day=[n]", "[n]", "the input 'day' is of type date, given a list", None),
        ('day={"a": [n]}', '{"a": [n]}', "the input 'day' is of type date, given a dict", None),
        (
            "day=n",
            "n",
            "the input 'day' is of type date, but 'n' is an input of type int",
            "declare 'n' with the type date",
        ),
        (
            "day=at",
            "at",
            "the input 'day' is of type date, but 'at' is an input of type datetime",
            "declare 'at' with the type date",
        ),
        (
            "day=when, limit=ratio",
            "ratio",
            "the input 'limit' is of type int, but 'ratio' is an input of type float",
            "declare 'ratio' with the type int",
        ),
        (
            "day=when, text=count",
            "count",
            "the input 'text' is of type str, but 'count' is a variable of type int",
            "declare 'count' with the type str",
        ),
        (
            "day=when, limit=key",
            "key",
            "the input 'limit' is of type int, but 'key' is a secret, which is a text",
            "a secret can be given to an input of type str only",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments, place, message, hint):
    flow = f"A -> clean({arguments})" if arguments else "A -> clean"
    write({"a.pty": DECLARED + flow, "clean.pty": INPUTS})
    program, (found,) = load_program("a.pty")
    assert program is None
    assert (found.message, found.hint) == (message, hint)
    assert found.span is not None
    assert flow[found.span.column - 1 : found.span.end_column - 1] == place


def test_a_file_without_inputs_takes_no_arguments():
    (found,) = faults({"a.pty": '@use: b = "b.pty"\nb(x=1)', "b.pty": "B"})
    assert found.endswith("  hint: it has no inputs")


def test_all_missing_inputs_are_named():
    files = {"a.pty": '@use: b = "b.pty"\nb', "b.pty": "@input: x: int\n@input: y: str\nB"}
    assert faults(files) == [
        "a.pty:2:1: error: 'b' requires the inputs 'x' (int), 'y' (str)\n"
        "  2 | b\n"
        "    | ^\n"
        "  hint: write b(x=…, y=…)"
    ]


def test_arguments_are_checked_in_every_file():
    files = {
        "a.pty": '@use: b = "b.pty"\nb(x=1)',
        "b.pty": '@use: c = "c.pty"\n@input: x: int\nc(x=x) -> c(x=x)',
        "c.pty": "@input: x: date\nC",
    }
    assert [each.splitlines()[0] for each in faults(files)] == [
        f"b.pty:3:{column}: error: the input 'x' is of type date, but 'x' is an input of type int"
        for column in (5, 15)
    ]


# The evaluation.


@pytest.mark.parametrize(
    "flow", ["both", "{both}", "({both(x=1)})", "outer", "{{outer}}", "braces"]
)
def test_an_evaluation_may_stand_on_a_file_with_one_parallel_group(flow):
    uses = '@use: both = "both.pty"\n@use: outer = "outer.pty"\n@use: braces = "braces.pty"\n'
    load(
        {
            "a.pty": f"{uses}both -> outer -> braces -> {flow}[evaluation={PARALLEL}]",
            "both.pty": "@input: x: int = 1\nA || {B -> C} (0 -> D) || E",
            "outer.pty": '@use: inner = "both.pty"\n{inner(x=2)}',
            "braces.pty": "{(A || B)}",
        }
    )


@pytest.mark.parametrize(
    "used",
    ["A", "A -> B", "{A || B} -> C", "{A || B} * 2", f"{{A || B}}[evaluation={PARALLEL}]", "!"],
)
@pytest.mark.parametrize("flow", ["b", "{{b}}"])
def test_an_evaluation_on_another_file_is_an_error(used, flow):
    text = f"{flow}[evaluation={PARALLEL}]"
    files = {"a.pty": f'@use: b = "lib/b.pty"\n{text}', "lib/b.pty": used}
    column = len(flow) + 2
    assert faults(files) == [
        f"a.pty:2:{column}: error: the option 'evaluation' needs a file that contains exactly "
        "'a || b …'\n"
        f"  2 | {text}\n"
        f"    | {' ' * (column - 1)}{'^' * len(f'evaluation={PARALLEL}')}\n"
        "  hint: the flow of 'lib/b.pty' is not one parallel group"
    ]


def test_an_evaluation_beside_each_needs_no_parallel_group():
    load({"a.pty": f'@use: b = "b.pty"\nb[each=x, evaluation={PARALLEL}]', "b.pty": "A -> B"})


# `@on-failure`.


def test_on_failure_may_be_left_out_where_it_says_stop():
    load({"a.pty": '@on-failure: stop\n@use: b = "b.pty"\nb', "b.pty": "B"})


def test_on_failure_has_to_be_the_same_in_all_files():
    files = {
        "a.pty": '@use: b = "b.pty"\nb',
        "b.pty": '# A note.\n@on-failure: continue\n@use: c = "c.pty"\nc',
        "c.pty": "@on-failure: stop\nC",
    }
    assert faults(files) == [
        "b.pty:2:1: error: after a failure this file says continue, but 'a.pty', which uses it, "
        "says stop\n"
        "  2 | @on-failure: continue\n"
        "    | ^^^^^^^^^^^^^^^^^^^^^\n"
        "  hint: write @on-failure: stop here, or @on-failure: continue in 'a.pty'"
    ]


def test_a_file_that_says_nothing_about_failures_is_pointed_at_in_its_first_line():
    files = {
        "a.pty": '@on-failure: continue\n@use: b = "b.pty"\nb',
        "b.pty": "# A note.\nB",
    }
    assert faults(files) == [
        "b.pty:1:1: error: after a failure this file says stop, but 'a.pty', which uses it, "
        "says continue\n"
        "  1 | # A note.\n"
        "    | ^^^^^^^^^\n"
        "  hint: write @on-failure: continue here, or @on-failure: stop in 'a.pty'"
    ]


# The number of places.

MANY = " -> ".join(["A"] * 1000)


@pytest.mark.parametrize(
    ("flow", "most"),
    [
        (" -> ".join(["b"] * 100), "b"),
        ("{b[again=10] -> b[again=90]}", "b[again=90]"),
        ("{{b}[again=10] -> A}[again=10]", "b"),
    ],
)
def test_the_places_of_all_uses_are_counted(flow, most):
    files = {"a.pty": f'@use: b = "b.pty"\n{flow}', "b.pty": MANY}
    if "A" not in flow:
        load(files)
        flow = f"A -> {flow}"
    files["a.pty"] = f'@use: b = "b.pty"\n{flow}'
    found = faults(files)[0].splitlines()
    column = flow.index(most) + 1
    assert found[0] == (
        f"a.pty:2:{column}: error: "
        "with the files that it uses, this file has more than 100000 places"
    )


def test_a_nest_that_grows_exponentially_is_refused_at_once():
    files = {f"f{n}.pty": f'@use: x = "f{n + 1}.pty"\nx -> x || x' for n in range(60)}
    files["f60.pty"] = "A"
    write(files)
    tracemalloc.start()
    try:
        found = faults({"a.pty": '@use: x = "f0.pty"\nA -> x'})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
    assert found == [
        "a.pty:2:6: error: with the files that it uses, this file has more than 100000 places\n"
        "  2 | A -> x\n"
        "    |      ^\n"
        "  hint: each use has all places of its file: 'x' has more than 100000 here"
    ]


def test_a_very_long_chain_of_files_is_refused():
    files = {f"f{n}.pty": f'@use: x = "f{n + 1}.pty"\nA -> x' for n in range(1001)}
    files["f1001.pty"] = "A"
    assert faults(files) == [
        "f0.pty:2:6: error: uses of files are nested more than 1000 deep here\n"
        "  2 | A -> x\n"
        "    |      ^\n"
        "  hint: a file may use files that use others, but not in so long a chain"
    ]


def test_few_places_in_very_many_uses_are_refused_at_once():
    files = {f"f{n}.pty": f'@use: x = "f{n + 1}.pty"\nx -> x' for n in range(12)}
    files |= {f"f{n}.pty": f'@use: x = "f{n + 1}.pty"\nx' for n in range(12, 60)}
    files["f60.pty"] = "A"
    assert faults(files) == [
        "f0.pty:2:1: error: with the files that it uses, this file has more than 100000 uses\n"
        "  2 | x -> x\n"
        "    | ^\n"
        "  hint: each use has all uses of its file: 'x' has more than 100000 here"
    ]
