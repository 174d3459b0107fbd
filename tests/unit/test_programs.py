"""Which files a file uses, and the messages about those that cannot be used, word for word."""

import os
import sys
from pathlib import Path

import pytest

from tests.unit.program_files import faults, load, names, write
from volnux.errors import PointyError, Source
from volnux.files import LONGEST
from volnux.pointy import parse
from volnux.programs import gather, load_program
from volnux.programs.circles import order_of

# Finding.


def test_a_file_without_uses_is_its_own_program():
    program = load({"a.pty": "A"})
    assert (names(program), program.uses) == (["a.pty"], ({},))


def test_each_file_is_read_once_and_in_the_order_in_which_it_is_met():
    program = load(
        {
            "flows/daily.pty": '@use: b = "b.pty"\n@use: c = "shared/c.pty"\nb -> c -> b',
            "flows/b.pty": '@use: other = "./shared/c.pty"\n@use: d = "d.pty"\nother -> d',
            "flows/shared/c.pty": '@use: d = "../d.pty"\nd',
            "flows/d.pty": "D",
        }
    )
    assert names(program) == ["flows/daily.pty", "flows/b.pty", "flows/shared/c.pty", "flows/d.pty"]
    assert program.uses == ({"b": 1, "c": 2}, {"other": 2, "d": 3}, {"d": 3}, {})


def test_links_to_one_file_are_one_file():
    write({"a.pty": '@use: b = "b.pty"\n@use: c = "c.pty"\nb -> c', "b.pty": "B"})
    Path("c.pty").symlink_to("b.pty")
    program = load({}, "a.pty")
    assert (names(program), program.uses[0]) == (["a.pty", "b.pty"], {"b": 1, "c": 1})


def test_a_path_through_a_linked_folder_leads_where_the_system_leads():
    write({"a.pty": '@use: b = "link/../b.pty"\nb', "b.pty": "Wrong", "far/b.pty": "Right"})
    Path("far/folder").mkdir()
    Path("link").symlink_to("far/folder")
    program = load({}, "a.pty")
    assert program.files[1].source.text == "Right"


def test_a_text_without_a_file_uses_files_of_the_working_directory():
    write({"b.pty": "B"})
    program, _ = gather(parse('@use: b = "b.pty"\nb'))
    assert program is not None
    assert names(program) == ["<string>", "b.pty"]


def test_a_text_can_use_files_of_a_given_folder():
    write({"flows/b.pty": "B"})
    program, _ = gather(parse('@use: b = "b.pty"\nb'), folder=Path("flows"))
    assert program is not None
    assert names(program) == ["<string>", "flows/b.pty"]


def test_what_used_files_say_about_schedules_and_the_like_is_not_looked_at():
    program = load(
        {
            "a.pty": '@use: b = "b.pty"\nb',
            "b.pty": "@name: b\n@schedule: @daily\n@timezone: Europe/Paris\n@run-timeout: 1s\n"
            "@tags: x\n@catchup: true\n@max-active-runs: 1\nB",
        }
    )
    assert program.uses == ({"b": 1}, {})


# Packages.


@pytest.fixture
def packages(monkeypatch):
    """Packages on the import path, none of which may be imported."""
    broken = "raise AssertionError('imported')"
    write(
        {
            "lib/shop/__init__.py": broken,
            "lib/shop/flows/__init__.py": broken,
            "lib/shop/flows/clean.pty": '@use: load = "../load.pty"\nload',
            "lib/shop/flows/deep/parts.pty": "Part",
            "lib/shop/load.pty": "Load",
            "lib/shop/module.py": broken,
            "lib/spread/one/x.pty": "X",
            "more/spread/two/y.pty": "Y",
            "more/spread/one/z.pty": "Z",
        }
    )
    monkeypatch.syspath_prepend(Path("more").resolve())
    monkeypatch.syspath_prepend(Path("lib").resolve())
    return Path("lib").resolve()


def test_files_of_packages_are_found_without_an_import(packages):
    before = set(sys.modules)
    program = load(
        {
            "a.pty": '@use: clean = "package:shop.flows/clean.pty"\n'
            '@use: parts = "package:shop/flows/deep/parts.pty"\n'
            "clean -> parts"
        }
    )
    shop = packages / "shop"
    paths = ["a.pty", shop / "flows/clean.pty", shop / "flows/deep/parts.pty", shop / "load.pty"]
    assert names(program) == list(map(str, paths))
    assert not [name for name in sys.modules.keys() - before if name.startswith("shop")]


