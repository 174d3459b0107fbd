"""The events of orders.pty."""

import json
from pathlib import Path
from typing import ClassVar

from volnux import EventBase

CREDIT = {"Ada": 5000, "Grace": 2000}


def catalogue() -> dict:
    return json.loads(Path(__file__).with_name("catalogue.json").read_text())


class PriceOrder(EventBase):
    """Add up the order. An unknown article is a failure."""

    # Evaluated after a success: an expensive order ends with descriptor 3.
    conditions: ClassVar = {3: lambda order: order["total"] > 1000}

    def process(self, customer, items):
        articles = catalogue()
        unknown = [name for name in items if name not in articles]
        if unknown:
            return False, f"not in the catalogue: {', '.join(unknown)}"
        total = sum(articles[name]["price"] * count for name, count in items.items())
        return True, {"customer": customer, "items": items, "total": total}


class Review(EventBase):
    """Accept an expensive order if the customer has enough credit."""

    def process(self, previous_result):
        order = previous_result
        credit = CREDIT.get(order["customer"], 0)
        if order["total"] > credit:
            return False, f"{order['customer']} has a credit of {credit}, not {order['total']}"
        return True, order


class CheckStock(EventBase):
    """Return 1 if the whole order is in stock, 3 if a part of it is, and 0 if nothing is."""

    def process(self, previous_result):
        order = previous_result
        articles = catalogue()
        here = {name: min(n, articles[name]["stock"]) for name, n in order["items"].items()}
        order = {**order, "here": {name: n for name, n in here.items() if n}}
        if order["here"] == order["items"]:
            return 1, order
        return (3 if order["here"] else 0), order


class Ship(EventBase):
    def process(self, previous_result):
        return True, {**previous_result, "news": "all of it is on its way"}


class ShipInParts(EventBase):
    def process(self, previous_result):
        order = previous_result
        late = {name: n - order["here"].get(name, 0) for name, n in order["items"].items()}
        rest = ", ".join(f"{n} {name}" for name, n in late.items() if n)
        return True, {**order, "news": f"a part is on its way, {rest} will follow"}


class Refuse(EventBase):
    def process(self, previous_result):
        return True, {**previous_result, "news": "nothing of it is in stock, so it costs nothing"}


class WriteLetter(EventBase):
    """The sink: it receives the result of the branch that ran."""

    def process(self, previous_result):
        letter = "Dear {customer}, your order over {total}: {news}.".format_map(previous_result)
        print(f"  {letter}")
        return True, letter
