"""`volnux run`: what it prints, its options, its exit codes."""

import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from volnux import RunReport


def plain(text):
    """The text without what differs from run to run."""
    text = re.sub(r"run [0-9a-f]{32}", "run ID", text)
    text = re.sub(r"\[ *\d+\.\d\ds\]", "[TIME]", text)
    return re.sub(r"\b\d+ms|\b\d+\.\d+s\b", "TIME", text)


def test_progress_and_the_path_taken(cli, flow):
    result = cli("run", flow("Ok -> Bad (0 -> Three (3 -> Ok), 1 -> Loud)"))
    assert (result.code, result.err) == (0, "")
    assert re.sub(r" +\n", "\n", plain(result.out)) == (
        "[TIME] flow: run ID of 5 places started\n"
        "[TIME] Ok: started\n"
        "[TIME] Ok: done in TIME\n"
        "[TIME] Bad: started\n"
        "[TIME] Bad: done with descriptor 0 in TIME: returned 'no'\n"
        "[TIME] Three: started\n"
        "[TIME] Three: done with descriptor 3 in TIME\n"
        "[TIME] Ok__2: started\n"
        "[TIME] Ok__2: done in TIME\n"
        "\n"
        "place  state    descriptor  attempts  time\n"
        "Ok     done     1           1         TIME\n"
        "Bad    done     0           1         TIME\n"
        "Three  done     3           1         TIME\n"
        "Ok__2  done     1           1         TIME\n"
        "Loud   skipped  -           0         -\n"
        "\n"
        "Bad failed, handled: it returned 'no'\n"
        "\n"
        "flow: success in TIME\n"
    )


def test_a_failure_shows_the_frames_of_the_user_alone(cli, flow):
    result = cli("run", flow("Boom * 2 -> Ok"))
    assert result.code == 1
    out = plain(result.out)
    assert "[TIME] Boom: attempt 1 failed, retrying in TIME: ValueError: no way\n" in out
    assert "[TIME] Boom: started, attempt 2\n" in out
    assert "[TIME] Boom: failed in TIME after 2 attempts: ValueError: no way\n" in out
    assert "Boom failed after 2 attempts: ValueError: no way\n  Traceback" in out
    frames = re.findall(r'File "(.*?)", line \d+, in (\w+)', out)
    assert [name for _, name in frames] == ["Boom", "deeper"]
    assert all(file.endswith("flow_events.py") for file, _ in frames)
    assert re.search(r"^Ok +failed +- +0 +-$", out, re.M)
    assert out.endswith("\nflow: failed in TIME\n")


def test_a_descriptor_without_a_branch_is_told(cli, flow):
    result = cli("run", flow("Three -> Ok"))
    assert result.code == 1
    reason = "Three finished with descriptor 3, which has no branch"
    assert f"Three: failed in TIME: UnhandledDescriptor: {reason}" in plain(result.out)


def test_json_is_one_object_whatever_events_print(cli, flow):
    result = cli("run", flow("Ok || Loud"), "--json")
    assert result.code == 0
    report = json.loads(result.out)
    assert list(report) == [
        "format_version", "pipeline", "backend", "run_id", "status", "started_at", "ended_at",
        "scheduled_at", "inputs", "places",
    ]  # fmt: skip
    assert list(report["places"]) == ["Ok", "Loud"]
    assert report["places"]["Ok"]["result"] == "fine"
    assert "the event says hello" in result.err
    assert "Loud: done" in result.err


def test_json_of_a_failed_run(cli, flow):
    result = cli("run", flow("Boom"), "--json")
    assert result.code == 1
    failure = json.loads(result.out)["places"]["Boom"]["failure"]
    assert (failure["type"], failure["message"]) == ("ValueError", "no way")


