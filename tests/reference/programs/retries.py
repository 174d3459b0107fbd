"""Retry policies: as an object, as a dict; what is repeated and what is not."""

# ruff: noqa: RUF012 - class attributes and output as a user writes them

import typing

from volnux import EventBase, Pipeline
from volnux.base import RetryPolicy

tries: list[str] = []

policy = RetryPolicy(
    max_attempts=5,
    backoff_factor=0.001,
    max_backoff=0.003,
    retry_on_exceptions=[ConnectionError, TimeoutError],
)


class Fetch(EventBase):
    retry_policy = policy

    def process(self, *args: typing.Any, **kwargs: typing.Any) -> tuple[bool, typing.Any]:
        tries.append(self.task_id)
        if self.attempt < 3:
            raise ConnectionResetError("the line is dead")
        return True, self.attempt


class Store(EventBase):
    retry_policy = {
        "max_attempts": 5,
        "backoff_factor": 0.001,
        "max_backoff": 0.003,
        "retry_on_exceptions": [ConnectionError, TimeoutError],
    }

    def process(self) -> typing.Tuple[bool, typing.Any]:  # noqa: UP006 - as older programs write it
        tries.append(self.task_id)
        raise ValueError("no retry covers this")


class Give(EventBase):
    retry_policy = policy

    def process(self) -> tuple[bool, None]:
        tries.append(self.task_id)
        raise TimeoutError


class Transfer(Pipeline):
    class Meta:
        pointy = "Fetch -> Store (0 -> Give)"
