"""Retry policies: what is repeated, how often, and after what wait (`language.md`, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from volnux.errors import VolnuxError, did_you_mean

__all__ = ["RetryPolicy", "RetryPolicyError"]


class RetryPolicyError(VolnuxError, ValueError):
    """A retry policy has an unknown field or an invalid value."""


@dataclass(frozen=True)
class RetryPolicy:
    """When and how often a failed attempt is repeated.

    Attributes:
        max_attempts: the maximum number of attempts, at least 1.
        backoff_factor: seconds; the wait before retry n (n = 1, 2, …) is
            `min(backoff_factor * 2**(n-1), max_backoff)`.
        max_backoff: seconds; the maximum wait.
        retry_on_exceptions: exception classes, including their subclasses; empty means all.
        exclude_exceptions: exception classes for which there is no retry.
        retry_on_failure: whether an attempt that returned a failure is also repeated.

    Raises:
        RetryPolicyError: a value is not valid.
    """

    max_attempts: int = 5
    backoff_factor: float = 0.05
    max_backoff: float = 100.0
    retry_on_exceptions: tuple[type[BaseException], ...] = ()
    exclude_exceptions: tuple[type[BaseException], ...] = ()
    retry_on_failure: bool = False

    def __init__(
        self,
        max_attempts: int = 5,
        backoff_factor: float = 0.05,
        max_backoff: float = 100.0,
        retry_on_exceptions: Iterable[type[BaseException]] | type[BaseException] = (),
        exclude_exceptions: Iterable[type[BaseException]] | type[BaseException] = (),
        retry_on_failure: bool = False,  # noqa: FBT001, FBT002 - a field, as in a dataclass
    ) -> None:
        if not isinstance(max_attempts, int) or isinstance(max_attempts, bool) or max_attempts < 1:
            raise RetryPolicyError(
                f"max_attempts is a whole number of at least 1, found {max_attempts!r}"
            )
        for name, value in (("backoff_factor", backoff_factor), ("max_backoff", max_backoff)):
            if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
                raise RetryPolicyError(
                    f"{name} is a number of seconds, at least 0, found {value!r}"
                )
        if not isinstance(retry_on_failure, bool):
            raise RetryPolicyError(f"retry_on_failure is True or False, found {retry_on_failure!r}")
        put = object.__setattr__
        put(self, "max_attempts", max_attempts)
        put(self, "backoff_factor", backoff_factor)
        put(self, "max_backoff", max_backoff)
        put(self, "retry_on_exceptions", _classes("retry_on_exceptions", retry_on_exceptions))
        put(self, "exclude_exceptions", _classes("exclude_exceptions", exclude_exceptions))
        put(self, "retry_on_failure", retry_on_failure)

    @classmethod
    def of(cls, value: RetryPolicy | Mapping[str, Any]) -> RetryPolicy:
        """The value as a policy: itself, or one made from a mapping of the fields.

        Raises:
            RetryPolicyError: the value is neither of these, or has an unknown key.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise RetryPolicyError(
                f"a retry policy is a RetryPolicy or a dict of its fields, found {value!r}"
            )
        known = [field.name for field in fields(cls)]
        for key in value:
            if key not in known:
                hint = did_you_mean(str(key), known, f"fields: {', '.join(known)}")
                raise RetryPolicyError(f"a retry policy has no field {key!r}; {hint}")
        return cls(**value)

    def with_attempts(self, max_attempts: int) -> RetryPolicy:
        """The same policy with another maximum number of attempts."""
        return replace(self, max_attempts=max_attempts)

    def covers(self, error: BaseException) -> bool:
        """Whether the policy allows a retry after `error`; it does not count the attempts."""
        if isinstance(error, self.exclude_exceptions):
            return False
        return not self.retry_on_exceptions or isinstance(error, self.retry_on_exceptions)

    def wait(self, retry: int) -> float:
        """Seconds to wait before retry number `retry` (1, 2, …)."""
        # 2**1024 does not fit into a float; the wait reaches its maximum long before.
        return min(self.backoff_factor * 2.0 ** min(retry - 1, 1000), self.max_backoff)


def _classes(
    name: str, value: Iterable[type[BaseException]] | type[BaseException]
) -> tuple[type[BaseException], ...]:
    if isinstance(value, type):
        value = (value,)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise RetryPolicyError(f"{name} is a list of exception classes, found {value!r}")
    classes = tuple(value)
    for item in classes:
        if not isinstance(item, type) or not issubclass(item, BaseException):
            raise RetryPolicyError(f"{name} takes exception classes, found {item!r}")
    return classes


NO_RETRY = RetryPolicy(max_attempts=1)
"""The policy of an event without a policy: one attempt."""
