"""How the tool shows what users wrote: never too much, and never control characters."""

import json
import logging
from pathlib import Path

import pytest

from volnux.cli.output import finished, paint
from volnux.errors import shortened, visible

HOSTILE = "\x1b]0;pwn\x07\x9b31m\r\x7f\u202ex\u2066\ufdd031\ufdd1\x1b[31m"
RAW = set("\x1b\x07\x9b\r\x7f\u202e\u2066\ufdd0\ufdd1")

EVENTS = f"""
from volnux import event
HOSTILE = {HOSTILE!r}

class Odd:
    def __repr__(self): return HOSTILE

@event
def Raises(): raise ValueError(HOSTILE)

@event(retry_policy={{"max_attempts": 2, "backoff_factor": 0}})
def Again(): raise ValueError(HOSTILE)

@event
def Returns(): return False, Odd()

@event
def Wrong(): return Odd()

@event
def Three(): return 3, HOSTILE

@event
def Fine(text=""): return True, (Odd(), HOSTILE)

@event
def Long(): raise ValueError("x" * 5_000_000)

@event
def Chain():
    try:
        raise KeyError("y" * 5_000_000)
    except KeyError as error:
        raise ValueError("no") from error
"""


@pytest.fixture
def events(write):
    return lambda stem="flow": write(f"{stem}_events.py", EVENTS)


def raw(result):
    return RAW & set(result.out + result.err)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain text, ünïcödé, 日本, 👩‍👩‍👧", "plain text, ünïcödé, 日本, 👩‍👩‍👧"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b]0;pwn\x07", r"\x1b]0;pwn\x07"),
        ("\x9b31m", r"\u009b31m"),
        ("\x7f\x00\r", r"\u007f\x00\x0d"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\u2028", r"\u2028"),
        ("\ufdd031\ufdd1", r"\ufdd031\ufdd1"),
    ],
)
def test_control_characters_are_written_as_escapes(text, shown):
    assert visible(text) == shown
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


def test_colours_are_the_only_escape_sequences():
    assert finished(paint("no", "red", colour=True) + "\x1b[31m") == "\x1b[31mno\x1b[0m\\x1b[31m"


def test_a_long_text_is_cut():
    assert shortened("x" * 5_000_000) == "x" * 199 + "…"
    assert shortened("one\ntwo") == "one …"
    assert shortened("\x1b") == r"\x1b"


