"""A user's module with objects that are sent to other processes."""

from volnux import EventBase, InputDataField, Pipeline, RetryPolicy
from volnux.decorators import event
from volnux.pipeline import BatchPipeline, RunFailedError
from volnux.signal import SoftSignal
from volnux.signal.announce import EventFailedError


class Load(EventBase):
    retry_policy = RetryPolicy(max_attempts=2, backoff_factor=0, retry_on_exceptions=[OSError])

    def process(self, names):
        return True, len(names)


@event
def check(names):
    if not names:
        raise ValueError("no names")
    return True, names


class Names(Pipeline):
    names = InputDataField(data_type=list[str], batch_size=2)

    class Meta:
        pointy = "Load -> check"


class AllNames(BatchPipeline):
    pipeline_template = Names


def things():
    """All kinds of objects that a user may send to another process, by name."""
    good, bad = Names(names=["a"]), Names(names=[])
    batch = AllNames(names=["a", "b", "c"])
    failed = bad.start()
    made = {
        "event": Load("Load", "run", 1, {"names": []}, None),
        "function": check,
        "function event": check.__volnux_event__("check", "run", 2),
        "policy": Load.retry_policy,
        "field": Names.fields()["names"],
        "fresh pipeline": Names(names=["x"]),
        "plan": Names.plan(),
        "signal": SoftSignal("picklable"),
        "failure": failed.first_failed.failure,
        "context": good.start(),
        "failed context": failed,
        "report": failed.report,
        "pipeline": good,
        "made of a plan": Pipeline.of_plan(Names.plan())(names=["y"]),
        "batches": batch,
        "batch report": batch.execute(),
        "run error": RunFailedError(failed.report, failed),
        "event error": EventFailedError(failed.first_failed.failure),
    }
    try:
        Names(names=3)
    except ValueError as error:
        made["input error"] = error
    return made


def describe(thing):
    """A description of an object that is the same in both processes."""
    match thing:
        case Load():
            return thing.task_id, thing.run_id, thing.inputs
        case EventBase():
            return type(thing).__name__, thing.attempt
        case Pipeline():
            return type(thing).__name__, thing.inputs, thing.context and thing.context.results
        case BatchPipeline():
            return [inputs["names"] for inputs in thing.batches()]
        case InputDataField():
            return thing.name, thing.batch_size, thing.read(["1"])
        case Exception():
            return type(thing).__name__, str(thing), repr(vars(thing).keys())
    if hasattr(thing, "fingerprint"):
        return thing.fingerprint, thing.bind({"names": ["a"]})
    if hasattr(thing, "report"):
        return thing.status, thing.results, thing.first_failed and thing.first_failed.event
    if hasattr(thing, "to_json"):
        return thing.to_json()
    return repr(thing) if not callable(thing) else thing(["n"])


def there_and_back(thing):
    """Called in the other process: returns the description there, and the object itself."""
    return describe(thing), thing
