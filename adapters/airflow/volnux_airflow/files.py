"""Which files of a folder are DAGs: what `volnux.files` finds, without what `.airflowignore` names.

Light: Airflow's DAG processor keeps what it imports.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from volnux.files import SUFFIX, Found
from volnux.files import find_files as find_all
from volnux_airflow import compat

__all__ = ["find_files"]


def find_files(root: Path, suffixes: Sequence[str] = (SUFFIX,)) -> Found:
    """The pipelines of a folder by the rule in `docs/files.md`, without those Airflow ignores."""
    return find_all(root, suffixes, leave_out=compat.ignored(root))
