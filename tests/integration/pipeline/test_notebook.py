"""Notebooks: cells that redefine things, worker processes, `await`, and what a cell shows."""

import json
import subprocess
import sys
from textwrap import dedent

import nbclient
import nbformat
import pytest

CELLS = {
    "first": """
        import os, warnings
        from concurrent.futures import ProcessPoolExecutor
        from volnux import EventBase, InputDataField, Pipeline, event
        from volnux.pipeline import BatchPipeline

        @event
        def Load():
            return True, "first"

        class Flow(Pipeline):
            class Meta:
                pointy = "Load"

        class Listed(Pipeline):
            class Meta:
                pointy = "Load"
                events = [Load]

        flow = Flow()
        (flow.start().results, Listed().start().results)
    """,
    "a function again": """
        @event
        def Load():
            return True, "second"

        (Flow().start().results, Listed().start().results)
    """,
    "an instance again": "flow.start(force_rerun=True).results",
    "a class instead": """
        class Load(EventBase):
            def process(self):
                return True, "third"

        Flow().start().results
    """,
    "the pipeline again": """
        class Flow(Pipeline):
            class Meta:
                pointy = "Load -> Load"

        Flow().start().results
    """,
    "worker processes": """
        FACTOR = 2

        class Box:
            def __init__(self, value):
                self.value = value

        @event(executor=ProcessPoolExecutor, max_workers=1)
        def Far(previous_result):
            before = previous_result.value if previous_result else 1
            return True, Box((os.getpid(), FACTOR * before)[1])

        class Distant(Pipeline):
            class Meta:
                pointy = "Far |-> Far"

        [isinstance(box, Box) and box.value for box in Distant().start().results.values()]
    """,
    "batches in worker processes": """
        @event
        def Count(numbers):
            return True, len(numbers)

        class Counted(Pipeline):
            numbers = InputDataField(data_type=list, batch_size=2)

            class Meta:
                pointy = "Count"

        class AllCounted(BatchPipeline):
            pipeline_template = Counted

        report = AllCounted(numbers=[1, 2, 3]).execute(executor="process", progress=False)
        [batch.results for batch in report]
    """,
    "await": "(await Flow().astart()).status.value",
    "no hint in a plain cell": """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Flow().start()
        len(caught)
    """,
    "a hint in a coroutine": """
        async def blocks():
            Flow().start()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await blocks()
        str(caught[0].message)
    """,
}

SHOWN = {
    "first": ({"Load": "first"}, {"Load": "first"}),
    "a function again": ({"Load": "second"}, {"Load": "second"}),
    "an instance again": {"Load": "second"},
    "a class instead": {"Load": "third"},
    "the pipeline again": {"Load": "third", "Load__2": "third"},
    "worker processes": [2, 4],
    "batches in worker processes": [{"Count": 2}, {"Count": 1}],
    "await": "success",
    "no hint in a plain cell": 0,
    "a hint in a coroutine": "start() blocks the event loop until the run ends: "
    "use `await pipeline.astart()`",
}


@pytest.mark.filterwarnings("ignore")  # of the kernel's own, none of which is about us
def test_a_notebook():
    cells = [nbformat.v4.new_code_cell(dedent(source).strip()) for source in CELLS.values()]
    cells += [nbformat.v4.new_code_cell(source) for source in ("Flow().start()", "Flow()")]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=100, kernel_name="python3").execute()
    shown = [cell.outputs[-1]["data"] for cell in book.cells]
    found = [data["text/plain"] for data in shown[:-2]]
    assert dict(zip(CELLS, found, strict=True)) == {
        name: repr(value) for name, value in SHOWN.items()
    }
    assert "<td>Load__2</td>" in shown[-2]["text/html"]
    assert shown[-1]["text/html"].startswith(("<svg", "<pre>"))


def test_without_cloudpickle_a_prompt_says_what_to_do():
    """`python -c` is like a prompt: `__main__` has no file."""
    source = """
        import json, sys
        sys.modules["cloudpickle"] = None
        from concurrent.futures import ProcessPoolExecutor
        from volnux import Pipeline, event

        @event(executor=ProcessPoolExecutor)
        def Far():
            return True, 1

        class Distant(Pipeline):
            class Meta:
                pointy = "Far"

        print(json.dumps(Distant().start().report.to_json()["places"]["Far"]["failure"]["message"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(source)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == (
        "Far cannot be sent to a worker process: Far is defined in a notebook or at a prompt, "
        "where worker processes cannot find it: put it into a module and import it, or run "
        "`pip install cloudpickle`"
    )
