"""Every example runs as its README says, called as a user would call it."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PIPELINES = sorted(EXAMPLES.glob("**/*.pty"))


def volnux(*arguments: str | Path, code: int = 0) -> str:
    """Call the tool in the current folder, and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "volnux.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == code, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run(example: str, *inputs: str, code: int = 0) -> dict[str, Any]:
    """Run a copy of an example, and return its places."""
    copy = Path("examples", example)
    if not copy.is_dir():
        junk = shutil.ignore_patterns("__pycache__", "*.db", "*.png", "store")
        shutil.copytree(EXAMPLES / example, copy, ignore=junk)
    options = [f"--input={text}" for text in inputs]
    report = json.loads(volnux("run", "--json", copy / f"{example}.pty", *options, code=code))
    assert report["status"] == ("failed" if code else "success")
    return report["places"]


def ways(places: dict[str, Any]) -> dict[str, str]:
    """Each place as `done 3`, `skipped` or `failed`."""
    return {
        name: place["state"]
        if place["descriptor"] in (None, 1)
        else f"{place['state']} {place['descriptor']}"
        for name, place in places.items()
    }


# All of them.


def test_the_examples_are_those_of_the_overview():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {path.relative_to(EXAMPLES).parts[0] for path in PIPELINES} == set(
        re.findall(r"\((\w+)/README", text)
    )
    assert len(PIPELINES) >= 4


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_an_example_is_formatted_described_and_has_no_fault(path):
    volnux("fmt", "--check", path)
    assert json.loads(volnux("check", "--link", "--json", path)) == {"diagnostics": []}
    assert "@description:" in path.read_text(encoding="utf-8")
    assert EXAMPLES.joinpath(path.relative_to(EXAMPLES).parts[0], "README.md").is_file()


@pytest.mark.parametrize("example", ["weather", "orders", "backup", "crawl"])
def test_the_commands_of_a_readme_name_files_that_exist(example):
    commands = re.findall(
        r"^    volnux run (\S+)", (EXAMPLES / example / "README.md").read_text("utf-8"), re.M
    )
    assert commands
    assert {EXAMPLES.parent / name for name in commands} == {EXAMPLES / example / f"{example}.pty"}


# Weather.


