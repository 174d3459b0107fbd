"""A million items from a generator through a batch pipeline: peak memory, and the time per batch.

Each line runs in its own process, because memory that was used once is not returned.
"""

import resource
import subprocess
import sys
import time

from volnux import InputDataField, Pipeline
from volnux.decorators import event
from volnux.pipeline import BatchPipeline

ITEMS = 100


@event
def total(numbers: list[int]) -> tuple[bool, int]:
    return True, sum(numbers)


class Total(Pipeline):
    numbers = InputDataField(data_type=list, batch_size=ITEMS)

    class Meta:
        pointy = "total"


class Totals(BatchPipeline):
    pipeline_template = Total


def measure(batches: int, executor: str) -> None:
    source = (number for number in range(batches * ITEMS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    report = Totals(numbers=source).execute(
        executor=executor, max_workers=4, keep_results=False, progress=False
    )
    taken = time.perf_counter() - began
    report.raise_for_status()
    assert report.total == batches
    # In kilobytes, except on macOS, where it is in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{executor:>8} {batches:>8,} {batches * ITEMS:>10,} {taken / batches * 1e3:>9.2f} ms "
        f"{after / unit:>8.1f} MB {(after - before) / unit:>8.1f} MB",
        flush=True,
    )


def main() -> None:
    print("executor  batches      items      a batch        peak       grown", flush=True)
    for executor in ("thread", "process"):
        for batches in (1_000, 10_000):
            subprocess.run([sys.executable, __file__, str(batches), executor], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(int(sys.argv[1]), sys.argv[2])
    else:
        main()
