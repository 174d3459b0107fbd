"""Random programs with names and texts that try to break generators of Python code.

Events, modules, inputs and files have the names of imports and definitions of generated code, of
keywords or builtins, or look like code. Descriptions and comments try to end the literal around
them. The meaning of a program does not depend on that.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Final

from volnux.events.modules import events_module
from volnux.testing.cases import Case
from volnux.testing.predicting import case_of, random_case_program
from volnux.testing.programs import places
from volnux.testing.scripts import FORMS

__all__ = ["TEXTS", "hostile_case"]

_EVENTS: Final = (
    "A", "Any", "CATCH_1", "Completed", "DAG", "DEFAULT_t", "DOC", "EmptyOperator", "EventFailed",
    "INPUTS", "Label", "Load", "Load_2", "Param", "Place", "Run", "State", "Task", "TaskGroup",
    "VolnuxEventOperator", "ZoneInfo", "all_of", "any_of", "asyncio", "class", "datetime", "dt",
    "failure", "failure_of", "first_done", "flow", "group_1", "import", "importlib", "int",
    "join_1", "list", "load", "match", "print", "quoted", "result", "run", "str", "task", "type",
    "value_1", "flow.State", "task.Load", "billing.Run",
)  # fmt: skip

_INPUTS: Final = (
    "Any", "Completed", "DAG", "DOC", "INPUTS", "Load", "Param", "Place", "Run", "State", "all_of",
    "asyncio", "datetime", "dt", "failure", "flow", "int", "list", "run", "str", "tags",
    "task", "type", "value",
)  # fmt: skip

_NAMES: Final = ("DAG", "Run", "asyncio", "class", "datetime", "flow", "list", "my-flow", "v1.2")

TEXTS: Final = (
    "orders",
    'It\'s "quoted"',
    '""" + str(__import__("os").abort()) + """',
    "''' + str(__import__('os').abort()) + '''",
    "x\nimport os; os.abort()\n#",
    "\\",
    'ends with a quote"',
    "{{ x }} %s {0} {name!r} \\N{DASH} \\x",
    "a\u0085b\u007fc\u2028d\re\tf\ufeff",
    "\U0001f600 \u00e9",
)
"""Texts that look like code."""

_STEMS: Final = ("01_load", "class", "events", "flow", "my-flow", "task", *TEXTS)


def hostile_case(seed: int) -> Case:
    """The case of a seed: a random program with hostile names and texts."""
    source = random.Random(seed)
    # The modules below are those of one file.
    program = random_case_program(seed, names=_EVENTS, uses=False)
    stem = source.choice(_STEMS).replace(".", "-")
    events = list(dict.fromkeys(event.name for event in places(program).values()))
    own = [name for name in events if "." not in name]
    modules = {
        module: tuple(n.rpartition(".")[2] for n in events if n.rpartition(".")[0] == module)
        for module in dict.fromkeys(n.rpartition(".")[0] for n in events if "." in n)
    }
    head = [f"@name: {source.choice(_NAMES)}"]
    if source.random() < 0.4:
        # Modules in `@events` replace those beside the file.
        named = [name for name in ("State", "flow", "task", "prefect_") if source.random() < 0.5]
        named = named or ["task"]
        head.append(f"@events: {', '.join(named)}")
        for name in own:
            module = source.choice(named)
            modules[module] = (*modules.get(module, ()), name)
        for module in named:
            modules.setdefault(module, ())
    else:
        modules[events_module(stem)] = tuple(own)
    head += _directives(source)
    case = case_of(program, stem, head=head)
    return replace(
        case,
        events={
            name: replace(said, form=source.choice(FORMS)) for name, said in case.events.items()
        },
        modules=modules,
    )


def _directives(source: random.Random) -> list[str]:
    lines = []
    if source.random() < 0.7:
        lines.append(f"@description: {_text(source)}")
    if source.random() < 0.4:
        lines.append("@tags: x);y, {y}")
    for name in source.sample(_INPUTS, source.randrange(4)):
        default = source.choice(
            (
                f"str = {_text(source)}",
                f"list = [{_text(source)}, 1]",
                f"dict = {{{_text(source)}: [null, true]}}",
                'datetime = "2026-01-31T00:00:00+02:00"',
                'datetime = "2026-01-31T00:00:00"',
                'date = "2026-01-31"',
                "float = 1e100",
                "int = null",
            )
        )
        lines.append(f"@input: {name}: {default}")
    if source.random() < 0.5:
        lines.append("# " + source.choice(TEXTS).replace("\n", " ").replace("\r", " "))
    source.shuffle(lines)
    return lines


def _text(source: random.Random) -> str:
    """A text as a string literal of the language."""
    return json.dumps(source.choice(TEXTS))
