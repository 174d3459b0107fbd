"""Random Pointy programs as text, with comments, white space and line breaks in every place."""

import itertools

from hypothesis import strategies as st

NAMES = ("A", "Extract", "load_all", "_x9", "billing.Charge", "true", "Step__b", "B2", "thread")
OPTIONS = (
    "timeout=30",
    "timeout=2.5",
    "timeout=1e-7",
    "executor=thread",
    'executor="dask://host:8786"',
    'pool="a#b"',
    r'pool="q\"\\\u00e9\ud83d\ude00"',
    r'queue="a\nb\tc"',
    'queue="ü §"',
    "priority=-3",
    "priority=+5",
    "concurrency=007",
    'tags="a,b"',
)
DIRECTIVES = (
    "@name: orders",
    '@name : "orders-2"',
    '@description: "a # in a string"',
    "@description: free text",
    "@tags: a, b",
    '@schedule: "0 6 * * MON-FRI"',
    "@schedule: @daily",
    "@timezone: Europe/Paris",
    "@start-date:2026-01-31",
    "@catchup: true",
    "@max-active-runs: 3",
    "@events: shop.events, common",
    '@input: day: date = "2026-01-01"',
    "@input: count: int",
    "@on-failure: continue",
    "@mode: fast",
)

# What may stand between two words. Each mark becomes a comment of its own.
GAPS = (
    [""] * 8
    + [" ", " ", "\n", "\t", "\r\n", "\n\n", "\r", "\xa0", " \n  \n"]
    + ["¤\n", "  ¤\n", "¤\r\n", "\n¤\n", "\n\n  ¤\n", "¤\n¤\n", "\n¤\n\n\n¤\n\n", "¤\r¤\n \n"]
)
MARKS = ("# note", "#", "#!", "# a -> b", '# "', "#\t#", "# ü", "#   spaces   ", "# }")


def joined(draw: st.DrawFn, words: list[str]) -> str:
    """The words with random gaps, and at least a space where they would run together."""
    noise = draw(st.binary(min_size=1, max_size=40))
    gaps = itertools.cycle(GAPS[byte % len(GAPS)] for byte in noise)
    text = next(gaps)
    for word in words:
        if (
            text
            and (text[-1].isalnum() or text[-1] == "_")
            and (word[0].isalnum() or word[0] == "_")
        ):
            text += " "
        text += word + next(gaps)
    parts = text.split("¤")
    numbered = (f"{MARKS[index % len(MARKS)]}{index}" for index in range(len(parts)))
    return parts[0] + "".join(mark + part for mark, part in zip(numbered, parts[1:], strict=False))


@st.composite
def flows(draw: st.DrawFn, depth: int = 2) -> list[str]:
    """The words of a flow."""
    words = draw(parallels(depth))
    for _ in range(draw(st.integers(0, 2))):
        words = [*words, draw(st.sampled_from(["->", "|->"])), *draw(parallels(depth))]
    return words


@st.composite
def parallels(draw: st.DrawFn, depth: int) -> list[str]:
    """The words of units that run at once."""
    words = draw(units(depth))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        words = [*words, "||", *draw(units(depth))]
    return words


@st.composite
def units(draw: st.DrawFn, depth: int) -> list[str]:
    """The words of an event or a group with what may follow it, in any order."""
    group = depth > 0 and draw(st.integers(0, 3)) == 0
    if group:
        opener, closer = draw(st.sampled_from(["{}", "()"]))
        words = [opener, *draw(flows(depth - 1)), closer]
    else:
        words = [draw(st.sampled_from(NAMES))]
    factor = draw(st.sampled_from(["", "", "before", "behind"]))
    behind = [["*", draw(st.sampled_from(["2", "3", "51"]))]] if factor == "behind" else []
    if not group and draw(st.integers(0, 3)) == 0:
        behind.append(draw(option_lists()))
    if depth > 0 and draw(st.integers(0, 2)) == 0:
        behind.append(draw(branch_lists(depth - 1, group=group)))
    for block in draw(st.permutations(behind)):
        words += block
    return ["3", "*", *words] if factor == "before" else words


@st.composite
def option_lists(draw: st.DrawFn) -> list[str]:
    """The words of options in brackets."""
    chosen = draw(
        st.lists(
            st.sampled_from(OPTIONS), min_size=1, max_size=4, unique_by=lambda o: o.split("=")[0]
        )
    )
    words = ["["]
    for option in chosen:
        name, _, value = option.partition("=")
        words += [name, "=", value, ","]
    return [*(words if draw(st.booleans()) else words[:-1]), "]"]


@st.composite
def branch_lists(draw: st.DrawFn, depth: int, *, group: bool) -> list[str]:
    """The words of branches in parentheses."""
    digits = draw(st.lists(st.integers(0, 1 if group else 9), min_size=1, max_size=3, unique=True))
    words = ["("]
    for digit in digits:
        words += [str(digit), draw(st.sampled_from(["->", "|->"])), *draw(flows(depth)), ","]
    return [*(words if draw(st.booleans()) else words[:-1]), ")"]


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a whole file that breaks no rule."""
    chosen = draw(
        st.lists(
            st.sampled_from(DIRECTIVES), max_size=4, unique_by=lambda d: d.split(":")[0].strip()
        )
    )
    text = draw(st.sampled_from(["", "", "\ufeff"]))
    for directive in chosen:
        ends = st.sampled_from(["\n", "\r\n", "  # behind\n", "\n\n", "#x\n"])
        text += draw(st.sampled_from(["", "", " ", "# before\n", "#1\n\n# 2\n"]))
        text += directive + draw(ends)
    return text + joined(draw, draw(flows()))
