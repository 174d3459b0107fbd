"""Schedules in `class Meta`."""

import datetime as dt
import sys

import pytest

from volnux import EventBase, EventExecutionEvaluationState, InputDataField, Pipeline, event
from volnux.pipeline import PipelineDefinitionError
from volnux.schedules import Schedule


@event
def Go():
    return True, None


class Either(EventBase):
    execution_evaluation_state = EventExecutionEvaluationState.SUCCESS_FOR_PARTIAL_SUCCESS

    def process(self):
        return True, None


def pipeline(**meta):
    return type("Made", (Pipeline,), {"__module__": __name__, "meta": {"pointy": "Go", **meta}})


def test_a_class_says_when_it_runs():
    graph = (
        pipeline(
            schedule=["0  6 * * 1-5", "@monthly"],
            timezone="Europe/Paris",
            start_date=dt.date(2026, 5, 1),
            catchup=True,
            max_active_runs=2,
        )
        .plan()
        .graph
    )
    assert Schedule.of(graph) == Schedule(
        ("0 6 * * 1-5", "@monthly"), "Europe/Paris", dt.date(2026, 5, 1)
    )
    assert (graph.catchup, graph.max_active_runs) == (True, 2)


def test_what_the_text_says_wins():
    text = '@schedule: "0 7 * * *"\n@timezone: Asia/Tokyo\nGo'
    graph = pipeline(pointy=text, schedule="@daily", timezone="UTC", max_active_runs=4).plan().graph
    assert Schedule.of(graph) == Schedule(("0 7 * * *",), "Asia/Tokyo")
    assert graph.max_active_runs == 4


@pytest.mark.parametrize(
    "meta", [{"on_failure": "continue"}, {"pointy": "Go || Either"}], ids=["continue", "any"]
)
def test_a_schedule_stays_where_classes_settle_what_the_flow_means(meta):
    graph = pipeline(schedule="@daily", timezone="Europe/Paris", **meta).plan().graph
    assert Schedule.of(graph) == Schedule(("@daily",), "Europe/Paris")


def test_a_schedule_is_inherited():
    class Base(Pipeline):
        class Meta:
            pointy = "Go"
            schedule = "@daily"

    class Child(Base):
        extra = InputDataField(data_type=int, default=1)

    assert [spec.expression for spec in Child.plan().graph.schedules] == ["@daily"]


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"schedule": "61 * * * *"}, "Meta.schedule of Made is not valid: .*expected 0 to 59"),
        (
            {"schedule": ["@daily", "0 0 30 2 *"]},
            "Meta.schedule of Made is not valid: .*never occurs",
        ),
        ({"schedule": 5}, "Meta.schedule of Made must be a cron expression or a list of them"),
        ({"timezone": "Nowhere"}, "Meta.timezone of Made is not valid: there is no time zone"),
        ({"timezone": 1}, "Meta.timezone of Made must be the name of a time zone"),
        ({"start_date": "soon"}, "Meta.start_date of Made must be a date such as"),
        ({"catchup": "yes"}, "Meta.catchup of Made must be True or False"),
        ({"max_active_runs": 0}, "Meta.max_active_runs of Made must be a whole number"),
        ({"shedule": "@daily"}, "did you mean 'schedule'"),
    ],
)
def test_what_is_wrong_is_said_when_the_class_is_made(meta, message):
    with pytest.raises(PipelineDefinitionError, match=message):
        pipeline(**meta)


def test_next_sees_the_class_of_a_file(own_folder, capfd, monkeypatch):
    from volnux.cli.start import start

    monkeypatch.setattr(sys, "path", list(sys.path))
    (own_folder / "daily.pty").write_text("Go\n")
    (own_folder / "daily_events.py").write_text(
        "from volnux import Pipeline, event\n"
        "@event\ndef Go():\n    return True, None\n"
        "class Daily(Pipeline):\n    class Meta:\n        schedule = '30 6 * * *'\n"
    )
    assert start(["schedule", "next", "daily.pty"]) == 2
    assert start(["schedule", "next", "daily.pty", "--link", "--after", "2026-01-01"]) == 0
    assert "At 06:30 every day, UTC." in capfd.readouterr().out
