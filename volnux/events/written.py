"""What the source of events says about them: read from the modules, which are not imported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from volnux.events.modules.origins import file_of_module
from volnux.files import read_bytes

__all__ = ["Written", "WrittenModules"]

_MOST_STEPS = 10
"""How many imports, or base classes, are followed from a name to its definition."""

_Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Written(NamedTuple):
    """What the source of an event says.

    Attributes:
        description: the first line of its docstring.
        takes_result: whether it has the argument `previous_result`.
        receives: the annotation of that argument.
        returns: the annotation of its result: `X` of `tuple[bool, X]` or `Outcome[X]`.
    """

    description: str | None = None
    takes_result: bool = False
    receives: str | None = None
    returns: str | None = None


class WrittenModules:
    """The modules in which the events of a file are looked up.

    Args:
        folder: the folder of the file, or None.
        names: the names of the modules, in the order in which they are searched.
    """

    def __init__(self, folder: Path | None, names: Sequence[str]) -> None:
        self._folder = folder
        self._names = names
        self._modules: dict[str, _Module] = {}

    def event(self, name: str) -> Written:
        """What is written about an event; nothing about one that is not found."""
        module, dot, last = name.rpartition(".")
        searched = [self._module(each) for each in ([module] if dot else self._names)]
        for known in (str.__eq__, lambda a, b: a.casefold() == b.casefold()):
            for each in searched:
                for found in each.names:
                    if known(found, last) and (definition := self._follow(each, found)):
                        return self._written(*definition)
        return Written()

    def _follow(self, module: _Module, name: str) -> tuple[_Module, _Definition] | None:
        """The definition of a name, and its module."""
        for _ in range(_MOST_STEPS):
            match module.names.get(name):
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() as found:
                    return module, found
                case _Import(other, original):
                    module, name = self._module(other), original
                case None:
                    return None
        return None

    def _written(self, module: _Module, definition: _Definition) -> Written:
        description = _first_line(definition)
        function = definition if not isinstance(definition, ast.ClassDef) else None
        for _ in range(_MOST_STEPS):
            if function is not None or not isinstance(definition, ast.ClassDef):
                break
            function = next(
                (
                    each
                    for each in definition.body
                    if isinstance(each, _Function) and each.name == "process"
                ),
                None,
            )
            base = next((each.id for each in definition.bases if isinstance(each, ast.Name)), "")
            above = self._follow(module, base) if function is None else None
            if above is not None:
                module, definition = above
        if function is None:
            return Written(description)
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        taken = next((each for each in named if each.arg == "previous_result"), None)
        return Written(
            description or _first_line(function),
            taken is not None,
            _text(taken.annotation) if taken is not None else None,
            " | ".join(dict.fromkeys(_results(function.returns))) or None,
        )

    def _module(self, name: str) -> _Module:
        if name not in self._modules:
            self._modules[name] = _Module(name, file_of_module(name, self._folder))
        return self._modules[name]


class _Import(NamedTuple):
    """A name that is imported: the module, and its name there."""

    module: str
    name: str


class _Module:
    """The names that the source of a module defines at its top."""

    def __init__(self, name: str, file: Path | None) -> None:
        self._name = name
        self._file = file

    @functools.cached_property
    def names(self) -> dict[str, _Definition | _Import]:
        """Its definitions and imports, by name; none if it cannot be read."""
        if self._file is None or self._file.suffix != ".py":
            return {}
        try:
            tree = ast.parse(read_bytes(self._file))
        except (OSError, SyntaxError, ValueError):
            return {}
        found: dict[str, _Definition | _Import] = {}
        for node in tree.body:
            if isinstance(node, _Function | ast.ClassDef):
                found[node.name] = node
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                for each in node.names:
                    found[each.asname or each.name] = _Import(module, each.name)
        return found

    def _absolute(self, node: ast.ImportFrom) -> str:
        """The name of the module of an import."""
        if not node.level:
            return node.module or ""
        assert self._file is not None
        parts = self._name.split(".")
        up = node.level - (self._file.stem == "__init__")
        return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else ())])


def _first_line(definition: _Definition) -> str | None:
    text = (ast.get_docstring(definition) or "").strip()
    return text.splitlines()[0] if text else None


def _results(annotation: ast.expr | None) -> Iterator[str]:
    """The types of results in the annotation of a pair, or of several."""
    match annotation:
        case ast.Constant(value=str() as text):
            yield from _results(_parsed(text))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _results(left)
            yield from _results(right)
        case (
            ast.Subscript(value=ast.Name(id="tuple" | "Tuple"), slice=ast.Tuple(elts=[_, result]))
            | ast.Subscript(
                value=ast.Name(id="Outcome") | ast.Attribute(attr="Outcome"), slice=result
            )
        ):
            if (type_ := _text(result)) is not None:
                yield type_


def _text(annotation: ast.expr | None) -> str | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = _parsed(annotation.value)
    return None if annotation is None else ast.unparse(annotation)


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
