"""Python text made from a user's names and texts: names do not collide, and text is never code.

Every part that writes Python (a DAG, a flow, a loader) uses these functions. A name of the text
comes from `Names`, an import from `Imports`, and a text of the user from `quoted` or `docstring`.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from volnux.errors import VolnuxError
from volnux.events.link import Plan
from volnux.events.modules import events_file

__all__ = [
    "Imports",
    "Names",
    "PythonTextError",
    "checked",
    "docstring",
    "one_line",
    "quoted",
    "snake",
]


class PythonTextError(VolnuxError):
    """What is wanted cannot be written as Python."""


# Names.


class Names:
    """The names of one text. Each is given out once, and none is a keyword or a builtin.

    Args:
        fixed: names that have to stay as they are, such as the parameters of a function.
    """

    def __init__(self, fixed: Iterable[str] = ()) -> None:
        self._taken = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *fixed}

    def fresh(self, *wanted: str) -> str:
        """The first of these names that is free, else the last one with a number."""
        plain = [_identifier(name) for name in wanted]
        numbered = (f"{plain[-1]}_{number}" for number in range(2, len(self._taken) + 3))
        name = next(each for each in (*plain, *numbered) if each not in self._taken)
        self._taken.add(name)
        return name


def snake(name: str) -> str:
    """A name of an event or place as one of a variable: `LoadCSV__2` becomes `load_csv_2`."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return re.sub(r"_+", "_", apart).lower()


def _identifier(text: str) -> str:
    plain = re.sub(r"\W", "_", text, flags=re.ASCII)
    return plain if plain.isidentifier() else f"_{plain}"


# Imports.


class Imports:
    """The imports of one text: what it needs itself, and what belongs to the user.

    Args:
        names: the names of the text; each import takes its own there.
        own: by module, what the text itself may import from it. These names are given out first,
            whether they are used or not, so that a variable never depends on that.
    """

    def __init__(self, names: Names, own: Mapping[str, Iterable[str]]) -> None:
        self._names = names
        self._own = {
            name: (module, names.fresh(name)) for module, found in own.items() for name in found
        }
        self._used: dict[str, str] = {}
        self._users: dict[tuple[str, str], str] = {}
        self._modules: dict[str, str] = {}
        self._from: dict[str, list[tuple[str, str]]] = {}

    def own(self, name: str) -> str:
        """What the text calls a name that it imports for itself, which is imported from now on."""
        module, alias = self._own[name]
        self._used[name] = module
        return alias

    def event(self, plan: Plan, event: str) -> str:
        """The expression for an event of a plan.

        Raises:
            PythonTextError: its module has a file name that no import finds.
        """
        module, name = plan.found[event]
        source = plan.graph.source
        file = source and events_file(Path(source.filename).parent, module)
        if file and file.stem != module:
            raise PythonTextError(
                f"Python cannot import {file}: rename it to {module}.py, which volnux finds as well"
            )
        return self.user(module, name)

    def user(self, module: str, name: str) -> str:
        """The expression for a global name of a module of the user."""
        known = self._users.get((module, name))
        if known is None:
            known = self._users[module, name] = self._import(module, name)
        return known

    def _import(self, module: str, name: str) -> str:
        if all(map(_can_stand_in_import, (*module.split("."), name))):
            alias = self._names.fresh(name)
            self._from.setdefault(module, []).append((name, alias))
            return alias
        if module not in self._modules:
            self._modules[module] = self._names.fresh(module)
        found = self._modules[module]
        if _can_stand_in_import(name):
            return f"{found}.{name}"
        return f"getattr({found}, {quoted(name)})"

    def lines(self, width: int) -> Iterator[str]:
        """The imports, in the order of isort: the standard library's, the text's own, the user's.

        Call it when everything that is imported has been asked for.
        """
        if self._modules:
            self._used["importlib"] = ""
        modules = [name for name, module in self._used.items() if not module]
        for name in sorted(modules):
            alias = self._own[name][1]
            yield f"import {name}" if alias == name else f"import {name} as {alias}"
        by_module: dict[str, list[tuple[str, str]]] = {}
        for name, module in self._used.items():
            if module:
                by_module.setdefault(module, []).append((name, self._own[name][1]))
        standard = {module: by_module.pop(module) for module in _STANDARD if module in by_module}
        yield from _from_lines(standard, width)
        if modules or standard:
            yield ""
        yield from _from_lines(by_module, width)
        if by_module and self._from:
            yield ""
        yield from _from_lines(self._from, width)
        if self._modules:
            yield ""
            importer = self._own["importlib"][1]
        for module, alias in self._modules.items():
            yield f"{alias} = {importer}.import_module({quoted(module)})"


_STANDARD = ("typing", "zoneinfo")
"""Modules of the standard library that texts import names from."""


def _can_stand_in_import(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def _from_lines(found: Mapping[str, list[tuple[str, str]]], width: int) -> Iterator[str]:
    for module, pairs in sorted(found.items()):
        ordered = sorted(pairs, key=lambda pair: _import_order(pair[0]))
        plain = [name for name, alias in ordered if name == alias]
        line = f"from {module} import {', '.join(plain)}"
        if plain and len(line) <= width:
            yield line
        elif plain:
            yield f"from {module} import ("
            yield from (f"    {name}," for name in plain)
            yield ")"
        for name, alias in ordered:
            if name != alias:
                yield f"from {module} import {name} as {alias}"


def _import_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions: as isort sorts."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[:1].isupper() else 2), name


# Texts.


def quoted(text: str) -> str:
    """A string literal of a text, in double quotes where that needs no more escapes."""
    shown = repr(text)
    if shown[0] == "'" and '"' not in text:
        return '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


def one_line(text: str) -> str:
    """A text for a sentence or a comment: what is not printable, such as a line break, escaped."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def docstring(text: str) -> str:
    """A literal in three double quotes, over several lines where the text has several.

    Evaluated, it is the text again, with any character in it.
    """
    lines = (one_line(line.replace("\\", "\\\\")) for line in text.split("\n"))
    body = "\n".join(lines)
    inner = body.rstrip('"')
    last = '\\"' * (len(body) - len(inner))
    inner = inner.replace('"""', '\\"\\"\\"')
    return f'"""{inner}{last}"""'


def _escaped(char: str) -> str:
    return repr(char)[1:-1]


def checked(text: str, what: str) -> str:
    """The text, which Python can compile.

    Args:
        text: the text of a module.
        what: what it was made from, for the message.

    Raises:
        PythonTextError: Python cannot compile it, most likely because it is nested too deep.
    """
    try:
        compile(text, "<generated>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise PythonTextError(
            f"{what} cannot be written as Python: {error or type(error).__name__}"
        ) from error
    return text
