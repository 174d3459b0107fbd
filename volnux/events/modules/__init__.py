"""Modules beside a `.pty`: imported as in any Python program, and two folders never collide.

The folder of a `.pty` comes first on the import path, as the folder of a script does, and its
modules have their own plain names: `events`, `helpers`, `shop.parts`. What they pickle, another
process can load; what they import by name, patch or log has the name that its author wrote.

A process that serves one folder gets nothing else. A process that serves several (a scheduler, a
DAG processor, a test session), or one in which an installed module already has a name that the
folder uses, is *shared*: there, the same plain name means the module of the folder whose code
asks. `docs/modules.md` describes both, and what a shared process cannot do.

Each folder is also a package of its own with a made-up name. Python's import system loads and locks
the modules under that package, and relative imports at the top of a folder use it. Nobody else
sees it: `__name__` is the plain name.
"""

from __future__ import annotations

from volnux.events.modules.asking import current_home
from volnux.events.modules.importing import adopt, at_home, forget, import_from, module_of
from volnux.events.modules.registry import display_text, folders, home_of, is_shared
from volnux.events.modules.sources import events_file, events_module

__all__ = [
    "adopt",
    "at_home",
    "current_home",
    "display_text",
    "events_file",
    "events_module",
    "folders",
    "forget",
    "home_of",
    "import_from",
    "is_shared",
    "module_of",
]
