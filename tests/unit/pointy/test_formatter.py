"""The one style of `.pty` files."""

import textwrap

import pytest

from volnux.errors import PointySyntaxError
from volnux.pointy import parse
from volnux.pointy.formatter import format_text

LONG = "Load" + "o" * 30
USE = '@use: clean = "shared/clean.pty"\n'


def text(value: str) -> str:
    return textwrap.dedent(value).lstrip("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A", "A\n"),
        ("A->B|->C||D", "A -> B |-> C || D\n"),
        ("3*A", "A * 3\n"),
        ("(A->B)", "{A -> B}\n"),
        ("((A))", "{{A}}\n"),
        ("A(0->X,1|->Y,)", "A (0 -> X, 1 |-> Y)\n"),
        ("A(0->(X||Y))", "A (0 -> {X || Y})\n"),
        ("A (0->B) [timeout=30,pool='x',] * 2".replace("'", '"'), None),
        ('A[pool="x" , timeout = 2.50]', 'A[pool="x", timeout=2.5]\n'),
        ("A[executor=thread, priority=+5]", "A[executor=thread, priority=5]\n"),
        (r'A[pool="\u0041\u00e9\n\"\\\u0007"]', r'A[pool="Aé\n\"\\\u0007"]' + "\n"),
        ("\ufeffA\r\n->\r\nB\r\n", "A -> B\n"),
        ("A()->!", "A -> !\n"),
        ("3*A (a=1 , b = x,)[timeout=2]", "A(a=1, b=x) * 3[timeout=2]\n"),
        (r'A(a="\u0041\u0000\n")', r'A(a="A\u0000\n")' + "\n"),
        ("A(a=+2.50,b=1e3,c=007)", "A(a=2.5, b=1000.0, c=7)\n"),
        ("A(a=true,b=[ ],c={ })", "A(a=true, b=[], c={})\n"),
        ('A(a={"k":[null,x,],"l":{}},)(0->!)', 'A(a={"k": [null, x], "l": {}}) (0 -> !)\n'),
        ("A||!", "A || !\n"),
        ("A [ each = url ,at_once = 8, ]", "A[each=url, at_once=8]\n"),
        ("2*A(u=url)[in=urls,each=url]", "A(u=url) * 2[in=urls, each=url]\n"),
        ('(A->B)[again=03,task="tidy"](0->C)', '{A -> B}[again=3, task="tidy"] (0 -> C)\n'),
        ("(!)", "{!}\n"),
        (f"{USE}clean()->clean ( ) [again = 3,]", f"{USE}\nclean -> clean[again=3]\n"),
        (
            f"{USE}2*clean (day=day , n=[ 1, ],)[task=tidy](0->A,1|->clean,)",
            f"{USE}\nclean(day=day, n=[1]) * 2[task=tidy] (0 -> A, 1 |-> clean)\n",
        ),
    ],
)
def test_short_flows(before, after):
    assert format_text(before) == (after or 'A * 2[timeout=30, pool="x"] (0 -> B)\n')


def test_directives_come_one_a_line_then_an_empty_line():
    before = '\n@tags:a,b\n\n\n@name  :   x\n@use:b = "b"\n@description: "a # b"  # why\nb'
    after = '@tags: a,b\n@name: x\n@use: b = "b"\n@description: "a # b"  # why\n\nb\n'
    assert format_text(before) == after


def test_comments_stay_with_what_they_are_about():
    before = """
        # Licence


        # The name.
        @name: x # short
        # About the flow.
        A # first
        -> B ( # choose
            # when it failed
            0 -> C, # tell
            1 -> D
            # nothing else
        )
        # last
        -> E # done

        # The end.
        """
    after = """
        # Licence

        # The name.
        @name: x  # short

        # About the flow.
        A  # first
          -> B (  # choose
            # when it failed
            0 -> C,  # tell
            1 -> D,
            # nothing else
          )
          # last
          -> E  # done

        # The end.
        """
    assert format_text(textwrap.dedent(before)) == text(after)


def test_a_long_flow_breaks_before_each_arrow():
    before = f"A -> {LONG} -> {LONG}|->B||C -> D"
    after = f"""
        A
          -> {LONG}
          -> {LONG}
          |-> B || C
          -> D
        """
    assert format_text(before) == text(after)


def test_a_flow_of_88_columns_stays_on_its_line():
    line = "A" * 40 + " -> " + "B" * 44
    assert format_text(line) == line + "\n"
    assert format_text(line + "B") == "A" * 40 + "\n  -> " + "B" * 45 + "\n"


def test_long_branches_groups_parallels_and_options_break():
    before = (
        f"A -> B (0 -> {LONG} -> {LONG} -> {LONG}, 1 -> {{{LONG} || {LONG} || {LONG}}} * 3)"
        f' -> C[pool="{LONG}", queue="{LONG}", timeout=30, executor=thread]'
    )
    after = f"""
        A
          -> B (
            0 -> {LONG}
              -> {LONG}
              -> {LONG},
            1 -> {{
              {LONG}
                || {LONG}
                || {LONG}
            }} * 3,
          )
          -> C[
            pool="{LONG}",
            queue="{LONG}",
            timeout=30,
            executor=thread,
          ]
        """
    assert format_text(before) == text(after)
    assert format_text(text(after)) == text(after)


def test_long_arguments_break_like_options():
    before = (
        f'A(table="{LONG}", names=["{LONG}", "{LONG}"], more={{"k": [1, {{"l": "{LONG}"}}]}})'
        f' -> B(a="{LONG}", b="{LONG}")'
    )
    after = f"""
        A(
          table="{LONG}",
          names=["{LONG}", "{LONG}"],
          more={{"k": [1, {{"l": "{LONG}"}}]}},
        )
          -> B(a="{LONG}", b="{LONG}")
        """
    assert format_text(before) == text(after)
    assert format_text(text(after)) == text(after)


def test_comments_stay_within_arguments():
    before = """
        A( # one
            a=1, # two
            # three
            b=[1, # four
               # five
               2 # six
            ], # seven
            c={"k" # eight
               : [] # nine
            })
        """
    after = """
        A(  # one
          a=1,  # two
          # three
          b=[
            1,  # four
            # five
            2,  # six
          ],  # seven
          c={
            "k": [],  # eight
            # nine
          },
        )
        """
    assert format_text(textwrap.dedent(before)) == text(after)
    assert format_text(text(after)) == text(after)


def test_indentation_stops_growing_after_20_levels():
    written = format_text("{" * 200 + "A" + "}" * 200)
    assert max(len(line) - len(line.lstrip()) for line in written.split("\n")) == 40
    assert parse(written) == parse("{" * 200 + "A" + "}" * 200)


def test_two_comments_for_one_line_stay_two():
    assert format_text("3 # x\n * # y\n A # z\n\n# tail") == "A * 3  # z\n# x\n# y\n\n# tail\n"


def test_a_bad_file_is_not_formatted():
    with pytest.raises(PointySyntaxError):
        format_text("A => B")
