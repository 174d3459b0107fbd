"""`volnux airflow init`: sets up the installed Airflow so that it finds `.pty` files."""

from __future__ import annotations

import configparser
import json
import os
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from volnux.cli import disk
from volnux.errors import VolnuxError
from volnux.events.modules import events_module
from volnux.files import find_files
from volnux.programs import load_program
from volnux_airflow.home import config_path

__all__ = ["BUNDLE", "IMPORTER", "LOADER", "SetupError", "set_up"]

IMPORTER = "volnux_airflow.importer.PtyDagImporter"
BUNDLE = "volnux_airflow.bundle.PtyDagBundle"

LOADER = '''\
"""Every .pty file in this folder, and the folders below, is an Airflow DAG."""

from volnux_airflow import load_dags

load_dags(__file__)
'''

_LOADER_NAME = "pty_dags.py"

_DAGS_FOLDER = {
    "name": "dags-folder",
    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
    "kwargs": {},
}
"""The bundle that Airflow uses if no other is configured."""

_IGNORE = {
    "glob": ("events.py", "*_events.py"),
    "regexp": (r"(^|/)events\.py$", r"_events\.py$"),
}
"""The lines that make Airflow skip modules of events, for each syntax of `.airflowignore`."""


class SetupError(VolnuxError):
    """The setup is not possible. Nothing was written."""


def set_up(folder: Path, installed: tuple[int, int] | None = None) -> list[str]:
    """Make Airflow turn the `.pty` files of a dags folder into DAGs. Returns lines for the user.

    With an `airflow.cfg`, this configures the importer for Airflow 3.4 and later, or the bundle for
    older ones. Both parse each file separately. Without an `airflow.cfg`, it writes a loader file.

    Args:
        folder: Airflow's dags folder.
        installed: the major and minor version of Airflow; that of the installed one if None.

    Raises:
        SetupError: the folder does not exist, no supported Airflow is installed, or a setting
            conflicts.
        WriteError: a file cannot be written.
    """
    installed = installed or _installed()
    if not folder.is_dir():
        raise SetupError(f"{folder} is not a folder: name Airflow's dags folder")
    loader = folder / _LOADER_NAME
    config = _Config(config_path())
    if config.path.is_file():
        lines = _set_importer(config) if installed >= (3, 4) else _set_bundle(config, folder)
        if loader.is_file():
            lines.append(f"remove {loader}: otherwise each DAG exists twice")
    else:
        lines = _write_loader(loader)
        lines.append(
            f"there is no {config.path}: if it existed, init would set up a way "
            "that parses each file separately"
        )
    return lines + _ignore_events(folder, config)


def _write_loader(loader: Path) -> list[str]:
    if loader.is_file():
        if "load_dags(" in loader.read_text(encoding="utf-8"):
            return [f"{loader} already exists: nothing to do"]
        raise SetupError(f"{loader} already exists and is not a loader")
    disk.write(loader, LOADER.encode())
    return [f"wrote {loader}: every .pty in {loader.parent} and its subfolders is a DAG now"]


def _ignore_events(folder: Path, config: _Config) -> list[str]:
    """Make Airflow skip modules of events, which it may mistake for DAG files.

    Nothing is written if that could hide a DAG.
    """
    syntax = config.get("core", "dag_ignore_file_syntax") or "glob"
    lines = _IGNORE.get(syntax, _IGNORE["glob"])
    file = folder / ".airflowignore"
    is_new = not file.exists() and not file.is_symlink()
    known = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    missing = " and ".join(line for line in lines if line not in known)
    if not missing:
        return []
    module = _maybe_a_dag(folder)
    if module is not None:
        kept = f"wrote no {file}" if is_new else f"left {file} as it is"
        return [f"{kept}: {module} may be a DAG file. If it is one, rename it; then add {missing}"]
    if not is_new:
        return [f"add to {file}, which was left as it is: {missing}"]
    title = "# Modules with the events of .pty files, which are not DAG files.\n"
    disk.write(file, (title + "".join(f"{line}\n" for line in lines)).encode())
    return [f"wrote {file}: Airflow does not read modules of events as DAG files"]


def _maybe_a_dag(folder: Path) -> Path | None:
    """The first file that is named like a module of events but may contain a DAG."""
    own: dict[Path, set[str]] = {}
    for pty in find_files(folder).files:
        for file in _with_used(pty):
            own.setdefault(file.parent, {"events"}).add(events_module(file.stem))
    for module in sorted(folder.rglob("*.py")):
        if module.stem != "events" and not module.stem.endswith("_events"):
            continue
        if module.stem.replace(".", "_") not in own.get(module.parent, ()):
            return module
        try:
            text = module.read_bytes()
        except OSError:
            return module
        if re.search(rb"\bDAG\b|@(\w+\.)*dag\b", text):
            return module
    return None


def _with_used(file: Path) -> list[Path]:
    """A pipeline and the files that it uses, which may be in folders without pipelines."""
    try:
        program, _ = load_program(file)
    except VolnuxError:
        program = None
    return [file, *(Path(each.source.filename) for each in program.files)] if program else [file]


def _installed() -> tuple[int, int]:
    try:
        found = version("apache-airflow-core")
    except PackageNotFoundError as error:
        raise SetupError("Airflow is not installed here") from error
    numbers = re.match(r"(\d+)\.(\d+)", found)
    installed = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if installed < (3, 1):
        raise SetupError(f"Airflow {found} is too old: volnux needs 3.1 or later")
    return installed


