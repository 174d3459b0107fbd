"""The graph's JSON and its fingerprint, on random programs."""

import hashlib
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.property.driving import graph_of
from volnux.graph import Graph
from volnux.testing.making import random_program
from volnux.testing.rendering import render

SEEDS = range(80)

DIGEST = """
import hashlib
from tests.property.test_graph_json import SEEDS, json_of
print(hashlib.sha256("".join(map(json_of, SEEDS)).encode()).hexdigest())
"""


def json_of(seed: int) -> str:
    return graph_of(random_program(random.Random(seed), events=30, uses=True)).to_json()


def test_json_there_and_back_is_the_same_graph():
    for seed in SEEDS:
        graph = graph_of(random_program(random.Random(seed), events=30, uses=True))
        text = graph.to_json()
        again = Graph.from_json(text)
        assert again == graph
        assert again.to_json() == text
        assert again.fingerprint == graph.fingerprint == json.loads(text)["fingerprint"]
        assert Graph.from_json(graph.to_json(indent=2).encode()) == graph


def test_json_is_the_same_in_every_process():
    wanted = hashlib.sha256("".join(map(json_of, SEEDS)).encode()).hexdigest()
    for hash_seed in ("0", "1", "4242"):
        found = subprocess.run(
            [sys.executable, "-c", DIGEST],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
        )
        assert found.returncode == 0, found.stderr
        assert found.stdout.strip() == wanted


def test_the_layout_of_the_text_is_not_in_the_fingerprint():
    for seed in SEEDS:
        program = random_program(random.Random(seed), events=30, uses=True)
        graph = graph_of(program)
        other = graph_of(program, render(program, random.Random(seed)), "far/away/program.pty")
        assert other != graph
        assert other.fingerprint == graph.fingerprint


def test_the_meaning_of_the_text_is_in_the_fingerprint():
    texts: dict[str, str] = {}
    for seed in range(400):
        program = random_program(random.Random(seed), events=6, depth=2, uses=True)
        graph = graph_of(program)
        # What a graph says, put in other words: everything but positions and the text.
        data = json.loads(graph.to_json())
        said = {key: data[key] for key in sorted(data) if key not in ("source", "fingerprint")}
        for used in said["files"]:
            del used["text"]
            for row in used["inputs"]:
                del row["span"]
        rows = (said[part] for part in ("nodes", "groups", "eaches", "tasks", "uses", "inputs"))
        for row in itertools.chain(*rows):
            del row["span"]
            for argument in row.get("arguments", ()):
                del argument["span"]
        text = json.dumps(said)
        assert texts.setdefault(graph.fingerprint, text) == text
    assert len(texts) == len(set(texts.values()))
    assert len(texts) > 200
