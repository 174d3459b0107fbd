"""Writes Python code: names that do not collide, text that is never code, standard layout.

All code that writes Python (a DAG, a flow, a loader) uses this module: `Names` for names, `Imports`
for imports, `quoted` and `docstring` for texts of the user, and `Expression` for anything that may
need several lines. `module_source` combines the parts.
"""

from __future__ import annotations

import builtins
import itertools
import keyword
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volnux.errors import VolnuxError

__all__ = [
    "WIDTH",
    "Bracketed",
    "Expression",
    "Imports",
    "Names",
    "PythonSourceError",
    "assigned",
    "call",
    "checked",
    "docstring",
    "free_name",
    "has_literal",
    "identifier",
    "is_name",
    "laid_out",
    "list_of",
    "literal",
    "mapping_of",
    "module_source",
    "one_line",
    "quoted",
    "snake",
]

WIDTH = 88
"""The maximum length of a line."""


class PythonSourceError(VolnuxError):
    """A value or name cannot be written as Python."""


# Names.


class Names:
    """The names of one module: each is used once, and none is a keyword or a builtin.

    Args:
        fixed: names that are already taken, such as the parameters of a function.
    """

    def __init__(self, fixed: Iterable[str] = ()) -> None:
        self._taken = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *fixed}

    def fresh(self, *wanted: str) -> str:
        """Reserve the first of these names that is free, else the last one with a number."""
        name = free_name(self._taken, *map(identifier, wanted))
        self._taken.add(name)
        return name


