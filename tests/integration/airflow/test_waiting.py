"""What a waiting task keeps for the next start, after which Airflow counts in its own way."""

import time
from types import SimpleNamespace

import pytest
from volnux_airflow import waiting

from volnux.events.outcome import Outcome, Polls
from volnux.graph.outcome import Failure

LONG_AGO = time.time() - 3600


class Store(dict):
    """Airflow's task state store, of one task."""

    def set(self, key, value, retention):
        self[key] = value


@pytest.mark.parametrize(
    ("under_way", "started", "goes_on"),
    [
        # (max_tries, try_number, clear_number) of the next start; before, they were (2, 1, 0).
        (True, (2, 1, 0), Polls(LONG_AGO, 3, True)),
        (True, (2, 1, 1), Polls(LONG_AGO, 3, True)),
        (True, (2, 2, 0), Polls(LONG_AGO, 3, False)),
        (False, (2, 2, 0), Polls(LONG_AGO, 3, False)),
        (False, (2, 2, 1), Polls(LONG_AGO, 3, False)),
        (True, (3, 2, 1), None),
        (False, (3, 2, 1), None),
        (True, (2, 2, 1), None),
    ],
    ids=[
        "the next call",
        "the next call, after another task was cleared",
        "its worker died",
        "a retry",
        "a retry, after another task was cleared",
        "cleared while it waited",
        "cleared after it failed",
        "cleared while it ran",
    ],
)
def test_the_time_counts_on_until_the_task_is_cleared(under_way, started, goes_on):
    store = Store()

    def context(max_tries, try_number, clear_number):
        return {
            "ti": SimpleNamespace(max_tries=max_tries, try_number=try_number),
            "dag_run": SimpleNamespace(clear_number=clear_number),
            "task_state_store": store,
        }

    polls = Polls(LONG_AGO, 3, under_way)
    outcome = Outcome(0, Failure("volnux.NotYetError", "no file"), polls=polls)
    waiting.keep(context(2, 1, 0), outcome, 5)
    assert waiting.kept(context(*started)) == goes_on