def tables(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return sorted(db.iterdump())


def test_weather_loads_cleans_and_draws_and_does_the_same_again():
    pytest.importorskip("vega_datasets")
    pytest.importorskip("matplotlib")
    places = run("weather", "output=out")
    assert ways(places) == {
        "LoadDays": "done",
        "CheckDays": "done 3",
        "MendDays": "done",
        "LoadAirports": "done",
        "CheckAirports": "done 3",
        "MendAirports": "done",
        "FindRecords": "done",
        "DrawChart": "done",
        "Tell": "done",
    }
    assert places["LoadDays"]["result"] == {"days": 1461}
    assert places["MendDays"]["result"] == {"words removed": 124}
    assert places["MendAirports"]["result"] == {
        "city unknown": 12,
        "state unknown": 12,
        "spaces in the name": 12,
        "east, not west": 5,
        "south, not north": 3,
    }
    assert places["FindRecords"]["result"]["hottest day"] == "35.6 °C on 2014-08-11"
    assert places["Tell"]["result"]["chart"] == str(Path("out", "weather.png"))

    with contextlib.closing(sqlite3.connect("out/weather.db")) as db:

        def one(query):
            return db.execute(query).fetchone()

        assert one("SELECT count(*), max(temp_max), min(temp_min) FROM days") == (1461, 35.6, -7.1)
        assert one("SELECT round(sum(precipitation), 1) FROM days") == (4426.0,)
        assert one("SELECT count(*) FROM days WHERE weather IS NULL") == (124,)
        assert one("SELECT count(*), count(state) FROM airports") == (3376, 3364)
        assert one("SELECT latitude, longitude FROM airports WHERE iata = 'GUM'") == (
            13.48345,
            144.7959825,
        )

    before = tables(Path("out/weather.db"))
    picture = Path("out/weather.png").read_bytes()
    run("weather", "output=out")
    assert tables(Path("out/weather.db")) == before
    assert Path("out/weather.png").read_bytes() == picture
    assert len([line for line in before if line.startswith("INSERT")]) == 1461 + 3376


def test_weather_draws_a_real_picture():
    pytest.importorskip("vega_datasets")
    image = pytest.importorskip("PIL.Image")
    run("weather")
    with image.open("examples/weather/weather.png") as picture:
        assert picture.size == (1200, 864)
        whole = picture.width * picture.height
        colours = {c: n for n, c in picture.convert("RGB").getcolors(maxcolors=whole)}
    for colour in ((0xDF, 0xE5, 0xEC), (0x9D, 0xB4, 0xCC), (0x4F, 0x81, 0xB0)):
        assert colours[colour] > whole / 50, f"hardly anything is drawn in {colour}"
    assert colours[0xC8, 0x45, 0x2F] > 100, "the extremes are not marked"
    assert whole / 4 < colours[255, 255, 255] < whole * 0.9


# Orders.


@pytest.mark.parametrize(
    ("items", "done", "news"),
    [
        (None, ["CheckStock 3", "ShipInParts"], "order over 830: a part is on its way, 2 desk"),
        ('{"lamp": 1}', ["CheckStock", "Ship"], "over 40: all of it is on its way"),
        ('{"rug": 1}', ["CheckStock 0", "Refuse"], "over 120: nothing of it is in stock"),
        ('{"sofa": 2}', ["Review", "CheckStock", "Ship"], "over 1800: all of it"),
    ],
)
def test_orders_takes_the_way_that_the_stock_tells(items, done, news):
    places = run("orders", *([f"items={items}"] if items else []))
    taken = [f"{name}{way[4:]}" for name, way in ways(places).items() if way.startswith("done")]
    first = "PriceOrder 3" if "Review" in done else "PriceOrder"
    assert taken == [first, *done, "WriteLetter"]
    assert {way for way in ways(places).values() if not way.startswith("done")} == {"skipped"}
    assert news in places["WriteLetter"]["result"]


@pytest.mark.parametrize(
    ("inputs", "failed"),
    [
        (['items={"chair": 1}'], "PriceOrder"),
        (['items={"sofa": 2}', "customer=Nobody"], "Review"),
    ],
)
def test_orders_fails_where_nothing_handles_the_failure(inputs, failed):
    places = run("orders", *inputs, code=1)
    assert ways(places)[failed] == "failed 0"
    assert places["WriteLetter"]["state"] == "failed"
    assert places["WriteLetter"]["attempts"] == 0


# Backup.


def test_backup_tries_three_times_and_catches_the_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    places = run("backup")
    assert ways(places) == {
        "make_archive": "done",
        "copy_to_store": "failed 0",
        "verify_copy": "failed",
        "notify": "done",
        "prune": "skipped",
    }
    assert (places["copy_to_store"]["attempts"], places["verify_copy"]["attempts"]) == (3, 0)
    assert places["copy_to_store"]["failure"]["type"] == "FileNotFoundError"
    assert places["notify"]["result"].startswith("no backup today: FileNotFoundError")


def test_backup_keeps_the_newest_archives(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    store = tmp_path / "store"
    store.mkdir()
    for day in (1, 2, 3):
        (store / f"documents-2020-01-0{day}.tar.gz").touch()
    places = run("backup", f"store={store}", "keep=2")
    assert ways(places) == {
        "make_archive": "done",
        "copy_to_store": "done",
        "verify_copy": "done",
        "notify": "skipped",
        "prune": "done",
    }
    kept = sorted(path.name for path in store.iterdir())
    assert kept == ["documents-2020-01-03.tar.gz", places["verify_copy"]["result"]]
    shutil.unpack_archive(store / kept[1], tmp_path / "restored")
    restored = sorted(path.name for path in (tmp_path / "restored").iterdir())
    assert restored == ["notes.txt", "prices.txt"]


# Crawl.


@pytest.mark.parametrize("connections", [1, 4])
def test_crawl_finds_dead_links_and_doubles(connections):
    places = run("crawl", f"connections={connections}")
    assert set(ways(places).values()) == {"done"}
    assert len(places["Crawl"]["result"]) == 7
    summary = places["Summarise"]["result"]
    assert summary["dead links"] == ["pears.html -> plums.html"]
    assert summary["double pages"] == [["recipes-print.html", "recipes.html"]]
    assert summary["frequent words"] == {
        "jelly": 6, "apples": 5, "until": 5, "pears": 4, "harvest": 3,
    }  # fmt: skip


# Nightly.


@pytest.mark.parametrize(
    ("options", "day"),
    [
        (["--at", "2026-02-01"], "2026-01-31"),
        (["--at", "2026-03-29T23:30+00:00"], "2026-03-29"),
        (["--at", "2026-02-01", "--input", "day=2025-12-24"], "2025-12-24"),
    ],
)
def test_the_nightly_example_loads_the_day_before(options, day):
    run("nightly")
    path = "examples/nightly/nightly.pty"
    for _ in range(2):
        places = json.loads(volnux("run", "--json", path, *options))["places"]
    assert places["Count"]["result"]["day"] == day
    rows = places["Load"]["result"]
    with contextlib.closing(sqlite3.connect("examples/nightly/warehouse.db")) as warehouse:
        query = "SELECT count(*) FROM sales WHERE day = ?"
        assert warehouse.execute(query, [day]).fetchone() == (rows,)


def test_the_nightly_example_fails_although_somebody_was_told():
    run("nightly")
    path = "examples/nightly/nightly.pty"
    report = json.loads(volnux("run", "--json", path, "--var", "database=/", code=1))
    assert report["failure"]["message"] == "the flow fails here: nightly.pty:14"
    assert ways(report["places"]) == {
        "Extract": "done",
        "Load": "failed 0",
        "Extract__2": "done",
        "Load__2": "failed 0",
        "Alarm": "done",
        "Count": "failed",
    }


# Results pass as JSON in each, so each can go to a backend that passes them so.


@pytest.mark.parametrize("example", ["orders", "crawl", "nightly"])
def test_an_example_is_portable(example):
    run(example)
    volnux("run", "--portable", f"examples/{example}/{example}.pty")


# Feeds.


def test_two_feeds_share_a_step():
    shutil.copytree(EXAMPLES / "feeds", "examples/feeds")
    prices = json.loads(volnux("run", "--json", "examples/feeds/prices.pty"))["places"]
    assert ways(prices) == {
        "Fetch": "done",
        "clean.Parse": "done",
        "clean.Check": "done 3",
        "clean.Repair": "done",
        "Store": "done",
    }
    assert json.loads(Path("examples/feeds/prices.json").read_text("utf-8")) == {
        "lamp": 1234.5, "chair": 89.9, "desk": 349.0, "shelf": 120.0, "bed": 990.0,
    }  # fmt: skip
    path = "examples/feeds/stock.pty"
    stock = json.loads(volnux("run", "--json", "--portable", path))["places"]
    assert ways(stock)["clean.Check[1]"] == "done 3"
    assert stock["Total"]["result"] == {"lamp": 5, "chair": 12, "table": 2}


def test_the_limit_of_a_step_is_that_of_its_use():
    shutil.copytree(EXAMPLES / "feeds", "examples/feeds")
    bad = Path("examples/feeds/stock-south.csv")
    bad.write_text("article, count\nlamp, 1\nchair, none\ntable, many\n", "utf-8")
    path = "examples/feeds/stock.pty"
    report = json.loads(volnux("run", "--json", path, "--plain", code=1))
    assert report["places"]["clean.Repair[1]"]["failure"]["message"] == "2 of 3 rows have no count"
    assert report["places"]["Alarm"]["state"] == "done"


def test_the_commands_of_feeds():
    shutil.copytree(EXAMPLES / "feeds", "examples/feeds")
    commands = re.findall(
        r"^    volnux (.*)", (EXAMPLES / "feeds/README.md").read_text("utf-8"), re.MULTILINE
    )
    outputs = {command: volnux(*command.split()) for command in commands}
    assert len(outputs) == 8
    listed = outputs["files examples/feeds/prices.pty examples/feeds/stock.pty"].split()
    assert sorted(listed) == sorted(
        str(path) for path in Path("examples/feeds").glob("**/*") if path.suffix in (".py", ".pty")
    )
