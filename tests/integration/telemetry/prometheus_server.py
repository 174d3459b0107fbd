"""Debian's Prometheus on a free port, in its own folder."""

import contextlib
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request


@contextlib.contextmanager
def prometheus_server(folder, port):
    """A Prometheus that fetches from a port. Yields a function that evaluates a query."""
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed: sh tools/system_program.sh prometheus"
    home = folder / "prometheus"
    home.mkdir()
    targets = [{"targets": [f"127.0.0.1:{port}"]}]
    config = {
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
        "scrape_configs": [{"job_name": "volnux", "static_configs": targets}],
    }
    (home / "prometheus.yml").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={home / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address={address}",
                "--log.level=error",
            ],
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )

    def query(text):
        url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": text})
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{text}: {error.read().decode()}") from error
        except (urllib.error.URLError, ConnectionError):
            # Not up yet.
            assert process.poll() is None, (home / "log").read_text()
            return None
        return float(found[0]["value"][1]) if found else None

    try:
        yield query
    finally:
        process.kill()
        process.wait()
