"""Whether a part of Airflow works, for health checks: `python alive.py scheduler`.

`airflow jobs check` says the same, but takes seconds of a processor's time each time.
"""

import json
import os
import sys
import urllib.request

url = os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].replace(
    "/execution/", "/api/v2/monitor/health"
)
with urllib.request.urlopen(url, timeout=10) as answer:
    found = json.load(answer)[sys.argv[1]]["status"]
sys.exit(found != "healthy")