def test_json_stays_clean_when_a_module_or_a_worker_process_prints(cli, flow, write):
    write("flow_events.py", """
        import os
        from concurrent.futures import ProcessPoolExecutor
        from volnux import event

        print("imported")

        @event(executor=ProcessPoolExecutor, max_workers=1)
        def Far():
            print("from a worker", flush=True)
            os.write(1, b"written to the descriptor")
            return True, os.getpid()
    """)  # fmt: skip
    result = cli("run", flow("Far"), "--json")
    assert result.code == 0
    assert json.loads(result.out)["places"]["Far"]["state"] == "done"
    for text in ("imported", "from a worker", "written to the descriptor"):
        assert text in result.err


def test_the_plain_call_and_one_with_options_do_the_same(cli, flow):
    path = flow("Ok -> Bad")
    short, long = cli("run", path), cli("run", path, "--backend", "standalone")
    assert short.code == long.code == 1
    assert plain(short.out) == plain(long.out)


def test_inputs_are_read_by_type(cli, flow):
    path = flow("@input: n: int\nAdd")
    result = cli("run", path, "--input", "n=40", "--json")
    assert json.loads(result.out)["places"]["Add"]["result"] == 42
    assert json.loads(result.out)["inputs"] == {"n": 40}


def test_a_value_may_hold_an_equals_sign_and_be_empty(cli, flow, write):
    write("flow_events.py", """
        from volnux import event

        @event
        def Join(a, b): return True, [a, b]
    """)  # fmt: skip
    path = flow("@input: a: str\n@input: b: str\nJoin")
    result = cli("run", path, "-i", "a=x=y", "-i", "b=", "--json")
    assert json.loads(result.out)["places"]["Join"]["result"] == ["x=y", ""]


def test_every_bad_input_is_shown(cli, flow):
    path = flow("@input: n: int\n@input: day: date\n@input: m: int = 2\nAdd")
    result = cli("run", path, "-i", "n=x", "-i", "dya=1", "-i", "m", "-i", "n=2")
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines() == [
        "error: there is no input 'dya'; did you mean 'day'?",
        "error: the input 'n' is given twice",
        "error: the input 'day' (date) is required",
        "error: 'm' is not an input: write it as name=value",
    ]


def test_events_replaces_the_siblings_and_may_be_given_twice(cli, flow, write):
    write("mine.py", """
        from volnux import event

        @event
        def Ok(): return True, "mine"
    """)  # fmt: skip
    write("theirs.py", """
        from volnux import event

        @event
        def Ok(): return True, "theirs"

        @event
        def Other(): return True, "other"
    """)  # fmt: skip
    path = flow("Ok -> Other")
    result = cli("run", path, "--events", "mine", "--events", "theirs", "--json")
    places = json.loads(result.out)["places"]
    assert [places[name]["result"] for name in ("Ok", "Other")] == ["mine", "other"]
    assert cli("run", path, "--events", "mine,theirs").code == 0


def test_modules_of_the_working_folder_are_found(cli, write):
    write("team/__init__.py", "")
    write("team/orders.py", """
        from volnux import event

        @event
        def Ok(): return True, "from the team"
    """)  # fmt: skip
    path = write("pipelines/orders.pty", "Ok")
    assert cli("run", path, "--events", "team.orders").code == 0


def test_portable_refuses_what_no_host_can_store(cli, flow, write):
    write("flow_events.py", """
        from volnux import event

        @event
        def Odd(): return True, [iter(())]
    """)  # fmt: skip
    path = flow("Odd")
    assert cli("run", path).code == 0
    result = cli("run", path, "--portable")
    assert result.code == 1
    assert "the result of Odd[0] is of type tuple_iterator: return a value of a type" in result.out


def test_values_keep_their_types_in_the_json(cli, flow, write):
    write("flow_events.py", """
        from decimal import Decimal
        from volnux import event

        @event
        def Price(): return True, (Decimal("1.20"), {"a"})
    """)  # fmt: skip
    path = flow("Price")
    shown = json.loads(cli("run", path, "--json").out)
    assert shown["places"]["Price"]["result"][1] == {"type": "set", "repr": "{'a'}"}
    result = cli("run", path, "--json", "--values")
    assert (result.code, result.err.count("error")) == (0, 0)
    assert RunReport.from_json(result.out).results == {"Price": (Decimal("1.20"), {"a"})}
    refused = cli("run", path, "--values")
    assert refused.code == 2
    assert "--values changes the JSON: add --json" in refused.err


