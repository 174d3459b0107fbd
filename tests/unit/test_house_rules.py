"""House rules that no linter checks."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from tools.mutations import MUTATIONS

ROOT = Path(__file__).parents[2]
CODE = ("volnux", "standalone", "adapters", "tests", "benchmarks", "examples", "tools")
SOURCES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))

# A comment that silences a tool, the rules that it names, and then the reason.
SILENCED = re.compile(r"#\s*(noqa\b|type:\s*ignore\b)(?P<rest>.*)")
RULES = re.compile(r"^\s*(:\s*[A-Z]+\d+([,\s]+[A-Z]+\d+)*|\[[\w, -]+\])?")


def unexplained(source: str) -> list[int]:
    """Lines that silence a tool without a reason of at least two words."""
    lines = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        found = SILENCED.search(token.string) if token.type == tokenize.COMMENT else None
        if found and len(re.findall(r"\w{2,}", RULES.sub("", found["rest"]))) < 2:
            lines.append(token.start[0])
    return lines


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_silences_a_tool_gives_its_reason(path):
    found = [f"{path}:{line}" for line in unexplained(path.read_text(encoding="utf-8"))]
    assert not found, (
        "say why after the directive, as in `# noqa: B023 - called before the loop goes on`"
    )


@pytest.mark.parametrize(
    ("comment", "is_fine"),
    [
        ("# noqa: B023 - called at once", True),
        ("# noqa: B023, E501 - called at once", True),
        ("# type: ignore[no-any-return]  # ply has no types", True),
        ("# noqa: B023", False),
        ("# noqa: B023, E501", False),
        ("# type: ignore[no-any-return]", False),
        ("# noqa", False),
        ("# an ordinary comment", True),
    ],
)
def test_what_counts_as_a_reason(comment, is_fine):
    assert (unexplained(f"x = 1  {comment}\n") == []) is is_fine


@pytest.mark.parametrize("folder", ["adapters", "adapters/airflow", "adapters/prefect", "docker"])
def test_no_folder_of_ours_hides_a_package_of_that_name(folder):
    assert not (ROOT / folder / "__init__.py").exists()


TEXTS = [
    ROOT / "README.md",
    *(path for path in ROOT.glob("[!.]*/**/*.md")),
]


@pytest.mark.parametrize("path", [*TEXTS, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_is_told_to_install_the_package_of_another_project(path):
    # There is no release: the package of our name in the public index is not ours.
    found = re.findall(
        r"pip install [^\n`]*\bvolnux\b(?!-)[^\n`]*", path.read_text(encoding="utf-8")
    )
    assert not [line for line in found if not re.search(r"\.whl|in a checkout", line)]


def test_what_says_that_it_is_of_volnux_is_found_there():
    """Otherwise it could not be pickled."""
    import volnux

    for path in sorted((ROOT / "volnux").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            said = ast.unparse(node.body) if isinstance(node, ast.ClassDef) else ""
            if "__module__ = 'volnux'\n" in f"{said}\n":
                assert getattr(volnux, node.name).__name__ == node.name


def test_importing_the_core_leaves_exit_alone():
    program = (
        "import _sitebuiltins; before = _sitebuiltins.Quitter.__call__;"
        "import volnux.events.run, volnux.backends, volnux.pipeline, volnux_standalone;"
        "assert _sitebuiltins.Quitter.__call__ is before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


MAY_READ_MODULES = {
    ROOT / "volnux/imported.py",
    # The import system of folders: these are its parts that find, load, share and list modules.
    *(
        ROOT / "volnux/events/modules" / f"{name}.py"
        for name in ("importing", "loader", "origins", "registry", "shared")
    ),
}


def reads_of_modules(source: str) -> list[int]:
    """Lines that use `sys.modules`."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="sys"), attr="modules"):
                lines.append(node.lineno)
            case ast.ImportFrom(module="sys", names=names):
                lines += [node.lineno for name in names if name.name in ("modules", "*")]
    return lines


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] in ("volnux", "standalone", "adapters")
        and path not in MAY_READ_MODULES
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_one_module_says_what_is_imported(path):
    found = [f"{path}:{line}" for line in reads_of_modules(path.read_text(encoding="utf-8"))]
    assert not found, "ask volnux.imported.imported(name)"


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        ("sys.modules.get('airflow')", False),
        ("'asyncio' in sys.modules", False),
        ("sys.modules[name]", False),
        ("del sys.modules['airflow']", False),
        ("list(sys.modules.items())", False),
        ("from sys import modules", False),
        ("imported('airflow')", True),
        ("graph.modules", True),
    ],
)
def test_what_counts_as_reading_the_imported_modules(line, is_fine):
    assert (reads_of_modules(line) == []) is is_fine


def loops_over_modules(source: str) -> list[int]:
    """Lines that iterate over `sys.modules` itself, which any other thread may change meanwhile.

    `list(sys.modules.items())` is no better: a garbage collection within it can run Python code,
    and so another thread. `sys.modules.copy()` runs none.
    """
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.For(iter=over) | ast.comprehension(iter=over) | ast.Starred(value=over):
                pass
            case ast.Call(func=ast.Name(id=name), args=[over, *_]) if name != "len":
                pass
            case _:
                continue
        text = ast.unparse(over)
        if re.fullmatch(r"(list\(|tuple\()?sys\.modules(\.(items|values|keys)\(\))?\)?", text):
            lines.append(over.lineno)
    return lines


@pytest.mark.parametrize("path", sorted(MAY_READ_MODULES), ids=lambda path: path.name)
def test_nothing_loops_over_the_imported_modules_themselves(path):
    found = [f"{path}:{line}" for line in loops_over_modules(path.read_text(encoding="utf-8"))]
    assert not found, "iterate over sys.modules.copy()"


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        ("for name in sys.modules: pass", False),
        ("for name, each in list(sys.modules.items()): pass", False),
        ("[each for each in sys.modules.values()]", False),
        ("set(sys.modules)", False),
        ("for name, each in sys.modules.copy().items(): pass", True),
        ("len(sys.modules)", True),
        ("sys.modules.get(name)", True),
    ],
)
def test_what_counts_as_a_loop_over_the_imported_modules(line, is_fine):
    assert (loops_over_modules(line) == []) is is_fine


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.about)
def test_the_line_that_a_mutation_changes_is_there(mutation):
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1
