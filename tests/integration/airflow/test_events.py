"""How events end inside Airflow tasks, by `dag.test()`."""

import pytest
from volnux_airflow import AirflowBackend, compat
from volnux_airflow.local import run_dag
from volnux_airflow.retries import EXACT, AttemptFailedError, ExactRetryPolicy
from volnux_airflow.translate import build_dag

from volnux.backends.port import RunControl, RunObserver, RunOptions
from volnux.graph import State
from volnux.loading import load_plan


def ended(report, place):
    item = report.places[place]
    return item.state, item.descriptor, item.failure and (item.failure.type, item.failure.message)


def test_exits_timeouts_and_results_that_cannot_be_stored(run):
    report = run(
        """
        Leaves (0 -> A) -> Slow [timeout=0.3] (0 -> A) -> Waits [timeout=0.3] (0 -> A)
          -> Sleeps [timeout=0.5, executor=process] (0 -> A) -> Sets (0 -> A) -> Odd (0 -> A)
        """,
        """
        import asyncio, sys, time
        @event
        def A(): return True, None
        @event
        def Leaves(): sys.exit(3)
        @event
        def Slow(): time.sleep(20)
        @event
        async def Waits(): await asyncio.sleep(20)
        @event
        def Sleeps(): time.sleep(20)
        @event
        def Sets(): return True, {"deep": [1, object()]}
        @event
        def Odd(): return "fine"
        """,
    )
    assert report.status == "success"
    late = "took longer than 0.3 s"
    assert ended(report, "Leaves") == (State.DONE, 0, ("SystemExit", "3"))
    assert ended(report, "Slow") == (State.DONE, 0, ("TimeoutError", f"Slow {late}"))
    assert ended(report, "Waits") == (State.DONE, 0, ("TimeoutError", f"Waits {late}"))
    assert ended(report, "Sleeps") == (
        State.DONE,
        0,
        ("TimeoutError", "Sleeps took longer than 0.5 s"),
    )
    assert ended(report, "Sets")[2] == (
        "volnux.NotPortableError",
        "the result of Sets['deep'][1] is of type object: return a value of a type that volnux "
        "knows, or make its class known with volnux.values.register",
    )
    assert ended(report, "Odd")[1] == 0
    assert "expected a pair" in report.places["Odd"].failure.message


def test_a_message_that_airflow_could_not_store(run):
    report = run(
        "Says * 2 (0 |-> Told)",
        """
        import os
        @event(retry_policy={"backoff_factor": 0})
        def Says(): raise ValueError("cannot read " + os.fsdecode(b"caf\\xe9.csv"))
        @event
        def Told(previous_result): return True, previous_result.message
        """,
    )
    assert report.status == "success"
    assert report.places["Says"].attempts == 2
    assert report.places["Told"].result == "cannot read caf\\udce9.csv"


def test_exceptions_that_say_something_to_airflow(run):
    report = run(
        """
        Fails * 3 (0 -> A) -> Skips * 3 (2 |-> Told) -> Late * 3 [executor=process] (0 -> A)
          -> Waits * 3 (0 -> A)
        """,
        """
        from datetime import UTC, datetime
        from airflow.sdk.exceptions import (
            AirflowFailException,
            AirflowRescheduleException,
            AirflowSkipException,
        )
        @event
        def A(): return True, None
        @event
        def Told(previous_result): return True, previous_result
        @event
        def Fails(): raise AirflowFailException("never again")
        @event
        def Skips(): raise AirflowSkipException("no rows today")
        @event
        def Late(): raise AirflowFailException("not over there either")
        @event
        def Waits(): raise AirflowRescheduleException(datetime.now(UTC))
        """.replace("airflow.sdk.exceptions", compat.AirflowException.__module__),
    )
    assert report.status == "success"
    attempts = {name: report.places[name].attempts for name in ("Fails", "Skips", "Late", "Waits")}
    assert attempts == dict.fromkeys(attempts, 1)
    assert ended(report, "Skips") == (State.DONE, 2, None)
    assert report.places["Told"].result == "no rows today"
    told = "Waits raised AirflowRescheduleException: an event cannot defer, be rescheduled"
    assert report.places["Waits"].failure.message.startswith(told)


