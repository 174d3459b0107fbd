"""Imported by the fork server that workers come from: takes it out of the terminal's group.

Signals to that group (Ctrl-C, a `timeout`, the end of a terminal) are for the process that drives
the run, which ends its workers itself. The fork server ends when it is no longer used.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

if any("multiprocessing.forkserver import main" in word for word in sys.orig_argv):
    with suppress(OSError):
        os.setpgid(0, 0)
    # It was started with SIGINT blocked, which its children would inherit.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