@pytest.mark.parametrize("path", ["one/x.pty", "two/y.pty", "one/z.pty"])
@pytest.mark.parametrize("dotted", [False, True])
def test_packages_may_be_spread_over_several_folders(packages, path, dotted):
    package, _, inside = path.rpartition("/") if dotted else ("", "", path)
    package = f"spread.{package}" if package else "spread"
    program = load({"a.pty": f'@use: b = "package:{package}/{inside}"\nb'})
    assert names(program)[1].endswith(f"/spread/{path}")


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        (
            "nowhere/b.pty",
            "there is no package 'nowhere'",
            "looked on the import path; a file of the project has a path without 'package:'",
        ),
        (
            "shop.nowhere/b.pty",
            "there is no package 'shop.nowhere'",
            "looked in {lib}/shop; a file of the project has a path without 'package:'",
        ),
        (
            f"shop.{'x' * 300}/b.pty",
            f"there is no package 'shop.{'x' * 194}…'",
            "looked in {lib}/shop; a file of the project has a path without 'package:'",
        ),
        (
            "sys/b.pty",
            "'sys' is a module, not a package",
            "a used file is in a package that is a folder on the disk",
        ),
        (
            "shop.module/b.pty",
            "'shop.module' is a module, not a package",
            "a used file is in a package that is a folder on the disk",
        ),
        (
            "shop.module.more/b.pty",
            "'shop.module' is a module, not a package",
            "a used file is in a package that is a folder on the disk",
        ),
        (
            "shop.flows/claen.pty",
            "'{lib}/shop/flows/claen.pty' cannot be used: there is no such file",
            "did you mean 'package:shop.flows/clean.pty'?",
        ),
        (
            "shop/flows",
            "'{lib}/shop/flows' cannot be used: this is a directory",
            "give a file in it: clean.pty",
        ),
    ],
)
def test_packages_that_cannot_be_used(packages, path, message, hint):
    write({"a.pty": f'@use: b = "package:{path}"\nb'})
    _, (found,) = load_program("a.pty")
    assert (found.code, found.message) == ("bad-path", message.format(lib=packages))
    assert found.hint == hint.format(lib=packages)


def test_a_package_in_a_zip_cannot_be_used(monkeypatch):
    import zipfile

    with zipfile.ZipFile("lib.zip", "w") as file:
        file.writestr("zipped/__init__.py", "")
        file.writestr("zipped/b.pty", "B")
    monkeypatch.syspath_prepend(Path("lib.zip").resolve())
    (found,) = faults({"a.pty": '@use: b = "package:zipped/b.pty"\nb'})
    assert found.splitlines()[0] == "a.pty:1:11: error: the package 'zipped' is not a folder"


# Paths.


def make_pipe():
    os.mkfifo("b.pty")


def make_broken_link():
    Path("b.pty").symlink_to("gone.pty")


def make_loop():
    Path("b.pty").symlink_to("b.pty")


def make_long():
    Path("b.pty").write_bytes(b"A" * (LONGEST + 1))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_pipe, "it cannot be read: it is not a regular file"),
        (make_broken_link, "it is a broken symbolic link"),
        (make_loop, "it cannot be read: too many levels of symbolic links"),
        (make_long, "it cannot be read: it has more than 16 MB"),
    ],
)
def test_what_is_no_readable_file_is_reported_where_it_is_used(make, reason):
    make()
    assert faults({"a.pty": '@use: b = "b.pty"\nb'}) == [
        f"a.pty:1:11: error: 'b.pty' cannot be used: {reason}\n"
        '  1 | @use: b = "b.pty"\n'
        "    |           ^^^^^^^"
    ]


