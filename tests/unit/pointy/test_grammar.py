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
    Fail,
    Flow,
    Group,
    Input,
    Moment,
    Name,
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
    match primary:
        case Event(name=text, arguments=arguments):
            text += "".join(f" {a.name}:{a.value!r}" for a in arguments)
        case Fail():
            text = "!"
        case Group(body=body):
            text = f"{{{said(body)}}}"
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
        ("A[each=url]", "A<each='url'>"),
        (
            "{A -> B}[each=url, evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
            "{A -> B}<each='url', evaluation='SUCCESS_FOR_PARTIAL_SUCCESS'>",
        ),
        (
            "A[evaluation=FAILURE_FOR_PARTIAL_ERROR, each=url]",
            "A<evaluation='FAILURE_FOR_PARTIAL_ERROR', each='url'>",
        ),
        (
            "{A -> B}[each=url, in=urls, at_once=8, batch=10,]",
            "{A -> B}<each='url', in='urls', at_once=8, batch=10>",
        ),
        ("{A -> B}[task=tidy, again=3]", "{A -> B}<task='tidy', again=3>"),
        ('{A -> B}[task="tidy"]', "{A -> B}<task='tidy'>"),
        ("2 * A(u=1)[each=url](0 -> X)", "A u:1*2<each='url'>(0 -> X)"),
        ("A[each=x] || B[each=x] -> C[each=x]", "[A<each='x'> || B<each='x'>] -> C<each='x'>"),
        ("A[each=x] (0 -> B[each=x])", "A<each='x'>(0 -> B<each='x'>)"),
        ("{A -> {B}[each=b, in=a]}[each=a]", "{A -> {B}<each='b', in='a'>}<each='a'>"),
        ("each -> in[each=task] -> again", "each -> in<each='task'> -> again"),
        # branches
        ("A (0 -> X)", "A(0 -> X)"),
        ("A (0 -> X, 1 |-> Y -> Z,)", "A(0 -> X, 1 |-> Y -> Z)"),
        ("A || B (0 -> X)", "[A || B(0 -> X)]"),
        ("{A || B} (0 -> X)", "{[A || B]}(0 -> X)"),
        ("A (9 -> X (0 -> Y)) -> S", "A(9 -> X(0 -> Y)) -> S"),
        ("A (0 -> (B))", "A(0 -> {B})"),
        ("A -> (B -> C)", "A -> {B -> C}"),
        # arguments
        ("A()", "A"),
        ("A ( ) (0 -> B)", "A(0 -> B)"),
        ('A(a=1, b="x",)', "A a:1 b:'x'"),
        ("A(a=1)(0 -> B)", "A a:1(0 -> B)"),
        ("3 * A(a=1)[timeout=2](0 -> B)", "A a:1*3<timeout=2>(0 -> B)"),
        ("A(a=1) * 3 || A(a=2)", "[A a:1*3 || A a:2]"),
        ("A\n(\na\n=\n[\n1\n,\n]\n)", "A a:[1]"),
        ("A(a=true, b=false, c=null)", "A a:True b:False c:None"),
        ("A(a=-3, b=+3, c=2.5, d=1e3)", "A a:-3 b:3 c:2.5 d:1000.0"),
        ("A(a=[], b={}, c=[[1], {}])", "A a:[] b:{} c:[[1], {}]"),
        ('A(a={"k": 1, "l": {"m": [null,],},})', "A a:{'k': 1, 'l': {'m': [None]}}"),
        (r'A(a="\u0000\ud83d\ude00")', "A a:'\\x00😀'"),
        ("billing.Charge(true=1, A=2)", "billing.Charge true:1 A:2"),
        # !
        ("!", "!"),
        ("A -> !", "A -> !"),
        ("A |-> !", "A |-> !"),
        ("A || !", "[A || !]"),
        ("{!}", "{!}"),
        ("{A -> !} -> B", "{A -> !} -> B"),
        ("A (0 |-> Alarm -> !, 3 -> !)", "A(0 |-> Alarm -> !, 3 -> !)"),
        (
            "{A || !}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]",
            "{[A || !]}<evaluation='SUCCESS_FOR_PARTIAL_SUCCESS'>",
        ),
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


def test_arguments_know_where_they_stand():
    unit = parse('A(a=1,\n  b=["x", day]) * 3').flow.parts[0].arms[0]
    event = unit.primary
    assert unit.span == Span(1, 1, 2, 20)
    assert event.span == Span(1, 1, 1, 2)
    assert event.arguments_span == Span(1, 2, 2, 16)
    first, second = event.arguments
    assert (first.span, first.value_span) == (Span(1, 3, 1, 6), Span(1, 5, 1, 6))
    assert (second.span, second.value_span) == (Span(2, 3, 2, 15), Span(2, 5, 2, 15))
    assert second.value == ["x", Name("day", Span(2, 11, 2, 14))]


