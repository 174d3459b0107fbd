"""`volnux run --resume` and `--from`, and the same from Python."""

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

import volnux
from tests.conformance.tiny_backend.tiny_backend import TinyBackend
from tests.integration.telemetry.servers import eventually
from volnux import FileInputDataField, Pipeline, VolnuxError
from volnux.backends import RunObserver
from volnux.kit.resume import ResumeError, resumption
from volnux.loading import load_plan
from volnux.runs import Store

EVENTS = """
import json
from pathlib import Path
from volnux import event

def ends(name, *given, result=None):
    with open("ran", "a") as ran:
        print(name, *given, file=ran)
    fails = json.loads(Path("fails").read_text()) if Path("fails").exists() else []
    if name in fails:
        raise ValueError("no way")
    return True, name if result is None else result

@event
def Load(self, day="mon"): return ends(self.task_id, day, result=[1, 2, 3])

@event
def Work(self, item=0): return ends(self.task_id, item, result=item * 2)

@event
def Sum(self, previous_result): return ends(self.task_id, result=sum(previous_result))

@event
def Tell(self, previous_result=None): return ends(self.task_id)

@event
def New(self, size=0): return ends(self.task_id, size)

@event
def Odd(self):
    ends(self.task_id)
    return True, object()
"""

FLOW = """
@input: day: str = "mon"
Load |-> Work[each=item] |-> Sum |-> Tell
"""


@pytest.fixture
def write():
    """Write the flow, and say which places fail."""

    def write(flow=FLOW, fails=(), events=EVENTS, **files):
        Path("flow.pty").write_text(dedent(flow))
        Path("flow_events.py").write_text(events)
        Path("fails").write_text(json.dumps(fails))
        for name, text in files.items():
            Path(f"{name}.pty").write_text(dedent(text))

    return write


def ran():
    """What has run since the last call."""
    path = Path("ran")
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)


def test_only_what_failed_runs_again(cli, write):
    write(fails=["Work[1]"])
    assert cli("run", "flow.pty", "--input", "day=tue", "--at", "2026-01-31").code == 1
    assert ran() == ["Load tue", "Work[0] 1", "Work[1] 2", "Work[2] 3"]
    first = Store(".volnux/runs.db").run("last")
    write()
    found = cli("run", "flow.pty", "--resume")
    assert found.code == 0
    assert ran() == ["Sum", "Tell", "Work[1] 2"]
    assert re.search(r"\] Load: reused\n.*\] Work\[0\]: reused\n", found.out)
    assert re.search(r"Work\[2\] +done +1 +reused +-\n", found.out)
    assert found.out.rstrip().endswith(f", resuming {first.id}")
    second = Store(".volnux/runs.db").run("last")
    assert (second.resumed_from, second.scheduled_at) == (first.id, first.scheduled_at)
    assert second.inputs == {"day": '"tue"'}
    nothing = cli("run", "flow.pty", "--resume")
    assert (nothing.code, ran()) == (2, [])
    assert "was a success, so there is nothing to resume: use --from PLACE" in nothing.err


def test_a_resumed_run_as_json(cli, write):
    write(fails=["Tell"])
    first = json.loads(cli("run", "flow.pty", "--json").out)
    write()
    report = json.loads(cli("run", "flow.pty", "--json", "--resume", first["run_id"][:8]).out)
    assert report["resumed_from"] == first["run_id"]
    assert [place for place in report["places"] if report["places"][place].get("reused")] == [
        *("Load", "Work[0]", "Work[1]", "Work[2]", "Sum")
    ]
    assert report["places"]["Sum"] == {
        **first["places"]["Sum"],
        "attempts": 0,
        "started_at": None,
        "ended_at": None,
        "reused": True,
    }
    read = volnux.RunReport.from_json(report)
    assert (read.resumed_from, read.places["Sum"].reused) == (first["run_id"], True)
    assert read.results["Sum"] == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "nope"], "there is no run 'nope' in "),
        (["--resume", "--input", "day=tue"], "the input 'day' of the run "),
        (["--resume", "--at", "2020-01-01"], "a resumed run has the same one, so leave it out"),
        (["--from", "Wrk"], "there is no place 'Wrk'; did you mean 'Work'?"),
        (["--from", "nothing"], "there is no place 'nothing'; places: Load, Work, Sum, Tell"),
        (["--from", "Load[1]"], "there is no place 'Load[1]': it has no such copies"),
        (["--from", "Work[x]"], "'Work[x]' is not a place; one copy is written Work[3]"),
        (["--resume", "--no-store"], "only a run that was kept can be resumed"),
        (["--resume", "--store", "other.db"], "there is no store of runs "),
        (["--resume", "--backend", "plain"], "plain cannot resume a kept run"),
    ],
)
def test_what_cannot_be_resumed(cli, write, monkeypatch, arguments, message):
    from volnux_standalone import StandaloneBackend

    from volnux.backends import registry

    class Plain(StandaloneBackend):
        name = "plain"
        capabilities = volnux.backends.Capabilities()

    known = registry.get_backend
    monkeypatch.setattr(
        registry, "get_backend", lambda name: Plain() if name == "plain" else known(name)
    )
    write(fails=["Sum"])
    cli("run", "flow.pty")
    ran()
    found = cli("run", "flow.pty", *arguments)
    assert (found.code, ran()) == (2, [])
    assert message in found.err
    assert "Traceback" not in found.err


