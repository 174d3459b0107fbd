"""What a place is given besides inputs: arguments, variables and secrets."""

import datetime as dt
import logging

import pytest

import volnux
from volnux import event
from volnux.calling import pipeline_of
from volnux.events import Call, run_attempt
from volnux.testing import run


@event
def echo(self, **kwargs):
    kwargs.pop("previous_result", None)
    return True, {"given": kwargs, "arguments": dict(self.arguments)}


@event
def typed(day: dt.date, limit: "int" = 0, names: "list[str] | None" = None, size: float = 1):
    return True, [type(day).__name__, limit, names, size]


@event
def options(**options: int):
    return True, options


@event
def late(previous_result, self):
    return True, self.task_id


@event
def named(token, region="none"):
    return True, f"{region}: {token}"


@event
def fails(token):
    raise ValueError(f"no entry with {token}", {"token": token})


@event
def logs(token):
    logging.getLogger("shop").warning("signed in with %s", token)
    try:
        raise ValueError(token)
    except ValueError:
        logging.getLogger("shop").exception("refused")
    return True, [token, {token: (token, b"x-" + token.encode())}]


EVENTS = [echo, typed, options, late, named, fails, logs]


def result(text, place=None, **options):
    report = run(text=text, events=EVENTS, **options)
    assert report.status == "success", report.dumps()
    return next(iter(report.results.values())) if place is None else report.results[place]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('Echo(a="x", b=1, c=2.5)', {"a": "x", "b": 1, "c": 2.5}),
        ("Echo(d=true, e=null)", {"d": True, "e": None}),
        ('Echo(a=[1, [n]], b={"k": {"l": n}})', {"a": [1, [3]], "b": {"k": {"l": 3}}}),
        ("Echo(a=n)", {"a": 3}),
        ("Echo(n=4)", {"n": 4}),
        ("Echo()", {}),
    ],
)  # fmt: skip
def test_values(text, arguments):
    found = result(f"@input: n: int = 3\n{text}")
    assert found["arguments"] == arguments
    assert found["given"] == {"n": 3, **arguments}, "an argument wins over an input"


def test_each_attempt_has_a_copy_of_its_own():
    @event(retry_policy={"max_attempts": 2})
    def grows(self, rows):
        rows.append(1)
        if self.attempt == 1:
            raise OSError("once")
        return True, rows

    assert run(text="Grows(rows=[])", events=[grows]).results == {"Grows": [1]}


def test_values_are_read_as_the_annotated_type():
    text = 'Typed(day="2026-01-31", limit="3", names=["a"], size=2)'
    assert result(text) == ["date", 3, ["a"], 2.0]
    assert result('@input: d: date = "2026-01-31"\nTyped(day=d)') == ["date", 0, None, 1]
    assert result('Options(a="1", b=2)') == {"a": 1, "b": 2}


def test_an_item_is_read_as_the_annotated_type_only_as_an_argument():
    days = '@input: days: list = ["2026-01-31"]\n'
    assert result(f"{days}Typed[each=day, in=days]", "Typed[0]")[0] == "str"
    assert result(f"{days}Typed(day=day)[each=day, in=days]", "Typed[0]")[0] == "date"


@pytest.mark.parametrize(
    ("text", "code", "column", "message", "hint"),
    [
        ('Typed(day="soon")', "bad-argument", 7, 'Typed cannot take day="soon": Input', None),
        ('Typed(dya="2026-01-01")', "bad-argument", 7, "no argument 'dya'", "mean 'day'"),
        ('Typed(day="2026-01-01", names=[1])', "bad-argument", 25, "names=[1]: [0]", None),
        ('Options(a="x")', "bad-argument", 9, 'Options cannot take a="x"', None),
        ("Typed", "missing-input", 1, "requires the argument 'day'", "Typed(day=…)"),
        ("Late", "missing-input", 1, "requires the argument 'self'", "the first parameter"),
        ("Typed(day=tomorow)", "unknown-name", 7, "'tomorow' is not an input", 'day="tomorow"'),
        ('@input: d: date = previous\nTyped(day=d)', "no-schedule", 1, "no schedule", "@schedule"),
    ],
)  # fmt: skip
def test_what_linking_finds(text, code, column, message, hint):
    with pytest.raises(volnux.PointyError) as caught:
        run(text=text, events=EVENTS)
    found = caught.value.diagnostics[0]
    assert (found.code, found.span.column) == (code, column)
    assert message in found.message
    assert hint is None or hint in found.hint


def test_a_name_of_another_type_is_a_failure_without_another_attempt():
    report = run(text='@input: d: str = "soon"\nTyped(day=d) * 3', events=EVENTS)
    place = report.places["Typed"]
    assert (place.state, place.attempts) == ("failed", 1)
    assert place.failure.type == "volnux.ArgumentError"
    assert place.failure.message.startswith("the argument day=d of Typed: Input should be")


