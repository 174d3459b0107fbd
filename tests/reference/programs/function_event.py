"""An event as a function."""

from typing import Any

from volnux import Pipeline
from volnux.decorators import event


@event()
def greet(*args: Any, **kwargs: Any) -> tuple[bool, str]:
    return True, "Hello from a function"


class Greeting(Pipeline):
    class Meta:
        pointy = "greet"
