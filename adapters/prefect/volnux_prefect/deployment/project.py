"""The files of a folder that Prefect reads: completes `flows.py` and `prefect.yaml`."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from volnux.cli import disk
from volnux.cli.usage import UsageError
from volnux.errors import Diagnostic, Severity, pointy_error
from volnux.files import find_files
from volnux.loading import FileError, read_text
from volnux_prefect.deployment.describe import LOAD_SECONDS, Described, describe_all
from volnux_prefect.deployment.entries import Deployment
from volnux_prefect.deployment.flowsfile import (
    FLOWS,
    FlowsFile,
    entrypoint,
    is_droppable,
    with_flows,
    without_flows,
)
from volnux_prefect.deployment.yamlfile import Merged, merge, removable

__all__ = ["PROJECT", "Project", "initialise", "read_folder", "text_of", "within"]

PROJECT = "prefect.yaml"


@dataclass(frozen=True)
class Project:
    """A folder, and what its files should contain.

    Attributes:
        folder: the folder.
        described: the pipelines, by path in the folder.
        variables: the variable of each path in `flows.py`, including files that no longer exist.
        diagnostics: the errors of other files, and warnings.
        broken: what could not be read or described. It may still exist.
        gone: paths that `flows.py` loads but that no longer exist.
        flows: the text of `flows.py` before and after.
        yaml: the text of `prefect.yaml` before and after.
        merged: the result of the merge into `prefect.yaml`.
    """

    folder: Path
    described: dict[str, Described]
    variables: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    broken: tuple[str, ...]
    gone: tuple[str, ...]
    flows: tuple[str, str]
    yaml: tuple[str, str]
    merged: Merged

    @property
    def has_errors(self) -> bool:
        """Whether at least one file could not be described."""
        return any(each.severity is Severity.ERROR for each in self.diagnostics)

    def write(self) -> Iterator[str]:
        """Write the files that differ. Yields messages for the user.

        Raises:
            FileError: a file was changed after it was read. Nothing was written.
            WriteError: a file cannot be written.
        """
        for name, (before, after) in ((FLOWS, self.flows), (PROJECT, self.yaml)):
            path = self.folder / name
            if before != after and text_of(path) != before:
                raise FileError(path, "it was changed after it was read", "run the command again")
        yield from _write(self.folder / FLOWS, *self.flows)
        yield from _write(self.folder / PROJECT, *self.yaml)

    def notes(self) -> Iterator[str]:
        """Messages that say which values are kept although the file differs, and why."""
        yaml = self.folder / PROJECT
        for left in self.merged.left:
            did = (
                f"kept your {left.key} of the deployment {left.name}"
                if left.yours
                else f"did not add {left.key} to the deployment {left.name}, because you removed it"
            )
            yield f"{did}, in {yaml}; its file says:"
            yield from (f"  {line}" for line in left.difference())
        loaded = FlowsFile.read(self.flows[1]).variables
        for path in self.gone:
            if path in loaded:
                name = loaded[path]
                yield (
                    f"{self.folder / FLOWS} loads {path}, which no longer exists: remove "
                    f"{name} from it and from {yaml}"
                )


def initialise(
    folder: Path, *, work_pool: str, seconds: float = LOAD_SECONDS
) -> tuple[Project, list[str]]:
    """Write or complete both files. Returns the content of the folder, and messages for the user.

    Raises:
        FileError: `flows.py` or `prefect.yaml` cannot be read.
        UsageError: the folder does not exist, or has no `.pty` in it.
        PointyError: every file has errors. Nothing was written.
        ProjectFileError: `prefect.yaml` cannot be changed safely.
        WriteError: a file cannot be written.
    """
    project = read_folder(folder, work_pool=work_pool, seconds=seconds)
    if not project.described:
        raise pointy_error(project.diagnostics)
    said = [*project.write(), *project.notes(), ""]
    there = folder if folder.resolve() != Path.cwd() else Path()
    said.append(f"Deploy them:  volnux prefect deploy {shlex.quote(str(there))}")
    said.append(f"The work pool must exist:  prefect work-pool create {work_pool} --type process")
    return project, said


def read_folder(
    folder: Path, *, work_pool: str, seconds: float = LOAD_SECONDS, prune: bool = False
) -> Project:
    """Read the files of a folder, and work out what they should contain.

    Args:
        folder: the folder.
        work_pool: the work pool for new deployments.
        seconds: the time limit for loading a file and its events.
        prune: whether to remove unchanged entries whose files no longer exist.

    Raises:
        FileError: `flows.py` or `prefect.yaml` cannot be read.
        UsageError: the folder does not exist, or has no `.pty` in it.
        ProjectFileError: `prefect.yaml` cannot be changed safely.
    """
    if not folder.is_dir():
        raise UsageError([f"{folder} is not a folder"])
    found, diagnostics = find_files(folder)
    flows, yaml = folder / FLOWS, folder / PROJECT
    before, old = text_of(flows), text_of(yaml)
    if not found and not diagnostics and not before:
        raise UsageError([f"there are no .pty files in {folder}"])
    answers = describe_all(found, folder, seconds=seconds)
    described, faults = _sorted_out(folder, answers)
    after, variables = with_flows(before, {path: each.name for path, each in described.items()})
    left = [path for path in found if path.relative_to(folder).as_posix() not in described]
    broken = [*(each.file for each in diagnostics), *map(str, left)]
    gone = tuple(
        path
        for path in variables
        if not os.path.lexists(folder / path) and not within(folder / path, broken)
    )
    dropped = {}
    if prune:
        dropped = {
            path: variables[path]
            for path in gone
            if is_droppable(after, path, variables[path])
            and removable(old, entrypoint(variables[path]), str(yaml))
        }
        after = without_flows(after, dropped)
    merged = merge(
        old,
        [Deployment.of(each, variables[path], work_pool) for path, each in described.items()],
        folder.resolve().name,
        str(yaml),
        gone=[entrypoint(variable) for variable in dropped.values()],
    )
    return Project(
        folder=folder,
        described=described,
        variables=variables,
        # An error in a file that several pipelines use is found with each of them.
        diagnostics=tuple(dict.fromkeys((*diagnostics, *faults))),
        broken=tuple(broken),
        gone=gone,
        flows=(before, after),
        yaml=(old, merged.text),
        merged=merged,
    )


def text_of(path: Path) -> str:
    """The text of a file, byte for byte; empty if the file does not exist.

    Raises:
        FileError: it cannot be read, or is not UTF-8.
    """
    if not path.exists():
        return ""
    source, faults = read_text(path)
    if source is None:
        where = f"line {faults[0].span.line}: " if faults[0].span else ""
        raise FileError(path, f"{where}{faults[0].message}", faults[0].hint)
    return source.text


def within(path: Path, others: Iterable[str | Path]) -> bool:
    """Whether a path is one of the given paths, or below one.

    A file in a folder that cannot be read may still exist.
    """
    real = Path(os.path.realpath(path))
    return not {real, *real.parents}.isdisjoint(Path(os.path.realpath(each)) for each in others)


def _sorted_out(
    folder: Path, answers: dict[Path, Described | list[Diagnostic]]
) -> tuple[dict[str, Described], list[Diagnostic]]:
    """The pipelines by path in the folder, and the errors of the other files.

    If several pipelines have the same name, none is used: any of them may be the original.
    """
    described: dict[str, Described] = {}
    faults: list[Diagnostic] = []
    named: defaultdict[str, list[Path]] = defaultdict(list)
    for path, answer in answers.items():
        if isinstance(answer, Described):
            named[answer.name].append(path)
    for path, answer in answers.items():
        if not isinstance(answer, Described):
            faults += answer
            if not any(each.file == str(path) for each in answer):
                message = f"it cannot be deployed because of an error at {answer[0].where}"
                faults.append(Diagnostic("not-deployed", message, str(path)))
            continue
        other = next((each for each in named[answer.name] if each != path), None)
        if other is None:
            described[path.relative_to(folder).as_posix()] = answer
        else:
            message = (
                f"{other} is also named {answer.name}, and Prefect would treat both as one flow"
            )
            hint = "give one of them another name: @name: …"
            faults.append(Diagnostic("same-name", message, str(path), hint=hint))
    return described, faults


def _write(path: Path, before: str, text: str) -> Iterator[str]:
    if text == before:
        yield f"{path} is up to date"
        return
    disk.write(path, text.encode())
    yield f"{'completed' if before else 'created'} {path}"
