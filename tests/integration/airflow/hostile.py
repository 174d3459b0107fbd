"""Files that try to break the files beside them, and what Airflow shows for each.

Run as a program it puts them beside many good ones, lets a real Airflow parse them all, and runs
the good ones:

    python -m tests.integration.airflow.hostile --way bundle --files 300 --run
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.integration.airflow.server import DATABASE, LOADER, LOCAL_BUNDLE, Server

__all__ = ["KINDS", "Kind", "write"]


class Kind(NamedTuple):
    """A harmful file.

    Attributes:
        name: the stem of the `.pty`.
        shown: what the import error says; empty if the DAG exists anyway.
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
    Kind("twice_too", "the DAG id 'of_two' is already used by", text="@name: of_two\nOk"),
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
    """Let a real Airflow parse a folder until the result is as expected and stable, then run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=["loader", "bundle", "importer"], default="bundle")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--database", help="a URL of SQLAlchemy; SQLite if it is left out")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--run", action="store_true", help="run each good file as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        _try(Path(made), arguments)


def _try(home: Path, arguments: argparse.Namespace) -> None:
    server = Server(home, _settings(home, arguments))
    ids = write(server.dags, KINDS, arguments.files)
    if arguments.way == "loader":
        (server.dags / "pty_dags.py").write_text(LOADER)
    server.start()
    try:
        _let_parse(server, ids, arguments.seconds)
        if arguments.run:
            _run(server, sorted(each for each in ids if each.startswith("good_")))
    finally:
        server.stop()
    size = sum(path.stat().st_size for path in (home / "logs").rglob("*") if path.is_file())
    _say(f"the logs have {size / 2**20:.0f} MB")
    for name, text in sorted(_shown(server.database)[1].items()):
        _say(f"--- {name} ({len(text.splitlines())} lines)\n{text}")


def _settings(home: Path, arguments: argparse.Namespace) -> dict[str, str]:
    """The settings that differ from the tests' Airflow: how files become DAGs, and intervals."""
    dags = {"path": str(home / "dags")}
    bundle: dict[str, object] = {"name": "pty", "classpath": LOCAL_BUNDLE, "kwargs": dags}
    if arguments.way == "importer":
        bundle["importers"] = ["volnux_airflow.importer.PtyDagImporter"]
    elif arguments.way == "bundle":
        bundle["classpath"] = "volnux_airflow.bundle.PtyDagBundle"
    settings = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__PARSING_CLEANUP_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "50",
    }
    if arguments.database:
        settings[DATABASE] = arguments.database
    return settings


def _let_parse(server: Server, ids: set[str], seconds: float) -> None:
    """Wait until each DAG and each import error has existed for a minute.

    Raises:
        SystemExit: that did not happen in time.
    """
    began = time.monotonic()
    last = None
    complete = 0
    while complete < 6:
        if time.monotonic() > began + seconds:
            raise SystemExit("not complete")
        time.sleep(10)
        missing, wrong = _compare(ids, server.database)
        if (missing, wrong) != last:
            last = missing, wrong
            _say(
                f"{time.monotonic() - began:4.0f} s: {len(ids) - len(missing)} of {len(ids)} "
                f"DAGs; missing {sorted(missing)[:20]}; wrong {wrong}"
            )
        complete = 0 if missing or wrong else complete + 1


def _run(server: Server, ids: list[str]) -> None:
    began = time.monotonic()
    for name in ids:
        server.trigger(name)
    left = set(ids)
    failed = set()
    while left:
        time.sleep(5)
        ended = dict(_query(server.database, "select dag_id, state from dag_run"))
        left = {name for name in left if ended[name] not in ("success", "failed")}
        failed = {name for name in ids if ended[name] == "failed"}
    taken = time.monotonic() - began
    _say(f"{len(ids) - len(failed)} of {len(ids)} ran in {taken:.0f} s; failed {sorted(failed)}")


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
    there = _query(database, "select dag_id from dag where not is_stale")
    errors = _query(database, "select filename, stacktrace from import_error")
    return {name for (name,) in there}, dict(errors)


def _query(database: str, statement: str) -> list[Any]:
    from sqlalchemy import create_engine, text

    engine = create_engine(database)
    try:
        with engine.connect() as connected:
            return [tuple(row) for row in connected.execute(text(statement))]
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
