"""Imported by the fork server of the workers: removes it from the terminal's process group.

Signals to that group (Ctrl-C, `timeout`, the end of a terminal) are meant for the process that
drives the run, which ends its workers itself. The fork server ends when it is no longer used.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

if any("multiprocessing.forkserver import main" in word for word in sys.orig_argv):
    with suppress(OSError):
        os.setpgid(0, 0)
    # It was started with SIGINT blocked, and its children would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
