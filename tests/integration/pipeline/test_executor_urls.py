"""Events on executors that are named by a URL: a real dask cluster, and one from a package."""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from volnux_standalone import StandaloneBackend, dask_cluster, urls
from volnux_standalone.shipping import ShippedTask, _parcel

from tests import typed_values
from tests.integration.telemetry.servers import eventually
from tests.typed_values import alike
from volnux import EventBase, Pipeline
from volnux.backends import RefusedError, get_backend
from volnux.events.executors import ExecutorConfigError, ExecutorInitializerConfig
from volnux.events.outcome import Call
from volnux.events.remote import RemoteTask, read_outcome, remote_task
from volnux.graph.outcome import RunStatus
from volnux.loading import load_plan

# dask leaves it to the garbage collector to close some of its sockets and loops.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

EVENTS = (
    Path(typed_values.__file__).read_text()
    + """
import os
import time
import traceback
from pathlib import Path

from volnux.decorators import event
from own_helper import twice


@event
def make():
    return True, MANY


@event
def give(previous_result: list):
    return True, (previous_result, alike(previous_result, MANY))


@event
def double(number):
    return True, twice(number)


@event
def where():
    return True, [os.getpid(), __file__]


@event(retry_policy={"max_attempts": 2, "backoff_factor": 0})
def die_once(self):
    if self.attempt == 1:
        os.kill(os.getpid(), 9)
    return True, self.attempt


@event
def die():
    os.kill(os.getpid(), 9)


@event
def sleep():
    time.sleep(60)
    return True, None


@event(retry_policy={"max_attempts": 2, "backoff_factor": 0})
def stay(self, folder):
    (Path(folder) / f"stays{self.attempt}").touch()
    time.sleep(60)


@event
def wait_for_mending(previous_result, folder):
    (Path(folder) / "waits").touch()
    while not (Path(folder) / "mended").exists():
        time.sleep(0.05)
    return True, str(previous_result)
"""
)


@pytest.fixture(scope="module")
def cluster():
    """A separate scheduler and worker process, as dask://host:port."""
    import distributed

    with (
        dask_cluster.dask_config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as made,
    ):
        yield made.scheduler_address.replace("tcp://", "dask://")


@pytest.fixture
def plan(tmp_path):
    def planned(flow):
        (tmp_path / "own_helper.py").write_text("def twice(number):\n    return 2 * number\n")
        (tmp_path / "far_events.py").write_text(EVENTS)
        path = tmp_path / "far.pty"
        path.write_text(f'@input: number: int = 4\n@input: folder: str = "{tmp_path}"\n{flow}')
        return load_plan(path)

    return planned


def run(plan, **options):
    return Pipeline.of_plan(plan)().start(**options)


def test_events_run_on_a_cluster_with_the_modules_beside_them(cluster, plan):
    at = f'[executor="{cluster}"]'
    context = run(plan(f"double {at} -> where {at}"))
    context.raise_for_status()
    assert context.results["double"] == 8
    pid, file = context.results["where"]
    assert pid != os.getpid()
    assert file.endswith("far_events.py")


@pytest.mark.parametrize("portable", [False, True])
def test_values_keep_their_types_on_a_cluster(cluster, plan, portable):
    at = f'[executor="{cluster}"]'
    report = run(plan(f"Make{at} |-> Give{at}"), portable=portable)
    made = report.results["Make"]
    value, arrived = report.results["Give"]
    assert arrived
    assert alike(value, made)


def test_a_worker_that_dies_loses_its_event_and_no_other(cluster, plan):
    at = f'[executor="{cluster}"]'
    context = run(plan(f"die_once {at} -> die {at}"))
    assert context.results["die_once"] == 2
    assert context["die"].failure.type == "volnux.WorkerLost"
    assert context["die"].failure.message == f"a worker of {cluster} died"


def test_a_timeout_does_not_wait_for_the_cluster(cluster, plan):
    began = time.monotonic()
    context = run(plan(f'sleep [executor="{cluster}", timeout=0.5]'))
    assert context["sleep"].failure.type == "TimeoutError"
    assert time.monotonic() - began < 15


