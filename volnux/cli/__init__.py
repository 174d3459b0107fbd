"""The command line tool: one module a command, each imported only when it is called."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the tool on the arguments of this process and exit with its code."""
    import sys

    from volnux.cli.ending import leave

    try:
        from volnux.cli.start import start

        code = start(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    leave(code)