def test_callbacks_and_the_exceptions_that_they_are_given(folder):
    here = folder(
        **{
            "flow.pty": "{Ok || Twice * 2} (0 -> Handled, 1 -> Ok) -> Ok -> {Ok || Handled}"
            "[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> Ok",
            "events.py": """
            from volnux import event

            @event
            def Ok(): return True, 1
            @event(retry_policy={"backoff_factor": 0})
            def Twice(): raise ValueError("no")
            @event
            def Handled(): return True, 1
            """,
        }
    )
    heard = []

    def hears(what):
        def callback(context):
            error = context.get("exception")
            cause = error and f"{type(error.__cause__).__name__}: {error.__cause__}"
            heard.append((what, context["ti"].task_id, cause))

        return callback

    names = [f"on_{what}_callback" for what in ("failure", "success", "retry", "execute")]
    plan = load_plan(here / "flow.pty")
    dag = build_dag(plan, default_args={name: hears(name.split("_")[1]) for name in names})
    run_dag(dag, plan, {})
    # No task that Volnux has added, such as the end of a group, is among them.
    assert {task for _, task, _ in heard} <= {place.id for place in plan.graph.places()}
    # Before Airflow 3.3, callbacks of a `dag.test()` are not given the exception.
    says = "ValueError: no" if EXACT is not None else None
    assert ("retry", "Twice", says) in heard
    assert ("failure", "Twice", says) in heard
    assert ("success", "Handled", None) in heard


def test_a_handled_failure_is_no_success_to_a_callback(folder):
    here = folder(
        **{
            "flow.pty": "Fails (0 -> Ok)",
            "events.py": """
            from volnux import event

            @event
            def Ok(): return True, 1
            @event
            def Fails(): raise ValueError("no")
            """,
        }
    )
    heard = []

    def succeeded(context):
        heard.append(context["ti"].task_id)

    plan = load_plan(here / "flow.pty")
    run_dag(build_dag(plan, default_args={"on_success_callback": succeeded}), plan, {})
    assert heard == ["Ok"]


def test_an_executor_class_runs_inside_the_task(run):
    report = run(
        "Own |-> Thread |-> Dies (0 |-> Told)",
        """
        import os
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        class Own(EventBase):
            executor = ProcessPoolExecutor
            executor_config = {"max_workers": 3}
            def process(self): return True, os.getpid()
        class Thread(EventBase):
            executor = ThreadPoolExecutor
            def process(self, previous_result): return True, [previous_result, os.getpid()]
        class Dies(EventBase):
            executor = ProcessPoolExecutor
            retry_policy = {"max_attempts": 2, "backoff_factor": 0}
            def process(self): os._exit(1)
        @event
        def Told(previous_result): return True, [previous_result.type, previous_result.attempts]
        """,
    )
    import os

    assert report.status == "success"
    own, here = report.places["Thread"].result
    assert own != here == os.getpid()
    assert report.places["Told"].result == ["volnux.WorkerLost", 2]


def test_what_an_event_knows(run):
    report = run(
        '@input: day: date = "2026-01-02"\n@input: names: list = ["a"]\nShow * 2 |-> Show',
        """
        class Show(EventBase):
            retry_policy = {"backoff_factor": 0}
            def process(self, day, previous_result, **rest):
                if self.task_id == "Show" and self.attempt == 1: raise ValueError("again")
                assert self.previous_result == previous_result
                return True, [self.task_id, self.attempt, day.isoformat(), rest, bool(self.run_id)]
        """,
    )
    first = ["Show", 2, "2026-01-02", {"names": ["a"]}, True]
    assert report.places["Show"].result == first
    assert report.places["Show"].attempts == 2
    assert report.places["Show__2"].received == first


def test_a_place_has_begun_with_its_first_attempt(run):
    report = run(
        "Third",
        """
        import time
        began = []
        class Third(EventBase):
            retry_policy = {"max_attempts": 3, "backoff_factor": 0}
            def process(self):
                began.append(time.time())
                if len(began) < 3:
                    raise OSError
                return True, began
        """,
    )
    place = report.places["Third"]
    first, _, third = place.result
    assert place.attempts == 3
    # A little before it, when Airflow starts the task.
    assert place.started_at.timestamp() <= first
    assert place.ended_at.timestamp() >= third


