"""Times of a run: `scheduled - 1d` in the pipeline's zone, and the instant handed on to runs."""

import datetime as dt

import pytest

import volnux
from volnux import InputDataField, Pipeline, event
from volnux.graph import compile
from volnux.pipeline import BatchPipeline
from volnux.pointy import parse
from volnux.scheduler.executor import run_target
from volnux.scheduler.targets import target_of
from volnux.schedules.moments import Clock, instant_in
from volnux.testing import run

NEW_YORK, LORD_HOWE = "America/New_York", "Australia/Lord_Howe"


def value(default, at, zone="UTC", type_="datetime", schedule=""):
    text = f"@timezone: {zone}\n{schedule}\n@input: t: {type_} = {default}\nA"
    graph = compile(parse(text))
    clock = Clock.of(graph, dt.datetime.fromisoformat(at))
    return clock.value(graph.inputs[0].moment, type_).isoformat()


@pytest.mark.parametrize(
    ("default", "at", "zone", "expected"),
    [
        ("scheduled", "2026-06-01T22:30+00:00", "Europe/Paris", "2026-06-02T00:30:00+02:00"),
        ("scheduled - 1d", "2026-03-30T01:30+02:00", "Europe/Paris", "2026-03-29T01:30:00+01:00"),
        # 02:30 does not exist on the day when clocks are put forward, and exists twice in autumn.
        ("scheduled - 1d", "2026-03-30T02:30+02:00", "Europe/Paris", "2026-03-29T03:30:00+02:00"),
        ("scheduled - 1d", "2026-10-26T02:30+01:00", "Europe/Paris", "2026-10-25T02:30:00+02:00"),
        ("scheduled - 24h", "2026-03-30T02:30+02:00", "Europe/Paris", "2026-03-29T01:30:00+01:00"),
        ("scheduled - 24h", "2026-10-26T02:30+01:00", "Europe/Paris", "2026-10-25T02:30:00+01:00"),
        ("scheduled + 1w", "2026-03-01T02:30-05:00", NEW_YORK, "2026-03-08T03:30:00-04:00"),
        ("scheduled - 90m", "2026-11-01T02:00-05:00", NEW_YORK, "2026-11-01T01:30:00-04:00"),
        ("scheduled + 1d", "2026-04-04T01:45+11:00", LORD_HOWE, "2026-04-05T01:45:00+11:00"),
        ("scheduled + 1d", "2026-10-03T02:15+10:30", LORD_HOWE, "2026-10-04T02:45:00+11:00"),
        ("scheduled - 1d + 6h - 30m", "2026-06-01T00:00+00:00", "UTC", "2026-05-31T05:30:00+00:00"),
    ],
)  # fmt: skip
def test_a_time_of_a_run(default, at, zone, expected):
    assert value(default, at, zone) == expected


def test_a_date_is_that_of_the_zone():
    at = "2026-06-01T22:30+00:00"
    assert value("scheduled", at, "Europe/Paris", "date") == "2026-06-02"
    assert value("scheduled - 1d", at, "America/New_York", "date") == "2026-05-31"


def test_previous_is_the_nearest_instant_of_any_schedule():
    schedules = '@schedule: "0 6 * * *"\n@schedule: "30 4 * * 1"'
    monday = "2026-06-01T06:00+02:00"
    assert value("previous", monday, "Europe/Paris", schedule=schedules)[:16] == "2026-06-01T04:30"
    # Also before the first date on which the schedule fires.
    start = "@schedule: @daily\n@start-date: 2026-06-01"
    assert value("previous", "2026-06-01T00:00+00:00", schedule=start)[:10] == "2026-05-31"


def test_the_end_of_the_calendar():
    with pytest.raises(volnux.InputError, match="outside of the years 1 to 9999"):
        run(text="@input: t: date = scheduled - 99999w - 99999w\nWhen", events=[when])


@event
def when(self, t=None):
    return True, [self.scheduled_at.isoformat(), t and t.isoformat()]


@pytest.mark.parametrize("given", [{}, {"t": None}])
def test_none_stands_for_the_default(given):
    text = "@timezone: Asia/Tokyo\n@input: t: date = scheduled - 1d\nWhen"
    at = dt.datetime(2026, 1, 1, 20, tzinfo=dt.UTC)
    report = run(text=text, events=[when], scheduled_at=at, **given)
    assert report.results["When"] == ["2026-01-02T05:00:00+09:00", "2026-01-01"]
    assert report.to_json()["scheduled_at"] == "2026-01-02T05:00:00+09:00"
    assert report.to_json()["inputs"] == {"t": "2026-01-01"}


def test_an_instant_needs_a_zone():
    with pytest.raises(ValueError, match="needs a time zone"):
        run(text="When", events=[when], scheduled_at=dt.datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose
    assert instant_in("2026-03-29T02:30", "Europe/Paris").hour == 1


class Nightly(Pipeline):
    class Meta:
        pointy = "@input: t: datetime = scheduled - 1d\nWhen"
        events = (when,)


def test_each_run_of_an_instance_has_its_own_time():
    instance = Nightly()
    days = []
    for day in (3, 4):
        at = dt.datetime(2026, 5, day, tzinfo=dt.UTC)
        days.append(instance.start(force_rerun=True, scheduled_at=at).inputs["t"].day)
    assert days == [2, 3]


def test_a_late_run_of_the_scheduler_has_its_own_instant():
    at = dt.datetime(2020, 2, 29, 6, tzinfo=dt.UTC)
    report = run_target(target_of(Nightly()), scheduled_at=at)
    assert report.inputs["t"] == dt.datetime(2020, 2, 28, 6, tzinfo=dt.UTC)


def test_batches_share_an_instant():
    class Names(Pipeline):
        name = InputDataField(data_type=list, batch_size=1)

        class Meta:
            pointy = "@input: t: datetime = scheduled - 1d\nWhen"
            events = (when,)

    class All(BatchPipeline):
        pipeline_template = Names

    at = dt.datetime(2026, 5, 3, tzinfo=dt.UTC)
    report = All(name=["a", "b", "c"]).execute(scheduled_at=at, progress=False)
    assert [each.report.inputs["t"].day for each in report.batches] == [2, 2, 2]
