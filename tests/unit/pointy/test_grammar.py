"""What the grammar allows, rule by rule, and the resulting tree."""

import datetime as dt

import pytest

from volnux.errors import Severity, Source, Span
from volnux.pointy import analyze, parse
from volnux.pointy.options import split_tags
from volnux.pointy.tree import (
    Arrow,
    Evaluation,
    Event,
    Flow,
    Group,
    Input,
    OnFailure,
    Parallel,
    Unit,
)


def said(flow: Flow) -> str:
    """A flow with its whole structure visible: `[ ]` is a parallel group, and `{ }` a group."""
    words = [_parallel(flow.parts[0])]
    for arrow, part in zip(flow.arrows, flow.parts[1:], strict=True):
        words += [arrow.value, _parallel(part)]
    return " ".join(words)


def _parallel(parallel: Parallel) -> str:
    arms = [_unit(arm) for arm in parallel.arms]
    return arms[0] if len(arms) == 1 else f"[{' || '.join(arms)}]"


def _unit(unit: Unit) -> str:
    primary = unit.primary
    text = primary.name if isinstance(primary, Event) else f"{{{said(primary.body)}}}"
    if unit.retry:
        text += f"*{unit.retry.attempts}"
    if unit.options:
        text += f"<{', '.join(f'{o.name}={o.value!r}' for o in unit.options)}>"
    if unit.branches:
        text += f"({', '.join(f'{b.descriptor} {b.arrow} {said(b.flow)}' for b in unit.branches)})"
    return text


@pytest.mark.parametrize(
    ("text", "structure"),
    [
        # flow
        ("A", "A"),
        ("A -> B", "A -> B"),
        ("A->B|->C", "A -> B |-> C"),
        ("A\n->\nB # then\n-> C", "A -> B -> C"),
        # parallel
        ("A || B || C", "[A || B || C]"),
        ("A -> B || C |-> D", "A -> [B || C] |-> D"),
        ("A||B->C||D", "[A || B] -> [C || D]"),
        # unit: factors
        ("A * 3", "A*3"),
        ("51 * A", "A*51"),
        ("A*2||3*B", "[A*2 || B*3]"),
        ("{A -> B} * 3", "{A -> B}*3"),
        ("3 * (A || B)", "{[A || B]}*3"),
        # unit: postfixes in any order
        ("A * 3 [timeout=1] (0 -> B)", "A*3<timeout=1>(0 -> B)"),
        ("A (0 -> B) [timeout=1] * 3", "A*3<timeout=1>(0 -> B)"),
        ("A [timeout=1] (0 -> B) * 3", "A*3<timeout=1>(0 -> B)"),
        ("3 * A (0 -> B) [timeout=1]", "A*3<timeout=1>(0 -> B)"),
        # primary
        ("{A}", "{A}"),
        ("(A)", "{A}"),
        ("{(A -> B) || C}", "{[{A -> B} || C]}"),
        ("billing.Charge -> _x.y_2", "billing.Charge -> _x.y_2"),
        ("A__ -> A_2 -> A__b", "A__ -> A_2 -> A__b"),
        ("true -> timeout", "true -> timeout"),
        # options
        ('A[timeout=30, pool="x"]', "A<timeout=30, pool='x'>"),
        ("A[timeout=2.5,]", "A<timeout=2.5>"),
        ("A[timeout = 1e3]", "A<timeout=1000.0>"),
        ("A[executor=thread]", "A<executor='thread'>"),
        ('A[executor="dask://host:8786"]', "A<executor='dask://host:8786'>"),
        ('A[executor="dask://"]', "A<executor='dask://'>"),
        ("A[priority=-3]", "A<priority=-3>"),
        ("A[priority=+3]", "A<priority=3>"),
        ('A[pool="a # b"] # c', "A<pool='a # b'>"),
        (r'A[pool="\"\\\n\t\r\u00e9\ud83d\ude00"]', "A<pool='\"\\\\\\n\\t\\ré😀'>"),
        ("A[retry_attempts=4]", "A<retry_attempts=4>"),
        ("{A -> B}[retry_attempts=4]", "{A -> B}<retry_attempts=4>"),
        (
            "{A || B}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
            "{[A || B]}<evaluation='SUCCESS_FOR_PARTIAL_SUCCESS'>",
        ),
        (
            "{({A || B})}[evaluation=FAILURE_FOR_ALL_EVENTS_FAILURE]",
            "{{{[A || B]}}}<evaluation='FAILURE_FOR_ALL_EVENTS_FAILURE'>",
        ),
        # branches
        ("A (0 -> X)", "A(0 -> X)"),
        ("A (0 -> X, 1 |-> Y -> Z,)", "A(0 -> X, 1 |-> Y -> Z)"),
        ("A || B (0 -> X)", "[A || B(0 -> X)]"),
        ("{A || B} (0 -> X)", "{[A || B]}(0 -> X)"),
        ("A (9 -> X (0 -> Y)) -> S", "A(9 -> X(0 -> Y)) -> S"),
        ("A (0 -> (B))", "A(0 -> {B})"),
        ("A -> (B -> C)", "A -> {B -> C}"),
    ],
)
def test_accepted(text, structure):
    assert said(parse(text).flow) == structure


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r\n", "\r", "\f", "\xa0", " # c\n", "\n#\r"])
def test_white_space_means_nothing(space):
    words = ["A", "->", "{", "B", "||", "C", "}", "*", "3", "(", "0", "->", "D", ")"]
    assert said(parse(space.join(["", *words, ""])).flow) == "A -> {[B || C]}*3(0 -> D)"