def free_name(taken: Container[str], *wanted: str) -> str:
    """The first of these names that is not taken, else the last one with a number."""
    numbered = (f"{wanted[-1]}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain(wanted, numbered) if name not in taken)


def identifier(text: str, *, prefix: str = "_") -> str:
    """The text as an identifier; if it cannot start with its first character, with the prefix."""
    plain = re.sub(r"\W", "_", text, flags=re.ASCII)
    return plain if plain.isidentifier() else f"{prefix}{plain}"


def is_name(text: str) -> bool:
    """Whether the text is an identifier of ASCII characters and not a keyword."""
    return text.isascii() and text.isidentifier() and not keyword.iskeyword(text)


def snake(name: str) -> str:
    """The name of an event or place as a variable name: `LoadCSV__2` becomes `load_csv_2`."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return re.sub(r"_+", "_", apart).lower()


# Texts.


def quoted(text: str) -> str:
    """A string literal for the text, in double quotes unless that needs more escapes."""
    shown = repr(text)
    if shown[0] == "'" and '"' not in text:
        return '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


def one_line(text: str) -> str:
    """The text on one line, for a comment: line breaks and unprintable characters are escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def docstring(text: str) -> str:
    """A literal in triple double quotes, over several lines if the text has several.

    Its value is always the same text, whatever characters that contains.
    """
    lines = (one_line(line.replace("\\", "\\\\")) for line in text.split("\n"))
    body = "\n".join(lines)
    inner = body.rstrip('"')
    last = '\\"' * (len(body) - len(inner))
    inner = inner.replace('"""', '\\"\\"\\"')
    return f'"""{inner}{last}"""'


# Expressions, in the layout of common formatters.


@dataclass(frozen=True)
class Bracketed:
    """`opening item, item closing`; each item has a prefix (`name=`, `"key": `)."""

    opening: str
    items: tuple[tuple[str, Expression], ...]
    closing: str


Expression = str | Bracketed
"""Text that stays on one line, or items in brackets that may use several lines."""


def call(function: str, /, *positional: Expression, **named: Expression | None) -> Bracketed:
    """`function(positional, name=value)`; names with None are left out."""
    items = [("", item) for item in positional]
    items += [(f"{name}=", item) for name, item in named.items() if item is not None]
    return Bracketed(f"{function}(", tuple(items), ")")


def list_of(items: Iterable[Expression]) -> Bracketed:
    """`[item, item]`."""
    return Bracketed("[", tuple(("", item) for item in items), "]")


def mapping_of(items: Iterable[tuple[Any, Expression]]) -> Bracketed:
    """`{"key": value}`; keys are plain values, values are expressions."""
    return Bracketed("{", tuple((f"{_scalar(key)}: ", value) for key, value in items), "}")


def literal(value: Any) -> Expression:
    """A JSON value, or a tuple of JSON values, as Python code."""
    match value:
        case Mapping():
            return mapping_of((key, literal(item)) for key, item in value.items())
        case list():
            return list_of(map(literal, value))
        case tuple():
            closing = ",)" if len(value) == 1 else ")"
            return Bracketed("(", tuple(("", literal(item)) for item in value), closing)
        case _:
            return _scalar(value)


def has_literal(value: Any) -> bool:
    """Whether a value is a JSON value, which `literal` can write."""
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case list():
            return all(map(has_literal, value))
        case dict():
            return all(isinstance(key, str) for key in value) and all(
                map(has_literal, value.values())
            )
    return False


def _scalar(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def laid_out(expression: Expression, *, indent: int = 0, before: str = "", after: str = "") -> str:
    """The expression between two texts, as indented lines."""
    return "\n".join(_spread(expression, indent, before, after))


def assigned(name: str, expression: Expression, *, indent: int = 0) -> str:
    """`name = expression`, as indented lines."""
    return laid_out(expression, indent=indent, before=f"{name} = ")


def _spread(expression: Expression, indent: int, before: str, after: str) -> Iterable[str]:
    space = " " * indent
    flat = f"{space}{before}{_flat(expression)}{after}"
    if isinstance(expression, str) or not expression.items or _fits(flat):
        return [flat]
    opened = f"{space}{before}{expression.opening}"
    closed = f"{space}{expression.closing}{after}"
    inner = f"{space}    {_inside(expression)}"
    if expression.closing.startswith(","):
        closed = f"{space}{expression.closing[1:]}{after}"
    elif expression.opening not in _ONE_PER_LINE and _fits(inner):
        return [opened, inner, closed]
    spread = [opened]
    for name, item in expression.items:
        spread += _spread(item, indent + 4, name, ",")
    return [*spread, closed]


_ONE_PER_LINE = ("[", "{")
"""Formatters put each item of a list or dict on a line of its own, but not each argument."""


def _flat(expression: Expression) -> str:
    if isinstance(expression, str):
        return expression
    return f"{expression.opening}{_inside(expression)}{expression.closing}"


def _inside(expression: Bracketed) -> str:
    return ", ".join(f"{name}{_flat(item)}" for name, item in expression.items)


def _fits(line: str) -> bool:
    return len(line) <= WIDTH and "\n" not in line


# Imports.


class Imports:
    """The imports of one module: its own, and those of modules of the user.

    Args:
        names: the names of the module; each import reserves one.
        own: the names that may be imported, by module; for the key "", names of modules. They are
            all reserved first, even if unused, so that other names do not depend on their use.
    """

    def __init__(self, names: Names, own: Mapping[str, Iterable[str]]) -> None:
        self._names = names
        self._own = {
            name: (module, names.fresh(name)) for module, found in own.items() for name in found
        }
        self._used: dict[str, str] = {}
        self._users: dict[tuple[str | None, str, str], str] = {}
        self._modules: dict[tuple[str | None, str], str] = {}
        self._from: dict[str, list[tuple[str, str]]] = {}

    def own(self, name: str) -> str:
        """The local name for one of the module's own imports, which is added if needed."""
        module, alias = self._own[name]
        self._used[name] = module
        return alias

    def user(
        self, module: str, name: str, *, file: Path | None = None, folder: str | None = None
    ) -> str:
        """The expression for a global name of a module of the user.

        Args:
            module: the module.
            name: the name.
            file: where the module was found, if that is known.
            folder: the folder of the module, in the form of `volnux.programs.beside`; None if it is
                on the import path.

        Raises:
            PythonSourceError: Python cannot import a file with this name.
        """
        if file is not None and file.stem != module:
            raise PythonSourceError(
                f"Python cannot import {file}: rename it to {module}.py, which volnux also finds"
            )
        known = self._users.get((folder, module, name))
        if known is None:
            known = self._users[folder, module, name] = self._import(folder, module, name)
        return known

    def _import(self, folder: str | None, module: str, name: str) -> str:
        if folder is None and all(map(is_name, (*module.split("."), name))):
            alias = self._names.fresh(name)
            self._from.setdefault(module, []).append((name, alias))
            return alias
        found = self._modules.get((folder, module))
        if found is None:
            if folder is not None and _BESIDE not in self._own:
                self._own[_BESIDE] = "volnux.programs.beside", self._names.fresh(_BESIDE)
            found = self._modules[folder, module] = self._names.fresh(module)
            self.own("importlib" if folder is None else _BESIDE)
        return f"{found}.{name}" if is_name(name) else f"getattr({found}, {quoted(name)})"

    def lines(self) -> Iterator[str]:
        """The imports in the order of isort: the standard library, the module's own, the user's.

        Call it after all imports were requested.
        """
        modules = [name for name, module in self._used.items() if not module]
        for name in sorted(modules):
            alias = self._own[name][1]
            yield f"import {name}" if alias == name else f"import {name} as {alias}"
        by_module: dict[str, list[tuple[str, str]]] = {}
        for name, module in self._used.items():
            if module:
                by_module.setdefault(module, []).append((name, self._own[name][1]))
        standard = {module: by_module.pop(module) for module in _STANDARD if module in by_module}
        yield from _from_lines(standard)
        if modules or standard:
            yield ""
        yield from _from_lines(by_module)
        if by_module and self._from:
            yield ""
        yield from _from_lines(self._from)
        if self._modules:
            yield ""
        for (folder, module), alias in self._modules.items():
            if folder is None:
                made = f"{self.own('importlib')}.import_module({quoted(module)})"
                yield f"{alias} = {made}"
            else:
                path = quoted(f"{folder}/{module}")
                yield assigned(alias, call(self.own(_BESIDE), "__file__", path))


_BESIDE = "events_beside"
"""The function that imports a module from another folder."""


_STANDARD = ("concurrent.futures", "typing", "zoneinfo")
"""Modules of the standard library from which names are imported."""


def _from_lines(found: Mapping[str, list[tuple[str, str]]]) -> Iterator[str]:
    for module, pairs in sorted(found.items()):
        ordered = sorted(pairs, key=lambda pair: _import_order(pair[0]))
        plain = [name for name, alias in ordered if name == alias]
        line = f"from {module} import {', '.join(plain)}"
        if plain and len(line) <= WIDTH:
            yield line
        elif plain:
            yield f"from {module} import ("
            yield from (f"    {name}," for name in plain)
            yield ")"
        for name, alias in ordered:
            if name != alias:
                yield f"from {module} import {name} as {alias}"


def _import_order(name: str) -> tuple[int, str]:
    """The sort key of isort: constants, then classes, then functions."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[:1].isupper() else 2), name


# Modules.


def module_source(about: str, imports: Imports, body: Iterable[str]) -> str:
    """The text of a module.

    Args:
        about: its docstring, as a text.
        imports: its imports, after all were requested.
        body: the lines below the imports.
    """
    head = list(imports.lines())
    return "\n".join([docstring(about), "", *head, *([""] if head else []), *body]) + "\n"


def checked(text: str, what: str) -> str:
    """Check that Python can compile the text, and return it.

    Args:
        text: the text of a module.
        what: a name for the source of the text, for the message.

    Raises:
        PythonSourceError: Python cannot compile it, most likely because it is nested too deep.
    """
    try:
        compile(text, "<generated>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise PythonSourceError(
            f"{what} cannot be written as Python: {error or type(error).__name__}"
        ) from error
    return text
