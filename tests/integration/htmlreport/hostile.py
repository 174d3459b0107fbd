"""A run whose every text is markup and script that would run if it were not shown as text."""

import datetime as dt
import json
from dataclasses import replace

from volnux.graph import Graph, RunReport, compile, simulate
from volnux.graph.outcome import Failure, State
from volnux.htmlreport import Attempt, LogLine, html_of
from volnux.pointy import parse

EVIL = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>"
    "\"'`&lt;${window.pwned = 1}</title></script></style>--><!--]]>\u2028\u2029\\"
)
START = dt.datetime(2026, 1, 31, 6, tzinfo=dt.UTC)


def graph() -> Graph:
    """A graph with such names, arguments and options, which no text could have."""
    text = (
        '@name: Name\n@description: Name\nPlace1(x="Name") (0 -> Place2, 3 -> Place3) '
        "-> {Place4 |-> Place5}[each=Item] || Place6"
    )
    data = json.loads(compile(parse(text, "Name.pty")).to_json())
    data["source"]["text"] = text.replace("Name", EVIL)
    data["source"]["filename"] = EVIL
    data["description"] = data["name"] = EVIL
    parts = json.dumps(
        {name: data[name] for name in ("nodes", "edges", "values", "eaches", "groups")}
    )
    for name in ("Place1", "Place2", "Place3", "Place4", "Place5", "Place6", "Item", "Name"):
        parts = parts.replace(name, json.dumps(name + EVIL)[1:-1])
    return Graph.from_json(json.dumps({**data, **json.loads(parts)}))


def report(graph: Graph) -> RunReport:
    """A run of the graph in which every value, failure and name is such a text."""
    run = simulate(graph, items={"Item" + EVIL: 2})
    failure = Failure(EVIL, EVIL, f'Traceback:\n  File "{EVIL}", line 1\n{EVIL}')
    places = {}
    for number, (place, entry) in enumerate(run.places.items()):
        at = START + dt.timedelta(seconds=number)
        failed = number % 2 == 1
        places[place] = replace(
            entry,
            state=State.FAILED if failed else entry.state,
            attempts=2,
            result=None if failed else {EVIL: [EVIL]},
            received=EVIL,
            received_from=None,
            failure=failure if failed else None,
            started_at=at,
            ended_at=at + dt.timedelta(seconds=1),
        )
    return replace(
        run,
        pipeline=EVIL,
        backend=EVIL,
        run_id=EVIL,
        places=places,
        inputs={EVIL: EVIL},
        failure=failure,
        started_at=START,
        ended_at=START + dt.timedelta(seconds=9),
    )


def page() -> str:
    """The HTML report of the run."""
    known = graph()
    run = report(known)
    half = dt.timedelta(milliseconds=500)
    return html_of(
        run,
        known,
        attempts={
            place: [
                Attempt(entry.started_at, entry.started_at + half / 2, EVIL),
                Attempt(entry.started_at + half, entry.ended_at),
            ]
            for place, entry in run.places.items()
        },
        logs={
            "": [LogLine(START, EVIL, EVIL)],
            **{place: [LogLine(START, EVIL, EVIL, 2)] for place in run.places},
        },
        versions={EVIL: EVIL},
    )
