"""Defaults of inputs: every run gets its own copy, and given values are passed unchanged."""

import dataclasses
from pathlib import Path

import pytest

from volnux import FileInputDataField, InputDataField, Pipeline, event
from volnux.backends import get_backend
from volnux.events.inputs import fresh
from volnux.loading import load_plan
from volnux.pipeline import BatchPipeline


@dataclasses.dataclass
class Options:
    tables: list = dataclasses.field(default_factory=lambda: ["x"])


@event
def grow(names, options, settings, extra):
    names.append("more")
    options["tables"].append("more")
    settings.tables.append("more")
    extra["k"]["l"].append("more")
    return True, [list(names), list(options["tables"]), list(settings.tables), extra["k"]["l"][:]]


class Grows(Pipeline):
    names = InputDataField(data_type=list, default=[])
    options = InputDataField(data_type=dict, default={"tables": ["x"]})
    settings = InputDataField(default=Options())
    path = FileInputDataField()

    class Meta:
        pointy = '@input: extra: dict = {"k": {"l": []}}\ngrow'


class Parts(Grows):
    numbers = InputDataField(data_type=list, batch_size=1)


ONCE = [["more"], ["x", "more"], ["x", "more"], ["more"]]


def start():
    return Grows().start()["grow"].result


def again(pipeline):
    return pipeline.start(force_rerun=True)["grow"].result


def test_a_default_does_not_grow_from_instance_to_instance():
    assert [start(), start(), start()] == [ONCE] * 3


def test_a_default_does_not_grow_from_run_to_run_of_an_instance():
    pipeline = Grows()
    assert [again(pipeline), again(pipeline)] == [ONCE] * 2
    assert pipeline.names == []


def test_what_was_set_on_the_instance_is_its_default():
    pipeline = Grows()
    pipeline.names.append("mine")
    assert [again(pipeline)[0] for _ in range(2)] == [["mine", "more"]] * 2


def test_given_values_are_passed_as_they_are():
    options = Options()
    pipeline = Grows(settings=options)
    again(pipeline)
    assert again(pipeline)[2] == options.tables == ["x", "more", "more"]
    other = pipeline.settings = Options()
    again(pipeline)
    assert other.tables == ["x", "more"]


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_each_batch_has_a_default_of_its_own(executor):
    class All(BatchPipeline):
        pipeline_template = Parts

    report = All(numbers=[1, 2, 3]).execute(executor=executor, max_workers=1)
    assert [batch.results["grow"] for batch in report] == [ONCE] * 3


def test_a_default_of_the_text_does_not_grow_from_run_to_run_of_a_plan():
    Path("again.pty").write_text('@input: opts: dict = {"tables": ["x"]}\nShow')
    Path("again_events.py").write_text(
        "from volnux import event\n@event\ndef show(opts):\n"
        "    opts['tables'].append('y')\n    return True, list(opts['tables'])\n"
    )
    plan = load_plan("again.pty")
    backend = get_backend("standalone")
    results = [backend.run(plan, plan.bind({})).places["Show"].result for _ in range(3)]
    assert results == [["x", "y"]] * 3
    given = {"tables": []}
    backend.run(plan, plan.bind({"opts": given}))
    assert given["tables"] == ["y"]


class Cannot:
    __hash__ = None

    def __deepcopy__(self, memo):
        raise TypeError("no copies")


def test_a_default_that_cannot_be_copied_is_shared():
    connection = Cannot()
    assert fresh(connection) is connection
