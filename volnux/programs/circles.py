"""Finds circles of files that use each other, and an order in which each file follows its uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from volnux.errors import MOST_FOUND

__all__ = ["Circle", "Order", "order_of"]


class Circle(NamedTuple):
    """A use that leads back to a file on the way to it.

    Attributes:
        file: the number of the file with the use.
        name: the name of the use.
        way: the numbers of the files around, the first one again at the end.
    """

    file: int
    name: str
    way: tuple[int, ...]


class Order(NamedTuple):
    """All files, each after the files that it uses; and the circles, for which that cannot be.

    Of more than 1000 circles, it has the first 1000.
    """

    files: list[int]
    circles: list[Circle]


def order_of(uses: Sequence[Mapping[str, int]]) -> Order:
    """The order of the files that the first one uses."""
    order = Order([], [])
    way = {0: iter(uses[0].items())}
    """The files on the way from the first one, each with its remaining uses."""
    ended: set[int] = set()
    while way:
        file, remaining = next(reversed(way.items()))
        for name, used in remaining:
            if used in way:
                if len(order.circles) == MOST_FOUND:
                    continue
                numbers = list(way)
                back = numbers[numbers.index(used) :]
                order.circles.append(Circle(file, name, (*back, used)))
            elif used not in ended:
                way[used] = iter(uses[used].items())
                break
        else:
            del way[file]
            ended.add(file)
            order.files.append(file)
    return order