def test_workers_limits_how_many_run_at_once(cli, flow, write):
    write("flow_events.py", """
        import threading, time
        from volnux import event
        now, most, lock = 0, 0, threading.Lock()

        @event
        def Step():
            global now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1
            return True, most
    """)  # fmt: skip
    result = cli("run", flow("Step || Step || Step"), "--workers", "1", "--json")
    assert {p["result"] for p in json.loads(result.out)["places"].values()} == {1}


def test_a_warning_of_the_file_is_shown_before_the_run(cli, flow, write):
    write("flow_events.py", """
        from volnux import EventBase

        class Judge(EventBase):
            conditions = {4: lambda result: False}

            def process(self):
                return True, 1
    """)  # fmt: skip
    result = cli("run", flow("Judge"))
    assert result.code == 0
    assert "warning: Judge has a condition for descriptor 4, but no branch for it" in result.err


COULD_NOT_START = [
    (["missing.pty"], "missing.pty: error: there is no such file\n"),
    (["flw.pty"], "flw.pty: error: there is no such file\n  hint: did you mean 'flow.pty'?\n"),
    (["flow"], "flow: error: there is no such file\n  hint: did you mean 'flow.pty'?\n"),
    (
        ["no/flow.pty"],
        "no/flow.pty: error: there is no such file\n  hint: there is no folder 'no' either\n",
    ),
    (["."], ".: error: this is a directory\n  hint: give a file in it: flow.pty\n"),
    (["latin.pty"], "latin.pty:1:4: error: the byte 0xE9 is not UTF-8\n"
     "  1 | Caf�\n    |    ^\n  hint: save the file as UTF-8\n"),
    (["a\0b"], "a\\x00b: error: it cannot be read: its path contains a NUL character\n"),
    (
        ["flow.pty", "--backend", "standalne"],
        "error: there is no backend 'standalne'; did you mean 'standalone'?\n",
    ),
    (
        ["flow.pty", "--backend", "x", "--events", "my events"],
        "error: there is no backend 'x'; installed: standalone\n"
        "error: --events takes the dotted name of a module, found 'my events'\n",
    ),
    (
        ["flow.pty", "--events", "lib/my_events.py"],
        "error: --events takes the dotted name of a module, found 'lib/my_events.py'; "
        "did you mean 'my_events'?\n",
    ),
    (["flow.pty", "--input", "n=1"], "error: there is no input 'n'; it has none\n"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), COULD_NOT_START, ids=lambda a: str(a)[:40])
def test_what_keeps_a_run_from_starting(cli, flow, write, arguments, message, monkeypatch):
    flow("Ok")
    if arguments[0] == "latin.pty":
        Path("latin.pty").write_bytes(b"Caf\xe9")
    if "'x'" in message:
        # Which other backends are installed does not matter here.
        monkeypatch.setattr("volnux.backends.registry.backend_names", lambda: ["standalone"])
    result = cli("run", *arguments)
    assert (result.code, result.out, result.err) == (2, "", message)


def test_all_errors_of_a_file_are_shown(cli, flow):
    result = cli("run", flow("@inptu: n: int\nA => B -> | C"))
    assert (result.code, result.out) == (2, "")
    assert result.err.count(": error: ") >= 3
    assert "flow.pty:1:1: error: there is no directive '@inptu'" in result.err


def test_all_unknown_events_are_shown(cli, flow):
    result = cli("run", flow("Okk -> Ok -> Bda"))
    assert result.code == 2
    assert "flow.pty:1:1: error: there is no event 'Okk'\n  1 | Okk -> Ok -> Bda\n" in result.err
    assert "flow.pty:1:14: error: there is no event 'Bda'\n" in result.err
    assert "hint: did you mean 'Bad'?" in result.err