def test_a_run_of_another_file(cli, write):
    write(fails=["Tell"], other="Load")
    Path("other_events.py").write_text(EVENTS)
    cli("run", "other.pty")
    found = cli("run", "flow.pty", "--resume")
    assert "there is no run of flow.pty in " in found.err
    run = Store(".volnux/runs.db").run("last")
    found = cli("run", "flow.pty", "--resume", run.id)
    assert f"the run {run.id} is one of {Path('other.pty').resolve()}, not of flow.pty" in found.err


def test_a_run_that_still_runs(write):
    seen = []

    class Meanwhile(RunObserver):
        def place_ended(self, node, outcome):
            if node.id == "Sum":
                # A run is written in the background.
                eventually(lambda: Store("s.db").list())
                with pytest.raises(ResumeError) as caught:
                    resumption(Store("s.db"), load_plan("flow.pty"), "last")
                seen.append(str(caught.value))

    write()
    store = Store("s.db")
    report = volnux.run("flow.pty", store=store, observer=Meanwhile())
    assert seen == [
        f"the run {report.run_id} of flow.pty is still running: wait until it has ended, or "
        "cancel it"
    ]


def test_from_a_place(cli, write):
    write()
    cli("run", "flow.pty")
    ran()
    assert cli("run", "flow.pty", "--from", "Sum").code == 0
    assert ran() == ["Sum", "Tell"]
    cli("run", "flow.pty", "--from", "Work[2]")
    assert ran() == ["Sum", "Tell", "Work[2] 3"]
    cli("run", "flow.pty", "--from", "Work", "--input", "day=mon", "--resume", "last")
    assert ran() == ["Sum", "Tell", "Work[0] 1", "Work[1] 2", "Work[2] 3"]


USING = """
@use: part = "part.pty"
Load -> part(size=1) -> Tell
"""


def test_from_a_use(cli, write):
    write(USING, part="@input: size: int\nNew -> New")
    Path("part_events.py").write_text(EVENTS)
    cli("run", "flow.pty")
    ran()
    cli("run", "flow.pty", "--from", "part")
    assert ran() == ["Tell", "part.New 1", "part.New__2 1"]
    cli("run", "flow.pty", "--from", "part.New__2")
    assert ran() == ["Tell", "part.New__2 1"]


@pytest.mark.parametrize(
    ("text", "part", "again"),
    [
        (USING, "@input: size: int\nNew -> New", ["Tell"]),
        (USING, "@input: size: int\nNew -> New -> New", ["Tell", "part.New__3 1"]),
        (USING, "@input: size: int\nNew", ["Tell"]),
        (USING.replace("size=1", "size=2"), None, ["Tell", "part.New 2", "part.New__2 2"]),
        (
            USING.replace("-> Tell", "-> New -> Tell"),
            "@input: size: int\nNew -> New",
            ["New 0", "Tell"],
        ),
        (
            '@use: part = "sub/part.pty"\nLoad -> part(size=1) -> Tell',
            None,
            ["Tell"],
        ),
    ],
)
def test_another_text_of_a_used_file(cli, write, text, part, again):
    write(USING, fails=["Tell"], part="@input: size: int\nNew -> New")
    Path("part_events.py").write_text(EVENTS)
    cli("run", "flow.pty")
    ran()
    if "sub/" in text:
        Path("sub").mkdir()
        for name in ("part.pty", "part_events.py"):
            Path(name).rename(Path("sub") / name)
    write(text, **({} if part is None else {"part": part}))
    assert cli("run", "flow.pty", "--resume").code == 0
    assert ran() == again


def test_a_text_that_can_no_longer_be_read(cli, write, monkeypatch):
    write(fails=["Tell"])
    cli("run", "flow.pty")
    ran()
    store = Store(".volnux/runs.db")
    with store._using() as connection:
        connection.execute("UPDATE sources SET texts = '{\"\": \"A => B\"}', fingerprint = 'x'")
    store.close()
    write()
    assert cli("run", "flow.pty", "--resume").code == 0
    assert len(ran()) == 6