@contextlib.contextmanager
def dask_program(what, *arguments):
    """A scheduler or a worker as a separate program, which is killed at the end."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, "--no-dashboard"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def test_a_scheduler_that_dies_loses_its_events_and_may_come_back(plan, tmp_path):
    with contextlib.ExitStack() as programs:

        def begin(port):
            file = tmp_path / "scheduler.json"
            file.unlink(missing_ok=True)
            options = ["--port", str(port), "--host", "127.0.0.1", "--scheduler-file", str(file)]
            scheduler = programs.enter_context(dask_program("scheduler", *options))
            # Dask makes the file before it writes it.
            eventually(lambda: file.exists() and file.read_text())
            address = json.loads(file.read_text())["address"]
            programs.enter_context(dask_program("worker", address, "--no-nanny"))
            return scheduler, address.removeprefix("tcp://")

        scheduler, address = begin(0)
        at = f'[executor="dask://{address}?timeout=3"]'
        flow = f"stay {at} (0 |-> wait_for_mending) -> double {at}"
        ends = ThreadPoolExecutor(1).submit(run, plan(flow))
        eventually((tmp_path / "stays1").exists)
        scheduler.kill()
        # The second attempt waits, like the client, for a scheduler to come back.
        eventually((tmp_path / "waits").exists)
        begin(address.rpartition(":")[2])
        (tmp_path / "mended").touch()
        context = ends.result(60)
    context.raise_for_status()
    assert context["stay"].attempts == 2
    lost = (
        f"volnux.WorkerLost: the connection to the scheduler at dask://{address}?timeout=3 was lost"
    )
    assert context.results["wait_for_mending"] == lost
    assert context.results["double"] == 8


@pytest.mark.slow
def test_without_an_address_there_is_a_cluster_for_the_run():
    class Far(EventBase):
        executor = "dask"
        executor_config = {"max_workers": 1}  # noqa: RUF012 - as a user writes it

        def process(self):
            return True, os.getpid()

    assert Far.executor == "dask"
    config = ExecutorInitializerConfig(max_workers=1)
    with contextlib.closing(_Closing(urls.executor_of("dask://", config))) as made:
        assert made.executor.submit(os.getpid).result(60) != os.getpid()


class _Closing:
    def __init__(self, executor):
        self.executor = executor

    def close(self):
        self.executor.shutdown()


def test_tls_options_reach_the_client(monkeypatch):
    made = []

    class Client:
        def __init__(self, address, **options):
            made.append((address, options))

        def get_executor(self, **options):
            return None

    def security(**options):
        return options

    fake = SimpleNamespace(Client=Client, Security=security)
    monkeypatch.setattr(dask_cluster, "distributed", fake)
    url = "dask+tls://host:8786?ca=/tls/ca.pem&cert=/tls/cert.pem&key=/tls/key.pem&timeout=3"
    dask_cluster.dask_executor(url, ExecutorInitializerConfig())
    assert made == [
        (
            "tls://host:8786",
            {
                "security": {
                    "require_encryption": True,
                    "tls_ca_file": "/tls/ca.pem",
                    "tls_client_cert": "/tls/cert.pem",
                    "tls_client_key": "/tls/key.pem",
                },
                "timeout": 3,
                "set_as_default": False,
            },
        )
    ]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "dask://host:1?certt=x",
            "dask://host:1?certt=x has an unknown option 'certt'; did you mean 'cert'?",
        ),
        (
            "dask+tcp://host:1?ca=x",
            "dask+tcp://host:1?ca=x has certificates but does not use TLS: write dask+tls://",
        ),
        (
            "dask://?processes=many",
            "processes in dask://?processes=many must be a whole number of at least 1, "
            "found 'many'",
        ),
        (
            "nowhere://host",
            "there is no executor for nowhere://host; schemes: dask, dask+tcp, dask+tls",
        ),
    ],
)
def test_urls_that_make_no_sense(url, message):
    with pytest.raises(ExecutorConfigError) as caught:
        urls.executor_of(url, ExecutorInitializerConfig())
    assert str(caught.value) == message


def test_an_unknown_scheme_is_refused_before_the_run(plan):
    with pytest.raises(RefusedError, match="standalone cannot send an event to nowhere://host"):
        run(plan('where [executor="nowhere://host"]'))
    assert "dask" in get_backend("standalone").capabilities.url_schemes


def test_a_package_brings_an_executor_of_its_own(plan, monkeypatch):
    made = []

    class Recorder(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            made.append("shut down")
            super().shutdown(wait, cancel_futures=cancel_futures)

    def factory(url, config):
        made.append((url, config.max_workers))
        return Recorder(1)

    point = metadata.EntryPoint("ours", "nothing:at_all", urls.GROUP)
    monkeypatch.setattr(metadata.EntryPoint, "load", lambda self: factory)
    monkeypatch.setattr(
        urls, "entry_points", lambda **which: [point] if which.get("name", "ours") == "ours" else []
    )
    urls.url_schemes.cache_clear()
    try:
        planned = plan(
            'double [executor="ours://there?x=1"] -> where [executor="ours://there?x=1"]'
        )
        context = Pipeline.of_plan(planned)().start(backend=StandaloneBackend())
    finally:
        urls.url_schemes.cache_clear()
    context.raise_for_status()
    assert context.results["double"] == 8
    assert made[0][0] == "ours://there?x=1"
    assert made[1:] == ["shut down"]


def test_what_was_unpacked_goes_with_its_process(tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for folder in (home, temporary):
        folder.mkdir()
    (home / "far.py").write_text("value = 1\n")
    code = (
        "import os, sys; from volnux_standalone.shipping import _folder_for, _parcel;"
        "folder = _folder_for('elsewhere', _parcel(sys.argv[1])); print(folder, os.listdir(folder))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(home)],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith(str(temporary))
    assert said.endswith(" ['far.py']\n")
    assert not list(temporary.iterdir())


def test_modules_are_unpacked_where_their_folder_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    home = tmp_path / "home"
    (home / "pack").mkdir(parents=True)
    (home / "far.pty").write_text("Tell\n")
    (home / "far_events.py").write_text(
        "from pack import value\nfrom volnux import event\n\n"
        "@event\ndef tell():\n    return True, value\n"
    )
    (home / "pack" / "__init__.py").write_text("value = 1\n")
    parcel = _parcel(str(home))
    spec = load_plan(home / "far.pty").specs[0]
    task = RemoteTask(str(tmp_path / "elsewhere"), remote_task(spec, Call(inputs={})).payload)
    assert read_outcome(ShippedTask(task, parcel)(), spec).result == 1
    (home / "pack" / "__init__.py").write_text("value = 22\n")
    assert read_outcome(ShippedTask(task, _parcel(str(home)))(), spec).result == 22


def test_stop_takes_back_what_a_cluster_has_not_begun(cluster, plan):
    pipeline = Pipeline.of_plan(plan(f'sleep [executor="{cluster}"] -> where'))()
    threading.Timer(1, pipeline.stop).start()
    began = time.monotonic()
    assert pipeline.start().status is RunStatus.CANCELLED
    assert time.monotonic() - began < 15


def test_a_cluster_on_this_machine_is_for_this_machine_alone():
    """Nobody else reaches its scheduler, its workers or a dashboard."""
    import psutil

    def listening():
        me = psutil.Process()
        return {
            connection.laddr
            for process in (me, *me.children(recursive=True))
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }

    before = listening()
    executor = urls.executor_of("dask://?processes=1", ExecutorInitializerConfig())
    try:
        assert executor.submit(int, "3").result(60) == 3
        addresses = [address.ip for address in listening() - before]
        assert len(addresses) >= 3
        assert set(addresses) == {"127.0.0.1"}
    finally:
        executor.shutdown()


@pytest.mark.parametrize(
    "url",
    [
        "dask://me:PW-1234@127.0.0.1:1?timeout=1",
        "dask://me:PW-1234@127.0.0.1:1?timeou=1",
        "dask+tcp://me:PW-1234@host?ca=x",
        "dask://me:PW-1234@host?timeout=x",
        "dask://me:PW-1234/[@host",
        "moon://me:PW-1234@host",
    ],
)
def test_no_error_shows_the_password_of_a_url(url):
    with pytest.raises(ExecutorConfigError) as caught:
        urls.executor_of(url, ExecutorInitializerConfig())
    assert "PW-1234" not in "".join(traceback.format_exception(caught.value))


def test_a_refusal_shows_the_line_without_the_password(own_folder):
    (own_folder / "events.py").write_text(
        "from volnux import event\n@event\ndef where():\n    return True, 1\n"
    )
    flow = own_folder / "flow.pty"
    flow.write_text('where[executor="moon://me:PW-1234@host"]\n')
    with pytest.raises(RefusedError) as caught:
        StandaloneBackend().refuse(load_plan(flow))
    shown = str(caught.value)
    assert "cannot send an event to moon://***@host" in shown
    assert "PW-1234" not in shown
