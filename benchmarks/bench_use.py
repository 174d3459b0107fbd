"""The cost of one use of a file: loading, compiling, linking and running, compared with braces."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measure import arguments, interleaved, show
from volnux_standalone import StandaloneBackend

from volnux.backends import RunOptions
from volnux.events import Plan
from volnux.graph import Graph, compile
from volnux.loading import load_plan
from volnux.programs import load_program

EVENTS = """
from volnux import event

@event
def Add(previous_result=None):
    return True, (previous_result or 0) + 1
"""
USED = "@input: n: int = 1\nAdd |-> Add\n"
USE = '@use: more = "more.pty"\n'


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.pty"
    path.write_text(text)
    (folder / f"{name}_events.py").write_text(EVENTS)
    return path


def graph_of(path: Path) -> Graph:
    program, found = load_program(path)
    assert program is not None, found
    return compile(program)


def run(plan: Plan) -> None:
    report = StandaloneBackend().run(plan, {}, RunOptions())
    assert report.status == "success"


def steps(path: Path) -> dict[str, Callable[[], object]]:
    """What is measured of a file."""
    plan = load_plan(path)
    return {
        "graph": partial(graph_of, path),
        "plan": partial(load_plan, path),
        "run": partial(run, plan),
    }


def chained(folder: Path, length: int) -> Path:
    """A file that uses a file that uses a file, and so on."""
    written(folder, f"link_{length}_0", "Add")
    for number in range(1, length):
        use = f'@use: next = "link_{length}_{number - 1}.pty"\n'
        written(folder, f"link_{length}_{number}", f"{use}Add |-> next")
    return folder / f"link_{length}_{length - 1}.pty"


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="volnux-bench-") as name:
        folder = Path(name)
        written(folder, "more", USED)
        rows: list[list[object]] = []
        sizes = [100, 1_000, 10_000]
        for size in sizes:
            uses = written(folder, f"uses_{size}", USE + " |-> ".join(["more"] * size))
            given = written(folder, f"given_{size}", USE + " |-> ".join(["more(n=2)"] * size))
            braces = written(folder, f"braces_{size}", " |-> ".join(["{Add |-> Add}"] * size))
            works = {
                f"{what} {step}": work
                for what, path in (("uses", uses), ("given", given), ("braces", braces))
                for step, work in steps(path).items()
            }
            rounds = options.rounds if size <= 1_000 else 3
            took = {step: s / size * 1e6 for step, s in interleaved(works, rounds).items()}
            row: list[object] = [f"{size:,} uses"]
            for step in ("graph", "plan", "run"):
                row += [took[f"uses {step}"], took[f"uses {step}"] / took[f"braces {step}"]]
            row.append(took["given run"] / took["uses run"])
            rows.append(row)
        columns = ["", "graph, µs per use", "/ braces", "plan, µs per use", "/ braces"]
        columns += ["run, µs per use", "/ braces", "run with an argument / without"]
        show("Uses of one file of two events", columns, rows, as_json=options.json)
        rows = []
        for length in (50, 100, 200):
            works = steps(chained(folder, length))
            took = interleaved(works, options.rounds)
            rows.append([f"{length} files", *(took[step] / length * 1e6 for step in works)])
        columns = ["", "graph, µs per file", "plan, µs per file", "run, µs per file"]
        show("A chain of files", columns, rows, as_json=options.json)


if __name__ == "__main__":
    main()
