"""`volnux run --report`: the HTML file of a run."""

import inspect
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from volnux.backends.port import RunObserver
from volnux.cli.htmlfile import HtmlFile
from volnux.events.outcome import Outcome

OUT = Path("out.html")


def content(path=OUT):
    """What the page shows."""
    found = re.search(r'id="content">(.*?)</script>', path.read_text(encoding="utf-8"))
    return json.loads(found[1])


def test_a_run_is_written_as_a_page(cli, flow):
    result = cli("run", flow("@name: shop\nOk * 2 |-> Three (3 -> Loud)"), "--report", OUT)
    assert (result.code, result.err) == (0, "")
    assert "shop: success" in result.out
    page = content()
    assert (page["pipeline"], page["backend"], page["status"]) == ("shop", "standalone", "success")
    assert [place["name"] for place in page["places"]] == ["Ok", "Three", "Loud"]
    assert page["places"][0]["result"] == "'fine'"
    assert "Volnux" in dict(page["versions"])
    assert page["texts"][0][1].startswith("@name: shop")


@pytest.mark.parametrize(("text", "code"), [("Boom * 2 -> Ok", 1), ("Bad (0 -> Ok)", 0)])
def test_a_failure_and_its_attempts(cli, flow, text, code):
    assert cli("run", flow(text), "--report", OUT).code == code
    page = content()
    place = page["places"][0]
    if code:
        assert "raise ValueError" in page["failures"][place["failure"]]["traceback"]
        assert [failure for _, _, failure in place["tries"]] == ["ValueError: no way"] * 2
    else:
        assert (place["failed"], place["handled"], place["result"]) == (True, True, "'no'")
        assert place["tries"][0][2] == "it returned 'no'"


def test_what_waited_and_what_is_reused(cli, flow):
    Path("extra.py").write_text(
        "import volnux\n\nclass Looks(volnux.EventBase):\n    every = 0.01\n\n"
        "    def process(self):\n        return True, self.polls or self.not_yet()\n\n"
        "@volnux.event\ndef Fails():\n    return False, 1\n"
    )
    arguments = ["run", flow("Looks -> Fails"), "--events", "extra", "--report", OUT]
    assert cli(*arguments).code == 1
    assert content()["places"][0]["polls"] == 1
    assert cli(*arguments, "--resume").code == 1
    assert [place.get("reused") for place in content()["places"]] == [True, None]


def test_the_other_observer_is_told_everything():
    told = []
    names = [name for name in vars(RunObserver) if not name.startswith("_")]
    other = RunObserver()
    for name in names:
        setattr(other, name, lambda *_, name=name: told.append(name))
    node = SimpleNamespace(id="Load", graph=None)
    outcome = Outcome(1)
    file = HtmlFile(OUT).before(other)
    for name in names:
        count = len(inspect.signature(getattr(file, name)).parameters)
        getattr(file, name)(*(node, outcome)[:count])
    assert told == names


def test_with_json_there_is_nothing_else_on_standard_output(cli, flow):
    result = cli("run", flow("Ok"), "--json", "--no-results", "--report", OUT)
    assert json.loads(result.out)["run_id"] == content()["run_id"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none/out.html", "none/out.html cannot be written: there is no folder none"),
        (".", ". cannot be written: it is a folder"),
        ("flow.pty/out.html", "flow.pty/out.html cannot be written: there is no folder flow.pty"),
    ],
)
def test_a_file_that_cannot_be_written_is_an_error_before_the_run(cli, flow, path, said):
    result = cli("run", flow("Loud"), "--report", path)
    assert (result.code, result.out, result.err) == (2, "", f"error: {said}\n")


def test_a_file_that_cannot_be_written_any_more_does_not_hide_the_result(cli, flow, write):
    Path("gone").mkdir()
    path = flow("@events: removing\nRemove")
    write(
        "removing.py",
        """
        from pathlib import Path
        from volnux import event

        @event
        def remove():
            Path("gone").rmdir()
            return True, None
        """,
    )
    result = cli("run", path, "--report", "gone/out.html")
    assert "flow: success" in result.out
    assert result.code == 1
    assert result.err == "error: gone/out.html cannot be written: No such file or directory\n"


def test_an_existing_file_is_replaced(cli, flow):
    OUT.write_text("old")
    cli("run", flow("Ok"), "--report", OUT)
    assert content()["status"] == "success"
