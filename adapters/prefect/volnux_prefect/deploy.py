"""`volnux prefect init`: `flows.py` and `prefect.yaml` for the pipelines of a folder."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from pathlib import Path

from volnux.backends.port import RefusedError
from volnux.cli import files
from volnux.cli.usage import UsageError
from volnux.errors import Diagnostic, PointyError, Severity, pointy_error
from volnux.events.link import Plan
from volnux.files import find_files
from volnux.loading import load_plan, schedule_faults
from volnux_prefect.backend import PrefectBackend
from volnux_prefect.yamlfile import Deployment, merge

__all__ = ["initialise"]

FLOWS = "flows.py"
PROJECT = "prefect.yaml"

_HEAD = '''\
"""The flows of this folder, for `prefect deploy`.

Made by `volnux prefect init`, which adds what is missing and leaves the rest as it is.
"""

from volnux_prefect import load_flow
'''


def initialise(folder: Path, *, work_pool: str) -> Iterator[str]:
    """Write or complete both files; yields what to tell the user.

    Raises:
        FileError: a file cannot be read.
        UsageError: there is no such folder, or no `.pty` in it.
        PointyError: with everything that is wrong in any of the files, or that could not be read;
            nothing was written.
        ProjectFileError: `prefect.yaml` is written in a way that nothing can be added to.
        WriteError: a file cannot be written.
    """
    if not folder.is_dir():
        raise UsageError([f"{folder} is not a folder"])
    found, diagnostics = find_files(folder)
    if any(each.severity is Severity.ERROR for each in diagnostics):
        raise pointy_error(diagnostics)
    if not found:
        raise UsageError([f"there are no .pty files in {folder}"])
    yield from (each.render() for each in diagnostics)
    plans = _load(found)
    flows, project = folder / FLOWS, folder / PROJECT
    before = flows.read_bytes().decode() if flows.exists() else ""
    text, names = _flows(
        before, {path.relative_to(folder).as_posix(): plans[path] for path in found}
    )
    deployments = [
        Deployment.of(plans[path], names[path.relative_to(folder).as_posix()], work_pool)
        for path in found
    ]
    old = project.read_bytes().decode() if project.exists() else ""
    merged = merge(old, deployments, folder.resolve().name, str(project))
    yield from _write(flows, before, text)
    yield from _write(project, old, merged.text)
    for name in merged.kept:
        yield f"kept the deployment {name}: it is not as init wrote it"
    for path, name in names.items():
        if not (folder / path).exists():
            yield (
                f"{flows} loads {path}, which is not there any more: take {name} out of it, "
                f"and out of {project}"
            )
    yield ""
    there = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    yield f"Deploy them:  {there}prefect deploy --all --no-prompt"
    yield f"The work pool has to exist:  prefect work-pool create {work_pool} --type process"


def _load(paths: list[Path]) -> dict[Path, Plan]:
    """The plans, checked for Prefect; the errors of all files at once."""
    plans: dict[Path, Plan] = {}
    faults: list[Diagnostic] = []
    backend = PrefectBackend()
    for path in paths:
        try:
            plan = load_plan(path)
            faults += schedule_faults(plan.graph)
            backend.refuse(plan)
        except (PointyError, RefusedError) as error:
            faults += error.diagnostics
        else:
            plans[path] = plan
    if faults:
        raise pointy_error(faults)
    names: dict[str, Path] = {}
    for path, plan in plans.items():
        other = names.setdefault(plan.graph.name, path)
        if other is not path:
            raise UsageError(
                [
                    f"{other} and {path} are both named {plan.graph.name}: on Prefect they would "
                    "be one flow; give one of them another @name"
                ]
            )
    return plans


def _flows(before: str, plans: dict[str, Plan]) -> tuple[str, dict[str, str]]:
    """The text of `flows.py` with every file in it, and the variable of each."""
    text = before or _HEAD
    known, taken, imported = _known_flows(before)
    added = []
    for path, plan in plans.items():
        if path not in known:
            known[path] = _variable(plan.graph.name, taken)
            taken.add(known[path])
            added.append(f'{known[path]} = load_flow("{path}")')
    if added:
        end = "\r\n" if "\r\n" in text else "\n"
        if before and not imported:
            added.insert(0, "from volnux_prefect import load_flow  # noqa: E402 - added by init")
        gap = "" if text.endswith(end) else end
        text += gap + ("" if before else end) + end.join(added) + end
    return text, known


def _known_flows(text: str) -> tuple[dict[str, str], set[str], bool]:
    """The files that a module loads with their variables, all its names, and the import."""
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise UsageError([f"{FLOWS} is no Python: line {error.lineno}: {error.msg}"]) from error
    loaded: dict[str, str] = {}
    names: set[str] = set()
    imported = False
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(module="volnux_prefect", names=aliases):
                imported |= any(a.name == "load_flow" and a.asname is None for a in aliases)
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=called, args=[ast.Constant(value=str(path)), *_]),
            ) if ast.unparse(called).rpartition(".")[2] in ("load_flow", "to_flow"):
                loaded[path.removeprefix("./")] = name
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return loaded, names, imported


def _variable(name: str, taken: set[str]) -> str:
    """A variable for a pipeline's name."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not plain[:1].isalpha() and plain[:1] != "_":
        plain = f"flow_{plain}"
    if keyword.iskeyword(plain) or plain == "load_flow":
        plain += "_"
    number, variable = 1, plain
    while variable in taken:
        number += 1
        variable = f"{plain}_{number}"
    return variable


def _write(path: Path, before: str, text: str) -> Iterator[str]:
    if text == before:
        yield f"{path} is as it should be"
        return
    files.write(path, text.encode())
    yield f"{'completed' if before else 'created'} {path}"