@pytest.mark.parametrize("text", ["Raises", "Again", "Returns", "Wrong", "Three", "Fine"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_events_say_is_shown_without_control_characters(cli, write, events, text, options):
    write("flow.pty", text)
    events()
    result = cli("run", "flow.pty", *options)
    assert result.code in (0, 1)
    assert not raw(result)
    if options:
        place = json.loads(result.out)["places"][text]
        said = place["failure"]["message"] if place["failure"] else str(place["result"])
        assert {"Raises": HOSTILE, "Again": HOSTILE}.get(text, "") in said


CALLS = [
    ["run", f"{HOSTILE}.pty"],
    ["run", f"{HOSTILE}/x.pty"],
    ["run", "flow.pty", "--input", f"{HOSTILE}=1"],
    ["run", "flow.pty", "--input", f"text={HOSTILE}"],
    ["run", "flow.pty", "--input", HOSTILE],
    ["run", "flow.pty", "--input", f"when={HOSTILE}"],
    ["run", "flow.pty", "--events", HOSTILE],
    ["run", "flow.pty", "--backend", HOSTILE],
    ["run", "raises.pty"],
    ["check", f"{HOSTILE}.pty", "bad.pty", "named.pty"],
    ["check", "--link", "missing.pty", "raises.pty"],
    ["check", f"folder{HOSTILE}"],
    ["check", "bad.pty", "--json"],
    ["fmt", "bad.pty"],
    ["fmt", f"folder{HOSTILE}"],
    ["fmt", "--diff", "comment.pty"],
    ["simulate", "flow.pty", "--outcome", f"{HOSTILE}=1"],
    ["simulate", f"folder{HOSTILE}/in{HOSTILE}.pty"],
    ["graph", f"{HOSTILE}.pty"],
    ["schedule", "show", "scheduled.pty"],
    ["run", f"folder{HOSTILE}/in{HOSTILE}.pty"],
    ["run", f"folder{HOSTILE}/in{HOSTILE}.pty", "--json"],
    [HOSTILE],
    [f"{HOSTILE}.pty"],
]


@pytest.mark.parametrize("arguments", CALLS, ids=lambda a: ascii(" ".join(a))[:60])
def test_what_callers_and_files_say_is_shown_without_control_characters(
    cli, write, events, arguments
):
    write("flow.pty", '@input: text: str = ""\n@input: when: date = null\nFine')
    events()
    write("bad.pty", f"{HOSTILE} -> A[x={HOSTILE}] => \n@name: {HOSTILE}")
    write("named.pty", f'@name: {HOSTILE}\n@input: "{HOSTILE}": {HOSTILE}\n@events: {HOSTILE}\nA')
    write("missing.pty", "Nowhere")
    write("comment.pty", f"A   # {HOSTILE}")
    write("scheduled.pty", f'@schedule: "{HOSTILE}"\nA')
    write("raises.pty", "A")
    write("raises_events.py", f"raise ValueError({HOSTILE!r})")
    folder = Path(f"folder{HOSTILE}")
    folder.mkdir()
    Path(folder, f"in{HOSTILE}.pty").write_text("Fine")
    Path(folder, f"in{HOSTILE}_events.py").write_text(EVENTS)
    result = cli(*arguments)
    assert not raw(result)
    assert result.out + result.err


@pytest.mark.parametrize("event", ["Long", "Chain"])
def test_a_long_message_is_cut_where_it_is_shown_and_kept_in_the_report(cli, write, events, event):
    write("flow.pty", event)
    events()
    result = cli("run", "flow.pty")
    assert result.code == 1
    assert 200 < len(result.out) < 30_000
    report = json.loads(cli("run", "flow.pty", "--json").out)
    failure = report["places"][event]["failure"]
    assert len(failure["message"]) == (5_000_000 if event == "Long" else 2)
    assert len(failure["traceback"]) < 30_000


def test_a_handled_failure_is_called_handled_and_has_no_traceback(cli, write, events):
    write("flow.pty", "{Raises -> Fine} (0 -> Fine) -> Raises (0 -> Fine)")
    events()
    result = cli("run", "flow.pty")
    assert result.code == 0
    assert result.out.count("failed, handled: ValueError:") == 2
    assert "Traceback" not in result.out + result.err
    write("flow.pty", "{Raises -> Fine} (0 -> Fine) -> Raises")
    result = cli("run", "flow.pty")
    assert result.out.count("failed, handled: ValueError:") == 1
    assert result.out.count("Traceback") == 1
    assert result.err == ""


# Many errors, and files that are something else.


def test_of_many_errors_the_first_are_shown_and_the_rest_is_counted(cli, write):
    write("many.pty", "=> " * 130_000)
    result = cli("run", "many.pty")
    assert result.code == 2
    assert result.err.count(": error: ") == 20
    assert result.err.endswith("many.pty: … and at least 980 more errors\n")
    write("few.pty", "A B " * 15)
    result = cli("check", "many.pty", "few.pty")
    assert result.out.count("many.pty:1:") == result.out.count("few.pty:1:") == 20
    assert "few.pty: … and 9 more errors\n" in result.out
    assert len(json.loads(cli("check", "few.pty", "--json").out)["diagnostics"]) == 29


def test_of_many_events_that_are_missing_the_first_are_shown(cli, write, events):
    write("flow.pty", " -> ".join(f"Missing{n}" for n in range(1500)))
    events()
    result = cli("run", "flow.pty")
    assert result.err.count("there is no event") == 20
    assert result.err.endswith("flow.pty: … and at least 980 more errors\n")


def test_errors_of_a_library_call_are_cut_too(write):
    from volnux import PointyError, loading

    write("many.pty", "=> " * 2000)
    with pytest.raises(PointyError) as caught:
        loading.load_plan("many.pty")
    assert str(caught.value).count(": error: ") == 20
    assert len(caught.value.diagnostics) == 1000


@pytest.mark.parametrize(
    ("name", "beside", "said"),
    [
        (
            "thumbs.py",
            None,
            "thumbs.py: error: this is a Python file, but a pipeline (.pty) was expected\n"
            "  hint: a pipeline is a .pty file, and its events are in the .py file beside it\n",
        ),
        (
            "thumbs.py",
            "thumbs.pty",
            "thumbs.py: error: this is a Python file, but a pipeline (.pty) was expected\n"
            "  hint: did you mean 'thumbs.pty'?\n",
        ),
        (
            "flow.txt",
            None,
            "flow.txt: error: this is a text file, but a pipeline (.pty) was expected\n"
            "  hint: if it is a pipeline, rename it to 'flow.pty'\n",
        ),
        (
            "flow.pty.bak",
            None,
            "flow.pty.bak: error: this is a '.bak' file, but a pipeline (.pty) was expected\n"
            "  hint: if it is a pipeline, rename it to 'flow.pty.pty'\n",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "check", "fmt", "graph", "simulate"])
def test_a_file_that_is_no_pipeline_is_one_error(cli, write, command, name, beside, said):
    write(name, "import os\nprint(os.sep)\n" * 50)
    if beside:
        write(beside, "A")
    result = cli(command, name)
    assert result.code == 2
    assert said in result.out + result.err
    assert (result.out + result.err).count("error: ") == 1


@pytest.mark.parametrize("name", ["flow", "flow.PTY"])
def test_a_file_without_a_suffix_may_be_a_pipeline(cli, write, events, name):
    write(name, "Fine")
    events()
    assert cli("simulate", name).code == 0


@pytest.mark.parametrize(
    ("declared", "hint"),
    [
        (
            "day: date = today",
            'write it like "2026-01-31"; for the time of the run write scheduled',
        ),
        (
            'day: date = "today"',
            'write it like "2026-01-31"; for the time of the run write scheduled',
        ),
        ("day: date = 2026-02-28", 'write "2026-02-28"'),
        ("day: datetime = now", 'write it like "2026-01-31T06:00:00"; for the time of the run'),
        ("db: str = $DB", 'write "$DB"; environment variables are not read here: remove the'),
        ("n: int = $N", "write it like 3; environment variables are not read here: remove"),
        ("n: int = '3'", "write 3"),
        ("n: int = three", "write it like 3"),
        ("n: float = .5", "write it like 2.5"),
        ("n: bool = False", "write false"),
        ("n: bool = yes", "write it like true"),
        ("n: str = None", 'write "None"'),
        ("n: int = None", "write null"),
        ("n: list = ['a', 'b']", 'write ["a", "b"]'),
        ("n: list = a, b", 'write it like ["a", "b"]'),
        ("n: dict = {'a': 1}", 'write {"a": 1}'),
        ("n: dict = {a: 1}", 'write it like {"k": 1}'),
        ('n: str = "' + "x" * 60, 'write it like "text"'),
    ],
)
def test_a_hint_about_a_default_is_accepted_itself(cli, write, declared, hint):
    write("flow.pty", f"@input: {declared}\nA")
    found = json.loads(cli("check", "flow.pty", "--json").out)["diagnostics"]
    assert [each["code"] for each in found] == ["bad-input"]
    assert found[0]["hint"].startswith(hint)
    written = found[0]["hint"].partition(";")[0].removeprefix("write ").removeprefix("it like ")
    write("flow.pty", f"@input: {declared.partition('=')[0]}= {written}\nA")
    assert cli("check", "flow.pty").code == 0


def test_a_name_of_any_length_is_not_shown_whole(cli, write):
    write("flow.pty", "E" * 2_000_000)
    for command in ("run", "check --link"):
        shown = cli(*command.split(), "flow.pty")
        assert "there is no event 'EEE" in shown.out + shown.err
        assert len(shown.out) + len(shown.err) < 20_000


def test_the_tool_says_a_failure_once(cli, write):
    write("flow.pty", "Again")
    # A handler of the user's own gets every record.
    write(
        "flow_events.py",
        EVENTS + "\nimport logging\nHANDLER = logging.FileHandler('run.log')\n"
        "logging.getLogger('volnux.run').addHandler(HANDLER)\n",
    )
    try:
        assert cli("run", "flow.pty").err == ""
    finally:
        log = logging.getLogger("volnux.run")
        for handler in log.handlers[:]:
            log.removeHandler(handler)
            handler.close()
    said = Path("run.log").read_text()
    assert said.startswith("flow: attempt 1 of Again failed, the next one follows in 0 s: Value")
    assert "\nflow: Again failed after 2 attempts: ValueError: " in said