@pytest.fixture
def clean(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("VOLNUX_VAR_REGION", "VOLNUX_SECRET_TOKEN", "VOLNUX_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


HEAD = '@variable: region: str = "eu"\n@secret: token\n'


def test_where_variables_and_secrets_come_from(clean, monkeypatch):
    (clean / "token").write_text("from a file\n")
    monkeypatch.setenv("VOLNUX_SECRETS_DIR", str(clean))
    assert result(f"{HEAD}Named") == "eu: ***"
    (clean / "volnux.toml").write_text('[variables]\nregion = "us"\n')
    assert result(f"{HEAD}Named") == "us: ***"
    monkeypatch.setenv("VOLNUX_VAR_REGION", "asia")
    assert result(f"{HEAD}Named") == "asia: ***"
    assert result(f"{HEAD}Named", variables={"region": "mars"}) == "mars: ***"


@pytest.mark.parametrize(
    ("head", "toml", "kind", "said"),
    [
        ("@secret: token\n", "", "SecretError", "the secret 'token' is not set: neither VOLNUX_"),
        ("@variable: token: int\n", "", "VariableError", "'token' is not set: VOLNUX_VAR_TOKEN"),
        ("@variable: token: int\n", "[variables]\ntoken = 'x'", "VariableError", "of type int"),
        ("@variable: token: int\n", "[variable]\n", "VariableError", "toml:1: there is no key"),
        ("@variable: token: int = 3\n", "[variable]\n", "VariableError", "toml:1: there is no key"),
        ("@variable: token: int\n", "a = \n", "VariableError", "volnux.toml cannot be read"),
    ],
)  # fmt: skip
def test_what_is_missing_is_a_failure_without_another_attempt(clean, head, toml, kind, said):
    if toml:
        (clean / "volnux.toml").write_text(toml)
    place = run(text=f"{head}Named * 3", events=EVENTS).places["Named"]
    assert (place.state, place.attempts, place.failure.type) == ("failed", 1, f"volnux.{kind}")
    assert said in place.failure.message


class Broken:
    """A host whose store does not answer."""

    def variable(self, name):
        raise volnux.VolnuxError("the store does not answer")

    secret = variable


@pytest.mark.parametrize("head", ['@variable: token: str = "x"\n', "@secret: token\n"])
def test_a_store_that_does_not_answer_is_no_reason_for_a_default(head):
    plan = pipeline_of(None, f"{head}Named", EVENTS).plan()
    call = Call("Named", host=Broken())
    outcome = run_attempt(plan.spec("Named"), call)
    assert outcome.descriptor == 0
    assert "'token' cannot be read: the store does not answer" in outcome.result.message


def test_secrets_and_variables_do_not_go_into_kwargs(clean):
    found = result(f"{HEAD}Echo", secrets={"token": "hunter22"})
    assert found == {"given": {}, "arguments": {}}


def test_a_short_secret_is_refused(clean):
    place = run(text=f"{HEAD}Named", events=EVENTS, secrets={"token": "ab"}).places["Named"]
    assert "has fewer than 3 characters" in place.failure.message


def test_a_secret_is_nowhere(clean, caplog):
    secret = 'hunter"22'
    report = run(text=f"{HEAD}Logs -> Fails", events=EVENTS, secrets={"token": secret})
    failed = report.places["Fails"]
    assert failed.failure.message == "('no entry with ***', {'token': '***'})"
    assert failed.failure.exception is None
    assert report.results["Logs"] == ["***", {"***": ("***", b"x-***")}]
    with pytest.raises(volnux.RunFailedError) as caught:
        report.raise_for_status()
    logged = [logging.Formatter().format(record) for record in caplog.records]
    assert any("signed in with ***" in text for text in logged)
    for text in (
        report.dumps(),
        repr(report),
        str(caught.value),
        repr(caught.value.__cause__),
        *logged,
    ):
        assert "hunter" not in text


def test_signals_show_arguments_as_they_are_written():
    from volnux.signal.signals import event_execution_init

    heard = []

    def listener(event, call_kwargs, **_):
        heard.append((call_kwargs, dict(event.arguments)))

    event_execution_init.connect(listener)
    try:
        text = f'{HEAD}@input: n: int = 3\nEcho(a=[n, token], b=region, c="x")'
        volnux.run(text=text, events=EVENTS, variables={"region": "eu"})
    finally:
        event_execution_init.disconnect(listener)
    arguments = {"a": [3, "token"], "b": "region", "c": "x"}
    assert heard == [({"n": 3, **arguments}, arguments)]
