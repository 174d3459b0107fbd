"""Reads the text of a pipeline file, or explains why that fails."""

from __future__ import annotations

from pathlib import Path

from volnux.errors import Diagnostic, Source, VolnuxError, nearest
from volnux.files import UNREADABLE
from volnux.pointy.parser import read_source

__all__ = ["FileError", "check_kind", "read_text"]


class FileError(VolnuxError):
    """A file cannot be read; `diagnostic` says why."""

    def __init__(self, path: str | Path, reason: str, hint: str | None = None) -> None:
        self.diagnostic = Diagnostic(UNREADABLE, reason, str(path), hint=hint)
        super().__init__(self.diagnostic.render())
        self.path = Path(path)


def read_text(path: str | Path) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """Return the text of a file, or None and a diagnostic if it is not text.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        return read_source(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        raise _file_error(Path(path), error) from error


def check_kind(path: str | Path) -> None:
    """Refuse a file whose name has another suffix than `.pty`.

    A name without a suffix may be anything: a pipe, standard input, a script.

    Raises:
        FileError: the name belongs to another kind of file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in ("", ".pty") or not path.is_file():
        return
    kind = _KINDS.get(suffix, f"a '{suffix}' file")
    beside = path.with_suffix(".pty")
    if beside.is_file():
        hint = f"did you mean '{beside}'?"
    elif suffix == ".py":
        hint = "a pipeline is a .pty file, and its events are in the .py file beside it"
    else:
        hint = f"if it is a pipeline, rename it to '{beside.name}'"
    raise FileError(path, f"this is {kind}, but a pipeline (.pty) was expected", hint)


_KINDS = {
    ".py": "a Python file",
    ".ipynb": "a notebook",
    ".json": "a JSON file",
    ".yaml": "a YAML file",
    ".yml": "a YAML file",
    ".toml": "a TOML file",
    ".md": "a Markdown file",
    ".txt": "a text file",
}


def _file_error(path: Path, error: OSError | ValueError) -> FileError:
    if isinstance(error, FileNotFoundError):
        return FileError(path, "there is no such file", _beside(path))
    if isinstance(error, IsADirectoryError):
        files = sorted(file for file in path.glob("*.pty") if not file.name.startswith("."))
        known = ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
        return FileError(
            path, "this is a directory", f"give a file in it: {known}" if files else None
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return FileError(path, f"it cannot be read: {reason[0].lower()}{reason[1:]}")


def _beside(path: Path) -> str | None:
    """A hint with the most similar file name beside `path`, or None."""
    try:
        if not path.parent.is_dir():
            return f"there is no folder '{path.parent}' either"
        names = sorted(file.name for file in path.parent.iterdir() if file.name[0] != ".")
    except OSError:
        return None
    pipelines = [name for name in names if name.endswith(".pty")]
    close = nearest(path.name, pipelines) or nearest(f"{path.name}.pty", pipelines)
    close = close or nearest(path.name, names)
    return f"did you mean '{path.parent / close[0]}'?" if close else None
