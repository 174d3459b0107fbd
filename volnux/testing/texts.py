"""The texts of a case as a program, without files on a disk."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from volnux.pointy import parse
from volnux.pointy.program import Program

__all__ = ["program_of"]


def program_of(name: str, text: str, files: Mapping[str, str]) -> Program:
    """A text with all texts that it uses.

    Args:
        name: the name of its file.
        text: the text.
        files: the texts of the files that it may use, by their paths relative to its folder.

    Raises:
        PointyError: a text has errors.
        KeyError: a text uses a file that is not there.
    """
    parsed = [parse(text, filename=name)]
    uses: list[dict[str, int]] = []
    numbers = {name: 0}
    own = posixpath.dirname(name) or "."
    for using in parsed:  # the list grows
        folder = posixpath.dirname(using.source.filename)
        names: dict[str, int] = {}
        for use in using.settings.uses:
            path = posixpath.normpath(posixpath.join(folder, use.path))
            if path not in numbers:
                numbers[path] = len(parsed)
                text = files[posixpath.relpath(path, own)]
                parsed.append(parse(text, filename=path))
            names[use.name] = numbers[path]
        uses.append(names)
    return Program(tuple(parsed), tuple(uses))