@pytest.mark.parametrize(
    ("path", "there", "message", "hint"),
    [
        (
            "shared/claen.pty",
            "flows/shared/clean.pty",
            "'flows/shared/claen.pty' cannot be used: there is no such file",
            "did you mean 'shared/clean.pty'?",
        ),
        (
            "../claen.pty",
            "clean.pty",
            "'claen.pty' cannot be used: there is no such file",
            "did you mean '../clean.pty'?",
        ),
        (
            "shrd/clean.pty",
            "flows/shared/clean.pty",
            "'flows/shrd/clean.pty' cannot be used: there is no such file",
            "there is no folder 'flows/shrd' either",
        ),
        (
            "flows/shared/clean.pty",
            "flows/shared/clean.pty",
            "'flows/flows/shared/clean.pty' cannot be used: there is no such file",
            "a path is relative to the folder of this file: write 'shared/clean.pty'",
        ),
        (
            "shared",
            "flows/shared/clean.pty",
            "'flows/shared' cannot be used: this is a directory",
            "give a file in it: clean.pty",
        ),
        (
            "clean",
            "flows/clean.pty",
            "'flows/clean' cannot be used: there is no such file",
            "did you mean 'clean.pty'?",
        ),
        (
            "clean.pty",
            "flows/clean.d/clean.pty",
            "'flows/clean.pty' cannot be used: there is no such file",
            None,  # neither the folder with a similar name nor 'a.pty'
        ),
        (
            "clean",
            "flows/clean",
            "'flows/clean' cannot be used: the name of a pipeline ends in .pty",
            "rename the file",
        ),
        (
            "clean.json",
            "flows/clean.json",
            "'flows/clean.json' cannot be used: this is a JSON file, "
            "but a pipeline (.pty) was expected",
            "if it is a pipeline, rename it to 'clean.pty'",
        ),
        (
            "clean.py",
            "flows/clean.py",
            "'flows/clean.py' cannot be used: this is a Python file, "
            "but a pipeline (.pty) was expected",
            "a pipeline is a .pty file, and its events are in the .py file beside it",
        ),
        ("x" * 300 + ".pty", "clean.pty", "it cannot be read: file name too long", None),
        ("x" * 300 + ".json", "clean.pty", "it cannot be read: file name too long", None),
    ],
)
def test_a_path_that_leads_nowhere(path, there, message, hint):
    write({"flows/a.pty": f'@use: clean = "{path}"\nclean', there: "A"})
    _, (found,) = load_program("flows/a.pty")
    assert (found.code, found.where) == ("bad-path", "flows/a.pty:1:15")
    assert found.message.endswith(message)
    assert found.hint == hint


def test_the_right_name_beside_a_wrong_suffix_is_offered():
    write({"a.pty": '@use: b = "lib/b.py"\nb', "lib/b.py": "", "lib/b.pty": "B"})
    _, (found,) = load_program("a.pty")
    assert found.hint == "did you mean 'lib/b.pty'?"


def test_each_wrong_path_is_reported():
    found = faults(
        {"a.pty": '@use: b = "b.pty"\n@use: c = "b.pty"\n@use: d = "x/d.pty"\nb -> c -> d'}
    )
    assert [each.partition(":")[2][:4] for each in found] == ["1:11", "2:11", "3:11"]


# Errors in used files.


def test_an_error_in_a_used_file_is_reported_once_and_in_that_file():
    files = {
        "a.pty": '@use: b = "lib/b.pty"\n@use: c = "lib/c.pty"\nb -> c -> b',
        "lib/b.pty": '@use: c = "c.pty"\nc',
        "lib/c.pty": "A => B",
    }
    assert faults(files) == [
        "lib/c.pty:1:3: error: '=>' is not a Pointy operator\n"
        "  1 | A => B\n"
        "    |   ^^\n"
        "  hint: did you mean '->'?"
    ]


def test_a_used_file_that_is_not_text_is_reported_once():
    Path("b.pty").write_bytes(b"A -> \xff")
    (found,) = faults({"a.pty": '@use: b = "b.pty"\n@use: c = "b.pty"\nb -> c'})
    assert found.splitlines()[0] == "b.pty:1:6: error: the byte 0xFF is not UTF-8"


def test_errors_of_several_files_come_together():
    files = {
        "a.pty": '@use: b = "b.pty"\n@use: c = "c.pty"\n@use: d = "d.pty"\nb(x=1) -> c -> d',
        "b.pty": '@use: e = "e.pty"\nB',
        "c.pty": "C[timeuot=3]",
    }
    assert [each.splitlines()[0] for each in faults(files)] == [
        "a.pty:3:11: error: 'd.pty' cannot be used: there is no such file",
        "a.pty:4:3: error: 'b' has no input 'x'",
        "b.pty:1:7: warning: the flow does not use 'e'",
        "b.pty:1:11: error: 'e.pty' cannot be used: there is no such file",
        "c.pty:1:3: error: there is no option 'timeuot'",
    ]


def test_the_error_of_a_program_lists_its_files_one_after_the_other():
    from volnux.loading import load_graph

    write({"a.pty": '@use: b = "b.pty"\nA -> b(x=1)', "b.pty": "A -> B\n[timeuot=3]"})
    with pytest.raises(PointyError) as caught:
        load_graph("a.pty")
    assert (caught.value.filename, caught.value.lineno) == ("b.pty", 2)


def test_a_use_that_the_flow_does_not_have_is_a_warning():
    files = {"a.pty": '@use: b = "b.pty"\n@use: B = "b.pty"\nA -> B', "b.pty": "A"}
    assert faults(files) == [
        "a.pty:1:7: warning: the flow does not use 'b'\n"
        '  1 | @use: b = "b.pty"\n'
        "    |       ^\n"
        "  hint: write b where an event can stand, or remove the @use"
    ]


