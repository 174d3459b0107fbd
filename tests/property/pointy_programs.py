"""Random Pointy programs as text, with comments, white space and line breaks in every place."""

import itertools

from hypothesis import strategies as st

NAMES = ("A", "Extract", "load_all", "_x9", "billing.Charge", "true", "Step__b", "B2", "thread")
USED = ("clean", "tidy_up")
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
ITEM, TASK = "<item>", "<task>"
"""Stand for a name that no other unit of the program has."""
EACH_OPTIONS = (
    "in=urls",
    "in=shops",
    "at_once=8",
    "at_once=+1",
    "batch=0100",
    "evaluation=SUCCESS_FOR_PARTIAL_SUCCESS",
    "evaluation=FAILURE_FOR_PARTIAL_ERROR",
)
GROUP_OPTIONS = ("again=2", "again=03", f"task={TASK}", f'task="{TASK}"')
ARGUMENTS = ("a", "table", "_x1", "timeout", "true", "B__2")
SCALARS = [
    "1",
    "-3",
    "+5",
    "007",
    "2.50",
    "1e-7",
    "1e300",
    "-0.0",
    "true",
    "false",
    "null",
    "x",
    "day",
    '""',
    '"text"',
    '"a # b"',
    '"it\'s"',
    r'"q\"\\\u00e9\ud83d\ude00\n"',
    '"ü ]})"',
    r'"\u0000"',
]
"""JSON values and bare names; where it is a string, it may be the key of an object."""
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
    '@input: mode: "full" | "a # b" = "full", "what it, does"',
    "@input: limit: int(1..100) = 10",
    "@input: rate: float(..2.5)",
    '@input: from_day: date = scheduled - 1d +6h , "the day"',
    "@variable: bucket: str",
    '@variable: shops: list = ["a, b", 1]',
    "@input: urls: list",
    "@secret: api_key",
    "@run-timeout: 1.5h",
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
    """The words of an event, a used file or a group, with what may stand behind, in any order."""
    kind = draw(st.integers(0, 12))
    if kind == 11:
        # `!` is the last unit of its flow, so it gets braces.
        return draw(st.sampled_from([["{", "!", "}"], ["{", "A", "|->", "!", "}"]]))
    nested = depth > 0 and kind < 3
    group = nested or kind == 12
    if nested:
        opener, closer = draw(st.sampled_from(["{}", "()"]))
        words = [opener, *draw(flows(depth - 1)), closer]
    else:
        words = [draw(st.sampled_from(USED if group else NAMES))]
        if draw(st.integers(0, 3)) == 0:
            words += draw(argument_lists())
    factor = draw(st.sampled_from(["", "", "before", "behind"]))
    behind = [["*", draw(st.sampled_from(["2", "3", "51"]))]] if factor == "behind" else []
    each = draw(st.integers(0, 7)) == 0
    if each or draw(st.integers(0, 3)) == 0:
        behind.append(draw(option_lists(group=group, each=each)))
    if depth > 0 and draw(st.integers(0, 2)) == 0:
        behind.append(draw(branch_lists(depth - 1, whole=group or each)))
    for block in draw(st.permutations(behind)):
        words += block
    return ["3", "*", *words] if factor == "before" else words


@st.composite
def argument_lists(draw: st.DrawFn) -> list[str]:
    """The words of arguments in parentheses."""
    words = ["("]
    names = draw(st.lists(st.sampled_from(ARGUMENTS), max_size=3, unique=True))
    for name in names:
        words += [name, "=", *draw(values()), ","]
    return [*(words if not names or draw(st.booleans()) else words[:-1]), ")"]


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> list[str]:
    """The words of the value of an argument."""
    kind = draw(st.integers(0, 5)) if depth else 5
    if kind > 1:
        return [draw(st.sampled_from(SCALARS))]
    opener, closer = ("[", "]") if kind == 0 else ("{", "}")
    words = [opener]
    strings = [text for text in SCALARS if text.startswith('"')]
    keys = draw(st.lists(st.sampled_from(strings), max_size=3, unique=True))
    for key in keys:
        words += ([] if kind == 0 else [key, ":"]) + [*draw(values(depth - 1)), ","]
    return [*(words if not keys or draw(st.booleans()) else words[:-1]), closer]


@st.composite
def option_lists(draw: st.DrawFn, *, group: bool, each: bool) -> list[str]:
    """The words of options in brackets."""
    possible = (GROUP_OPTIONS if group else OPTIONS) + (EACH_OPTIONS if each else ())
    least = 0 if each else 1
    chosen = draw(
        st.lists(
            st.sampled_from(possible),
            min_size=least,
            max_size=4,
            unique_by=lambda o: o.split("=")[0],
        )
    )
    if each:
        chosen.insert(draw(st.integers(0, len(chosen))), f"each={ITEM}")
    words = ["["]
    for option in chosen:
        name, _, value = option.partition("=")
        words += [name, "=", value, ","]
    return [*(words if draw(st.booleans()) else words[:-1]), "]"]


@st.composite
def branch_lists(draw: st.DrawFn, depth: int, *, whole: bool) -> list[str]:
    """The words of branches in parentheses; those of a whole, such as a group, are 0 and 1."""
    digits = draw(st.lists(st.integers(0, 1 if whole else 9), min_size=1, max_size=3, unique=True))
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
    words = draw(flows())
    used = [f'@use: {name} = "shared/{name}.pty"' for name in USED if name in words]
    text = draw(st.sampled_from(["", "", "\ufeff"]))
    for directive in draw(st.permutations([*chosen, *used])):
        ends = st.sampled_from(["\n", "\r\n", "  # behind\n", "\n\n", "#x\n"])
        text += draw(st.sampled_from(["", "", " ", "# before\n", "#1\n\n# 2\n"]))
        text += directive + draw(ends)
    return text + joined(draw, named(words))


def named(words: list[str]) -> list[str]:
    """The words with a name of its own for each item and task."""
    return [
        word.replace(ITEM, f"item{index}").replace(TASK, f"task{index}")
        for index, word in enumerate(words)
    ]
