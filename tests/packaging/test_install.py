"""The installation instructions: each command works as written, in a copy of the checkout."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]
INSTALL = ROOT / "docs" / "install.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$|^    (pip install[^\n]*)\n", re.M | re.S)


def blocks(page: Path) -> list[str]:
    """The shell blocks of a page that install something."""
    found = [first or line for first, line in BLOCK.findall(page.read_text(encoding="utf-8"))]
    return [text for text in found if re.search(r"^(pip install|make build)", text, re.M)]


def shell(text: str, folder: Path, **environment: str) -> str:
    """Run a text in a shell, in the environment that the pages create, and return the output."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "MAKEFLAGS"}
    inherited = {key: value for key, value in os.environ.items() if key not in hidden}
    path = f"{folder.parent / 'volnux-env' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", text],
        cwd=folder,
        env={**inherited, "PATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    assert "does not provide the extra" not in done.stdout, f"{text}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the repository, beside an environment in which Volnux is installed."""
    folder = tmp_path_factory.mktemp("install") / "volnux"
    junk = shutil.ignore_patterns(
        ".*", "dist", "build", "__pycache__", "*.egg-info", "*.db", "*.png"
    )
    shutil.copytree(ROOT, folder, ignore=junk)
    assert "volnux" in shell(blocks(INSTALL)[0], folder)
    return folder


def test_extras_from_the_checkout(checkout):
    shell(blocks(INSTALL)[1], checkout)
    shell("python -c 'import apscheduler, graphviz'", checkout)


def test_a_wheel_and_its_extras(checkout):
    build, extras = blocks(INSTALL)[2:]
    shell(build, checkout)
    shell(extras, checkout)
    shell("python -c 'import elasticsearch, opentelemetry.sdk'", checkout)


def test_the_first_minutes(checkout):
    (block,) = blocks(ROOT / "docs" / "getting-started.md")
    said = shell(
        f"{block}\nvolnux new hello\nvolnux run hello/hello.pty\npytest -q hello", checkout
    )
    assert "hello: success" in said
    assert "4 passed" in said


OTHERS = [page for page in PAGES if page not in (INSTALL, ROOT / "docs" / "getting-started.md")]
OTHERS = [page for page in OTHERS if blocks(page)]


@pytest.fixture(scope="module")
def light(checkout):
    """Settings that make pip build with the installed packages, and skip dependencies."""
    shell("pip install hatchling", checkout)
    return {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # to pip, 0 turns isolation off


@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_guide(page, checkout, light):
    # What the extras bring is large, and other suites install it.
    for block in blocks(page):
        shell(block, checkout, **light)