def test_positions_count_lines_and_columns_from_one():
    text = "\ufeff@name: é\r\n\r\n# note\rÄ" + "\tExtract"
    source = Source(text.replace("é", "e").replace("Ä", ""))
    file, _ = analyze(source)
    assert file.directives[0].span == Span(1, 1, 1, 9)
    assert file.directives[0].value_span == Span(1, 8, 1, 9)
    assert file.comments[0].span == Span(3, 1, 3, 7)
    assert file.flow.span == Span(4, 2, 4, 9)
    assert source.line(4) == "\tExtract"


def test_each_node_knows_where_it_stands():
    flow = parse("A -> 3 * {B || C}[retry_attempts=2]\n  (0 -> D)".replace("3 * ", "")).flow
    unit = flow.parts[1].arms[0]
    assert unit.span == Span(1, 6, 2, 11)
    assert unit.primary.span == Span(1, 6, 1, 14)
    assert unit.options[0].span == Span(1, 15, 1, 31)
    assert unit.options[0].value_span == Span(1, 30, 1, 31)
    assert unit.options_span == Span(1, 14, 1, 32)
    assert unit.branches[0].span == Span(2, 4, 2, 10)
    assert unit.branches_span == Span(2, 3, 2, 11)
    assert unit.option("retry_attempts").value == 2
    assert unit.option("timeout") is None


def test_comments_are_kept_with_their_places():
    file = parse("# one\n@name: x  # two\nA  # three\n# four")
    assert [(c.text, c.span.line, c.alone) for c in file.comments] == [
        ("# one", 1, True),
        ("# two", 2, False),
        ("# three", 3, False),
        ("# four", 4, True),
    ]


def test_descriptor_2_is_a_warning():
    file, diagnostics = analyze(Source("A (2 -> B)"))
    assert file is not None
    assert [(d.code, d.severity) for d in diagnostics] == [("descriptor-2", Severity.WARNING)]


def test_words_without_effect_are_noted():
    file, diagnostics = analyze(Source("@mode: fast\n@recursive-depth: 5\nA"))
    assert file is not None
    assert [d.severity for d in diagnostics] == [Severity.NOTE, Severity.NOTE]


def test_all_directives():
    settings = parse(
        """
        @name: orders-eu            # the name
        @description: "Orders # of the day"
        @tags: daily, finance
        @tags: "eu,"
        @schedule: "0 6 * * MON-FRI"
        @schedule: @daily
        @timezone: Europe/Paris
        @start-date: 2026-01-31
        @catchup: true
        @max-active-runs: 3
        @events: shop.events, common
        @events: more
        @input: day: date = "2026-01-01"
        @input: count: int
        @input: rate: float = 3
        @input: names: list = ["a # b", {"k": null}]
        @input: label: str = null
        @on-failure: continue
        A
        """
    ).settings
    assert settings.name == "orders-eu"
    assert settings.description == "Orders # of the day"
    assert settings.tags == ("daily", "finance", "eu")
    assert [s.expression for s in settings.schedules] == ["0 6 * * MON-FRI", "@daily"]
    assert settings.timezone == "Europe/Paris"
    assert settings.start_date == dt.date(2026, 1, 31)
    assert (settings.catchup, settings.max_active_runs) == (True, 3)
    assert settings.events == ("shop.events", "common", "more")
    assert settings.on_failure is OnFailure.CONTINUE
    read = [(i.name, i.type, i.required, i.default) for i in settings.inputs]
    assert read == [
        ("day", "date", False, "2026-01-01"),
        ("count", "int", True, None),
        ("rate", "float", False, 3),
        ("names", "list", False, ["a # b", {"k": None}]),
        ("label", "str", False, None),
    ]
    assert all(isinstance(i, Input) for i in settings.inputs)


def test_an_absent_directive_leaves_its_default():
    settings = parse("A").settings
    assert (settings.name, settings.timezone, settings.on_failure) == (None, None, None)
    assert (settings.catchup, settings.schedules, settings.inputs) == (False, (), ())


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]
)
def test_time_zones(zone):
    assert parse(f"@timezone: {zone}\nA").settings.timezone == zone


@pytest.mark.parametrize("zone", ["posix/UTC", "right/UTC", "posixrules", "Factory", "/etc/passwd"])
def test_names_that_are_no_time_zone_of_every_machine(zone):
    file, _ = analyze(Source(f"@timezone: {zone}\nA"))
    assert file is None


def test_equal_files_say_the_same():
    one = parse("@name: x\n@tags: a\nA -> (B || C)  # note\n")
    assert one == parse("@tags: a\n@name: x\n\nA->{B||C}")
    assert hash(one) == hash(parse("@tags: a\n@name: x\n\nA->{B||C}"))
    for other in ("A -> B || C", "A |-> {B || C}", "A -> {{B || C}}", "A -> {C || B}"):
        assert one != parse(f"@name: x\n@tags: a\n{other}")
    assert one != parse("@name: y\n@tags: a\nA -> {B || C}")
    assert parse("A[priority=1]") != parse('A[pool="1"]')
    assert parse("A (0 -> B)") != parse("A (1 -> B)")
    assert one != "A"


def test_a_name_where_all_of_two_states_are_one():
    assert Evaluation.SUCCESS_FOR_PARTIAL_SUCCESS.any
    assert not Evaluation.FAILURE_FOR_PARTIAL_ERROR.any
    assert Arrow("|->") is Arrow.PIPE
    assert isinstance(parse("{A}").flow.parts[0].arms[0].primary, Group)


def test_tags_of_an_option():
    assert split_tags("a, b,,a ") == ("a", "b")
