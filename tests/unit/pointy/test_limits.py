"""Long, deep and hostile texts, threads, and a Python without docstrings."""

import copy
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import volnux
from volnux.errors import PointySyntaxError, Severity, Source
from volnux.pointy import analyze, load, parse
from volnux.pointy.formatter import format_file
from volnux.pointy.parser import read_source

N = 30_000
MANY = 10_000


def errors(text):
    file, diagnostics = analyze(Source(text, "big.pty"))
    found = [d for d in diagnostics if d.severity is Severity.ERROR]
    assert (file is None) == bool(found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        " -> ".join(f"E{index}" for index in range(N)),
        " || ".join(f"E{index}" for index in range(N)),
        "{" * N + "A" + "}" * N,
        "(" * N + "A" + ")" * N,
        "A (0 -> " * MANY + "B" + ")" * MANY,
        "A (" + ", ".join(f"{digit} -> B" for digit in range(10)) + ")",
    ],
    ids=["chain", "parallel", "braces", "parentheses", "branches", "all descriptors"],
)
def test_a_long_program_is_no_crash(text):
    file = parse(text)
    flow = file.flow
    assert file == file and flow == flow
    assert len(repr(flow) + repr(file) + str(flow.parts[0]) + repr(flow.parts[0].arms[0])) < 400
    assert hash(flow) == hash(copy.copy(flow)) and copy.deepcopy(flow) is flow
    assert copy.deepcopy(file) is file


@pytest.mark.slow
def test_a_deep_program_survives_pickle_and_the_formatter():
    file = parse("{" * N + "A # note\n" + "}" * N)
    assert pickle.loads(pickle.dumps(file)) == file
    text = format_file(file)
    assert parse(text) == file
    assert max(map(len, text.split("\n"))) < 60


def test_a_part_of_a_tree_is_pickled_with_its_file_only():
    with pytest.raises(TypeError, match="a Flow cannot be pickled without its PointyFile"):
        pickle.dumps(parse("A -> B").flow)


def test_many_open_parentheses_are_one_error():
    (error,) = errors("(" * N)
    assert error.render() == (
        "big.pty:1:30001: error: expected an event or a group after '(', "
        "found the end of the file\n"
        f"  1 | …{'(' * 50}\n"
        f"    |  {' ' * 50}^\n"
        "  hint: the '(' of line 1, column 30000 is not closed (and 29999 more)"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{" * MANY + "A" + "".join(f"}}[each=x{n}]" for n in range(MANY)), None),
        ("{" * MANY + "A" + "}[each=x]" * MANY, "'x' is already the name of an 'each' around it"),
        ("{" * MANY + "A" + "}[again=9]" * MANY, "with 'again', this file has more than"),
        (" -> ".join(f"{{A}}[task=t{n}]" for n in range(MANY)), None),
        (" -> ".join(["A[each=x, in=y]"] * MANY), None),
        ("A (0 -> " * MANY + "B" + ")[each=x]" * MANY, None),
    ],
    ids=["nested", "nested of one name", "nested rounds", "tasks", "sequence", "branches"],
)
def test_a_long_program_of_new_options_is_no_crash(text, error):
    found = errors(text)
    if error is None:
        assert not found
        return
    assert error in found[0].message


def test_a_file_with_again_has_at_most_100000_places():
    assert not errors("{A || B}[again=49999] -> {C -> !}")
    assert not errors("{{A}[again=1000]}[again=100]")
    assert not errors("{A}[again=2] (0 -> B) -> " + " -> ".join(["C"] * 99_997))
    (error,) = errors("{A}[again=2] (0 -> B) -> " + " -> ".join(["C"] * 99_998))
    assert error.message == "with 'again', this file has more than 100000 places"
    assert error.span == (1, 5, 1, 12)
    (error,) = errors(f"{{A -> {{B}}[again={'9' * 400}]}}[again={'8' * 400}]")
    assert error.span.column == 11


def test_a_branch_is_outside_of_the_again_of_its_group():
    assert not errors("{A}[again=99998] (0 -> {B -> C})")
    assert errors("{A}[again=99999] (0 -> {B -> C})")


HOSTILE = {
    "closing": ")",
    "closed": "A ) ",
    "semicolons": "; ",
    "quotes": '"' * 10,
    "apostrophes": "'' ",
    "escapes": '"\\',
    "backslashes": "\\ ",
    "words": "A B ",
    "lines": "A\n",
    "branches": "A (",
    "options": "A[",
    "descriptors": "0 -> ",
    "comments": "/*",
    "digits": "1",
    "letters": "é ",
    "directives": "@name: x\n",
    "directive quotes": '@name: "\\"\\" ',
    "broken strings": '"a\n',
    "fails": "! ",
    "arguments": "A(a=",
    "empty arguments": "A()",
    "calls": "A(a=f(",
    "lists": "A(a=[1, ",
    "objects": '{"k": ',
    "keys": "A(a={k: 1, ",
    "colons": "a: ",
    "braces": "A{a=1",
    "stars": "A(*",
    "mixed": "A(0 -> B, a=1, ",
    "eaches": "A[each=x, in=[",
    "loops": "A[each x in xs] -> ",
    "rounds": "{A}[again=9, task=t] -> ",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_end(unit):
    """If the time grew with the square of the length, a test would exceed its time limit."""
    assert errors(unit * 20_000)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[" * 51 + "]" * 51, "the value is nested deeper than 50 levels"),
        ('{"k": [' * 26 + "]}" * 26, "the value is nested deeper than 50 levels"),
        ("[" * N + "]" * N, "the value is nested deeper than 50 levels"),
        ("1" * 401, f"the number {'1' * 39}… is too long"),
    ],
)
def test_a_value_that_is_too_deep_or_too_long(value, message):
    assert [error.message for error in errors(f"A(a={value})")] == [message]


