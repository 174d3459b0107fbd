"""A temporary Airflow home for a run in this process, created before Airflow is imported.

Migrating an empty database takes seconds, so an empty migrated database is kept for each Airflow
version in the user's cache directory. It never contains user data.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import warnings
from importlib.metadata import version
from pathlib import Path

from volnux.imported import imported

__all__ = ["config_path", "enter_own_home", "home_path", "template"]

LOG_LEVEL = "AIRFLOW__LOGGING__LOGGING_LEVEL"
"""If this environment variable is set, Airflow's logs are shown; INFO includes the task logs."""

_QUIET = ("airflow", "task", "py.warnings", "sqlalchemy", "httpx", "alembic")
"""The loggers whose messages are not shown otherwise."""

_CONFIG = """\
# For one run in one process. All other settings are Airflow's defaults or come from the
# environment.
"""


def home_path() -> Path:
    """The Airflow home that this machine is configured for, found by Airflow's own rule."""
    return Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()


def config_path() -> Path:
    """The path of the `airflow.cfg` for that home. The file may not exist."""
    return Path(os.environ.get("AIRFLOW_CONFIG") or home_path() / "airflow.cfg").expanduser()


def enter_own_home() -> None:
    """Give this process its own Airflow home and database, and import Airflow without warnings.

    Does nothing if the process has already imported Airflow: then the existing settings apply.
    """
    if imported("airflow"):
        return
    home = Path(tempfile.mkdtemp(prefix="volnux-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    _remove_at_sigterm(home)
    (home / "dags").mkdir()
    (home / "airflow.cfg").write_text(_CONFIG)
    database = home / "airflow.db"
    kept = template()
    have = _copy(kept, database)
    os.environ.update(_settings(home, database))
    with warnings.catch_warnings():
        # The user of a flow cannot fix what Airflow's imports warn about.
        warnings.simplefilter("ignore")
        import airflow  # noqa: F401 - settings are read now

        # Airflow 3.1 has put filters of its own before this one.
        warnings.simplefilter("ignore")
        if not have:
            from airflow.utils.db import initdb

            initdb()
            _keep(database, kept)
    _to_standard_error()


def _remove_at_sigterm(home: Path) -> None:
    """Make SIGTERM also remove the home, if it would otherwise just end the process."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return
    owner = os.getpid()

    def remove(number: int, frame: object) -> None:
        if os.getpid() == owner:  # not in a child that inherited this handler
            shutil.rmtree(home, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, remove)


def _settings(home: Path, database: Path) -> dict[str, str]:
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        # For 30 s, Airflow would use the stored DAG of an earlier run with the same name.
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": (
            '[{"name": "dags-folder", "classpath": '
            '"airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}]'
        ),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }
    if LOG_LEVEL not in os.environ:
        settings[LOG_LEVEL] = "WARNING"
        # Warnings from events are shown. Airflow's messages about a failed task are not, because
        # our report contains the same.
        levels = " ".join(f"{name}=CRITICAL" for name in _QUIET)
        settings["AIRFLOW__LOGGING__NAMESPACE_LEVELS"] = levels
    return settings


def _to_standard_error() -> None:
    """Send Airflow's logs to standard error: standard output is for what the user asked for."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    if LOG_LEVEL in os.environ and os.environ[LOG_LEVEL] != "WARNING":
        return
    from volnux_airflow import compat

    compat.quieten(_QUIET)
    for name in ("airflow", "task", "sqlalchemy", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


# The template.


def template() -> Path:
    """The path of the empty migrated database of the installed Airflow."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    managers = os.environ.get("AIRFLOW__DATABASE__EXTERNAL_DB_MANAGERS", "")
    name = version("apache-airflow-core") + ("-" + managers.replace(",", "-") if managers else "")
    return Path(cache) / "volnux" / f"airflow-{name}.db"


def _copy(kept: Path, database: Path) -> bool:
    """Copy the template. Returns whether it exists and is a valid database."""
    try:
        shutil.copyfile(kept, database)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("select version_num from alembic_version").fetchone()
    except (OSError, sqlite3.Error):
        database.unlink(missing_ok=True)
        return False
    return True


def _keep(database: Path, kept: Path) -> None:
    """Keep an empty migrated database for the next run, if possible."""
    with contextlib.suppress(OSError, sqlite3.Error):
        kept.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=kept.parent, suffix=".db")
        os.close(handle)
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(name)) as target,
        ):
            source.backup(target)
        Path(name).replace(kept)
