"""An event as a class."""

from typing import Any

from volnux import EventBase, Pipeline


class Greet(EventBase):
    def process(self, *args: Any, **kwargs: Any) -> tuple[bool, str]:
        return True, "Hello from a class"


class Greeting(Pipeline):
    class Meta:
        pointy = "Greet"
