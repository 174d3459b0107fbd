"""The HTML report of a run in a real browser, without a network."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.htmlreport import chromium, hostile
from volnux.graph import compile, simulate
from volnux.graph.outcome import Failure
from volnux.htmlreport import Attempt, LogLine, html_of
from volnux.pointy import parse

START = dt.datetime(2026, 1, 31, 6, tzinfo=dt.UTC)
DRAWN = "document.querySelector('.stage svg') && !document.querySelector('[aria-busy]')"
SALES = "Fetch * 3 |-> Check (3 |-> Estimate) |-> Total || Best |-> Report"
FLAT = "Start -> " + " || ".join(
    "{" + " |-> ".join(f"Step{arm}_{number}" for number in range(100)) + "}" for arm in range(50)
)
COPIES = "List |-> {Fetch |-> Parse}[each=page] |-> Report"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if chromium.PROGRAM is None:
        pytest.skip("there is no Chromium: install the system's package chromium")
    with chromium.chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def show(browser, tmp_path):
    """Open a document, and wait until everything is shown."""

    def show(document, **options):
        browser.problems.clear()
        path = tmp_path / "report.html"
        path.write_text(document, encoding="utf-8")
        browser.open(path, **options)
        browser.wait(DRAWN)
        return browser

    yield show
    # No script failed, nothing violated the policy, and nothing was requested.
    assert browser.problems == []


def document(text, *, failing=(), items=()):
    """The report of a simulated run in which each place takes a second."""
    graph = compile(parse(text, "flow.pty"))
    run = simulate(graph, places=dict.fromkeys(failing, 0), items=dict(items))
    places = {}
    for number, (place, entry) in enumerate(run.places.items()):
        if entry.attempts:
            begun = START + dt.timedelta(seconds=number)
            entry = replace(entry, started_at=begun, ended_at=begun + dt.timedelta(seconds=1))
        if place in failing:
            failure = Failure("ValueError", f"no {place}", f'File "x.py"\nValueError: no {place}')
            entry = replace(entry, failure=failure)
        places[place] = entry
    first = next(iter(places))
    run = replace(run, places=places, started_at=START, ended_at=START + dt.timedelta(hours=1))
    second = dt.timedelta(seconds=1)
    return html_of(
        run,
        graph,
        attempts={
            first: [Attempt(START, START + second / 4, "OSError: no"), Attempt(START + second / 2)]
        },
        logs={first: [LogLine(START, "WARNING", "the log says hello", 1)]},
        versions={"Volnux": "0.1.0"},
    )


def rows(page):
    """The names in the rows of the table."""
    return page.run("[...document.querySelectorAll('tr .open')].map(each => each.textContent)")


def test_markup_and_script_are_shown_as_text(show):
    page = show(hostile.page())
    page.run("document.querySelectorAll('.open').forEach(each => each.click())")
    page.run("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.wait("document.querySelectorAll('.log .line').length > 2")
    assert page.run("window.pwned") is None
    assert page.run("document.title").startswith(hostile.EVIL[:50])
    # The content, the packed library, the script of the page, and the unpacked library.
    assert page.run("document.querySelectorAll('script').length") == 4
    assert page.run("document.querySelectorAll('img, iframe, object, style ~ style').length") == 0
    for shown in (
        "h1",
        ".reason",
        ".details pre",
        ".line .said",
        "#inputs th",
        "#text li",
        "#versions td",
    ):
        assert hostile.EVIL[:50] in page.run(f"document.querySelector('{shown}').textContent")
    assert "<script>" in page.run("document.querySelector('svg .box text').textContent")
    assert page.run("document.querySelectorAll('svg .box.done, svg .box.failed').length") == 5


def test_the_browser_itself_refuses_text_as_html(show):
    page = show(document(SALES))
    refused = page.run(
        "(() => { try { document.body.innerHTML = '<b>' } catch (error) { return error.name } })()"
    )
    assert refused == "TypeError"
    page.problems.clear()  # the violation that this test has caused


def test_the_page_is_usable_with_the_keyboard_alone(show):
    page = show(document(SALES, failing=["Best"]))
    focused = "document.activeElement.textContent"
    page.press("Tab")
    assert page.run(focused) == "Skip to the places"
    page.press("Enter")
    page.run("document.getElementById('filter').focus()")
    page.press(*"best")
    page.wait("document.querySelector('.status').textContent === '1 of 6 places'")
    assert rows(page) == ["Best"]
    page.run("document.querySelector('tr .open').focus()")
    page.press("Enter")
    assert "ValueError: no Best" in page.run("document.querySelector('.detail').textContent")
    page.press("Enter")
    assert page.run("document.querySelector('.detail')") is None
    # In the picture, the arrow keys move, and Enter shows a place in the table.
    page.run("document.querySelector('svg .box[tabindex=\"0\"]').focus()")
    page.press("ArrowDown", "Enter")
    assert rows(page) == ["Check"]
    assert page.run("document.activeElement.id") == "places-title"


def test_a_screen_reader_finds_regions_a_table_and_the_boxes_of_the_picture(show):
    page = show(document(SALES, failing=["Best"]))
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored")
    ]
    for landmark in (("main", ""), ("navigation", "Sections"), ("region", "Places")):
        assert landmark in found
    roles = [role for role, _ in found]
    assert ("table", "Places") in found
    assert roles.count("columnheader") == 6
    assert ("rowheader", "Fetch") in found
    assert ("button", "Best, failed") in found
    assert ("button", "Fetch ×3, done") in found  # noqa: RUF001 - as drawn


def test_sorting_states_and_attempts(show):
    page = show(document(SALES, failing=["Best"]))
    assert rows(page) == ["Fetch", "Check", "Estimate", "Total", "Best", "Report"]
    page.run("document.querySelectorAll('.sort')[1].click()")
    assert rows(page)[:2] == ["Best", "Report"]
    assert page.run("document.querySelectorAll('th[aria-sort=ascending]').length") == 1
    page.run("document.querySelector('.chip').click()")
    assert rows(page) == ["Best", "Report"]
    page.run("document.querySelector('.chip').click()")
    page.run(
        "[...document.querySelectorAll('tr .open')].find(e => e.textContent === 'Fetch').click()"
    )
    said = page.run("document.querySelector('.detail').textContent")
    assert "250ms" in said and "OSError: no" in said and "the log says hello" in said


def test_copies_share_a_row_that_can_be_opened(show):
    page = show(document(COPIES, failing=["Fetch[7]"], items={"page": 1_000}))
    assert len(rows(page)) == 4
    assert page.run("document.querySelectorAll('svg .box').length") == 4
    page.run("document.querySelectorAll('tr.group .open')[0].click()")
    page.wait("!document.querySelector('[aria-busy]')")
    assert len(rows(page)) == 1_004
    page.run("document.querySelector('.failure button.link').click()")
    page.wait("!document.querySelector('[aria-busy]')")
    assert "no Fetch[7]" in page.run("document.querySelector('.detail').textContent")


def test_five_thousand_places_stay_fluid(show):
    page = show(document(FLAT))
    assert page.run("document.querySelectorAll('tr .open').length") == 5_001
    assert page.run("document.querySelectorAll('svg .box').length") < 50
    # Most rows are not laid out until they come into view.
    hidden = page.run(
        "[...document.querySelectorAll('.places > tbody')].filter(each => "
        "!each.lastChild.checkVisibility({ contentVisibilityAuto: true })).length"
    )
    assert hidden > 80
    page.run("document.querySelector('.places').lastChild.scrollIntoView()")
    page.wait(
        "document.querySelector('.places').lastChild.lastChild"
        ".checkVisibility({ contentVisibilityAuto: true })"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_on_their_background(show, scheme):
    page = show(document(SALES, failing=["Best"]), scheme=scheme)
    poor = page.run(Path(__file__).with_name("contrast.js").read_text())
    assert poor == []


def test_a_narrow_window_needs_no_scrolling_sideways(show):
    page = show(document(SALES, failing=["Best"]), size=(380, 800))
    assert page.run("document.documentElement.scrollWidth") <= 380
