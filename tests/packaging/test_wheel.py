"""What a new user gets: the wheel and the source archive, installed outside of the checkout."""

import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "volnux",
    "standalone/volnux_standalone",
    "adapters/airflow/volnux_airflow",
    "adapters/prefect/volnux_prefect",
]
MOST_PACKAGES = 25
# Things that only some of volnux's uses need, and that cost time to import.
NOT_AT_IMPORT = ["croniter", "opentelemetry", "ply", "pydantic", "rich", "typer"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that cannot see the checkout or the environment of this test."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"}
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(uv.find_uv_bin(), "build", "--out-dir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that holds the wheel and what it needs, nothing else."""
    folder = tmp_path_factory.mktemp("clean")
    run(uv.find_uv_bin(), "venv", "env", cwd=folder)
    bin_folder = folder / "env" / "bin"
    run(uv.find_uv_bin(), "pip", "install", "--python", bin_folder / "python", wheel, cwd=folder)
    return bin_folder


def test_the_wheel_holds_the_packages_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    expected = {Path(package).name for package in PACKAGES if (ROOT / package).is_dir()}
    assert {name.split("/")[0] for name in names} == expected | {
        name.split("/")[0] for name in names if ".dist-info/" in name
    }
    for package in expected:
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    assert {"page.js", "report.css", "report.html", "viz-global.js"} <= {
        Path(name).name for name in names if name.startswith("volnux/htmlreport/page/")
    }
    licenses = {name.partition(".dist-info/licenses/")[2] for name in names}
    assert {"LICENSE", "NOTICE", "volnux/htmlreport/page/viz-global.LICENSES.txt"} <= licenses
    assert not [name for name in names if "__pycache__" in name or "/test_" in name]


def test_the_source_archive_can_be_built_and_tested(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for expected in (
        "pyproject.toml",
        "Makefile",
        "noxfile.py",
        "README.md",
        "LICENSE",
        "tests/conftest.py",
        "tests/packaging/test_wheel.py",
        "tools/test_report.py",
        "examples/orders/orders.pty",
    ):
        assert expected in names
    junk = (".git/", ".venv", ".nox", ".ci", "dist/", "__pycache__", ".db", ".pyc", ".hypothesis")
    assert not [name for name in names if any(part in name for part in junk)]


def test_the_version_is_that_of_the_wheel(wheel, clean, tmp_path):
    said = run(clean / "volnux", "--version", cwd=tmp_path).stdout
    assert wheel.name.split("-")[1] in said.split()


def test_an_example_runs_outside_of_the_checkout(clean, tmp_path):
    shutil.copytree(ROOT / "examples" / "orders", tmp_path / "orders")
    done = run(clean / "volnux", "run", "--json", "orders/orders.pty", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (report["status"], report["backend"]) == ("success", "standalone")


def test_it_brings_few_packages(clean, tmp_path):
    listed = run(
        uv.find_uv_bin(), "pip", "list", "--format=json", "--python", clean / "python", cwd=tmp_path
    )
    names = sorted(package["name"] for package in json.loads(listed.stdout))
    assert "volnux" in names
    assert len(names) <= MOST_PACKAGES, names


def test_importing_volnux_loads_only_what_it_uses(clean, tmp_path):
    program = f"import sys, volnux; print([m for m in {NOT_AT_IMPORT} if m in sys.modules])"
    assert run(clean / "python", "-c", program, cwd=tmp_path).stdout.strip() == "[]"
