"""When a parallel group is done: its last event decides."""

from typing import Any

from volnux import EventBase, EventExecutionEvaluationState, Pipeline
from volnux.decorators import event


@event
def good() -> tuple[bool, str]:
    return True, "good"


@event
def bad() -> tuple[bool, str]:
    return False, "bad"


@event
def after() -> tuple[bool, str]:
    return True, "after"


class AllSucceed(EventBase):
    execution_evaluation_state = EventExecutionEvaluationState.SUCCESS_ON_ALL_EVENTS_SUCCESS

    def process(self, *args: Any, **kwargs: Any) -> tuple[bool, str]:
        return True, "all"


class NoneFails(AllSucceed):
    execution_evaluation_state = EventExecutionEvaluationState.FAILURE_FOR_PARTIAL_ERROR


class OneSucceeds(AllSucceed):
    execution_evaluation_state = EventExecutionEvaluationState.SUCCESS_FOR_PARTIAL_SUCCESS


class NotAllFail(AllSucceed):
    execution_evaluation_state = EventExecutionEvaluationState.FAILURE_FOR_ALL_EVENTS_FAILURE


def group(last: type[EventBase], first: str = "bad") -> type[Pipeline]:
    """A pipeline whose group of two ends with an event."""
    meta = {"pointy": f"{first} || {last.__name__} -> after", "events": [good, bad, after, last]}
    return type("Group", (Pipeline,), {"meta": meta})
