"""The shortest batch pipeline, with everything from one place."""

# ruff: noqa: RUF012 - class attributes and output as a user writes them

from volnux import Pipeline
from volnux.decorators import event
from volnux.pipeline import BatchPipeline, InputDataField, SoftSignal  # noqa: F401, RUF100 - one place has all of them


@event
def shout(name: list[str]) -> tuple[bool, list[str]]:
    return True, [each.upper() for each in name]


class Simple(Pipeline):
    name = InputDataField(data_type=list, batch_size=5)

    class Meta:
        pointy = "shout"


class SimpleBatch(BatchPipeline):
    pipeline_template = Simple
    listen_to_signals = []


def run() -> list[object]:
    nothing = SimpleBatch()
    assert nothing.execute().total == 0
    simple_batch = SimpleBatch(name=["ada", "bea", "cleo", "dora", "eva", "fay"])
    return [batch.results["shout"] for batch in simple_batch.execute()]
