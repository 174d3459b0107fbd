"""The cost of the codec for values, compared with `json.dumps` and `json.loads`."""

import datetime as dt
import json
import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from measure import arguments, seconds, show

from volnux import values


@dataclass
class Order:
    number: int
    price: Decimal
    when: dt.datetime


def mixed(chance: random.Random, depth: int = 0) -> Any:
    """Lists, dicts and scalars in a random order."""
    if depth > 3 or chance.random() < 0.3:
        text = f"some text {chance.randint(0, 999)}"
        return chance.choice([chance.random(), chance.randint(0, 10**6), text, None, True])
    count = chance.randint(1, 9)
    if chance.random() < 0.5:
        return [mixed(chance, depth + 1) for _ in range(count)]
    return {f"key{number}": mixed(chance, depth + 1) for number in range(count)}


def plain_values() -> Mapping[str, Any]:
    """Plain JSON of about 1 MB in several shapes."""
    chance = random.Random(1)
    records = [
        {"id": number, "name": f"customer {number}", "amount": number * 1.5, "tags": ["a", "b"]}
        for number in range(12_000)
    ]
    return {
        "records": records,
        "rows": [[number, f"customer {number}", None, 2.5] for number in range(28_000)],
        "mixed": [mixed(chance) for _ in range(350)],
        "nested lists": [[[number], [str(number)]] for number in range(45_000)],
        "deep dicts": [{"a": {"b": {"c": [number]}}} for number in range(32_000)],
        "texts": [f"some text {number}" for number in range(60_000)],
        "integers": list(range(150_000)),
        "numbers": [number * 1.37 for number in range(60_000)],
    }


def typed_values() -> Mapping[str, tuple[Any, Any]]:
    """Values of other types, each with the JSON that a program would make of it by hand."""
    when = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)
    orders = [Order(number, Decimal(number), when) for number in range(5_000)]
    return {
        "tuples": ([(number, "a") for number in range(40_000)], [[1, "a"]] * 40_000),
        "decimals": ([Decimal(number) for number in range(40_000)], ["12345"] * 40_000),
        "dataclasses": (
            orders,
            [{"number": 1, "price": "12", "when": when.isoformat()} for _ in orders],
        ),
    }


def there_and_back(value: Any, known: values.Known) -> Any:
    return values.loads(values.dumps(value), classes=known)


def json_there_and_back(value: Any) -> Any:
    return json.loads(json.dumps(value))


def ratio(work: Callable[[], Any], base: Callable[[], Any], rounds: int) -> float:
    """How many times as long one call takes as another; the median of the rounds."""
    return statistics.median(seconds(work) / seconds(base) for _ in range(rounds))


def main() -> None:
    options = arguments(__doc__)
    known = values.Known([Order])
    rows = []
    for name, value in plain_values().items():
        assert there_and_back(value, known) == value
        base = partial(json_there_and_back, value)
        size = len(json.dumps(value)) / 1e6
        rows.append(
            (
                name,
                f"{size:.1f} MB",
                f"{ratio(partial(there_and_back, value, known), base, options.rounds):.2f}",
                f"{ratio(partial(values.to_json, value), base, options.rounds):.2f}",
            )
        )
    head = ["plain JSON", "size", "dumps and loads", "to_json"]
    show("compared with json.dumps and json.loads", head, rows, as_json=options.json)
    others = []
    for name, (value, by_hand) in typed_values().items():
        assert there_and_back(value, known) == value
        base = partial(json_there_and_back, by_hand)
        work = partial(there_and_back, value, known)
        others.append((name, f"{ratio(work, base, options.rounds):.1f}"))
    head = ["other types", "dumps and loads"]
    show("compared with JSON of the same content", head, others, as_json=options.json)


if __name__ == "__main__":
    main()
