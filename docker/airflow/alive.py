"""Check whether a part of Airflow works, for health checks: `python alive.py scheduler`.

`airflow jobs check` and `celery inspect ping` do the same, but take seconds of processor time. For
a worker, this checks its log server, which its main process starts and stops. For the other parts,
it asks the API server for their health.
"""

import contextlib
import json
import os
import sys
import urllib.error
import urllib.request

part = sys.argv[1]
if part == "worker":
    with contextlib.suppress(urllib.error.HTTPError):  # an HTTP error is an answer, too
        urllib.request.urlopen("http://localhost:8793/", timeout=10)
    sys.exit(0)
url = os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].replace(
    "/execution/", "/api/v2/monitor/health"
)
with urllib.request.urlopen(url, timeout=10) as answer:
    sys.exit(json.load(answer)[part]["status"] != "healthy")
