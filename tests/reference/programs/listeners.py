"""Listeners: connected by hand, and by the decorator."""

from typing import Any

from volnux import Pipeline
from volnux.decorators import event, listener
from volnux.signal.signals import pipeline_execution_start, pipeline_pre_init

said: list[str] = []


@event
def work() -> tuple[bool, None]:
    return True, None


class Working(Pipeline):
    class Meta:
        pointy = "work"


def my_listener(pipeline: Pipeline) -> None:
    said.append(f"starting {type(pipeline).__name__}")


pipeline_execution_start.connect(my_listener, sender=Pipeline)


@listener(pipeline_pre_init, sender=Pipeline)
def my_other_listener(sender: Any, signal: Any, *args: Any, **kwargs: Any) -> None:
    said.append(f"{signal.name} of {sender.__name__}")
