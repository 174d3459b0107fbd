"""Values as JSON for reports."""

from dataclasses import dataclass

from volnux.graph.jsonable import tagged
from volnux.masking import remember
from volnux.values import Known, from_json

SECRET = "swordfish-7f3a"


@dataclass
class Login:
    user: str
    key: bytes


def test_tagged_values_have_no_secrets():
    remember((SECRET,))
    value = [f"{SECRET}\0", f"a {SECRET}".encode(), Login(SECRET, SECRET.encode()), (SECRET,)]

    found = from_json(tagged(value), classes=Known([Login]))

    assert found == ["***\0", b"a ***", Login("***", b"***"), ("***",)]
