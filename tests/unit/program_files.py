"""Files of a program, written and loaded."""

from pathlib import Path

from volnux.errors import Severity
from volnux.pointy.program import Program
from volnux.programs import load_program

__all__ = ["faults", "load", "names", "write"]


def write(files: dict[str, str]) -> None:
    """Write files, with their folders."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def load(files: dict[str, str], name: str = "") -> Program:
    """The program of the first file."""
    write(files)
    program, found = load_program(name or next(iter(files)))
    assert not found, "\n".join(each.render() for each in found)
    assert program is not None
    return program


def faults(files: dict[str, str]) -> list[str]:
    """What is wrong with the program of the first file."""
    write(files)
    program, found = load_program(next(iter(files)))
    assert (program is None) == any(each.severity is Severity.ERROR for each in found)
    return [each.render() for each in found]


def names(program: Program) -> list[str]:
    """The names of the files of a program."""
    return [file.source.filename for file in program.files]
