"""Write docs/api.md: the public names, where to import them from, and what they are for.

python tools/public_names.py           # write the page
python tools/public_names.py --check # check whether it is up to date
"""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "api.md"

MODULES = {
    "volnux": "What most programs need.",
    "volnux.base": "Events and what configures them.",
    "volnux.decorators": "Decorators for events and listeners.",
    "volnux.fields": "Inputs of a pipeline class.",
    "volnux.pipeline": "Pipelines and batch pipelines as classes.",
    "volnux.values": "Values as JSON that keeps their types.",
    "volnux.runs": "Runs that are kept.",
    "volnux.signal": "Signals of your own.",
    "volnux.signal.signals": "The signals of a pipeline's life.",
    "volnux.backends": "For programs that choose a backend, and for backends.",
    "volnux.loading": "For programs that load `.pty` files.",
}


def page() -> str:
    """The text of docs/api.md."""
    parts = [
        "# The public names\n\n"
        "What is listed here keeps its name, module and meaning from one version to the\n"
        "next. Everything else in a module may change. `python tools/public_names.py` writes\n"
        "this page from the code.\n"
    ]
    for name, purpose in MODULES.items():
        module = importlib.import_module(name)
        parts.append(f"## {name}\n\n{purpose}\n\n| name | what it is |\n| --- | --- |\n")
        documented = {**comments(module), "__version__": "The version of the package."}
        for public in sorted(module.__all__, key=str.casefold):
            said = about(getattr(module, public), documented.get(public))
            parts[-1] += f"| `{public}` | {said} |\n"
    return "\n".join(parts)


def about(thing: Any, comment: str | None) -> str:
    """The first sentence of the documentation of an object."""
    text = comment
    if text is None and (inspect.isclass(thing) or inspect.isroutine(thing)):
        text = inspect.getdoc(thing)
    first = (text or str(thing)).strip().split("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def comments(module: Any) -> dict[str, str]:
    """The docstrings of a module's constants, including constants imported from other modules."""
    found: dict[str, str] = {}
    homes = {module.__name__}
    for name in module.__all__:
        home = getattr(getattr(module, name), "__module__", None) or ""
        homes |= {home} if home.startswith("volnux.") else set()
    # A constant does not know its module.
    homes |= {"volnux.events.annotated", "volnux.events.executors"}
    for home in sorted(homes):
        file = Path(inspect.getsourcefile(importlib.import_module(home)) or "")
        for statement, below in itertools.pairwise(ast.parse(file.read_text("utf-8")).body):
            match statement, below:
                case (
                    ast.Assign(targets=[ast.Name(id=name)])
                    | ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = text
    return found


def main() -> int:
    """Write or check the page, and return the exit code."""
    text = page()
    if "--check" in sys.argv:
        known = PAGE.read_text("utf-8") if PAGE.is_file() else ""
        return 0 if known == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
