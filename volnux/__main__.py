"""`python -m volnux`: the command line tool."""

from __future__ import annotations

from volnux.cli import main

if __name__ == "__main__":
    main()
