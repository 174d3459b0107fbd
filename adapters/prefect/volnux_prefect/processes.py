"""What Prefect uses this process for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from prefect.context import FlowRunContext

__all__ = ["in_command", "in_deployed_run"]


def in_command() -> bool:
    """Whether this process is a Prefect command that only inspects flows, not a run."""
    program = Path(sys.argv[0] if sys.argv else "")
    prefect = program.stem == "prefect" or program.parts[-2:] == ("prefect", "__main__.py")
    return prefect and not {"deploy", "flow"}.isdisjoint(sys.argv[1:])


def in_deployed_run() -> bool:
    """Whether Prefect has started this process for a flow run that has not begun yet."""
    return "PREFECT__FLOW_RUN_ID" in os.environ and FlowRunContext.get() is None
