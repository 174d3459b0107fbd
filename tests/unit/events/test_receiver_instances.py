"""How a piped value is read as the annotation of `previous_result`."""

from __future__ import annotations

import enum
import functools
import io
import subprocess
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

import pytest

from volnux import InputTypeError, event
from volnux.events import Call, run_attempt
from volnux.events.receiver import Receiver, receiver_of
from volnux.events.spec import spec_of


class Level(enum.IntEnum):
    LOW = 1


class Name(str):
    __slots__ = ("origin",)


def _receiver(annotation: Any) -> Receiver | None:
    def process(self: Any, previous_result: Any) -> None: ...

    process.__annotations__["previous_result"] = annotation
    return receiver_of("B", process, "A")


def _read(annotation: Any, value: Any) -> Any:
    receiver = _receiver(annotation)
    assert receiver is not None
    return receiver.read(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict, defaultdict(list)),
        (dict, OrderedDict(a=1)),
        (int, Level.LOW),
        (int, True),
        (str, Name("x")),
        (Mapping, OrderedDict(a=1)),
        (Sequence, range(3)),
        (Iterable, [1]),
        (Exception, KeyError("a")),
    ],
    ids=repr,
)
def test_an_instance_of_the_class_is_passed_on_as_it_is(annotation: Any, value: Any) -> None:
    assert _read(annotation, value) is value


@pytest.mark.parametrize("annotation", [Iterable[int], Iterable[int] | None])
def test_the_items_of_an_iterable_can_be_read_more_than_once(annotation: Any) -> None:
    found = _read(annotation, ["1", 2])

    assert found == [1, 2]
    assert type(found) is list


def test_an_iterator_is_not_used_up() -> None:
    numbers = iter([1, 2])

    assert _read(Iterator[int], numbers) is numbers
    assert _read(Iterable[int], numbers) is numbers
    assert list(numbers) == [1, 2]


def test_a_generator_stays_a_generator() -> None:
    def count() -> Generator[int, None, str]:
        yield 1
        return "end"

    made = count()

    assert _read(Generator[int, None, str], made) is made


def test_an_item_of_the_wrong_type_is_found_before_the_event_starts() -> None:
    with pytest.raises(InputTypeError, match=r"B received a list from A.*\[1\]: .*valid integer"):
        _read(Iterable[int], [1, "x"])


@pytest.mark.parametrize("annotation", [TextIO, IO[str]])
def test_an_open_file_is_not_checked(annotation: Any) -> None:
    assert not isinstance(io.StringIO(), TextIO)
    assert _receiver(annotation) is None


def test_functions_are_passed_on() -> None:
    assert _read(Callable[[], int], len) is len


def test_only_the_attempt_that_is_not_started_does_not_count() -> None:
    @event
    def B(previous_result: int) -> tuple[bool, int]:
        return True, previous_result

    spec = spec_of("B", B).receives_from("A")

    for number in (1, 2):
        outcome = run_attempt(spec, Call("B", "run", previous_result="x", attempt=number))
        assert outcome.attempts == outcome.result.attempts == number - 1


def test_without_annotations_nothing_is_imported_to_read_them() -> None:
    Path("flow.pty").write_text("A |-> B\n")
    Path("flow_events.py").write_text(
        "from volnux import event\n"
        "@event\ndef A(): return True, 1\n"
        "@event\ndef B(previous_result): return True, previous_result\n"
    )
    code = (
        "import sys; from pathlib import Path; from volnux.loading import load_plan\n"
        "load_plan(Path('flow.pty')); print('volnux.events.receiver' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_decorator_that_takes_the_value_itself_may_convert_it() -> None:
    def split(process: Any) -> Any:
        @functools.wraps(process)
        def inner(self: Any, previous_result: str) -> Any:
            return process(self, previous_result.split(","))

        return inner

    def process(self: Any, previous_result: list[str]) -> None: ...

    assert receiver_of("B", process, "A") is not None
    assert receiver_of("B", split(process), "A") is None