def test_a_module_that_cannot_be_imported_shows_the_frames_of_the_user(cli, flow, write):
    write("flow_events.py", "def f():\n    return 1 / 0\n\nf()\n")
    result = cli("run", flow("Ok"))
    assert result.code == 2
    assert "the module 'flow_events' cannot be imported: ZeroDivisionError" in result.err
    assert "return 1 / 0" in result.err
    assert "volnux/" not in result.err.replace(str(flow("Ok").resolve().parent), "")


def test_nothing_is_printed_on_standard_output_when_json_could_not_start(cli, flow):
    result = cli("run", flow("Nope"), "--json")
    assert (result.code, result.out) == (2, "")
    assert "there is no event 'Nope'" in result.err


def test_what_a_backend_refuses(cli, flow):
    result = cli("run", flow('Ok[executor="gopher://host"]'))
    assert (result.code, result.out) == (2, "")
    assert "error: standalone cannot send an event to gopher://host" in result.err


@pytest.mark.parametrize("arguments", [["run"], ["run", "flow.pty", "--workers", "0"],
                                       ["run", "flow.pty", "--wrokers", "2"], ["run", "a", "b"],
                                       ["rnu", "flow.pty"]])  # fmt: skip
def test_a_call_that_makes_no_sense(cli, flow, arguments):
    flow("Ok")
    result = cli(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Usage: volnux" in result.err
    assert "Traceback" not in result.err


def test_the_plain_call_loads_neither_typer_nor_pydantic_nor_rich(flow):
    flow("Ok -> Ok")
    program = (
        "import sys; from volnux.cli.start import start; code = start(['run', 'flow.pty'])\n"
        "assert code == 0, code\n"
        "heavy = {'typer', 'pydantic', 'rich', 'ply.lex', 'opentelemetry', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")


DAY = '@input: day: date = scheduled - 1d, "the day to load"\n@variable: region: str = "eu"\n'


@pytest.mark.parametrize(
    ("arguments", "day"),
    [
        (["--at", "2026-03-01"], "2026-02-28"),
        (["--at", "2026-03-01T00:30+02:00"], "2026-02-27"),
        (["--at", "2026-03-01", "--input", "day=2020-01-01"], "2020-01-01"),
        (["--at", "2026-03-01", "--inputs", "in.json"], "2019-01-01"),
        (["--inputs", "in.json", "--input", "day=2018-01-01"], "2018-01-01"),
    ],
)
def test_the_instant_of_a_run(cli, flow, arguments, day):
    path = flow(f"@timezone: UTC\n{DAY}Ok")
    Path("in.json").write_text('{"day": "2019-01-01"}')
    report = json.loads(cli("run", path, "--json", *arguments).out)
    assert report["inputs"]["day"] == day
    if "--at" in arguments:
        assert report["scheduled_at"].startswith(
            "2026-02-28T22:30" if "30" in arguments[1] else "2026-03-01T00:00"
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "soon"], "--at takes a time such as 2026-01-31T06:00, found 'soon'"),
        (["--var", "regoin=us"], "there is no variable 'regoin'; did you mean 'region'?"),
        (["--var", "region"], "--var takes NAME=VALUE, found 'region'"),
        (["--var", "region=a", "--var", "region=b"], "the variable 'region' is given twice"),
        (["--var", "token=abc"], "'token' is a secret: set VOLNUX_SECRET_TOKEN"),
        (["--inputs", "none.json"], "none.json cannot be read"),
        (["--inputs", "list.json"], "list.json must hold a JSON object"),
        (["--inputs", "bad.json"], "bad.json is not JSON"),
    ],
)
def test_bad_instants_variables_and_files_of_inputs(cli, flow, arguments, said):
    path = flow(f"{DAY}@secret: token\nOk")
    Path("list.json").write_text("[1]")
    Path("bad.json").write_text("{")
    result = cli("run", path, *arguments)
    assert result.code == 2
    assert said in result.err