class _Config:
    """An `airflow.cfg`. Changes one setting and keeps all other text."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Read as bytes, to keep the line endings.
            self._text = path.read_bytes().decode() if path.is_file() else ""
            self._parser = _parsed(self._text)
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            raise SetupError(f"{path} cannot be read: {error}") from error

    def get(self, section: str, name: str) -> str | None:
        """The raw text of a setting as Airflow finds it; None if it is not set."""
        variable = os.environ.get(f"AIRFLOW__{section.upper()}__{name.upper()}")
        value = variable or self._parser.get(section, name, fallback=None)
        return None if value is None or value.strip() in ("", "None") else value

    def set(self, section: str, name: str, value: str) -> None:
        """Write the raw text of a setting, or replace it. Only `%` is escaped, as `%%`.

        Raises:
            SetupError: an environment variable would override it, or it cannot be written without
                changing other settings.
            WriteError: the file cannot be written.
        """
        variable = f"AIRFLOW__{section.upper()}__{name.upper()}"
        if variable in os.environ:
            raise SetupError(
                f"the environment variable {variable} is set and overrides {self.path}: "
                f"set it to {value}"
            )
        line = f"{name} = {value}\n"
        lines = re.findall(r"[^\n]*\n|[^\n]+", self._text)
        place, end = self._place(lines, section, name)
        if place is None:
            lines = [*lines, "\n" * (not self._text.endswith("\n")), f"\n[{section}]\n", line]
        else:
            lines[place:end] = [line]
        text = "".join(lines)
        wanted = _settings(self._parser)
        wanted.setdefault(section, {})[name] = value
        try:
            is_right = _settings(_parsed(text)) == wanted
        except configparser.Error:
            is_right = False
        if not is_right:
            raise SetupError(
                f"{self.path} is written in a way that init cannot change: "
                f"set {name} in [{section}] to {value}"
            )
        disk.write(self.path, text.encode())

    @staticmethod
    def _place(lines: list[str], section: str, name: str) -> tuple[int | None, int]:
        """The line range of a setting: empty if it is not set, None and 0 without its section."""
        begin = None
        inside = False
        for number, line in enumerate(lines):
            title = re.match(r"\[([^]]+)\]", line)
            if title:
                inside = title[1] == section
                begin = number + 1 if inside and begin is None else begin
            elif inside and re.match(rf"{name}\s*[=:]", line, re.IGNORECASE):
                end = number + 1
                # A value may continue in indented lines, with blank lines and comments between
                # them.
                for following, text in enumerate(lines[end:], end + 1):
                    if re.match(r"\s*([#;]|$)", text):
                        continue
                    if not text[0].isspace():
                        break
                    end = following
                return number, end
        return begin, begin or 0


def _parsed(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return parser


def _settings(parser: configparser.RawConfigParser) -> dict[str, dict[str, str]]:
    return {name: dict(section) for name, section in parser.items()}


def _set_importer(config: _Config) -> list[str]:
    known = config.get("dag_processor", "dag_importer_configs")
    if known is not None and IMPORTER in known:
        return [f"{config.path} already names {IMPORTER}: nothing to do"]
    if known is not None and known.strip() != "[]":
        raise SetupError(
            f'{config.path} already sets dag_importer_configs: add "{IMPORTER}" to its list'
        )
    value = json.dumps([IMPORTER])
    config.set("dag_processor", "dag_importer_configs", value)
    return [
        f"wrote dag_importer_configs = {value} into [dag_processor] of {config.path}",
        "restart Airflow's DAG processor and workers: then every .pty of a bundle is a DAG",
    ]


def _set_bundle(config: _Config, folder: Path) -> list[str]:
    """Add our bundle to the existing ones."""
    text = config.get("dag_processor", "dag_bundle_config_list")
    bundles: Any = [_DAGS_FOLDER]
    if text is not None:
        try:
            bundles = json.loads(text)
        except ValueError as error:
            raise SetupError(
                f"dag_bundle_config_list in [dag_processor] of {config.path} is not JSON: {error}"
            ) from error
    if not isinstance(bundles, list) or not all(isinstance(each, dict) for each in bundles):
        raise SetupError(
            f"dag_bundle_config_list in [dag_processor] of {config.path} is not a list of bundles"
        )
    path = str(folder.resolve()).replace("%", "%%")
    if any(_is_ours(each, path) for each in bundles):
        return [f"{config.path} already has a bundle for {path}: nothing to do"]
    ours = {
        "name": _free_name([str(each.get("name")) for each in bundles]),
        "classpath": BUNDLE,
        "kwargs": {"path": path},
    }
    config.set("dag_processor", "dag_bundle_config_list", json.dumps([*bundles, ours]))
    return [
        f"added the bundle '{ours['name']}' to [dag_processor] of {config.path}; "
        f"kept: {', '.join(str(each.get('name')) for each in bundles)}",
        f"restart Airflow: then every .pty in {path} and its subfolders is a DAG",
    ]


def _is_ours(bundle: dict[str, Any], path: str) -> bool:
    kwargs = bundle.get("kwargs")
    given = kwargs.get("path") if isinstance(kwargs, dict) else None
    return bundle.get("classpath") == BUNDLE and (
        given is None or str(Path(given).expanduser().resolve()) == path
    )


def _free_name(taken: Sequence[str]) -> str:
    return next(
        name
        for name in ("pty", *(f"pty-{n}" for n in range(2, len(taken) + 3)))
        if name not in taken
    )
