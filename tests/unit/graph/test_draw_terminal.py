"""The picture for a terminal, row by row."""

# ruff: noqa: RUF001 - the sign of a factor, a dash for what was skipped

from textwrap import dedent

import pytest

from volnux.graph import compile, simulate
from volnux.graph.draw import ascii
from volnux.pointy import parse

ANY = "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]"

PICTURES = {
    "Fetch": "Fetch",
    "Fetch -> Check |-> Save": "Fetch → Check ⇒ Save",
    "A -> B (0->C (0 |-> T, 1 -> Z), 1 -> E) -> F (0 -> Y, 1 -> Z)": """
        A
        ↓
        B
        ├─0─▶ C
        │     ╞═0═▶ T
        │     ╰─1─▶ Z
        ╰─1─▶ E
        ↓
        F
        ├─0─▶ Y
        ╰─1─▶ Z__2
    """,
    "A || B |-> C": """
        ┏━ A
        ┗━ B
        ⇓
        C
    """,
    "A -> {B -> C} || D -> E": """
        A
        ↓
        ┏━ B → C
        ┗━ D
        ↓
        E
    """,
    f"{{Bad || Ok}}{ANY} -> F": """
        ┏━ (any)
        ┣━ Bad
        ┗━ Ok
        ↓
        F
    """,
    "Ok (0 -> B) -> D": """
        Ok
        ├─0─▶ B
        ╰─1─▶ ·
        ↓
        D
    """,
    "Ok (0 -> B)": """
        Ok
        ╰─0─▶ B
    """,
    "Bad (1 -> B || C) -> F": """
        Bad
        ╰─1─▶ ┏━ B
              ┗━ C
        ↓
        F
    """,
    "{A -> Boom -> C} (0 -> H, 1 -> S) -> F": """
        ╭──────────────╮
        │ A → Boom → C │
        ├──────────────╯
        ├─0─▶ H
        ╰─1─▶ S
        ↓
        F
    """,
    "{A || Bad} (0 |-> H)": """
        ╭────────╮
        │ ┏━ A   │
        │ ┗━ Bad │
        ├────────╯
        ╘═0═▶ H
    """,
    "Boom * 3 (0 |-> H, 1 -> A -> B, 3 -> C)": """
        Boom ×3
        ╞═0═▶ H
        ├─1─▶ A → B
        ╰─3─▶ C
    """,
    "{A * 2 -> B} * 5 -> C": "A ×2 → B ×5 → C",
    'A[timeout=2.5, executor=thread, pool="a b"] -> B[priority=5]': (
        'A [executor=thread, pool="a b", timeout=2.5] → B [priority=5]'
    ),
    "@on-failure: continue\nA (3 -> B) -> C": """
        A
        ├─3─▶ B
        ╰─0,1─▶ ·
        ↓
        C
    """,
    "{{A} (0 -> B) || {C} (0 -> D)} (0 -> E)": """
        ╭────────────╮
        │ ┏━ ╭───╮   │
        │ ┃  │ A │   │
        │ ┃  ├───╯   │
        │ ┃  ├─0─▶ B │
        │ ┃  ╰─1─▶ · │
        │ ┗━ ╭───╮   │
        │    │ C │   │
        │    ├───╯   │
        │    ├─0─▶ D │
        │    ╰─1─▶ · │
        ├────────────╯
        ╰─0─▶ E
    """,
    "L |-> Fetch(a=url)[each=url, at_once=8, batch=2] |-> Sum": """
        L
        ⇓
        ╭─ each url, at_once=8, batch=2 ╮
        │ Fetch(a=url)                  │
        ╰───────────────────────────────╯
        ⇓
        Sum
    """,
    "@input: xs: list\nA || {B -> C}[each=x, in=xs, task=t, again=2] (0 |-> D)": """
        ┏━ A
        ┗━ ╭─ each x, in=xs; task t; again 2 ╮
           │ B → C                           │
           ├─────────────────────────────────╯
           ╘═0═▶ D
    """,
    "{P |-> Page[each=page] (0 -> Q)}[each=book, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]": """
        ╭─ each book (any) ╮
        │ P                │
        │ ⇓                │
        │ ╭─ each page ╮   │
        │ │ Page       │   │
        │ ├────────────╯   │
        │ ├─0─▶ Q          │
        │ ╰─1─▶ ·          │
        ╰──────────────────╯
    """,
    "{{A}[again=2] -> B || C}[again=3] (0 -> D)": """
        ╭─ again 3 ────╮
        │ ╭─ again 2 ╮ │
        │ │ A        │ │
        │ ╰──────────╯ │
        │ ↓            │
        │ ┏━ B         │
        │ ┗━ C         │
        ├──────────────╯
        ╰─0─▶ D
    """,
}


