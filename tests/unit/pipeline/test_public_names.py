"""The public names: all exist, none is public by accident, and all are on their page."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "api.md"
MODULES = [
    line.removeprefix("## ")
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("## ")
]


@pytest.mark.parametrize("name", MODULES)
def test_all_names_exist_once_and_are_what_a_star_imports(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    space = {}
    exec(f"from {name} import *", space)
    assert set(space) - {"__builtins__"} == set(module.__all__)
    assert not [each for each in module.__all__ if each.startswith("_") and each != "__version__"]


def test_the_package_shows_its_public_names_alone():
    import volnux

    assert dir(volnux) == sorted(volnux.__all__)
    with pytest.raises(AttributeError, match="module 'volnux' has no attribute 'Pipline'"):
        _ = volnux.Pipline


def test_the_page_is_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "public_names.py", "--check"], check=False, timeout=60
    )
    assert done.returncode == 0, "run: python tools/public_names.py"


def test_importing_the_package_is_next_to_free():
    code = (
        "import sys, volnux\n"
        "heavy = {'pydantic', 'rich', 'asyncio', 'multiprocessing', 'blinker', 'ply'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from volnux import Pipeline\n"
        "heavy -= {'blinker', 'ply'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
