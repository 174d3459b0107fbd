"""Tag concurrency limits for `[concurrency=…]`: created once, and only read afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from prefect.client.orchestration import SyncPrefectClient, get_client

__all__ = ["make_limits", "missing_limits"]

_PAGE = 200
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
    wanted = dict(limits)
    offset = 0
    while wanted:
        page = client.read_concurrency_limits(limit=_PAGE, offset=offset)
        for each in page:
            if wanted.get(each.tag) == each.concurrency_limit:
                del wanted[each.tag]
        offset += _PAGE
        if len(page) < _PAGE:
            break
    return wanted
