"""The pipelines of the container tests."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["EXAMPLES", "FAULTS", "KEY", "SMOKE", "furnish", "furnish_examples"]

EVENTS = '''\
"""Events that write down when they begin and end, and where."""

import json
import os
import socket
import time

from volnux import EventBase, event


class Marking(EventBase):
    def mark(self, key, what):
        line = {"what": what, "place": self.task_id, "host": socket.gethostname()}
        with open(f"/marks/{key}", "a") as file:
            file.write(json.dumps(line) + "\\n")


class Before(Marking):
    def process(self, key):
        self.mark(key, "begin")
        self.mark(key, "end")
        return True, 41


class After(Before):
    pass


class Long(Marking):
    """Sleeps; what comes after one that was lost is quick."""

    def process(self, key, seconds):
        again = os.path.exists(f"/marks/{key}") and '"Long"' in open(f"/marks/{key}").read()
        self.mark(key, "begin")
        time.sleep(1 if again else seconds)
        self.mark(key, "end")
        return True, "rested"


class Nap(Marking):
    def process(self, key, seconds):
        self.mark(key, "begin")
        time.sleep(seconds)
        self.mark(key, "end")
        return True, None


@event
def Fetch():
    return True, {"Oslo": 1200, "Rome": None, "Lima": 900}


@event
def Check(previous_result):
    return (3 if None in previous_result.values() else 1), previous_result


@event
def Mend(previous_result):
    return True, {shop: n or 1050 for shop, n in previous_result.items()}


@event
def Total(previous_result):
    return True, sum(previous_result.values())


@event
def Best(previous_result):
    return True, max(previous_result, key=previous_result.get)


@event
def Report(previous_result):
    import logging

    logging.getLogger(__name__).warning("reporting %s", previous_result)
    return True, previous_result


class Fragile(EventBase):
    def process(self):
        if self.attempt == 1:
            os._exit(1)  # the process that runs it, as if it had been killed
        return True, "survived"


class Broken(EventBase):
    def process(self):
        raise ValueError("no way")


@event
def Explain(previous_result):
    return True, previous_result.type
'''

TRACED = '''\
"""Events whose worker sends spans: to a file, which stands for a collector."""

import os
import socket

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from volnux import event

provider = TracerProvider(resource=Resource({"host.name": socket.gethostname()}))
# Only workers have that folder; others read the file as well, and send nothing.
spans = open("/marks/spans" if os.path.isdir("/marks") else os.devnull, "a")
one_line = ConsoleSpanExporter(out=spans, formatter=lambda span: span.to_json(indent=None) + "\\n")
provider.add_span_processor(SimpleSpanProcessor(one_line))
trace.set_tracer_provider(provider)


@event
def First():
    return True, 1


@event
def Second(previous_result):
    with trace.get_tracer("shop").start_as_current_span("work"):
        return True, previous_result + 1
'''

SMOKE = {
    "sales": "Fetch |-> Check (3 |-> Mend) |-> Total || Best |-> Report",
    "fragile": "Fragile[executor=process] * 2 |-> Report",
    "caught": "{Broken * 2 -> Fetch} (0 |-> Explain, 1 -> Report)",
}

KEY = '@input: key: str = "unset"\n@input: seconds: float = 3\n'

FAULTS = {
    "lost_once": f"{KEY}Before -> Long -> After",
    "lost_twice": f"{KEY}Before -> Long * 2 -> After",
    "lost_again": f"@tags: restart-when-lost\n{KEY}Before -> Long -> After",
    "chain": f"{KEY}Nap -> Nap -> Nap -> Nap -> Nap",
}


EXAMPLES = ("backup", "crawl", "orders", "prices", "stock", "weather")


def furnish_examples(folder: Path) -> None:
    """Copy the examples of the repository into a folder."""
    junk = shutil.ignore_patterns("__pycache__", "*.db", "*.png", "store")
    source = Path(__file__).parents[2] / "examples"
    shutil.copytree(source, folder / "examples", ignore=junk)


def furnish(folder: Path, pipelines: dict[str, str] | None = None) -> None:
    """Write pipelines and their events into a folder."""
    (folder / "events.py").write_text(EVENTS)
    (folder / "traced").mkdir()
    (folder / "traced" / "traced_events.py").write_text(TRACED)
    (folder / "traced" / "traced.pty").write_text("First |-> Second || Second\n")
    for name, text in (pipelines or {**SMOKE, **FAULTS}).items():
        (folder / f"{name}.pty").write_text(f"{text}\n")
