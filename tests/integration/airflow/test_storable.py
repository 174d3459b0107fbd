"""What Airflow cannot send or store is refused with its place, before Airflow sees it."""

import json

import pytest
from airflow.dag_processing.processor import DagFileParsingResult
from airflow.sdk.execution_time.comms import _RequestFrame
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.timetables.trigger import MultipleCronTriggerTimetable
from volnux_airflow import storable, to_dag
from volnux_airflow.dags import PtyImportError, dag_of_file
from volnux_airflow.translate import crons, is_native

from tests.conformance.cases import EVENTS
from tests.integration.airflow.names import DagSerialization
from volnux.backends import RefusedError
from volnux.loading import load_graph

MORE_EVENTS = (
    EVENTS
    + """
@event(retry_policy={"max_attempts": 2**31 + 1})
def Stubborn(): return True, None
@event(retry_policy={"max_attempts": 99, "backoff_factor": 1, "max_backoff": 1e30})
def Patient(): return True, None
@event(airflow={"executor_config": {"x": [2**70]}})
def Config(): return True, None
@event(airflow={"owner": "\\ud800"})
def Owner(): return True, None
@event(airflow={"pool": "p" * 257})
def Pool(): return True, None
@event(airflow={"priority_weight": 2**31})
def Weight(): return True, None
@event
def Told():
    "a\\0b"
    return True, None
def told(): return True, None
told.__qualname__ = "caf\\udce9" * 300
Odd = event(told)
"""
)

LONG = "x" * 300

REFUSED = [
    (f"@tags: a, {LONG[:101]}\nA", "1:8", "a tag has at most 100 characters"),
    ("@input: n: int = 18446744073709551616\nA", "1:1", "more than 64 bits"),
    ("@input: n: int = -9223372036854775809\nA", "1:1", "more than 64 bits"),
    ('@input: d: dict = {"a": [{"b": 99999999999999999999}]}\nA', "1:1", "more than 64 bits"),
    ('@input: s: str = "\\u0000"\nA', "1:1", "the character U+0000"),
    ('@input: l: list = [["a", "b\\u0000c"]]\nA', "1:1", "the character U+0000"),
    ('@input: d: dict = {"\\u0000": 1}\nA', "1:1", "the character U+0000"),
    ("A[concurrency=99999999999999999999]", "1:1", "the concurrency of A has more than 32 bits"),
    ("A[priority=-2147483649]", "1:1", "the priority of A has more than 32 bits"),
    ("A -> A * 2147483649", "1:6", "the number of attempts of A has more than 32 bits"),
    ("Stubborn", "1:1", "the number of attempts of Stubborn has more than 32 bits"),
    ("Patient", "1:1", "the longest wait before a retry of Patient is at most 1000000000 s"),
    (f'A[pool="{LONG}"]', "1:1", "the name of a pool has at most 256 characters"),
    (f'A[queue="{LONG}"]', "1:1", "the name of a queue has at most 256 characters"),
    ("Config", "1:1", "'executor_config' has an integer of more than 64 bits"),
    ("Owner", "1:1", "'owner' has a lone surrogate, which is not a valid character"),
    ("Pool", "1:1", "'pool' has at most 256 characters, found 257"),
    ("Weight", "1:1", "'priority_weight' has an integer of more than 32 bits"),
    (f"A[timeout={10**15}]", "1:11", "the maximum is 1000000000"),
]


@pytest.mark.parametrize(("text", "place", "message"), REFUSED)
def test_what_airflow_cannot_store_is_refused_with_its_place(folder, text, place, message):
    here = folder(**{"events.py": MORE_EVENTS, "no.pty": text})
    with pytest.raises(Exception, match=r"no\.pty:") as refused:
        to_dag(here / "no.pty")
    assert f"no.pty:{place}: error" in str(refused.value)
    assert message in str(refused.value)


def test_settings_that_airflow_cannot_store(folder):
    here = folder(**{"events.py": EVENTS, "no.pty": "A"})
    with pytest.raises(PtyImportError, match=r"no\.pty: error: .* settings: .* 64 bits"):
        dag_of_file(here / "no.pty", default_args={"owner": "me", "numbers": [1, 2**64]})


def test_a_path_that_is_not_utf_8(folder):
    here = folder(**{"caf\udce9/events.py": EVENTS, "caf\udce9/a.pty": "A"})
    with pytest.raises(RefusedError, match=r"caf\\udce9/a\.pty: error: .* is not UTF-8"):
        to_dag(here / "caf\udce9" / "a.pty")


STORED = [
    f"@tags: {LONG[:100]}\nA",
    "@input: n: int = 18446744073709551615\n@input: m: int = -9223372036854775808\nA",
    f"@input: l: list = {'[' * 50}{']' * 50}\nA",
    '@input: s: str = "\\u0001\\ud83d\\ude00\\u2028"\nA',
    "@max-active-runs: 999999999\nA",
    f'A[pool="{LONG[:256]}", queue="{LONG[:256]}", timeout=1000000000, priority=-2147483648]',
    f"@name: {LONG[:250]}\nA * 2147483647",
    "Told -> Odd",
]


@pytest.mark.parametrize("text", STORED)
def test_what_is_just_within_the_limits_is_sent(folder, text):
    here = folder(**{"events.py": MORE_EVENTS, "yes.pty": text})
    dag = to_dag(here / "yes.pty")
    result = DagFileParsingResult(
        fileloc=str(here),
        serialized_dags=[LazyDeserializedDAG(data=DagSerialization.to_dict(dag))],
    )
    assert _RequestFrame(id=1, body=result.model_dump()).as_bytes()
    # As the database of Postgres takes it.
    assert "\\u0000" not in json.dumps(DagSerialization.to_dict(dag))
    assert all(task.retries in storable.COUNT for task in dag.tasks)


FIVE_A_LINE = "5,20,35,50 {hour} 1,15 jan,apr,jul,oct mon,wed,fri"
EVERYTHING = " ".join(
    ",".join(map(str, values))
    for values in (range(60), range(24), range(1, 32), range(1, 13), range(7))
)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris"])
@pytest.mark.parametrize(
    "schedules",
    [
        ["0 6 * * *"],
        [FIVE_A_LINE.format(hour=hour) for hour in range(10)],
        [EVERYTHING],
        [f"9,9,9 9,9 * 9,9,9,9,9 3,3,3,{number % 7}" for number in range(7)],
    ],
)
def test_the_description_of_any_schedules_fits_into_its_column(folder, schedules, zone):
    lines = [f'@schedule: "{expression}"' for expression in dict.fromkeys(schedules)]
    text = "\n".join([f"@timezone: {zone}", *lines, "A"])
    here = folder(**{"events.py": EVENTS, "often.pty": text})
    graph = load_graph(here / "often.pty")
    timetable = to_dag(here / "often.pty").timetable
    if is_native(graph):
        timetable = MultipleCronTriggerTimetable(*crons(graph), timezone="UTC")
    assert 0 < len(timetable.description) <= storable.LONGEST_DESCRIPTION


def test_messages_of_a_user_become_storable():
    assert storable.clean("a\0b\n\ud800\x1b") == "a\\x00b\n\\ud800\\x1b"
    assert len(storable.clean("x" * 10**6)) < 11_000