def test_events_that_wait_for_each_other(run, tmp_path):
    report = run(
        "{Asks || Answers} |-> Told",
        f"""
        from pathlib import Path
        question, answer = (Path({str(tmp_path)!r}, name) for name in ("question", "answer"))
        @event(every=0.1, retry_policy={{"backoff_factor": 0, "max_attempts": 2}})
        def Asks(self):
            question.touch()
            if not answer.exists(): not_yet("no answer")
            if self.attempt == 1: raise ValueError("not understood")
            return True, self.polls
        @event(every=0.1)
        def Answers(self):
            if not question.exists(): not_yet("no question")
            return True, answer.touch()
        @event
        def Told(previous_result): return True, previous_result
        """,
    )
    assert report.status == "success"
    asks, answers = report.places["Asks"], report.places["Answers"]
    assert asks.polls == report.places["Told"].result[0]
    assert asks.polls + answers.polls > 0
    assert (asks.attempts, answers.attempts) == (2, 1)
    assert asks.started_at < answers.ended_at < asks.ended_at


def test_a_run_that_is_cancelled_while_its_events_wait(folder):
    here = folder(
        **{
            "flow.pty": "{Waits || Fails} -> Ok",
            "events.py": """
            from volnux import event, not_yet

            @event(every=3600)
            def Waits(): not_yet("no file")
            @event(retry_policy={"backoff_factor": 3600, "max_attempts": 2})
            def Fails(): raise ValueError("no")
            @event
            def Ok(): return True, None
            """,
        }
    )
    control, told = RunControl(), []

    class Cancels(RunObserver):
        def place_waits(self, node, outcome):
            told.append(outcome.result.message)
            if len(told) == 2:
                control.cancel()

        place_retries = place_waits

    plan = load_plan(here / "flow.pty")
    report = AirflowBackend().run(plan, {}, RunOptions(control=control, observer=Cancels()))
    assert sorted(told) == ["no", "no file"]
    assert report.status == "cancelled"
    ends = {name: (p.state, p.attempts, p.polls) for name, p in report.places.items()}
    assert ends == {
        "Waits": (State.CANCELLED, 1, 1),
        "Fails": (State.CANCELLED, 1, 0),
        "Ok": (State.CANCELLED, 0, 0),
    }


def test_stop_on_exception(run):
    report = run(
        "{Stops (0 -> A) || {A -> B}}[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS] -> C",
        """
        class Stops(EventBase):
            stop_on_exception = True
            def process(self): raise ValueError("all stop")
        @event
        def A(): return True, None
        @event
        def B(): return True, None
        @event
        def C(): return True, None
        """,
    )
    assert report.status == "failed"
    assert ended(report, "Stops")[:2] == (State.FAILED, 0)
    assert (report.places["C"].state, report.places["C"].attempts) == (State.FAILED, 0)


@pytest.mark.parametrize("wait", [0.05, 0.1, 100.0])
def test_waits_are_exact(wait):
    decision = ExactRetryPolicy().evaluate(AttemptFailedError("no", wait), 1, 3)
    assert (decision.action.value, decision.retry_delay.total_seconds()) == ("retry", wait)
    assert ExactRetryPolicy().evaluate(ValueError(), 1, 3).action.value == "default"


def test_signals_in_the_worker(run):
    from volnux.signal import signals

    heard = []

    def completed(sender, **data):
        heard.append((sender.__name__, data["task_id"], data["result"]))

    def failed(sender, **data):
        heard.append((sender.__name__, data["task_id"], data["result"].type))

    signals.task_completed.connect(completed)
    signals.task_failed.connect(failed)
    try:
        run(
            "A -> Boom * 2",
            """
            @event
            def A(): return True, 1
            @event(retry_policy={"backoff_factor": 0})
            def Boom(): raise ValueError
            """,
        )
    finally:
        signals.task_completed.disconnect(completed)
        signals.task_failed.disconnect(failed)
    assert heard == [("A", "A", 1), ("Boom", "Boom", "ValueError")]