def picture(text: str, **how: object) -> str:
    return ascii(compile(parse(text, "orders.pty")), **how)


@pytest.mark.parametrize("flow", PICTURES)
def test_pictures(flow):
    assert picture(flow) == dedent(PICTURES[flow]).strip("\n") + "\n"


def test_plain_characters():
    flow = f"A * 2 |-> {{B || C -> D}} (0 |-> E, 1 -> {{X || Y}}{ANY}) |-> Z"
    expected = r"""
        A x2
        v |->
        +------+
        | /- B |
        | \- C |
        | v    |
        | D    |
        +------+
        +=0=> E
        +-1-> /- (any)
              |- X
              \- Y
        v |->
        Z
    """
    assert picture(flow, charset="ascii") == dedent(expected).lstrip("\n")


def test_a_row_breaks_where_the_terminal_ends():
    expected = """
        Fetch → Check
        ⇓
        Clean → Save
    """
    flow = "Fetch -> Check |-> Clean -> Save"
    assert picture(flow, columns=20) == dedent(expected).lstrip("\n")


def test_what_is_nested_too_deep_stands_below():
    flow = "A (0 -> B (0 -> C (0 -> D (0 -> E -> F, 1 -> G))))"
    expected = """
        A
        ╰─0─▶ B
              ╰─0─▶ C
                    ╰─0─▶ D
                          ├─0─▶ E → F
                          ╰─1─▶ G
    """
    assert picture(flow, columns=40) == dedent(expected).lstrip("\n")
    flow = flow.replace("1 -> G", "1 -> G || H")
    expected = """
        A
        ╰─0─▶ B
              ╰─0─▶ C
                    ╰─0─▶ D
                          ├─0─▶ E → F
                          ╰─1─▶ ▸ 2

        ▸ 2
        ┏━ G
        ┗━ H
    """
    assert picture(flow, columns=40) == dedent(expected).lstrip("\n")


def test_how_places_ended_is_marked():
    graph = compile(parse("Bad (0 -> B, 1 -> C) -> Boom -> F"))
    places = simulate(graph, outcomes={"Bad": 0, "Boom": 0}).places
    states = {place: report.state for place, report in places.items()}
    expected = """
        ✓ Bad
        ├─0─▶ ✓ B
        ╰─1─▶ – C
        ↓
        ✗ Boom → ✗ F
    """
    assert ascii(graph, states=states) == dedent(expected).lstrip("\n")
    plain = ascii(graph, states=states, charset="ascii")
    assert "+-1-> (--) C\nv\n(no) Boom -> (no) F\n" in plain


def test_copies_are_counted_and_rounds_have_a_mark_each():
    graph = compile(parse("{L |-> Fetch[each=url] -> Check}[again=3] (0 -> D)"))
    places = simulate(
        graph,
        items={"url": 200},
        places={"Fetch[7]": 0, "Fetch[9]": 0, "Check": 0, "Check.2": 0},
    ).places
    states = {place: report.state for place, report in places.items()}
    expected = """
        ╭─ again 3 ──────────────────────────────────────────────╮
        │ ✓✓✓ L                                                  │
        │ ⇓                                                      │
        │ ╭─ each url ─────────────────────────────────────────╮ │
        │ │ ✗✓✓ Fetch (198 done, 2 failed; 200 done; 200 done) │ │
        │ ╰────────────────────────────────────────────────────╯ │
        │ ↓                                                      │
        │ ✗✗✓ Check                                              │
        ├────────────────────────────────────────────────────────╯
        ╰─0─▶ – D
    """
    assert ascii(graph, states=states) == dedent(expected).lstrip("\n")
    plain = ascii(graph, states=states, charset="ascii")
    assert "(no)(ok)(ok) Fetch (198 done, 2 failed; 200 done; 200 done)" in plain


def test_text_of_options_cannot_break_the_picture():
    flow = r'{A[pool="größe 大", queue="a\nb\"c\u202ed"] -> B} (0 -> C)'
    top, row, foot, _ = picture(flow).splitlines()
    assert row == r'│ A [pool="größe 大", queue="a\nb\"c\u202ed"] → B │'
    # The wide character takes two columns.
    assert len(top) == len(foot) == len(row) + 1
    assert r'A [pool="gr\xf6\xdfe \u5927", ' in picture(flow, charset="ascii")


def test_a_long_option_is_cut():
    row = picture(f'A[tags="{"x" * 5_000}"]')
    assert len(row) < 80
    assert "…" in row
