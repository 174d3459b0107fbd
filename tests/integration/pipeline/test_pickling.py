"""Events, pipelines, contexts, reports and errors can be sent to other processes."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def picklable(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    import picklable

    yield picklable
    sys.modules.pop("picklable")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_things_go_to_another_process_and_back(picklable, method):
    things = picklable.things()
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for name, thing in things.items():
            there, back = pool.submit(picklable.there_and_back, thing).result(60)
            assert there == picklable.describe(thing), name
            assert picklable.describe(back) == there, name


def test_things_go_through_a_fork(tmp_path):
    """This needs a separate process: the test process may have threads, and must not fork."""
    program = tmp_path / "fork.py"
    program.write_text(
        f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import multiprocessing
import picklable
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    things = picklable.things()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        for name, thing in things.items():
            there, back = pool.submit(picklable.there_and_back, thing).result(60)
            assert there == picklable.describe(thing) == picklable.describe(back), name
"""
    )
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
