"""`volnux backfill --backend airflow`: Airflow's own command for the same times."""

import datetime as dt
import inspect
import json
import os
import shlex
from pathlib import Path

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.models.backfill import ReprocessBehavior, _get_info_list, _validate_backfill_params
from volnux_airflow import to_dag

from tests.integration.airflow.names import DagSerialization
from volnux.cli.start import start as volnux
from volnux.kit.backfill import instants_between
from volnux.loading import load_graph

EVENTS = """
from volnux import EventBase, event

@event
def Load(day):
    return True, None

class Follow(EventBase):
    airflow = {"depends_on_past": True}

    def process(self):
        return True, None
"""

INPUT = "@input: day: date = scheduled\n"


@pytest.fixture
def backfill(capfd, monkeypatch, own_folder):
    """Prints the command for a text, as on a machine without an Airflow."""
    for name in ("AIRFLOW_HOME", "AIRFLOW_CONFIG"):
        monkeypatch.setenv(name, str(own_folder / "nowhere"))
    for name in [each for each in os.environ if each.startswith("AIRFLOW__DATABASE__")]:
        monkeypatch.delenv(name)
    Path("daily_events.py").write_text(EVENTS)

    def backfill(text, *arguments, days=("2026-03-28", "2026-03-30")):
        Path("daily.pty").write_text(text)
        command = ["backfill", "daily.pty", "--backend", "airflow", "--from", days[0]]
        code = volnux([*command, "--to", days[1], *arguments])
        return code, capfd.readouterr()

    return backfill


@pytest.mark.parametrize(
    ("schedules", "zone", "arguments"),
    [
        (['"30 2 * * *"'], "Europe/Berlin", []),
        (['"0 0 * * *"', '"59 23 * * *"'], "America/New_York", ["--again", "failed", "--reverse"]),
        (["@hourly", '"30 12 * * *"'], "UTC", ["--again", "all", "--input", "day=2026-01-01"]),
        (['"0 12 * * *"'], "UTC", ["--max-active", "3", "--dry-run"]),
    ],
)
def test_airflow_reads_the_command_and_finds_the_same_times(backfill, schedules, zone, arguments):
    lines = [f"@schedule: {each}\n" for each in schedules]
    # Airflow itself does not look at the start date.
    text = f"{''.join(lines)}@timezone: {zone}\n@start-date: 2026-03-29\n{INPUT}Load\n"
    code, said = backfill(text, *arguments)
    assert code == 0
    assert said.err.startswith("not started: no Airflow is set up on this machine")
    program, *words = shlex.split(said.out)
    assert program == "airflow"
    read = get_parser().parse_args(words)
    behavior = {"failed": "failed", "all": "completed"}
    again = arguments[1] if "--again" in arguments else "none"
    assert read.reprocess_behavior == behavior.get(again, "none")
    assert read.max_active_runs == (3 if "--max-active" in arguments else 1)
    assert read.dry_run is ("--dry-run" in arguments)
    conf = json.loads(read.dag_run_conf) if read.dag_run_conf else None
    assert conf == ({"day": "2026-01-01"} if "--input" in arguments else None)

    dag = DagSerialization.from_dict(DagSerialization.to_dict(to_dag("daily.pty")))
    given = read.run_backwards, read.from_date, read.to_date
    more = [ReprocessBehavior(read.reprocess_behavior), conf]
    # Airflow 3.1 does not look at the conf.
    known = inspect.signature(_validate_backfill_params).parameters
    _validate_backfill_params(*[dag, *given, *more][: len(known)])
    found = _get_info_list(
        dag=dag, from_date=read.from_date, to_date=read.to_date, reverse=read.run_backwards
    )
    wanted = instants_between(load_graph("daily.pty"), dt.date(2026, 3, 28), dt.date(2026, 3, 30))
    if "--reverse" in arguments:
        wanted.reverse()
    assert wanted
    assert [each.logical_date for each in found] == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--again", "failed", "--reverse"], "cannot begin with the last time"),
        ([], "fills past times only with --again failed or all"),
        (["--again", "failed"], None),
    ],
)
def test_tasks_that_depend_on_past_runs(backfill, arguments, message):
    code, said = backfill("@schedule: @daily\nFollow\n", *arguments)
    if message is None:
        assert code == 0
        return
    assert code == 2
    assert f"daily.pty:2:1: error: Airflow {message} if a task depends on past runs" in said.err
    assert said.out == ""


def test_it_is_started_where_airflow_is_set_up(backfill, monkeypatch):
    home = Path("home").absolute()
    home.mkdir()
    (home / "airflow.cfg").touch()
    monkeypatch.setenv("AIRFLOW_CONFIG", str(home / "airflow.cfg"))
    program = home / "airflow"
    program.write_text('#!/bin/sh\necho "started: $*"\nexit 3\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")
    code, said = backfill(f"@schedule: @daily\n{INPUT}Load\n")
    assert (code, said.err) == (3, "")
    command, started = said.out.splitlines()
    assert started == f"started: {command.removeprefix('airflow ')}"
    assert backfill("@schedule: @daily\nFollow\n", days=("9000-01-01", "9000-01-02"))[1].out == (
        "daily: 0 times of the schedule, 0 to run\n\nnothing to run\n"
    )


def test_the_store_is_that_of_airflow(backfill):
    text = f'@schedule: "0 12 * * *"\n{INPUT}Load\n'
    code, said = backfill(text, "--store", "runs.db")
    assert code == 2
    assert said.err == "error: --store has no effect here: airflow keeps these runs itself\n"
