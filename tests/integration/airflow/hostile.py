"""Files that do the worst that a file can do to those beside it, and what Airflow shows of each.

Run as a program it puts them beside many good ones and lets a real DAG processor parse them all:

    python -m tests.integration.airflow.hostile --way bundle --files 300
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

__all__ = ["KINDS", "Kind", "write"]


class Kind(NamedTuple):
    """A file that does harm.

    Attributes:
        name: the stem of the `.pty`.
        shown: what the import error says; empty where the DAG is there all the same.
        events: the module of events beside it.
        text: the `.pty`.
        ends_parse: whether it ends or holds up the process that imports it.
    """

    name: str
    shown: str
    events: str = ""
    text: str = "Ok"
    ends_parse: bool = False


_EVENT = "\nfrom volnux import event\n@event\ndef Ok(): return True, None\n"

KINDS = [
    Kind("hangs", "its import did not end within", "while True: pass", ends_parse=True),
    Kind(
        "hangs_for_good",
        "its import did not end within",
        "import time\n"
        "while True:\n"
        "    try:\n"
        "        time.sleep(1)\n"
        "    except BaseException:\n"
        "        pass\n",
        ends_parse=True,
    ),
    Kind("exits", "cannot be imported: SystemExit: 1", "exit(1)"),
    Kind("leaves", "with exit code 0", "import os; os._exit(0)", ends_parse=True),
    Kind("crashes", "with SIGSEGV", "import ctypes; ctypes.string_at(0)", ends_parse=True),
    # What the kernel does to a process that has too much memory.
    Kind("is_killed", "with SIGKILL", "import os; os.kill(os.getpid(), 9)", ends_parse=True),
    Kind("big", "has an integer of more than 64 bits", text=f"@input: n: int = {2**64}\nOk"),
    Kind("nul", "has the character U+0000", text='@input: s: str = "\\u0000"\nOk'),
    Kind("raises", "ValueError: \\x00\\udc00", "raise ValueError('\\0\\udc00')"),
    Kind("tag", "a tag has at most 100 characters", text=f"@tags: {'x' * 101}\nOk"),
    Kind("twice", "", text="@name: of_two\nOk"),
    Kind("twice_too", "the DAG id 'of_two' is that of", text="@name: of_two\nOk"),
    Kind(
        "floods",
        "",
        "import os\nfor _ in range(2**14): print('x' * 1023)\nos.system('yes | head -c 10000000')",
    ),
    Kind("forks", "", "import os; os.fork()"),
    Kind("forks_for_long", "", "import os, time\nif os.fork() == 0: time.sleep(100)"),
    Kind("starts", "", "import subprocess; subprocess.Popen(['sleep', '100'])"),
    Kind(
        "starts_with_output",
        "",
        "import subprocess, sys\nsubprocess.Popen(['sleep', '100'], stdout=sys.stdout)",
    ),
    Kind("wraps", "", "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer)"),
    # The last one: what comes after it has nothing to write to.
    Kind("zaps", "", "import sys; sys.stdout.detach(); sys.stderr.close()"),
]


def write(folder: Path, kinds: list[Kind], good: int) -> set[str]:
    """Write hostile files and good ones into a folder; the DAG ids that must be there."""
    (folder / "events.py").write_text(_EVENT)
    ids = {f"good_{number:03}" for number in range(good)}
    for name in ids:
        (folder / f"{name}.pty").write_text("@description: good\nOk -> Ok")
    for kind in kinds:
        (folder / f"{kind.name}.pty").write_text(kind.text)
        if kind.events:
            (folder / f"{kind.name}_events.py").write_text(kind.events + _EVENT)
        if not kind.shown:
            ids.add("of_two" if kind.name == "twice" else kind.name)
    return ids


def main() -> None:
    """Let a real DAG processor parse a folder until all is as it should be, and stays so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=["loader", "bundle", "importer"], default="bundle")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--database", help="a URL of SQLAlchemy; SQLite if it is left out")
    parser.add_argument("--seconds", type=int, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        _try(Path(made), arguments)


def _try(home: Path, arguments: argparse.Namespace) -> None:
    dags = home / "dags"
    dags.mkdir()
    ids = write(dags, KINDS, arguments.files)
    bundle: dict[str, object] = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(dags)},
    }
    if arguments.way == "loader":
        loader = "from volnux_airflow import load_dags\n\nload_dags(__file__)  # airflow, dag\n"
        (dags / "pty_dags.py").write_text(loader)
    elif arguments.way == "importer":
        bundle["importers"] = ["volnux_airflow.importer.PtyDagImporter"]
    else:
        bundle = {
            "name": "pty",
            "classpath": "volnux_airflow.bundle.PtyDagBundle",
            "kwargs": {"path": str(dags)},
        }
    database = arguments.database or f"sqlite:///{home / 'airflow.db'}?timeout=60"
    environment = {
        **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run(
        [*airflow, "db", "migrate"], env=environment, check=True, capture_output=True, cwd=home
    )
    with (home / "log").open("wb") as log:
        processor = subprocess.Popen(
            [*airflow, "dag-processor"],
            env=environment,
            stdout=log,
            stderr=log,
            cwd=home,
            start_new_session=True,
        )
    began = time.monotonic()
    try:
        last = None
        complete = 0
        while time.monotonic() < began + arguments.seconds and complete < 6:
            time.sleep(10)
            assert processor.poll() is None, (home / "log").read_text()[-5000:]
            missing, wrong = _compare(ids, database)
            if (missing, wrong) != last:
                last = missing, wrong
                _say(
                    f"{time.monotonic() - began:4.0f} s: {len(ids) - len(missing)} of {len(ids)} "
                    f"DAGs; missing {sorted(missing)[:20]}; wrong {wrong}"
                )
            complete = 0 if missing or wrong else complete + 1
    finally:
        processor.terminate()
        processor.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(processor.pid, signal.SIGKILL)
    size = sum(path.stat().st_size for path in (home / "logs").rglob("*") if path.is_file())
    _say(f"complete: {complete >= 6}; the logs have {size / 2**20:.0f} MB")
    for name, text in sorted(_shown(database)[1].items()):
        _say(f"--- {name} ({len(text.splitlines())} lines)\n{text}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _compare(ids: set[str], database: str) -> tuple[set[str], list[str]]:
    there, errors = _shown(database)
    wrong = [
        kind.name
        for kind in KINDS
        if kind.shown
        and not any(kind.shown in text for name, text in errors.items() if kind.name in name)
    ]
    return ids - there, wrong


def _shown(database: str) -> tuple[set[str], dict[str, str]]:
    """The ids of the DAGs that are not stale, and the import errors by file."""
    dags = "select dag_id from dag where not is_stale"
    errors = "select filename, stacktrace from import_error"
    if database.startswith("sqlite"):
        path = database.removeprefix("sqlite:///").partition("?")[0]
        with contextlib.closing(sqlite3.connect(path, timeout=60)) as connection:
            found = {row[0] for row in connection.execute(dags)}
            return found, dict(connection.execute(errors).fetchall())
    from sqlalchemy import create_engine, text

    engine = create_engine(database)
    with engine.connect() as connected:
        found = {row[0] for row in connected.execute(text(dags))}
        return found, {row[0]: row[1] for row in connected.execute(text(errors))}


if __name__ == "__main__":
    main()
