"""The meaning of the language in sentences, each with a name that cases refer to.

`docs/conformance.md` shows them with their cases; `docs/language.md` says the same at length.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SENTENCES"]

SENTENCES: Final = {
    # How events end.
    "failure": "Descriptor 0 is a failure: `False` or 0 was returned, or the last attempt raised.",
    "success": "Descriptor 1 is a success: `True` or 1 was returned.",
    "two": "Descriptor 2 works as 3 to 9 do, and is warned about.",
    "custom": "Descriptors 3 to 9 are the user's own, by what is returned.",
    "goto": "`self.goto(d, r)` ends an event with a descriptor and a result.",
    "conditions": "Declared conditions are tried in ascending order, after a success only.",
    "status": "Any other thing that is returned is an error of the event.",
    "states": "Every place ends done, skipped or failed.",
    # Sequence, pipe, parallel.
    "sequence": "`X -> Y`: Y starts when X is done.",
    "sequence-skipped": "Where X is skipped, so is Y.",
    "sequence-failed": "Where X failed, Y never runs and is failed too.",
    "pipe": "`X |-> Y`: every first event of Y receives the result of X.",
    "no-pipe": "With `->` nothing is received.",
    "parallel": "`X || Y`: both start at once and run at the same time.",
    "parallel-end": "A parallel group ends when all of its arms have ended.",
    "all": "Evaluation *all*: the group is done when every arm is, else failed.",
    "any": "Evaluation *any*: the group is done when at least one arm is, else failed.",
    "any-handled": "The failures inside an *any* group that is done are handled.",
    "evaluation-option": "`[evaluation=…]` stands on braces that hold just `a || b …`.",
    "evaluation-class": "Without it the class of the group's last event says, branches aside.",
    # Branches.
    "branch": "The branch of the descriptor runs, the other branches are skipped.",
    "branch-pipe": "`0 |-> F`: the first events of the branch receive the event's result.",
    "none-1": "No branch for 1: the event is done, its branches are skipped.",
    "none-0": "No branch for 0: the failure is not handled; the branches are failed.",
    "none-custom": "No branch for 2 to 9: the event fails, and goes on as any failure does.",
    "branch-decides": "A taken branch decides: done if its flow is, failed if that failed.",
    "handled": "A failure that has a `0` branch is handled.",
    "sink": "A sink starts when whichever branch was taken is done.",
    "sink-own": "Where no branch was needed, the sink starts when the event itself is done.",
    # Branches on a group.
    "group-branch": "A group finishes with 1 when it is done and with 0 when it failed.",
    "catch": "A `0` branch on a group catches whatever failed inside.",
    "catch-result": "What it pipes on is of the first failure that nothing inside took.",
    "catch-never": "A group that never started is not caught: it stays failed or skipped.",
    "group-custom": "Branches 2 to 9 on a group are an error of the file.",
    # Runs and places.
    "run": "A run is a success when the flow of the file ends done, else it has failed.",
    "reported": "Failed events are always reported, handled or not.",
    "places": "The same name twice means two places, `Z` and `Z__2`, in reading order.",
    # Continue and stop.
    "stop": "By default a failure keeps what follows from starting.",
    "continue": "With `continue`, Y also starts when X failed after it had started.",
    "continue-done": "What failed is then done with 0, and its result is passed on as it is.",
    "continue-caught": "An enclosing group with a `0` branch catches as ever.",
    "continue-branch": "A branch that failed goes on to the sink in the same way.",
    "continue-end": "At the end of the flow nothing comes next: a failure there fails the run.",
    "continue-class": "`Meta.on_failure` says the same as the directive, which wins.",
    "stop-on-exception": "`stop_on_exception` ends the run when the last attempt has raised.",
    "stop-above": "It is above branches, *any* and `continue`.",
    "stop-rest": "Nothing new starts; every place that has not ended is failed.",
    "stop-running": "What had started keeps its attempts, with no descriptor.",
    # Results.
    "result": "The result of an event is the second item that it returned.",
    "result-list": "Of a parallel group: the list of its arms' results in the order written.",
    "result-none": "There, `None` stands for an arm that is not done.",
    "result-branch": "Of a unit with branches: the result of the branch that ran, or its own.",
    "result-sequence": "Of a sequence: the result of its last part.",
    "result-failure": "After an exception: a `Failure` that survives JSON.",
    "previous": "An event reads what was piped as attribute or argument `previous_result`.",
    "arguments": "Arguments of `process` with the names of inputs receive those values.",
    "knows": "An event knows its place, its attempt, its run and the inputs.",
    # Retry.
    "factor": "`A * 3` and `3 * A` mean at most 3 attempts in all.",
    "factor-least": "The factor is a whole number of at least 2.",
    "factor-policy": "It replaces `max_attempts` of the policy and leaves the rest.",
    "factor-group": "On a group it goes to every event inside that has no nearer factor.",
    "factor-branches": "It does not go to the group's own branches.",
    "retry-covers": "An attempt is repeated when it raises what the policy covers.",
    "retry-all": "An empty list of exceptions covers all.",
    "retry-excluded": "Excluded exceptions are never repeated.",
    "retry-returned": "A returned failure is not repeated, unless the policy says so.",
    "retry-wait": "The wait before retry n is `min(backoff_factor * 2**(n-1), max_backoff)`.",
    # Directives.
    "name": "`@name` names the pipeline; else the stem of the file does.",
    "shown": "`@description` and `@tags` are shown.",
    "schedule": "`@schedule`, `@timezone`, `@start-date`, `@catchup`, `@max-active-runs` are kept.",
    "input": "`@input` declares a typed input, required where it has no default.",
    "without-effect": "`@recursive-depth` and `@mode` have no effect, and are noted.",
    "directive": "Any other directive is an error.",
    # Options.
    "timeout": "Past `timeout` an attempt has raised `TimeoutError`, retried as the policy says.",
    "retry-option": "`retry_attempts=3` is `* 3`; both on one unit is an error.",
    "executor": "`executor` replaces the executor of the class.",
    "hints": "Hints never change what a file means.",
    "option": "Any other option is an error.",
    # Finding events.
    "siblings": "Events are found in `<stem>_events.py`, then in `events.py`, beside the file.",
    "events": "`@events` replaces the siblings; the first module that has the name wins.",
    "dotted": "A dotted name says its module.",
    "case": "Exact spelling first, then one match in another case; two are an error.",
    "own-modules": "Modules of the same name in different folders never collide.",
    "unknown": "An event that is not found is an error.",
    "bypass": "An event that bypasses `process` counts one attempt, and says so.",
}
"""What a file means, sentence by sentence, by name."""
