"""Changes of the meaning of "not yet"."""

from __future__ import annotations

from tools.mutations.mutation import RUN, Mutation

NOTES = "volnux/kit/notes.py"

WAITING = (
    Mutation(
        "A poll counts as an attempt.",
        NOTES,
        "return self.made[index] + (polls is None or not polls.under_way)",
        "return self.made[index] + 1",
        "waits_then_succeeds",
    ),
    Mutation(
        "The report does not count polls.",
        NOTES,
        "self.polls[index].number if index in self.polls else 0,",
        "0,",
        "waits_then_succeeds",
    ),
    Mutation(
        "An event that waits is called again at once.",
        RUN,
        "wait = left if spec.asks else min(spec.every, left)",
        "wait = 0.0",
        "waits_then_succeeds",
    ),
    Mutation(
        "After an exception, the polls before it are forgotten.",
        RUN,
        "    retry_after = None\n    polls = _ended(call.polls)\n",
        "    retry_after = None\n    polls = None\n",
        "waits_within_over_polls",
    ),
    Mutation(
        "`within` counts from the first call of an attempt.",
        RUN,
        "earlier = call.polls or Polls(started)",
        "earlier = (call.polls or Polls(0))._replace(since=started)",
        "waits_within_over_retries",
    ),
    Mutation(
        "The event is not called at the end of `within`.",
        RUN,
        "if left > _EARLY:",
        "if left > spec.every:",
        "waits_within_just_reached",
    ),
    Mutation(
        "A `NotYetError` is repeated.",
        RUN,
        "started, now, raised=True, polls=_ended(polls)",
        "started, now, None if call.attempt > 1 else 0.0, raised=True, polls=_ended(polls)",
        "waits_within_not_repeated",
    ),
    Mutation(
        "A `NotYetError` counts as a returned failure.",
        RUN,
        "started, now, raised=True, polls=_ended(polls)",
        "started, now, polls=_ended(polls)",
        "waits_within_stops",
    ),
    Mutation(
        "A `NotYetError` does not have the last reason.",
        RUN,
        'failure = Failure("NotYetError", reason, attempts=call.attempt)',
        'failure = Failure("NotYetError", "", attempts=call.attempt)',
        "waits_within_handled",
    ),
)
