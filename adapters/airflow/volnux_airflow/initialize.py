"""`volnux airflow init`: what the installed Airflow needs to see `.pty` files."""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from volnux.errors import VolnuxError

__all__ = ["IMPORTER", "LOADER", "SetupError", "set_up"]

IMPORTER = "volnux_airflow.importer.PtyDagImporter"

LOADER = '''\
"""Every .pty file in this folder, and the folders below, is an Airflow DAG."""

from volnux_airflow import load_dags

load_dags(__file__)
'''

_LOADER_NAME = "pty_dags.py"


class SetupError(VolnuxError):
    """It cannot be done; nothing was written."""


def set_up(folder: Path) -> list[str]:
    """Make the `.pty` files of a dags folder DAGs; what was done, line by line.

    Airflow 3.4 and later: the importer, in `airflow.cfg`, where there is one. Else: a loader file.

    Raises:
        SetupError: there is no such folder, no Airflow that fits, or a setting in the way.
    """
    installed = _installed()
    if not folder.is_dir():
        raise SetupError(f"{folder} is no folder: name Airflow's dags folder")
    loader = folder / _LOADER_NAME
    config = _config()
    if installed >= (3, 4) and config.is_file():
        lines = _set_importer(config)
        if loader.is_file():
            lines.append(f"remove {loader}: with both, each DAG would be there twice")
        return lines
    if loader.is_file():
        if "load_dags(" in loader.read_text(encoding="utf-8"):
            return [f"{loader} is there already: nothing to do"]
        raise SetupError(f"{loader} is there already, and is no loader")
    loader.write_text(LOADER, encoding="utf-8")
    lines = [f"wrote {loader}: every .pty in {folder} and below is a DAG now"]
    if installed >= (3, 4):
        lines.append(f"there is no {config}, so the importer of Airflow 3.4 is not used")
    return lines


def _installed() -> tuple[int, int]:
    try:
        found = version("apache-airflow-core")
    except PackageNotFoundError as error:
        raise SetupError("Airflow is not installed here") from error
    numbers = re.match(r"(\d+)\.(\d+)", found)
    installed = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    if installed < (3, 3):
        raise SetupError(f"Airflow {found} is too old: volnux needs 3.3 or later")
    return installed


def _config() -> Path:
    given = os.environ.get("AIRFLOW_CONFIG")
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow"))
    return Path(given or home / "airflow.cfg").expanduser()


def _set_importer(config: Path) -> list[str]:
    """Put the importer into `airflow.cfg`, all other text of it untouched."""
    text = config.read_text(encoding="utf-8")
    found = re.search(r"^dag_importer_configs\s*=(.*)$", text, re.MULTILINE)
    if IMPORTER in text and found and IMPORTER in found[1]:
        return [f"{config} names {IMPORTER} already: nothing to do"]
    if found and found[1].strip() not in ("", "[]", "None"):
        raise SetupError(
            f'{config} sets dag_importer_configs already: add "{IMPORTER}" to its list'
        )
    line = f'dag_importer_configs = ["{IMPORTER}"]'
    if found:
        text = text[: found.start()] + line + text[found.end() :]
    elif re.search(r"^\[dag_processor\][^\n]*\n", text, re.MULTILINE):
        text = re.sub(
            r"^(\[dag_processor\][^\n]*\n)", rf"\g<1>{line}\n", text, count=1, flags=re.MULTILINE
        )
    else:
        text = text.rstrip("\n") + f"\n\n[dag_processor]\n{line}\n"
    config.write_text(text, encoding="utf-8")
    return [
        f"wrote {line} into [dag_processor] of {config}",
        "restart Airflow's dag processor and workers: every .pty of a bundle is a DAG then",
    ]
