"""The command line tool: one module for each command, imported only when it is called."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the tool on the arguments of this process and exit with its code."""
    # From here on, no signal causes a traceback, so this comes before all slow code.
    import _signal  # type: ignore[import-not-found]  # `signal` itself takes longer to load

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(_signal, name, None)
        if number is not None and _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _cancelled)
    from volnux.cli import ending

    ending.take_signals()
    try:
        import sys

        from volnux.cli.start import start

        code = start(sys.argv[1:])
    except BaseException as error:
        # Interrupted code may raise another error, for example during an import.
        if not (ending.received or isinstance(error, KeyboardInterrupt)):
            raise
        code = ending.cancelled()
    ending.leave(code)


def _cancelled(number: int, frame: object) -> None:
    """End the process after a signal that came before there was anything to close."""
    import os

    os.write(2, b"cancelled\n")
    os._exit(128 + number)
