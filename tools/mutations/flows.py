"""Changes of flows, branches, catches, retries and `!`."""

from __future__ import annotations

from tools.mutations.mutation import EXECUTION, PROGRESS, REPORT, RUN, VALUES, WALK, Mutation

FLOWS = (
    Mutation(
        "A sink runs although everything before it was skipped.",
        PROGRESS,
        "        elif not self._any_done[index]:\n",
        "        elif not self._any_done[index] and node.kind is not Kind.EVENT:\n",
        "any_",
    ),
    Mutation(
        "An event gets one more attempt than allowed.",
        RUN,
        "        call.attempt < spec.retry.max_attempts\n        and spec.retry.covers(error)\n",
        "        call.attempt <= spec.retry.max_attempts\n        and spec.retry.covers(error)\n",
        "retry_",
    ),
    Mutation(
        "A handled failure fails the run.",
        PROGRESS,
        "if start == end and descriptor == _AS_FAILED:",
        "if self.descriptors[index] == FAILURE or start == end and descriptor == _AS_FAILED:",
        "any_",
    ),
    Mutation(
        "Piped lists are in reverse order.",
        VALUES,
        "return MISSING if any(part is MISSING for part in parts) else parts",
        "return MISSING if any(part is MISSING for part in parts) else parts[::-1]",
        "any_",
    ),
    Mutation(
        "A group for which one arm is enough needs all of them.",
        PROGRESS,
        "if failed and (node.entry is Entry.ALL or not self._any_done[index]):",
        "if failed:",
        "any_",
    ),
    Mutation(
        "A catch passes on the latest failure instead of the first in reading order.",
        PROGRESS,
        "origin[target] = min(origin[target], origin[index])",
        "origin[target] = origin[index]",
        "catch_",
    ),
    Mutation(
        "A group that never started is caught.",
        PROGRESS,
        "started = self.descriptors[self.copies.seen(first, index)] is not None",
        "started = True",
        "catch_",
    ),
    Mutation(
        "A descriptor without a branch is a success.",
        EXECUTION,
        "            descriptor = FAILURE\n",
        "            descriptor = SUCCESS\n",
        "branch_",
    ),
    Mutation(
        "After a failure that is not handled, the branches are skipped.",
        PROGRESS,
        "if descriptor == FAILURE and not takes[node] & 1:",
        "if descriptor == FAILURE and not takes[node]:",
        "branch_",
    ),
    Mutation(
        "With `continue`, the flow continues inside a group that catches.",
        WALK,
        "widen = self._continue and not context.caught if index < last",
        "widen = self._continue if index < last",
        "continue_",
    ),
    Mutation(
        "The factor of a group applies to the group's own branches.",
        WALK,
        "return (yield self._branches(unit, context, exits, catch, body, failure))",
        "return (yield self._branches(unit, context._replace(retry=retry), exits, catch, body, "
        "failure))",
        "factor_",
    ),
    Mutation(
        "Conditions are tried in descending order.",
        "volnux/events/settings.py",
        "return tuple(sorted(conditions.items()))",
        "return tuple(sorted(conditions.items(), reverse=True))",
        "condition_",
    ),
    Mutation(
        "Returned failures are repeated.",
        RUN,
        "and spec.retry.retry_on_failure\n",
        "and spec.retry.max_attempts > 1\n",
        "retry_",
    ),
    Mutation(
        "Waits do not double.",
        "volnux/events/retry.py",
        "self.backoff_factor * 2.0 ** min(retry - 1, 1000)",
        "self.backoff_factor * 1.0 ** min(retry - 1, 1000)",
        "retry_",
    ),
    Mutation(
        "Events that had not started when the run was stopped are skipped.",
        EXECUTION,
        "        self._end_the_rest(State.FAILED)\n",
        "        self._end_the_rest(State.SKIPPED)\n",
        "stop_",
    ),
    # Failing here.
    Mutation(
        "In a `0` branch, `!` ignores the failure for which that branch ran.",
        WALK,
        "failure=failure if branch.descriptor == 0 else context.failure,",
        "failure=context.failure,",
        "fail_",
    ),
    Mutation(
        "In a branch for another descriptor, `!` ignores the `0` branch around it.",
        WALK,
        "failure=failure if branch.descriptor == 0 else context.failure,",
        "failure=failure if branch.descriptor == 0 else None,",
        "fail_",
    ),
    Mutation(
        "After a `!` fails, the parts that follow its group are not failed.",
        PROGRESS,
        "if self.nodes[index].kind is not Kind.CATCH:",
        "if self.nodes[index].kind is _EVENT:",
        "fail_",
    ),
    Mutation(
        "A `!` at the start of the flow counts as skipped.",
        PROGRESS,
        "ready += self.conclude(index, FAILURE)",
        "ready += self.conclude(index, _AS_SKIPPED)",
        "fail_",
    ),
    Mutation(
        "With `continue`, a `!` ends the flow.",
        WALK,
        "        index = graph.fail(unit.span, context.failure)\n",
        "        index = graph.fail(unit.span, context.failure)\n"
        "        context = context._replace(widen=False)\n",
        "fail_",
    ),
    Mutation(
        "A run names the last `!` that was not handled.",
        REPORT,
        "first = min(lost, key=execution.copies.order)",
        "first = max(lost, key=execution.copies.order)",
        "fail_",
    ),
)