def test_the_help_of_a_file_has_its_inputs(cli, flow):
    path = flow(
        f'{DAY}@input: limit: int(1..100) = 10\n@input: mode: "full" | "delta" = "full"\nOk'
    )
    for words in (("run", path, "--help"), ("describe", path)):
        out = cli(*words).out
        assert "  day    date  = scheduled - 1d  the day to load\n" in out
        assert "  limit  int   = 10              from 1 to 100\n" in out
        assert "one of 'full', 'delta'" in out
    assert json.loads(cli("describe", path, "--json").out)["variables"][0]["name"] == "region"


def test_where_a_flow_fails_is_shown(cli, flow):
    result = cli("run", flow("Bad (0 |->\n Ok -> !)"))
    assert result.code == 1
    assert "the run failed: Failed: the flow fails here: flow.pty:2\n" in result.out


MAPPED = "List |-> Show[each=url, at_once=2] |-> Ok"
MAPPED_EVENTS = """
from volnux import event

@event
def List(): return True, list(range(12))

@event
def Show(previous_result): return previous_result != 5, previous_result

@event
def Ok(): return True, None
"""


def test_output_that_is_not_a_terminal_has_every_copy(cli, flow, write):
    path = flow(MAPPED)
    write("flow_events.py", MAPPED_EVENTS)
    result = cli("run", path)
    assert result.code == 1
    for number in range(12):
        assert f"Show[{number}]: started\n" in result.out
        assert re.search(rf"^Show\[{number}\] +(done|failed)", result.out, re.M)
    assert "Show[5] failed: it returned 5" in result.out
    assert list(json.loads(cli("run", path, "--json").out)["places"]) == [
        "List",
        *[f"Show[{number}]" for number in range(12)],
        "Ok",
    ]


def test_units_with_each_and_task_are_described(cli, flow):
    path = flow(
        "@input: urls: list\n"
        "{Page |-> {Fetch |-> Save}[each=url, in=urls, at_once=8, batch=2]}[task=load] "
        "|-> {A[each=x]}[again=2]"
    )
    result = cli("describe", path)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[1:5] == [
        "5 places, 4 events",
        "each url, in=urls, at_once=8, batch=2: Fetch, Save",
        "each x: A",
        "task load: Page, Fetch, Save",
    ]
    described = json.loads(cli("describe", path, "--json").out)
    assert described["places"] == ["Page", "Fetch", "Save", "A", "A.2"]
    assert described["tasks"] == [{"name": "load", "places": ["Page", "Fetch", "Save"]}]
    assert described["eaches"][0] == {
        "name": "url",
        "in": "urls",
        "at_once": 8,
        "batch": 2,
        "places": ["Fetch", "Save"],
    }


def test_places_of_a_used_file_are_shown_by_their_full_names(cli, flow, write):
    write("shared/clean.pty", "@input: n: int\nAdd(n=n) (0 -> Bad)")
    write(
        "shared/clean_events.py", "from volnux import event\n@event\ndef Add(n): return True, n\n"
    )
    path = flow('@use: clean = "shared/clean.pty"\nclean(n=1)[again=2] -> clean(n=2) -> Ok')
    write("shared/events.py", "from volnux import event\n@event\ndef Bad(): return True, 0\n")
    result = cli("run", path, "--plain")
    assert (result.code, result.err) == (0, "")
    progress, _, summary = result.out.partition("\nplace ")
    assert "] clean__2.Add: started\n" in progress
    assert [line.split()[:2] for line in summary.splitlines()[1:-2]] == [
        ["clean.Add", "done"],
        ["clean.Bad", "skipped"],
        ["clean.Add.2", "skipped"],
        ["clean.Bad.2", "skipped"],
        ["clean__2.Add", "done"],
        ["clean__2.Bad", "skipped"],
        ["Ok", "done"],
    ]
