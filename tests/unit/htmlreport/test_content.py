"""What an HTML report says about a run."""

import datetime as dt
from dataclasses import replace

from volnux.graph import RunReport, RunStatus, compile, simulate
from volnux.graph.outcome import Failure, State
from volnux.graph.report import PlaceReport
from volnux.htmlreport import Attempt, LogLine, versions
from volnux.htmlreport.content import content_of
from volnux.masking import remember
from volnux.pointy import parse

START = dt.datetime(2026, 1, 31, 6, tzinfo=dt.UTC)


def at(seconds):
    return START + dt.timedelta(seconds=seconds)


def content(report, graph=None, *, attempts=(), logs=(), unended=None):
    return content_of(
        report, graph, attempts=dict(attempts), logs=dict(logs), versions={}, unended=unended
    )


def run(**places):
    """A run of one second with these places."""
    return RunReport(
        "sales", "standalone", "r1", RunStatus.FAILED, places, started_at=START, ended_at=at(1)
    )


def done(result=None, **more):
    return PlaceReport("Event", State.DONE, 1, 1, result, **more)


def failed(message):
    failure = Failure("ValueError", message, "Traceback …\n  File …")
    return PlaceReport("Event", State.FAILED, 0, 1, failure=failure)


def test_a_place_has_what_is_known_and_nothing_else():
    place = done({"rows": 3}, started_at=at(0.25), ended_at=at(0.75))
    skipped = PlaceReport("Event", State.SKIPPED)
    assert content(run(Load=place, Save=skipped))["places"] == [
        {
            "name": "Load",
            "event": "Event",
            "state": "done",
            "descriptor": 1,
            "attempts": 1,
            "start": 250.0,
            "end": 750.0,
            "result": "{'rows': 3}",
        },
        {"name": "Save", "event": "Event", "state": "skipped"},
    ]


def test_places_that_were_under_way_in_a_run_without_an_end():
    graph = compile(parse("A -> B[each=x] -> C"))
    report = run(A=replace(done(), attempts=0, reused=True))
    report.places["B[0]"] = PlaceReport("B", State.CANCELLED)
    found = content(report, graph, unended="lost")
    assert found["status"] == "lost"
    assert [place["state"] for place in found["places"]] == ["done", "lost"]
    assert [place.get("reused") for place in found["places"]] == [True, None]
    boxes = [("A", "done", False), ("B", "lost", False), ("C", None, False)]
    assert [tuple(box) for box in found["pictures"][0]["boxes"]] == boxes
    assert "1 lost" in found["pictures"][0]["dot"]
    assert "cancelled" not in found["pictures"][0]["dot"]


def test_a_received_value_is_shown_only_if_its_source_is_unknown():
    given, known = done(received=[1]), done(received=[1], received_from=["A", None, ["B"]])
    first, second = content(run(X=given, Y=known))["places"]
    assert first["received"] == "[1]"
    assert (second.get("received"), second["from"]) == (None, ["A", "B"])


def test_attempts_and_log_lines_belong_to_their_places():
    tries = [Attempt(at(0), at(0.2), "ValueError: no"), Attempt(at(0.5))]
    lines = [LogLine(at(0.1), "INFO", "hello\nthere", 1)]
    found = content(run(Load=done()), attempts={"Load": tries}, logs={"Load": lines, "": lines})
    assert found["places"][0]["tries"] == [[0, 200, "ValueError: no"], [500, None, None]]
    assert found["places"][0]["log"] == found["log"]
    assert found["log"] == {"left_out": 0, "lines": [[100, "INFO", 1, "hello\nthere"]]}


def test_equal_failures_are_written_once():
    found = content(run(A=failed("no"), B=failed("no"), C=failed("other")))
    assert [each["message"] for each in found["failures"]] == ["no", "other"]
    assert [place["failure"] for place in found["places"]] == [0, 0, 1]


def test_long_values_tracebacks_and_logs_are_cut():
    many = {f"P{number}": done("x" * 100_000) for number in range(2_000)}
    assert sum(len(place["result"]) for place in content(run(**many))["places"]) < 4_100_000
    traceback = Failure("E", "m", "first\n" + "x" * 100_000 + "\nlast")
    shown = content(replace(run(), failure=traceback))["failures"][0]["traceback"]
    assert len(shown) < 21_000
    assert shown.startswith("first") and shown.endswith("last") and "left out" in shown
    lines = [LogLine(at(0), "INFO", str(number)) for number in range(5_000)]
    log = content(run(A=done()), logs={"A": lines})["places"][0]["log"]
    assert (log["left_out"], log["lines"][-1][3]) == (4_000, "4999")


def test_secrets_are_hidden_everywhere():
    remember(["swordfish"])
    secret = "it is swordfish"
    found = content(
        replace(run(A=done([secret]), B=failed(secret)), inputs={"i": secret}),
        logs={"A": [LogLine(at(0), "INFO", secret)]},
        attempts={"A": [Attempt(at(0), at(1), secret)]},
    )
    assert "swordfish" not in str(found)
    assert str(found).count("it is ***") == 5


def test_half_a_surrogate_pair_can_be_written():
    assert content(run(A=failed("\ud800")))["failures"][0]["message"] == "\\ud800"


def test_the_texts_and_the_position_of_a_place():
    graph = compile(parse("@name: sales\nA\n-> B", "folder/sales.pty"))
    found = content(simulate(graph), graph)
    assert found["texts"] == [["folder/sales.pty", "@name: sales\nA\n-> B"]]
    assert [place["at"] for place in found["places"]] == [[0, 2], [0, 3]]
    found = content(simulate(graph), replace(graph, source=None))
    assert (found["texts"], found["places"][0].get("at")) == ([], None)
    assert found["pictures"][0]["of"] == [0, 1]


def test_a_small_flow_has_one_picture_and_a_large_one_an_overview():
    titles = {}
    for size in (5, 300, 5_000):
        graph = compile(parse(" -> ".join(f"A{number}" for number in range(size))))
        titles[size] = [each["title"] for each in content(simulate(graph), graph)["pictures"]]
    assert titles == {5: ["Flow"], 300: ["Overview", "All places"], 5_000: ["Overview"]}


def test_each_place_has_its_box_in_every_picture():
    text = "Start -> {A (0 -> B) |-> C}[each=x] -> {D -> E}[again=3] -> " + " -> ".join(
        f"Z{number}" for number in range(200)
    )
    graph = compile(parse(text))
    report = simulate(graph, items={"x": 30}, places={"E": 0})
    for picture in content(report, graph)["pictures"]:
        boxes = [picture["boxes"][number] for number in picture["of"]]
        assert len(boxes) == len(report.places)
        assert all(name in picture["dot"] for name, _, _ in boxes)
    names = {place: boxes[at][0] for at, place in enumerate(report.places)}
    assert (names["C[7]"], names["D.2"], names["Z199"]) == ("C", "D", "Z199")


def test_the_versions_name_the_orchestrator_only_for_its_runs():
    assert list(versions("standalone")) == ["Volnux", "Python", "system"]
