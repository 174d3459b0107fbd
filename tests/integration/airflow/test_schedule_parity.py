"""Airflow fires at the instants of the core: always with our timetable, mostly with its own."""

import datetime as dt

import pendulum
import pytest
from airflow import plugins_manager
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from volnux_airflow.timetable import VolnuxTimetable, timetable_of

from tests.integration.airflow.names import decode_timetable, encode_timetable
from tests.integration.schedule.instants import ZONES, cases, in_clock_change, refused
from volnux.graph import compile
from volnux.pointy import parse
from volnux.pointy.cron import PRESETS
from volnux.schedules import Schedule


def by_airflow(timetable, after, count):
    """The instants of a timetable with catchup, as a scheduler asks for them."""
    found = []
    last = pendulum.instance(after)
    restriction = TimeRestriction(earliest=None, latest=None, catchup=True)
    for _ in range(count):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=DataInterval.exact(last), restriction=restriction
        )
        if info is None:
            break
        last = info.run_after
        found.append(dt.datetime.fromtimestamp(last.timestamp(), dt.UTC))
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_our_timetable_fires_at_the_instants_of_the_core(zone):
    for case in cases(zone):
        timetable = VolnuxTimetable(case.schedule, timezone=zone)
        assert by_airflow(timetable, case.after, len(case.next)) == case.next, case.schedule


@pytest.mark.parametrize("zone", ZONES)
def test_airflows_own_timetable_agrees_outside_of_clock_changes(zone):
    for case in cases(zone):
        text = PRESETS.get(case.schedule, case.schedule)
        _, hour, *days = text.split()
        # Airflow adds a span of the clock to an instant there, and is wrong after a clock change.
        if hour == "*" and days != ["*", "*", "*"]:
            continue
        timetable = CronTriggerTimetable(text, timezone=zone)
        # It may have one more or less in each hour of a clock change.
        found = by_airflow(timetable, case.after, len(case.next) + 8)
        assert [m for m in found if m <= case.next[-1] and not in_clock_change(m, zone)] == [
            m for m in case.next if not in_clock_change(m, zone)
        ], case.schedule


def test_a_refused_expression_is_refused_here_too():
    for text, reason in refused().items():
        with pytest.raises(ValueError) as refusal:
            VolnuxTimetable(text)
        assert str(refusal.value) == reason


@pytest.fixture
def plugin(monkeypatch):
    """Airflow with a plugin that registers the timetable."""
    known = {"volnux_airflow.timetable.VolnuxTimetable": VolnuxTimetable}
    if hasattr(plugins_manager, "get_timetables_plugins"):
        monkeypatch.setattr(plugins_manager, "get_timetables_plugins", lambda: known)
    else:
        monkeypatch.setattr(plugins_manager, "timetable_classes", known)


def test_the_timetable_survives_serialization(plugin):
    timetable = timetable_of(
        compile(parse('@schedule: "30 2 * * 1-5"\n@schedule: @monthly\n@timezone: Europe/Paris\nA'))
    )
    read = decode_timetable(encode_timetable(timetable))
    assert read == timetable
    assert read.summary == "30 2 * * 1-5, @monthly"
    assert read.description.startswith("At 02:30 from Monday to Friday; At 00:00 on day 1")


def test_a_graph_without_a_schedule_has_no_timetable():
    assert timetable_of(compile(parse("A"))) is None


PARIS = Schedule(("30 2 * * *",), "Europe/Paris")


@pytest.mark.parametrize(
    ("catchup", "last", "earliest", "expected"),
    [
        (False, None, None, "next"),
        (False, None, "2020-01-01", "missed"),
        (False, "2020-01-05", "2020-01-01", "missed"),
        (False, None, "2990-01-01T12:00", "2990-01-02T01:30"),
        (True, None, "2020-01-01", "2020-01-01T01:30"),
        (True, "2020-01-05T01:30", "2020-01-01", "2020-01-06T01:30"),
    ],
)
def test_which_run_comes_first(catchup, last, earliest, expected):
    def moment(text):
        return text and pendulum.instance(
            dt.datetime.fromisoformat(f"{text}").replace(tzinfo=dt.UTC)
        )

    now = dt.datetime.now(dt.UTC)
    wanted = {"next": PARIS.after(now), "missed": PARIS.before(now)}.get(expected) or moment(
        expected
    )
    info = VolnuxTimetable("30 2 * * *", timezone="Europe/Paris").next_dagrun_info(
        last_automated_data_interval=last and DataInterval.exact(moment(last)),
        restriction=TimeRestriction(earliest=moment(earliest), latest=None, catchup=catchup),
    )
    assert info.run_after == wanted
    assert info.logical_date == wanted


def test_nothing_comes_after_the_end_date():
    restriction = TimeRestriction(
        earliest=pendulum.datetime(2020, 1, 1),
        latest=pendulum.datetime(2020, 1, 1, 1),
        catchup=True,
    )
    timetable = VolnuxTimetable("30 2 * * *")
    assert (
        timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
        is None
    )