def test_values_at_the_limit():
    values = ("[" * 50 + "]" * 50, "1" * 400)
    assert all(not errors(f"A(a={value})") for value in values)


def test_one_line_with_an_error_at_each_word_renders_short():
    found = errors("A B " * 5000)
    assert len(found) == 1000
    assert max(len(d.render()) for d in found) < 500
    assert len({id(d.text) for d in found}) == 1


def test_a_file_that_is_not_utf_8(tmp_path):
    path = tmp_path / "latin.pty"
    path.write_bytes(b"@name: x\r\nA -> caf\xe9 -> B\r\nC\r\n")
    source, (diagnostic,) = read_source(path)
    assert source is None
    assert diagnostic.render() == (
        f"{path}:2:9: error: the byte 0xE9 is not UTF-8\n"
        "  2 | A -> caf� -> B\n"
        "    |         ^\n"
        "  hint: save the file as UTF-8"
    )
    with pytest.raises(PointySyntaxError, match="the byte 0xE9 is not UTF-8"):
        load(path)


@pytest.mark.parametrize("data", [b"\xff\xfeA\x00", b"\x80", b"A\n\xc3", b"\n\n\xed\xa0\x80"])
def test_other_bytes_that_are_not_utf_8(tmp_path, data):
    path = tmp_path / "bytes.pty"
    path.write_bytes(data)
    source, diagnostics = read_source(path)
    assert source is None
    assert diagnostics[0].code == "not-utf-8"


def test_load_reads_a_byte_order_mark_and_other_line_breaks(tmp_path):
    path = tmp_path / "dos.pty"
    path.write_bytes("\ufeff@name: x\r\n\r\nA -> B # é\r\n".encode())
    file = load(path)
    assert file == parse("@name: x\nA -> B")
    assert file.flow.span == (3, 1, 3, 7)
    assert file.source.filename == str(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.pty")


def test_a_line_that_is_wide_or_has_tabs_keeps_the_caret_in_place():
    (error,) = errors('A[pool="日本"] \t-> \x1b')
    assert error.render().split("\n")[1:3] == [
        '  1 | A[pool="日本"] \t-> �',
        "    |                \t   ^",
    ]


def test_threads_do_not_meet():
    texts = [f"A{n} -> {{B || C{n}}} (0 -> D{n})\n" * 1 + " -> E" * n for n in range(40)]
    bad = [f"A{n} ->\n" * n + "=> B" for n in range(40)]
    results: dict[int, tuple[object, object]] = {}
    barrier = threading.Barrier(8)

    def work(worker):
        barrier.wait()
        for n in range(worker, 40, 8):
            results[n] = (parse(texts[n]), [d.render() for d in analyze(Source(bad[n]))[1]])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40
    for n, (file, found) in results.items():
        assert file == parse(texts[n])
        assert found == [d.render() for d in analyze(Source(bad[n]))[1]]


def run_python(code, *flags):
    root = str(next(iter(volnux.__path__))).removesuffix("volnux")
    start = f"import sys; sys.path.insert(0, {root!r})\n"
    return subprocess.run(
        [sys.executable, *flags, "-c", start + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_docstrings_and_assertions():
    done = run_python(
        """
        from volnux.pointy import parse, PointySyntaxError
        from volnux.pointy.formatter import format_text
        print(format_text("A->B(0->C)"), end="")
        try:
            parse("A => B")
        except PointySyntaxError as error:
            print(error.msg)
        """,
        "-OO",
    )
    assert done.stderr == ""
    assert done.stdout == "A -> B (0 -> C)\n'=>' is not a Pointy operator\n"


def test_parsing_writes_no_file(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    done = run_python(
        f"""
        import os
        os.chdir({str(folder)!r})
        def forbid(event, args):
            if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
                raise PermissionError(args[0])
        sys.dont_write_bytecode = True
        sys.addaudithook(forbid)
        from volnux.pointy import parse
        parse("A -> B")
        """
    )
    assert done.stderr == ""
    assert list(folder.iterdir()) == []


def test_the_tables_are_those_of_the_grammar():
    tool = Path(__file__).parents[3] / "tools/grammar_tables.py"
    done = subprocess.run([sys.executable, tool, "--check"], check=False)
    assert done.returncode == 0, "run: python tools/grammar_tables.py"
