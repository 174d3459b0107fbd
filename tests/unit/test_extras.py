"""How the packages of an extra are installed."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from volnux.extras import how_to_install

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


@pytest.mark.parametrize("extra", ["airflow", "prefect", "dask", "schedule", "metrics", "graphviz"])
def test_the_command_names_the_packages_of_the_extra(extra):
    command = how_to_install(extra)
    listed = command.removeprefix("pip install ").split(" ")
    assert {Requirement(each.strip("'")) for each in listed} == set(map(Requirement, EXTRAS[extra]))


def test_without_an_installation_the_checkout_is_named():
    root = Path(__file__).parents[2]
    program = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from volnux.extras import how_to_install\n"
        "print(how_to_install('dask'))"
    )
    # -S: no site-packages, so no installation.
    said = subprocess.run(
        [sys.executable, "-S", "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == "pip install '.[dask]' in a checkout of volnux\n"
