"""One change of one line, and the files that are changed."""

from __future__ import annotations

from dataclasses import dataclass

EXECUTION = "volnux/graph/execution.py"
VALUES = "volnux/graph/values.py"
PROGRESS = "volnux/graph/progress.py"
WALK = "volnux/graph/walk.py"
ASSEMBLY = "volnux/graph/assembly.py"
MODEL = "volnux/graph/model.py"
NAMES = "volnux/graph/names.py"
REPEATS = "volnux/graph/repeats.py"
COPIES = "volnux/graph/copies.py"
CALLS = "volnux/kit/calls.py"
REPORT = "volnux/graph/report.py"
RUN = "volnux/events/run.py"
GIVEN = "volnux/events/given.py"
SCOPE = "volnux/events/scope.py"
INPUTS = "volnux/events/inputs.py"
MOMENTS = "volnux/schedules/moments.py"
PATHS = "volnux/programs/paths.py"


@dataclass(frozen=True)
class Mutation:
    """A change of one line in a file.

    Attributes:
        cases: a part of the names of the cases that run; all cases if it is empty.
    """

    about: str
    file: str
    old: str
    new: str
    cases: str = ""
