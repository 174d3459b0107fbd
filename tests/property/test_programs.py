"""Files that use each other in any way give a program or diagnostics, and never anything else."""

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volnux.errors import Severity, Source
from volnux.graph.compiling import compile
from volnux.pointy import analyze
from volnux.programs import load_program

calm = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

FILES = ("a.pty", "b.pty", "c.pty", "lib/d.pty", "lib/e.pty", "f.json")
PATHS = (
    *("a.pty", "b.pty", "c.pty", "lib/d.pty", "e.pty", "../b.pty", "./lib/../a.pty", "link.pty"),
    *("f.json", "f", "lib", "nowhere/x.pty", "lib/./e.pty", "b.pty/", "A.pty", "é\u2028.pty"),
    *(f"package:email/{'x' * 300}.pty", f"package:email.{'x' * 300}/x.pty", "long/" * 2000 + "x"),
    *("package:os/x.pty", "package:email.mime/x.pty", "package:no.such/x.pty", "package:../x"),
    *("", "/", "\\\\", "~", "x" * 300, "\\u0000", "\\ud800", "..", "."),
)
ARGUMENTS = ("", "()", "(x=1)", "(y=x)", '(x="3", z=[x, s])', "(x=null)", "(y={}, x=item)")
OPTIONS = (
    *("", "", "", "[again=3]", "[again=999]", "[each=item]", "[task=a]", " * 2"),
    *("[evaluation=SUCCESS_FOR_PARTIAL_SUCCESS]", " (0 -> a)", "[timeout=3]"),
)
DIRECTIVES = (
    "@input: x: int",
    '@input: x: "1" | "2" = "1"',
    "@input: y: date = previous",
    "@input: z: list = []",
    "@secret: s",
    "@variable: x: float",
    "@on-failure: continue",
    "@name: a",
    "@use: a",
)

uses = st.builds(
    lambda name, path: f'@use: {name} = "{path}"', st.sampled_from("aabbcd"), st.sampled_from(PATHS)
)
units = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["a", "b", "c", "A", "{a || b}", "{b}", "a.A", "!"]),
        st.sampled_from(ARGUMENTS),
        st.sampled_from(OPTIONS),
    ),
)
flows = st.lists(st.tuples(units, st.sampled_from([" -> ", " || ", " |-> ", " "])), max_size=5).map(
    lambda parts: "".join(unit + sign for unit, sign in parts) + "A"
)
texts = st.builds(
    lambda lines, flow: "\n".join([*lines, flow]),
    st.lists(uses | st.sampled_from(DIRECTIVES), max_size=5),
    flows,
)
wild = st.dictionaries(st.sampled_from(FILES), texts, min_size=1)

INPUTS = """
@input: x: int = 1
@input: y: date = "2026-01-01"
@input: z: list = []
@secret: s
"""
VALUES = ("x", "y", "z", "s", "1", "null", "[x]", '"2026-01-01"', '"text"')


@st.composite
def tame(draw):
    """Files that mostly use the files after them, and mostly as these can be used."""
    rarely = st.sampled_from([False] * 19 + [True])
    count = draw(st.integers(1, 5))
    files = {"a.pty": '@use: f0 = "f0.pty"\nf0', f"f{count}.pty": f"{INPUTS}A"}
    for number in range(count):
        used = draw(st.lists(st.integers(number + 1, count), max_size=3, unique=True))
        if draw(rarely):
            used.append(0)
        folders = st.sampled_from(["", "./", "lib/../"])
        lines = [f'@use: f{n} = "{draw(folders)}f{n}.pty"' for n in used]
        flow = ["A"]
        for n in draw(st.permutations(used)):
            names = draw(st.lists(st.sampled_from("xyz"), max_size=2, unique=True))
            others = [draw(st.sampled_from(VALUES)) if draw(rarely) else name for name in names]
            values = map("=".join, zip(names, others, strict=True))
            again = draw(st.sampled_from(["", "", " * 2", "[again=2]", "[again=40]", "[each=i]"]))
            flow.append(f"f{n}({', '.join(values)}){again}")
        sign = draw(st.sampled_from([" -> ", " || ", " |-> "]))
        files[f"f{number}.pty"] = "\n".join([*lines, INPUTS, sign.join(flow)])
    return files


@st.composite
def trees(draw):
    """Files by their paths; the first one is `a.pty`."""
    return {"a.pty": "A", **draw(wild | tame())}


@calm
@given(trees())
def test_any_files_give_a_program_or_errors(files):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "lib").mkdir()
        (root / "link.pty").symlink_to("lib/d.pty")
        for path, text in files.items():
            (root / path).write_bytes(text.encode("utf-8", "surrogatepass"))
        program, found = load_program(root / "a.pty")
        failed = any(each.severity is Severity.ERROR for each in found)
        assert (program is None) == failed, "\n".join(each.render() for each in found)
        for each in found:
            assert each.render()
            assert each.span is not None
            if each.code != "not-utf-8":
                assert each.text == Source(Path(each.file).read_text()).line(each.span.line)
        if program is not None:
            check_program(program, root)


def check_program(program, root):
    """A program contains what its files say, each file once, and can be compiled."""
    real = [os.path.realpath(file.source.filename) for file in program.files]
    assert len(set(real)) == len(real)
    assert real[0] == os.path.realpath(root / "a.pty")
    for file, names in zip(program.files, program.uses, strict=True):
        assert list(names) == [use.name for use in file.settings.uses]
        assert analyze(file.source)[0] == file
        for use in file.settings.uses:
            if not use.path.startswith("package:"):
                path = Path(file.source.filename).parent / use.path
                assert real[names[use.name]] == os.path.realpath(path)
    assert len(compile(program).nodes) > 0


@calm
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4))
def test_the_places_of_nested_uses_multiply(sizes):
    """Each file has some events of its own, and uses the next one some times in some rounds."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / f"f{len(sizes)}.pty").write_text("A")
        places = 1
        for number in range(len(sizes) - 1, -1, -1):
            own, times = sizes[number]
            flow = " -> ".join(["A"] * own + ["x"] * times + ["{x}[again=2]"])
            text = f'@use: x = "f{number + 1}.pty"\n{flow}'
            (root / f"f{number}.pty").write_text(text)
            places = own + (times + 2) * places
        program, found = load_program(root / "f0.pty")
        assert program is not None, found
        graph = compile(program)
        assert sum(node.event is not None for node in graph.nodes) == places