def test_a_new_input(cli, write):
    flow = FLOW.replace("|-> Tell", "-> New -> Tell")
    write(flow, fails=["Tell"])
    cli("run", "flow.pty")
    ran()
    write("@input: size: int = 5" + flow)
    assert cli("run", "flow.pty", "--resume").code == 0
    assert ran() == ["New 5", "Tell"]


def test_a_result_that_could_not_be_kept(cli, write):
    write("Load -> Odd -> New -> Tell", fails=["Tell"])
    cli("run", "flow.pty")
    assert ran() == ["Load mon", "New 0", "Odd", "Tell"]
    write("Load -> Odd -> New -> Tell")
    assert cli("run", "flow.pty", "--resume").code == 0
    assert ran() == ["New 0", "Odd", "Tell"]


def test_an_input_that_could_not_be_kept(cli, write, monkeypatch):
    monkeypatch.setenv("VOLNUX_SECRET_KEY", "a secret key")
    flow = "@secret: key\n@input: day: str\nLoad -> New(size=key) -> Tell"
    write(flow, fails=["Tell"])
    cli("run", "flow.pty", "--input", "day=a secret key")
    ran()
    write(flow)
    found = cli("run", "flow.pty", "--resume")
    assert "the value of the input 'day' of the run" in found.err
    assert "was not kept: give the same value again" in found.err
    assert cli("run", "flow.pty", "--resume", "--input", "day=a secret key").code == 0


def test_a_pipeline_class_is_resumed(write):
    write(fails=["Sum"])
    first = volnux.run("flow.pty", day="tue", store="s.db")
    assert not first.succeeded
    ran()
    write()
    with pytest.raises(ResumeError, match="the input 'day' of the run"):
        volnux.run("flow.pty", day="wed", store="s.db", resume=True)
    with pytest.raises(ResumeError, match="give store="):
        volnux.run("flow.pty", resume=True)
    with pytest.raises(VolnuxError, match="there is no run 'nope'"):
        volnux.run("flow.pty", store="s.db", resume="nope")
    assert ran() == []
    flow = Pipeline.of_plan(load_plan("flow.pty"))()
    report = flow.start(store="s.db", resume=first.run_id).report
    assert (report.succeeded, report.inputs, report.resumed_from) == (
        True,
        {"day": "tue"},
        first.run_id,
    )
    assert ran() == ["Sum", "Tell"]


class WithFile(Pipeline):
    """Its input is a file."""

    rows = FileInputDataField(required=True)

    class Meta:
        pointy = "Count |-> Tell"
        events = (__name__,)


@volnux.event
def Count(self, rows):
    with Path("ran").open("a") as ran:
        print(self.task_id, file=ran)
    return True, len(rows.read())


@volnux.event
def Tell(self):
    with Path("ran").open("a") as ran:
        print(self.task_id, file=ran)
    return Path("ok").exists(), None


@pytest.mark.parametrize("given", [{"rows": "rows.txt"}, {}])
def test_a_file_as_input(given):
    Path("rows.txt").write_text("abc")
    assert not WithFile(rows="rows.txt").start(store="s.db").succeeded
    assert ran() == ["Count", "Tell"]
    Path("ok").touch()
    context = WithFile(**given).start(store="s.db", resume=True)
    assert (context.succeeded, ran()) == (True, ["Tell"])


def test_another_backend_resumes_it(write):
    write(fails=["Work[1]"])
    volnux.run("flow.pty", store="s.db")
    ran()
    write()
    told = []

    class Telling(RunObserver):
        def place_reused(self, node, outcome):
            told.append((node.id, outcome.descriptor))

    backend = TinyBackend()
    report = volnux.run("flow.pty", store="s.db", resume=True, backend=backend, observer=Telling())
    assert report.succeeded
    assert ran() == ["Sum", "Tell", "Work[1] 2"]
    assert told == [("Load", 1), ("Work[0]", 1), ("Work[2]", 1)]
    assert [place for place, item in report.places.items() if item.reused] == [
        place for place, _ in told
    ]


def test_signals_do_not_hide_what_is_reused(cli, write):
    write(fails=["Tell"], events="from volnux.signal import signals\n" + EVENTS)
    cli("run", "flow.pty")
    ran()
    write(events="from volnux.signal import signals\n" + EVENTS)
    assert cli("run", "flow.pty", "--resume").code == 0
    assert ran() == ["Tell"]
