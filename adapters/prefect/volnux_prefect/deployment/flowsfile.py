"""`flows.py`: the module of a folder that loads its pipelines as flows.

Init adds a line for each pipeline that is missing, and takes out lines that it wrote itself. All
else is the user's and stays byte for byte.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from volnux.cli.usage import UsageError
from volnux.pysource import free_name, identifier, is_name, quoted

__all__ = ["FLOWS", "FlowsFile", "entrypoint", "is_droppable", "with_flows", "without_flows"]

FLOWS = "flows.py"

_HEAD = '''\
"""The flows of this folder.

Made by `volnux prefect init`, which adds what is missing and leaves the rest as it is.
"""

from volnux_prefect import load_flow
'''


@dataclass(frozen=True)
class FlowsFile:
    """What a `flows.py` holds.

    Attributes:
        variables: of each path that it loads, the variable with the flow.
        names: all names in it.
        has_import: whether it imports `load_flow` by that name.
    """

    variables: Mapping[str, str]
    names: frozenset[str]
    has_import: bool

    @staticmethod
    def read(text: str) -> FlowsFile:
        """What a text holds.

        Raises:
            UsageError: it is not Python.
        """
        try:
            module = ast.parse(text)
        except SyntaxError as error:
            raise UsageError(
                [f"{FLOWS} is not valid Python: line {error.lineno}: {error.msg}"]
            ) from error
        except ValueError as error:  # a NUL character, in Python 3.11
            raise UsageError([f"{FLOWS} is not valid Python: {error}"]) from error
        variables: dict[str, str] = {}
        names: set[str] = set()
        has_import = False
        for node in ast.walk(module):
            match node:
                case ast.ImportFrom(module="volnux_prefect", names=aliases):
                    has_import |= any(a.name == "load_flow" and a.asname is None for a in aliases)
                case ast.Assign(
                    targets=[ast.Name(id=name)],
                    value=ast.Call(func=called, args=[ast.Constant(value=str(path)), *_]),
                ) if ast.unparse(called).rpartition(".")[2] in ("load_flow", "to_flow"):
                    variables[path.removeprefix("./")] = name
                case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names.add(name)
        return FlowsFile(variables, frozenset(names), has_import)


def entrypoint(variable: str) -> str:
    """The entrypoint of a deployment whose flow is a variable of `flows.py`."""
    return f"{FLOWS}:{variable}"


def with_flows(text: str, pipelines: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The text of `flows.py` with all pipelines in it, and the variable of each.

    Args:
        text: what the file holds now; empty where there is none.
        pipelines: the names of pipelines, by their path in the folder.

    Raises:
        UsageError: the text is not Python.
    """
    there = FlowsFile.read(text)
    variables, taken = dict(there.variables), set(there.names)
    added = []
    for path, name in pipelines.items():
        if path not in variables:
            variables[path] = _variable(name, taken)
            taken.add(variables[path])
            added.append(_line(variables[path], path))
    if not added:
        return text or _HEAD, variables
    if text and not there.has_import:
        added.insert(0, "from volnux_prefect import load_flow  # noqa: E402 - added by init")
    before = text or f"{_HEAD}\n"
    end = "\r\n" if "\r\n" in before else "\n"
    gap = "" if before.endswith(end) else end
    return before + gap + end.join(added) + end, variables


def without_flows(text: str, gone: Mapping[str, str]) -> str:
    """The text of `flows.py` without the lines that init wrote for these paths and variables."""
    lines = {_line(variable, path) for path, variable in gone.items()}
    *whole, last = text.split("\n")
    return "\n".join([*(each for each in whole if each.removesuffix("\r") not in lines), last])


def is_droppable(text: str, path: str, variable: str) -> bool:
    """Whether `flows.py` has the line that init wrote for a path, and no other use of its name."""
    nodes = ast.walk(ast.parse(text))
    used = sum(isinstance(node, ast.Name) and node.id == variable for node in nodes)
    return used == 1 and without_flows(text, {path: variable}) != text


def _line(variable: str, path: str) -> str:
    return f"{variable} = load_flow({quoted(path)})"


def _variable(name: str, taken: Collection[str]) -> str:
    """A variable for the flow of a pipeline."""
    plain = identifier(name, prefix="flow_")
    if not is_name(plain) or plain == "load_flow":
        plain += "_"
    return free_name(taken, plain)
