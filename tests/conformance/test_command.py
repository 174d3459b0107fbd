"""`volnux conformance` as a user calls it."""

import json

import pytest

from volnux.cli.start import start


@pytest.fixture
def call(capfd, monkeypatch):
    # How far it is, is said when it takes long: on a busy machine, that is any time.
    monkeypatch.setattr("volnux.cli.conformance._PERIOD", float("inf"))

    def call(*arguments):
        code = start(["conformance", *arguments])
        said = capfd.readouterr()
        return code, said.out, said.err

    return call


def test_cases_and_programs(call):
    code, out, err = call("--case", "table_0", "--programs", "5", "--seed", "3")
    assert (code, err) == (0, "")
    assert out == (
        "standalone: 9 cases, 5 programs: no differences\n"
        "to run the same programs again: volnux conformance --backend standalone --programs 5 "
        "--seed 3\n"
    )


def test_as_json(call):
    code, out, _ = call("--case", "none", "--programs", "2", "--seed", "8", "--json")
    assert code == 0
    assert json.loads(out) == {
        "backend": "standalone",
        "cases": 0,
        "programs": 2,
        "seed": 8,
        "gaps": {},
        "differences": [],
    }


def test_a_difference_is_shown_and_written(call, monkeypatch, own_folder):
    from volnux_standalone import StandaloneBackend

    from volnux.graph import RunStatus

    right = StandaloneBackend.run

    def wrong(self, plan, inputs, options=None):
        import dataclasses

        return dataclasses.replace(right(self, plan, inputs, options), status=RunStatus.FAILED)

    monkeypatch.setattr(StandaloneBackend, "run", wrong)
    code, out, _ = call("--case", "table_01", "--programs", "1", "--seed", "5", "--save", "wrong")
    assert code == 1
    assert out.startswith("table_01\n  A failure with a 0 branch is handled")
    assert "  the run: failed, expected success\n" in out
    assert "1 case, 1 program: " in out
    assert (own_folder / "wrong" / "table_01" / "table_01.pty").is_file()
    assert (own_folder / "wrong" / "table_01" / "table_01_events.py").is_file()


def test_the_first_difference_is_enough(call, monkeypatch):
    from volnux_standalone import StandaloneBackend

    def broken(self, plan, inputs, options=None):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(StandaloneBackend, "run", broken)
    code, out, _ = call("--first", "--programs", "50")
    assert code == 1
    assert "standalone raised ZeroDivisionError: by nothing" in out
    assert "1 case, 0 programs: 1 difference\n" in out


def test_a_case_that_is_not_there(call):
    code, out, err = call("--case", "nonsense", "--programs", "0")
    assert (code, out) == (2, "")
    assert "--case: no case has 'nonsense' in its name" in err


def test_a_backend_that_is_not_there(call):
    code, out, err = call("--backend", "nowhere")
    assert (code, out) == (2, "")
    assert "there is no backend 'nowhere'" in err


def test_a_known_gap_is_listed(call, monkeypatch):
    from volnux_standalone import StandaloneBackend

    from volnux.testing import not_in_host

    def broken(self, plan, inputs, options=None):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(StandaloneBackend, "run", broken)
    gaps = {"table_01": not_in_host("it never divides by nothing")}
    monkeypatch.setattr(StandaloneBackend, "gaps", gaps)
    code, out, _ = call("--case", "table_01", "--programs", "0")
    assert code == 0
    assert out == (
        "table_01: not possible in the host: it never divides by nothing\n\n"
        "standalone: 1 case, 0 programs: no differences, 1 known gap\n"
    )
    code, out, _ = call("--case", "table_01", "--programs", "0", "--json")
    assert json.loads(out)["gaps"] == {"table_01": str(gaps["table_01"])}
