"""Reads the text of a pipeline file, or explains why that fails."""

from __future__ import annotations

from pathlib import Path

from volnux.errors import Diagnostic, Source, VolnuxError, nearest
from volnux.files import UNREADABLE
from volnux.pointy.parser import read_source

__all__ = ["FileError", "check_kind", "read_text"]


class FileError(VolnuxError):
    """A file cannot be read; `diagnostic` says why, `meant` is the file that was probably meant."""

    def __init__(
        self,
        path: str | Path,
        reason: str,
        hint: str | None = None,
        *,
        meant: Path | None = None,
    ) -> None:
        if meant is not None:
            hint = f"did you mean '{meant}'?"
        self.diagnostic = Diagnostic(UNREADABLE, reason, str(path), hint=hint)
        super().__init__(self.diagnostic.render())
        self.path = Path(path)
        self.meant = meant


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
    reason = f"this is {kind}, but a pipeline (.pty) was expected"
    beside = path.with_suffix(".pty")
    if beside.is_file():
        raise FileError(path, reason, meant=beside)
    hint = f"if it is a pipeline, rename it to '{beside.name}'"
    if suffix == ".py":
        hint = "a pipeline is a .pty file, and its events are in the .py file beside it"
    raise FileError(path, reason, hint)


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
        return _missing(path)
    if isinstance(error, IsADirectoryError):
        files = sorted(file for file in path.glob("*.pty") if not file.name.startswith("."))
        known = ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
        return FileError(
            path, "this is a directory", f"give a file in it: {known}" if files else None
        )
    if isinstance(error, ValueError):
        reason = "its path contains a NUL character"
    else:
        reason = error.strerror or str(error)
    return FileError(path, f"it cannot be read: {reason[0].lower()}{reason[1:]}")


def _missing(path: Path) -> FileError:
    """The error for a file that does not exist, with the most similar name beside it."""
    reason = "there is no such file"
    try:
        if path.is_symlink():
            return FileError(path, "it is a broken symbolic link")
        if not path.parent.is_dir():
            return FileError(path, reason, f"there is no folder '{path.parent}' either")
        names = sorted(file.name for file in path.parent.iterdir() if file.name[0] != ".")
    except OSError:
        return FileError(path, reason)
    # Without the suffix, which would make all short names similar.
    stems = {name.removesuffix(".pty"): name for name in names if name.endswith(".pty")}
    near = nearest(path.name.removesuffix(".pty"), stems) or nearest(path.stem, stems)
    others = [name for name in names if not name.endswith(".pty")]
    close = [stems[stem] for stem in near] or nearest(path.name, others)
    return FileError(path, reason, meant=path.parent / close[0] if close else None)