def test_an_event_with_the_name_of_an_unused_file_in_another_case():
    (found,) = faults({"a.pty": '@use: clean = "b.pty"\nA -> Clean', "b.pty": "A"})
    assert found.endswith(
        "  hint: write clean where an event can stand, or remove the @use; "
        "'Clean' is an event: names of used files are case-sensitive"
    )


# Circles.


@pytest.mark.parametrize("path", ["a.pty", "./a.pty", "../here/a.pty", "link.pty"])
def test_a_file_cannot_use_itself(path, monkeypatch):
    Path("here").mkdir()
    monkeypatch.chdir("here")
    Path("link.pty").symlink_to("a.pty")
    (found,) = faults({"a.pty": f'@use: a = "{path}"\nA -> a'})
    message, _, caret, hint = found.splitlines()
    assert message == "a.pty:1:11: error: the file uses itself: a.pty -> a.pty"
    assert caret.count("^") == len(path) + 2
    assert hint == "  hint: a flow cannot contain itself: remove this use"


def test_a_circle_is_reported_once_where_it_closes():
    files = {
        "a.pty": '@use: b = "b.pty"\n@use: c = "c.pty"\nb -> c',
        "b.pty": '@use: c = "c.pty"\nc -> c',
        "c.pty": '@input: x: int = 1\n@use: back = "a.pty"\nback',
    }
    assert faults(files) == [
        "c.pty:2:14: error: the files use each other: a.pty -> b.pty -> c.pty -> a.pty\n"
        '  2 | @use: back = "a.pty"\n'
        "    |              ^^^^^^^\n"
        "  hint: a flow cannot contain itself: remove one of the uses"
    ]


def test_independent_circles_are_all_reported():
    files = {
        "a.pty": '@use: b = "b.pty"\n@use: d = "d.pty"\nb -> d',
        "b.pty": '@use: c = "c.pty"\nc',
        "c.pty": '@use: b = "b.pty"\nb',
        "d.pty": '@use: d = "d.pty"\n@use: a = "a.pty"\nd -> a',
    }
    assert [each.splitlines()[0] for each in faults(files)] == [
        "d.pty:1:11: error: the file uses itself: d.pty -> d.pty",
        "d.pty:2:11: error: the files use each other: a.pty -> d.pty -> a.pty",
        "c.pty:1:11: error: the files use each other: b.pty -> c.pty -> b.pty",
    ]


def test_of_very_many_circles_a_thousand_are_found():
    back = {f"b{number}": 0 for number in range(3000)}
    order = order_of([{"next": 1}, {"next": 2}, back])
    assert order.files == [2, 1, 0]
    assert {circle.way for circle in order.circles} == {(0, 1, 2, 0)}
    assert len(order.circles) == 1000


def test_the_message_about_a_large_circle_is_short():
    files = {f"f{n}.pty": f'@use: x = "f{(n + 1) % 30}.pty"\nx' for n in range(30)}
    (found,) = faults(files)
    way = found.splitlines()[0].partition("each other: ")[2]
    shown = " -> ".join(f"f{n}.pty" for n in range(8))
    assert way == f"{shown} -> … (22 more) -> f0.pty"


def test_long_chains_and_many_uses_need_no_recursion():
    files = {f"f{n}.pty": f'@use: x = "f{n + 1}.pty"\nA -> x' for n in range(1000)}
    files["f1000.pty"] = " -> ".join(["A"] * 3)
    assert len(load(files).files) == 1001
    flow = " -> ".join(f"b(n={n})" for n in range(10_000))
    program = load({"a.pty": f'@use: b = "b.pty"\n{flow}', "b.pty": "@input: n: int\nB"})
    assert len(program.files) == 2


def test_at_most_about_a_thousand_errors_of_a_file_are_listed():
    flow = " -> ".join(["b(x=1)"] * 3000)
    found = faults({"a.pty": f'@use: b = "b.pty"\n{flow}', "b.pty": "B"})
    assert len(found) == 1000


def test_every_diagnostic_has_the_line_that_it_is_about():
    write({"a.pty": '@use: b = "b.pty"\n@use: c = "c.pty"\nb(x=1)', "b.pty": "B -> C (2 -> D)"})
    _, found = load_program("a.pty")
    assert len(found) == 4
    for each in found:
        assert each.span is not None
        assert each.text == Source(Path(each.file).read_text()).line(each.span.line)
