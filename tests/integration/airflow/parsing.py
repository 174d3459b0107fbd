"""Files parsed as by Airflow's DAG processor, each in its own process.

Run as a program, it parses the files that standard input names, one JSON object per line, and
prints the result of each.
"""

from __future__ import annotations

import inspect
import json
import os
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any


def parse(file: str, root: str, *, seconds: float) -> dict[str, Any]:
    """What Airflow would store after one parse. `came back` is false if there is no result."""
    import structlog
    from airflow.dag_processing.processor import DagFileProcessorProcess
    from uuid6 import uuid7

    # Airflow 3.1 does not ask for these.
    named = {"bundle_name": "dags-folder", "dag_file_rel_path": os.path.relpath(file, root)}
    known = inspect.signature(DagFileProcessorProcess.start).parameters
    named = {name: value for name, value in named.items() if name in known}
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    with Path(os.devnull).open("ab") as nowhere:
        process = DagFileProcessorProcess.start(
            id=uuid7(),
            path=file,
            bundle_path=Path(root),
            **named,
            callbacks=[],
            selector=selector,
            logger=structlog.get_logger(),
            logger_filehandle=nowhere,
            subprocess_logs_to_stdout=False,
            client=None,  # type: ignore[arg-type]  # nobody asks for a connection
        )
        # As the manager does in its loop.
        while not process.is_ready and time.monotonic() < began + seconds:
            for key, _ in selector.select(timeout=0.1):
                handler, on_close = key.data
                if not handler(key.fileobj):
                    on_close(key.fileobj)
        in_time = process.is_ready
        if not in_time:
            process.kill(signal.SIGKILL)
    result = process.parsing_result if in_time else None
    return {
        "came back": result is not None,
        "dags": sorted(dag.dag_id for dag in result.serialized_dags) if result else [],
        "errors": dict(result.import_errors or {}) if result else {},
        "seconds": time.monotonic() - began,
    }


def main() -> None:
    """Serve standard input."""
    from volnux_airflow.home import enter_own_home

    enter_own_home()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(parse(**json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