def test_an_event_without_arguments_knows_its_parentheses():
    event = parse("A()").flow.parts[0].arms[0].primary
    assert (event.arguments, event.arguments_span) == ((), Span(1, 2, 1, 4))
    assert parse("A").flow.parts[0].arms[0].primary.arguments_span is None
    assert parse("A()") == parse("A")


def test_arguments_are_a_part_of_what_a_file_says():
    assert parse("A(a=1, b=x)") == parse("A ( a = 1 , b = x , )")
    for other in ("A(a=1.0, b=x)", "A(a=true, b=x)", 'A(a=1, b="x")', "A(a=1)", "A(b=x, a=1)"):
        assert parse("A(a=1, b=x)") != parse(other)
    assert parse("A -> !") != parse("A -> B")


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


def test_what_an_input_takes():
    settings = parse(
        """
        @input: mode: "full" | "delta" = "full"
        @input: size: 1 | 2 | 3
        @input: limit: int(1..100) = 10, "how many"
        @input: rate: float( .. 2.5 )
        @input: least: int(-1..) = null
        @input: day: date = scheduled - 1d, "the day # to load"
        @input: begin: datetime=previous+2w -30m+0h
        @input: label: str, "a \\"label\\""
        @input: names: list = ["a, b", {"k": 1}], "names"
        A
        """
    ).settings
    mode, size, limit, rate, least, day, begin, label, names = settings.inputs
    assert (mode.type, mode.choices, mode.default) == ("str", ("full", "delta"), "full")
    assert (size.type, size.choices, size.required) == ("int", (1, 2, 3), True)
    assert (limit.least, limit.most, limit.default, limit.description) == (1, 100, 10, "how many")
    assert (rate.least, rate.most, rate.required) == (None, 2.5, True)
    assert (least.least, least.most, least.required, least.default) == (-1, None, False, None)
    assert day.moment == Moment("scheduled", ((-1, "d"),))
    assert (day.required, day.default, day.description) == (False, None, "the day # to load")
    assert begin.moment == Moment("previous", ((2, "w"), (-30, "m"), (0, "h")))
    assert (label.required, label.description) == (True, 'a "label"')
    assert (names.default, names.description) == (["a, b", {"k": 1}], "names")


def test_variables_secrets_and_the_time_of_a_run():
    settings = parse(
        """
        @variable: bucket: str = "raw"
        @variable: shops: list
        @secret: api_key  # a comment
        @secret: password
        @run-timeout: 1.5h
        A
        """
    ).settings
    read = [(v.name, v.type, v.required, v.default) for v in settings.variables]
    assert read == [("bucket", "str", False, "raw"), ("shops", "list", True, None)]
    assert [(s.name, s.span.line) for s in settings.secrets] == [("api_key", 4), ("password", 5)]
    assert settings.run_timeout == 5400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("0.5s", 0.5), ("90m", 5400), ("4h", 14400), ("2d", 172800)],
)
def test_run_timeouts(text, seconds):
    assert parse(f"@run-timeout: {text}\nA").settings.run_timeout == seconds


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("@input: x: int(1..2)", "@input: x: int(1..3)"),
        ("@input: x: 1 | 2", "@input: x: int"),
        ("@input: x: date = scheduled", "@input: x: date = previous"),
        ('@input: x: int, "a"', '@input: x: int, "b"'),
        ("@variable: x: int", "@variable: x: float"),
        ("@variable: x: float = 1", "@variable: x: float = 1.0"),
        ("@secret: x", "@secret: y"),
        ("@run-timeout: 1h", "@run-timeout: 2h"),
    ],
)
def test_files_differ_in_what_they_declare(one, other):
    assert parse(f"{one}\nA") == parse(f"{one}  # note\nA")
    assert parse(f"{one}\nA") != parse(f"{other}\nA")


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


def test_files_with_uses_are_equal_if_they_say_the_same():
    text = '@use: b = "b.pty"\n@use: c = "c.pty"\nb(day=3)[again=2] (0 -> c)'
    file = parse(text)
    assert file == parse(text.replace("b = ", "b  =  ").replace("day=3", " day = 3, "))
    for old, new in (
        ('"b.pty"', '"a.pty"'),
        ("day=3", "day=4"),
        ("again=2", "again=3"),
        ("-> c", "-> b"),
        ("-> c", "-> C"),
    ):
        assert file != parse(text.replace(old, new))


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
