"""The meaning of the language in sentences; cases refer to their names.

`docs/conformance.md` lists them with their cases; `docs/language.md` explains them in detail.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SENTENCES"]

SENTENCES: Final = {
    # How events end.
    "failure": "Descriptor 0 is a failure: `False` or 0 was returned, or the last attempt raised.",
    "success": "Descriptor 1 is a success: `True` or 1 was returned.",
    "two": "Descriptor 2 works like 3 to 9, and `volnux check` warns about it.",
    "custom": "The user defines the meaning of the descriptors 3 to 9.",
    "goto": "`self.goto(d, r)` ends an event with a descriptor and a result.",
    "conditions": "Conditions are tried in ascending order, and only after a success.",
    "status": "Any other return value is an error of the event.",
    "states": "Every place ends as done, skipped or failed.",
    # Sequence, pipe, parallel.
    "sequence": "`X -> Y`: Y starts when X is done.",
    "sequence-skipped": "`X -> Y`: if X is skipped, Y is skipped too.",
    "sequence-failed": "`X -> Y`: if X failed, Y never runs and is failed too.",
    "pipe": "`X |-> Y`: every first event of Y receives the result of X.",
    "no-pipe": "With `->`, Y receives nothing.",
    "parallel": "`X || Y`: both start at once and run at the same time.",
    "parallel-end": "A parallel group ends when all of its arms have ended.",
    "all": "Evaluation *all*: the group is done if every arm is done, otherwise it is failed.",
    "any": "Evaluation *any*: the group is done if at least one arm is done, otherwise failed.",
    "any-handled": "If an *any* group is done, the failures inside it are handled.",
    "evaluation-option": "`[evaluation=…]` is allowed only on braces that contain just `a || b …`.",
    "evaluation-class": "Without it, the class of the group's last event outside branches decides.",
    # Branches.
    "branch": "The branch for the descriptor runs, and the other branches are skipped.",
    "branch-pipe": "`0 |-> F`: the first events of the branch receive the event's result.",
    "none-1": "No branch for 1: the event is done, and its branches are skipped.",
    "none-0": "No branch for 0: the failure is not handled, and the branches are failed.",
    "none-custom": "No branch for 2 to 9: the event fails, and is treated like any failed event.",
    "branch-decides": "The outcome of the branch is the outcome of the event with its branches.",
    "handled": "A failure with a `0` branch is handled.",
    "sink": "A sink starts when the branch that was taken is done.",
    "sink-own": "If no branch was needed, the sink starts when the event itself is done.",
    # Branches on a group.
    "group-branch": "A group finishes with 1 if it is done and with 0 if it failed.",
    "catch": "A `0` branch on a group catches any failure inside the group.",
    "catch-result": "A catch pipes on the result of the first failure that was not handled inside.",
    "catch-never": "A group that never started takes no branch: it stays failed or skipped.",
    "group-custom": "Branches 2 to 9 on a group are an error of the file.",
    # Runs and places.
    "run": "A run is a success if the flow of the file is done, otherwise it has failed.",
    "reported": "Failed events are always in the report, handled or not.",
    "places": "The same name twice means two places, `Z` and `Z__2`, in reading order.",
    # Continue and stop.
    "stop": "By default, the parts after a failure do not start.",
    "continue": "With `continue`, Y also starts if X started and failed.",
    "continue-done": "The failed part is then done with 0, and its result is passed on unchanged.",
    "continue-caught": "With `continue`, an enclosing group with a `0` branch still catches.",
    "continue-branch": "With `continue`, the sink also starts after a failed branch.",
    "continue-end": "Nothing follows the end of the flow, so a failure there fails the run.",
    "continue-class": "`Meta.on_failure` has the same effect; the directive takes precedence.",
    "stop-on-exception": "`stop_on_exception` ends the run if the last attempt raises.",
    "stop-above": "`stop_on_exception` overrides branches, *any* and `continue`.",
    "stop-rest": "After a stop, nothing new starts, and every place that has not ended is failed.",
    "stop-running": "After a stop, running events keep their attempts and have no descriptor.",
    # Results.
    "result": "The result of an event is the second item of the pair that it returned.",
    "result-list": "The result of a parallel group is the list of its arms' results in text order.",
    "result-none": "In this list, an arm that is not done has `None`.",
    "result-branch": "A unit with branches has the result of the branch that ran, or its own.",
    "result-sequence": "The result of a sequence is the result of its last part.",
    "result-failure": "The result of an exception is a `Failure`, which can be stored as JSON.",
    "previous": "An event reads the piped value as attribute or argument `previous_result`.",
    # Types of values.
    "value-type": (
        "A value keeps its type on its way to another event: tuples, sets, bytes, times, decimal "
        "numbers, paths, enums, and instances of dataclasses, named tuples and pydantic models."
    ),
    "value-list": "In the list of a parallel group or an `each`, results keep their types, too.",
    "value-read": "If `previous_result` has an annotation, a piped value is read as that type.",
    "value-wrong": (
        "If it cannot be read so, the event that receives it fails with an `InputTypeError`, "
        "without an attempt."
    ),
    "value-none": (
        "A piped `None` is read like any other value. If nothing is piped, the annotation is "
        "not used."
    ),
    "value-unread": ("An annotation that cannot be evaluated is not used, and a warning says so."),
    "arguments": "An argument of `process` with the name of an input receives that input.",
    "knows": "An event knows its place, its attempt, its run and the inputs.",
    # Arguments.
    "argument": "`A(x=1)` passes 1 as the argument `x` of A's `process`, at this place.",
    "argument-attribute": "`self.arguments` contains the arguments of the place.",
    "argument-names": (
        "A bare name in a value, or in a list or an object in it, stands for an input, "
        "a variable or a secret."
    ),
    "argument-first": "At its place, an argument takes precedence over an input of the same name.",
    "argument-kwargs": "`**kwargs` receives all inputs and arguments that `process` does not name.",
    "argument-read": "The value of an argument is converted to the annotated type.",
    "argument-checked": "An argument that is unknown, missing or of another type is an error.",
    "argument-place": "Arguments directly follow the name of an event.",
    # Failing here.
    "fail": "`!` fails as soon as the flow reaches it. It is not a place.",
    "fail-carries": "`!` fails with the failure for which the innermost `0` branch around it ran.",
    "fail-alone": "Without a `0` branch around it, its failure is `Failed`, with file and line.",
    "fail-event": "In every other respect, `!` behaves like an event that returned a failure.",
    "fail-run": "If a `!` is not handled, the report of the run says where the flow failed.",
    "fail-last": "`!` has no arguments, factor, options or branches, and nothing may follow it.",
    # Once for each item.
    "each": "`U[each=x]` means a parallel group with one copy of U for each item of the list.",
    "each-list": "The list is the value that is piped to the unit; a tuple is a list, too.",
    "each-item": "A copy receives its item like a piped value, and also as an input named `x`.",
    "each-argument": "Inside the unit, `x` may be a bare name in an argument.",
    "each-in": (
        "`[each=x, in=name]` takes the list from an input, a variable or the item of an `each` "
        "around it. A copy still receives its item like a piped value."
    ),
    "each-result": "The result is the list of the copies' results, in the order of the items.",
    "each-empty": (
        "Without items, the unit is done with the result `[]`, its places are skipped, "
        "and what follows starts."
    ),
    "each-one": "With one item, the group has one arm, and the result is a list with one element.",
    "each-error": (
        "If the value is not a list, the unit fails with an `EachError`. The report shows it at "
        "the first place of the unit, which is failed without an attempt."
    ),
    "each-evaluation": (
        "With `each`, `evaluation` applies to the copies; without it, the class of the last event "
        "decides."
    ),
    "each-branches": "Branches on a unit with `each` belong to all copies together: only 0 and 1.",
    "each-factor": "A factor on a unit with `each` applies to every event in the copies.",
    "each-places": (
        "The places are `Fetch[0]`, `Fetch[1]`, and so on: place by place in reading order, "
        "then by index. In a nested `each`, they are `Page[1][4]`."
    ),
    "each-once": "A place without copies is in the report once, without an index.",
    "each-index": "In a copy, `self.task_id` is the place, and `self.index` contains its indices.",
    "each-at-once": "With `at_once=N`, at most N copies run at once. It changes nothing else.",
    "each-name": "An input, a variable, a secret or an `each` around it must not use its name.",
    "each-rule": "`in`, `at_once` and `batch` need `each` on the same unit.",
    # Hints for groups, and rounds.
    "task": "`[task=name]` on a group is a hint. The report still contains the places inside.",
    "task-rule": "`task` is for groups only, and each name is used once.",
    "batch": "`batch=N` is a hint: N items may share one task of the orchestrator.",
    "again": "`{G}[again=n]` runs the group again if it failed, at most n times in all.",
    "again-receives": "Every round receives what the first one received.",
    "again-branches": "The group's branches come after the last round; `0` catches its failure.",
    "again-result": "The result of the group is that of the round that was done.",
    "again-places": (
        "The places of later rounds are `A.2`, `A.3`, one round after the other. "
        "In nested groups, the outer round comes first: `A.1.2`. The index of a copy comes last."
    ),
    "again-copies": "With `each` on the same group, every copy has its own rounds.",
    "again-rule": "`again` is for groups only; on an event it is an error.",
    # Retry.
    "factor": "`A * 3` and `3 * A` mean at most 3 attempts in all.",
    "factor-least": "The factor is an integer of at least 2.",
    "factor-policy": "The factor replaces `max_attempts` and leaves the rest of the policy.",
    "factor-group": "A factor on a group applies to every event inside without a nearer factor.",
    "factor-branches": "A factor on a group does not apply to the group's own branches.",
    "retry-covers": "An attempt is repeated if it raises an exception that the policy covers.",
    "retry-all": "An empty list of exceptions covers all exceptions.",
    "retry-excluded": "Excluded exceptions are never repeated.",
    "retry-returned": "A returned failure is repeated only if the policy has `retry_on_failure`.",
    "retry-wait": "The wait before retry n is `min(backoff_factor * 2**(n-1), max_backoff)`.",
    # Waiting.
    "waits": 'An event that says "not yet" is called again after `every` seconds.',
    "waits-says": (
        "`self.not_yet()`, `not_yet()` and `raise NotYet` mean the same, in functions, methods and "
        "coroutines."
    ),
    "waits-polls": (
        'A call that says "not yet" is a poll and no attempt: the next call continues the '
        "attempt, with the same arguments. The report counts polls."
    ),
    "waits-knows": (
        '`self.polls` counts the calls of the event that have said "not yet", in all attempts.'
    ),
    "waits-within": (
        'An event that still says "not yet" `within` seconds after its first call has failed '
        "with a `NotYetError`, which has the last reason. The last call is at that time."
    ),
    "waits-once": "A `NotYetError` counts as an exception, which is never repeated.",
    "waits-timeout": "`timeout` applies to each call of an event that waits.",
    "waits-setting": "`[every=, within=]` takes precedence over the attributes of the class.",
    "waits-rule": "`every` and `within` are for events only, in seconds above 0.",
    "waits-running": "An event that waits has not ended, so what follows does not start.",
    # Directives.
    "name": "`@name` names the pipeline; without it, the stem of the file is the name.",
    "shown": "`@description` and `@tags` are shown.",
    "schedule": (
        "`@schedule`, `@timezone`, `@start-date`, `@catchup`, `@max-active-runs` "
        "are stored in the graph."
    ),
    "input": "`@input` declares a typed input, which is required if it has no default.",
    "without-effect": "`@recursive-depth` and `@mode` have no effect; a note says so.",
    "directive": "Any other directive is an error.",
    "choices": "An input may list the values that it takes.",
    "range": "An input may have a range, which includes both ends. One end may be left out.",
    "described": "A description of an input is shown.",
    "variable": "`@variable` declares a value that comes from the host's configuration.",
    "variable-missing": (
        "A variable that is missing or of another type is a failure of the event, without a retry."
    ),
    "secret": "`@secret` declares a string that comes from the host's secret store.",
    "secret-hidden": "`***` replaces a secret in results, failures and log lines.",
    "secret-missing": "A missing secret is a failure of the event, without a retry.",
    "by-name": "Variables and secrets are given only to events that name them.",
    "one-name": "Inputs, variables and secrets have different names; a repeated name is an error.",
    "run-timeout": (
        "After `@run-timeout`, nothing new starts, and every place that has not ended is failed."
    ),
    # The time of a run.
    "scheduled-at": (
        "`self.scheduled_at` is the scheduled time of the run, in the pipeline's time zone."
    ),
    "scheduled": "`scheduled - 1d` as the default of an input is a day before the scheduled time.",
    "previous-time": "`previous` is the last time of the schedule before the scheduled time.",
    "time-date": "A `date` is the date in the pipeline's time zone.",
    "time-days": "`d` and `w` change the date and keep the local time of day.",
    "time-gap": (
        "If a clock change skips a local time, it moves forward by the length of the gap. "
        "If a local time occurs twice, the first occurrence is used."
    ),
    "time-hours": "`h` and `m` add or subtract elapsed time.",
    # Options.
    "timeout": "After `timeout`, an attempt fails with `TimeoutError` and may be retried.",
    "retry-option": "`retry_attempts=3` means `* 3`; using both on one unit is an error.",
    "executor": "`executor` replaces the executor of the class.",
    "hints": "Hints never change what a file means.",
    "option": "Any other option is an error.",
    # Used pipelines.
    "use": "A used pipeline means its flow in braces.",
    "use-places": "The places of a use begin with its name: `clean.Parse`, then `clean__2.Parse`.",
    "use-files": "A path of `@use` is relative to the file with the `@use`.",
    "use-arguments": "The arguments of a use are the inputs of the used file.",
    "use-defaults": "An input of a used file that the use does not give has its default.",
    "use-scope": "In a used file, only its own inputs, variables, secrets and `each` names exist.",
    "use-late": (
        "An argument with a variable or secret is given only to events that name the input."
    ),
    "use-wrong": (
        "If a value is not of the type of its input, every event of the use that starts fails, "
        "without a retry."
    ),
    "use-time": "`scheduled` and `previous` in a used file are those of the run.",
    "use-fail": "`!` in a used file carries the failure of a `0` branch in its own file.",
    "use-modules": "The events of a used file are in its own modules.",
    "use-settings": "`@on-failure` must be the same in all files; other settings are not used.",
    # Finding events.
    "siblings": "Events are found in `<stem>_events.py`, then in `events.py`, beside the file.",
    "events": "`@events` replaces these modules; the first module that has the name wins.",
    "dotted": "A dotted name includes the module.",
    "case": "Exact spelling first, then one match in another case; two matches are an error.",
    "own-modules": "Modules with the same name in different folders never conflict.",
    "unknown": "An event that is not found is an error.",
    "bypass": "An event that bypasses `process` counts as one attempt and is marked as bypassed.",
}
"""The sentences about the meaning of a file, by name."""
