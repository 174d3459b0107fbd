"""Modules beside a `.pty` file: imported as usual in Python, without conflicts between folders.

The folder of a `.pty` comes first on the import path, as the folder of a script does, and its
modules have their own plain names: `events`, `helpers`, `shop.parts`. So other processes can load
what they pickle, and imports by name, patches and log lines use the names that the author wrote.

For a process with one folder, that is all. A process is *shared* if it uses several folders (a
scheduler, a DAG processor, a test session), or if an installed module already has a name that the
folder uses. In a shared process, a plain name means the module of the folder whose code asks for
it. `docs/modules.md` describes both kinds, and the limits of a shared process.

Each folder is also a package with a generated name. Python's import system loads and locks the
modules under that package, and relative imports at the top of a folder use it. Other code does not
see it: `__name__` is the plain name.
"""

from __future__ import annotations

from volnux.events.modules.asking import current_home
from volnux.events.modules.importing import (
    MADE_IN,
    adopt,
    at_home,
    at_home_of,
    forget,
    import_from,
    module_of,
)
from volnux.events.modules.registry import display_text, folders, home_of, is_shared
from volnux.events.modules.sources import events_file, events_module

__all__ = [
    "MADE_IN",
    "adopt",
    "at_home",
    "at_home_of",
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
