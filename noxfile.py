"""Every check and every suite, each in its own environment.

`make test` runs the sessions with the tag `core`, which need no host. `make test-all` also runs
those with the tag `hosts`. Each host has its own environment: the newest releases of Airflow and
Prefect cannot be installed together.
"""

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.stop_on_first_error = False

REPORTS = Path(".nox/report")
CORE_SUITES = (
    "tests/unit",
    "tests/property",
    "tests/reference",
    "tests/integration",
    "tests/conformance",
    # The suites of the adapters, which need the environments of their hosts.
    "--ignore=tests/integration/airflow",
    "--ignore=tests/integration/prefect",
    # It needs a browser, as that of Prefect does, and runs in the same session.
    "--ignore=tests/integration/htmlreport",
)


@nox.session(tags=["core"])
def lint(session: nox.Session) -> None:
    """Style, format, types and the import contracts."""
    session.install("--editable", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")


@nox.session(tags=["core"])
def tests(session: nox.Session) -> None:
    """The core and the embedded backend."""
    session.install("--editable", ".[test]")
    # With worksteal, an idle worker takes over tests from the others. Many tests wait, so three
    # workers use two processors better than two do.
    run_pytest(session, "-n", "3", "--dist", "worksteal", *CORE_SUITES)


@nox.session(tags=["core"])
def packaging(session: nox.Session) -> None:
    """The wheel and the source archive, installed and used as a new user would do it."""
    session.install("--editable", ".[test]")
    # All tests of a module share an environment.
    run_pytest(session, "-n", "2", "--dist", "loadfile", "tests/packaging")


PREFECT_RELEASES = (
    nox.param("3.9", "prefect~=3.9.1", id="3.9", tags=["hosts"]),
    nox.param("3.8", "prefect~=3.8.8", id="3.8"),
    nox.param("3.7", "prefect==3.7.7", id="3.7", tags=["hosts"]),
)
"""The releases, each with what is installed."""


@nox.session
@nox.parametrize(["release", "wanted"], PREFECT_RELEASES)
def prefect(session: nox.Session, release: str, wanted: str) -> None:
    """The Prefect adapter, on a real server; on the oldest release, what uses Prefect's own API."""
    session.install("--editable", ".[prefect,test]", "prefect-dask", "mypy", "ruff", wanted)
    session.run("mypy", *PREFECT_TYPED)
    session.env["VOLNUX_BACKENDS"] = "prefect"
    # The slowest tests come first, and an idle worker takes over tests from the others. With three
    # workers, Prefect's server is too busy to answer: it says 503 for minutes.
    run_pytest(session, "-n", "2", "--dist", "worksteal", *PREFECT_SUITES[release])


PREFECT_TYPED = (
    "adapters/prefect/volnux_prefect",
    "docker/prefect/deploy.py",
    "benchmarks/bench_prefect.py",
)
PREFECT_ADAPTER = ("tests/integration/prefect", "tests/integration/telemetry/on_prefect")
NEWEST_PREFECT_SUITES = (
    "tests/conformance/test_server_on_prefect.py",
    *PREFECT_ADAPTER,
    "tests/conformance/test_kept.py",
    "tests/conformance/test_backends.py",
    "tests/integration/htmlreport",
)
PREFECT_SUITES = {
    "3.9": NEWEST_PREFECT_SUITES,
    "3.8": NEWEST_PREFECT_SUITES,
    # What uses Prefect's own API is also tested on this release. The time of the whole is limited.
    "3.7": tuple(
        f"tests/integration/prefect/test_{name}.py" for name in ("flow", "waiting", "ways")
    ),
}


AIRFLOW_TESTS = (
    "hypothesis>=6.100",
    "mypy>=1.13",
    "pytest>=8.2",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
)


AIRFLOW_TYPED = (
    "adapters/airflow/volnux_airflow",
    "docker/airflow/alive.py",
    "docker/airflow/pty_dags.py",
)
AIRFLOW_ADAPTER = ("tests/integration/airflow", "tests/integration/telemetry/on_airflow")
AIRFLOW_SUITES = (
    # It comes first, as the suite of the adapter stops the server after its last test.
    "tests/conformance/test_server_on_airflow.py",
    *AIRFLOW_ADAPTER,
    "tests/conformance/test_ways_on_airflow.py",
    "tests/conformance/test_kept.py",
    "tests/conformance/test_backends.py",
)


AIRFLOW_RELEASES = (
    nox.param("3.3", None, id="3.3", tags=["hosts"]),
    # Their own dependencies have no upper bounds, and do not work with everything that came later.
    nox.param("3.2", "2026-07-01", id="3.2"),
    nox.param("3.1", "2026-04-15", id="3.1"),
)
"""The releases, each with the day whose newest packages it is installed with; None is today."""

NOT_BEFORE_AIRFLOW_3_3 = tuple(
    f"--deselect=tests/integration/airflow/{name}"
    for name in (
        # They use retry policies.
        "test_events.py::test_waits_are_exact",
        # They read fields that the API of older releases does not return.
        "test_server.py::test_cases",
        "test_server.py::test_a_result_of_none_makes_no_noise_and_a_handled_failure_is_seen",
        "test_server_uses.py::test_uses",
    )
)
OLDER_AIRFLOW_SUITES = {
    "3.2": (*AIRFLOW_SUITES, *NOT_BEFORE_AIRFLOW_3_3),
    # With `[traces] otel_on`, Airflow 3.1 gives the code of a task no tracer provider.
    "3.1": (*(s for s in AIRFLOW_SUITES if "telemetry" not in s), *NOT_BEFORE_AIRFLOW_3_3),
}


@nox.session
@nox.parametrize(["release", "day"], AIRFLOW_RELEASES)
def airflow(session: nox.Session, release: str, day: str | None) -> None:
    """The Airflow backend, on `dag.test()` and on a real Airflow that is started and stopped."""
    wanted = ["--editable", ".[airflow]", f"apache-airflow=={release}.*", *AIRFLOW_TESTS]
    session.env["VOLNUX_BACKENDS"] = "airflow"
    if day is not None:
        session.install("--exclude-newer", day, *wanted)
        run_pytest(session, "-n", "2", "--dist", "worksteal", *OLDER_AIRFLOW_SUITES[release])
        return
    session.install(*wanted)
    # Airflow 3.3 has no importers, so that module is checked with 3.4 below.
    session.run("mypy", *AIRFLOW_TYPED, "--exclude", r"/importer\.py$")
    run_pytest(session, "-n", "2", "--dist", "worksteal", *AIRFLOW_SUITES)


@nox.session(name="airflow-next", default=False)
def airflow_next(session: nox.Session) -> None:
    """The same on the newest pre-release of Airflow, in which a `.pty` needs no Python file."""
    session.install("--editable", ".[airflow]", "apache-airflow>=3.4.0b2", *AIRFLOW_TESTS)
    session.run("mypy", "adapters/airflow/volnux_airflow/importer.py", "--follow-imports=silent")
    run_pytest(session, "-n", "2", "--dist", "loadfile", *AIRFLOW_ADAPTER)


def run_in_containers(session: nox.Session, *arguments: str) -> None:
    """Run the tests with containers; they need root on Debian, or a container engine."""
    session.install("--editable", ".[test]", "pytest-docker>=3.2.6")
    session.env["VOLNUX_DOCKER"] = "1"
    # All tests of a module share a stack.
    run_pytest(session, "-n", "2", "--dist", "loadfile", "tests/docker", *arguments)


@nox.session(default=False)
def docker(session: nox.Session) -> None:
    """Airflow, Prefect and dask in containers: pipelines, cases and faults."""
    run_in_containers(session)


@nox.session(name="docker-smoke", tags=["hosts"])
def docker_smoke(session: nox.Session) -> None:
    """The quick part of `docker`: one stack each, three pipelines, one lost worker."""
    run_in_containers(session, "-m", "smoke")


@nox.session(name="docker-bench", default=False)
def docker_bench(session: nox.Session) -> None:
    """Throughput of one, two and four workers on every engine; see benchmarks/containers.py."""
    session.install("--editable", ".[test]", "pytest-docker>=3.2.6")
    session.run("python", "benchmarks/containers.py", *session.posargs)


def run_pytest(session: nox.Session, *arguments: str) -> None:
    """Run the suites that exist, or the tests after `--` on nox's command line."""
    chosen = [a for a in arguments if not a.startswith("tests/") or Path(a).exists()]
    if any(Path(a.partition("::")[0]).exists() for a in session.posargs):
        chosen = [a for a in chosen if not a.startswith("tests/")]
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{session.name}.xml"
    session.run("pytest", f"--junitxml={report}", *chosen, *session.posargs)
