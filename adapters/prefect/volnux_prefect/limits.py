"""Tag concurrency limits for `[concurrency=…]`: created once, and only read afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from prefect.client.orchestration import SyncPrefectClient, get_client

__all__ = ["in_pages", "make_limits", "missing_limits"]

_PAGE = 200
"""The maximum number of objects in one request."""

_T = TypeVar("_T")
_seen: set[tuple[str, str, int]] = set()
"""Server, tag and limit of each limit that this process has found or created."""


def make_limits(limits: Mapping[str, int]) -> None:
    """Make sure that the server has these limits, by tag. Existing limits are not changed."""
    if not limits:
        return
    with get_client(sync_client=True) as client:
        server = str(client.api_url)
        new = {tag: most for tag, most in limits.items() if (server, tag, most) not in _seen}
        for tag, most in missing_limits(client, new).items():
            client.create_concurrency_limit(tag=tag, concurrency_limit=most)
    _seen.update((server, tag, most) for tag, most in new.items())


def missing_limits(client: SyncPrefectClient, limits: Mapping[str, int]) -> dict[str, int]:
    """The limits that the server lacks, or has with a different number."""
    if not limits:
        return {}
    there = {each.tag: each.concurrency_limit for each in in_pages(client.read_concurrency_limits)}
    return {tag: most for tag, most in limits.items() if there.get(tag) != most}


def in_pages(read: Callable[..., list[_T]]) -> Iterator[_T]:
    """Yield all objects that a method of the client reads, one page per request."""
    for offset in itertools.count(step=_PAGE):
        page = read(limit=_PAGE, offset=offset)
        yield from page
        if len(page) < _PAGE:
            return
