"""What the tests of the four packages share."""

import base64
import json
import random

import pytest

from volnux.strictjson import FormatError
from volnux.values import from_json, to_json


@pytest.fixture
def back():
    """The value that is read from the JSON text of a value."""

    def back(value):
        return from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))

    return back


@pytest.fixture
def damaged():
    """Read a value from JSON in which some bytes were changed, many times.

    Returns how many were refused. Every other error, and every crash, fails the test.
    """

    def damaged(value, times=300):
        data = json.dumps(to_json(value))
        chance = random.Random(20260131)
        refused = 0
        for _ in range(times):
            changed = json.loads(data)
            blob = chance.choice(list(_blobs(changed)))
            content = bytearray(base64.b64decode(blob["base64"]))
            for _ in range(chance.choice([1, 1, 4])):
                content[chance.randrange(len(content))] = chance.randrange(256)
            if chance.random() < 0.1:
                del content[chance.randrange(len(content)) :]
            blob["base64"] = base64.b64encode(content).decode()
            try:
                repr(from_json(changed))
            except FormatError:
                refused += 1
        return refused

    return damaged


def _blobs(data):
    if isinstance(data, dict):
        if data.keys() == {"base64"}:
            yield data
        for each in data.values():
            yield from _blobs(each)
    elif isinstance(data, list):
        for each in data:
            yield from _blobs(each)
