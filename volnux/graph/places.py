"""The names of places: `Fetch` in the flow, `Fetch[3]` for its fourth copy."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["index_of", "names_of", "place_name", "template_of"]


def place_name(template: str, index: tuple[int, ...]) -> str:
    """The place of a copy.

    Args:
        template: the id of its node in the graph, such as `Fetch`.
        index: the indices of the items, starting with the outermost `each`.
    """
    return template + "".join([f"[{number}]" for number in index])


def template_of(place: str) -> str:
    """The id of the node in the graph that a place is a copy of, or the place itself."""
    return place.partition("[")[0]


def names_of(place: str) -> Iterator[str]:
    """The names that match a place, starting with the most specific one.

    For `Page[1][4]`, these are `Page[1][4]`, `Page[1]` and `Page`.
    """
    yield place
    while place.endswith("]"):
        place = place.rpartition("[")[0]
        yield place


def index_of(place: str) -> tuple[int, ...]:
    """The indices of the items of a place; empty if it is not in a copy."""
    _, opened, rest = place.partition("[")
    return tuple(int(number) for number in rest[:-1].split("][")) if opened else ()
