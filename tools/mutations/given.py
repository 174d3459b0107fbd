"""Changes of the values that events receive, of the time of a run, and of its time limit."""

from __future__ import annotations

from tools.mutations.mutation import EXECUTION, GIVEN, INPUTS, MOMENTS, REPORT, RUN, Mutation

GIVEN_TO_EVENTS = (
    # What an event is given.
    Mutation(
        "An input takes precedence over an argument.",
        "volnux/events/spec.py",
        "            keywords.update(resolved.arguments)\n",
        "            keywords = {**resolved.arguments, **keywords}\n",
        "argument_",
    ),
    Mutation(
        "A bare name inside a list or an object is replaced by null.",
        "volnux/graph/parts.py",
        "holder[last] = values(at.name)",
        "holder[last] = None if at.path else values(at.name)",
        "argument_",
    ),
    Mutation(
        "The value of a bare name is not converted to the annotated type.",
        GIVEN,
        "if read is not None:\n",
        "if read is not None and not argument.names:\n",
        "argument_",
    ),
    Mutation(
        "Variables that arguments name go into `**kwargs`.",
        GIVEN,
        "return Given(arguments, found, hidden, direct & known, scope, late)",
        "return Given(arguments, found, hidden, frozenset(known), scope, late)",
        "variable_",
    ),
    Mutation(
        "An event that could not be given a variable or a secret is retried.",
        RUN,
        "        and not isinstance(error, NotGivenError)\n",
        "",
        "_missing",
    ),
    Mutation(
        "The default of a variable takes precedence over the host.",
        GIVEN,
        "        value = host.variable(spec.name)\n",
        "        value = host.variable(spec.name) if spec.required else spec.default\n",
        "variable_",
    ),
    Mutation(
        "Secrets are not masked in results.",
        RUN,
        "            result = masked(result, resolved.secrets)\n",
        "            pass\n",
        "secret_",
    ),
    Mutation(
        "Secrets are not masked in failures.",
        "volnux/events/failures.py",
        "text, shown = hide(message), hide(frames)",
        "text, shown = message, frames",
        "secret_",
    ),
    Mutation(
        "Secrets are not masked in log records.",
        "volnux/masking.py",
        "        record.msg, record.args = hidden, ()\n",
        "        pass\n",
        "secret_",
    ),
    Mutation(
        "A range does not include its lower end.",
        INPUTS,
        "value < spec.least)",
        "value <= spec.least)",
        "range_",
    ),
    Mutation(
        "A range has no upper end.",
        INPUTS,
        "(spec.most is not None and value > spec.most)",
        "(spec.most is not None and value is spec)",
        "range_",
    ),
    Mutation(
        "Any value of the right type is a choice.",
        INPUTS,
        "(spec.choices and value not in spec.choices)",
        "(spec.choices and value is spec)",
        "choices_",
    ),
    # What is piped.
    Mutation(
        "A piped value is not read as the annotated type.",
        "volnux/events/receiver.py",
        "            found = self._read(value)\n",
        "            found = value\n",
        "takes_",
    ),
    Mutation(
        "A piped `None` is not read.",
        "volnux/events/receiver.py",
        "        if type(value) is self._cls:\n",
        "        if value is None or type(value) is self._cls:\n",
        "takes_",
    ),
    Mutation(
        "An event that cannot read a piped value has made an attempt.",
        RUN,
        "attempts = call.attempt - isinstance(error, InputTypeError)",
        "attempts = call.attempt",
        "takes_",
    ),
    # The time of a run.
    Mutation(
        "`d` adds elapsed time.",
        MOMENTS,
        'if unit in "dw":',
        'if unit == "w":',
        "time_",
    ),
    Mutation(
        "`h` changes the local time of day instead of adding elapsed time.",
        MOMENTS,
        'if unit in "dw":',
        'if unit != "m":',
        "time_",
    ),
    Mutation(
        "If a local time occurs twice, the second occurrence is used.",
        MOMENTS,
        "time = wall.replace(tzinfo=zone).astimezone",
        "time = wall.replace(tzinfo=zone, fold=1).astimezone",
        "time_that",
    ),
    Mutation(
        "A local time that a clock change skips does not move forward.",
        MOMENTS,
        "time = wall.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone)",
        "time = wall.replace(tzinfo=zone)",
        "time_over",
    ),
    Mutation(
        "A date is the date in UTC.",
        MOMENTS,
        "return time.date() if",
        "return time.astimezone(dt.UTC).date() if",
        "time_",
    ),
    Mutation(
        "`previous` is the scheduled time of the run itself.",
        MOMENTS,
        "self.schedule.before(self.scheduled_at)",
        "self.schedule.before(self.scheduled_at + dt.timedelta.resolution)",
        "time_previous",
    ),
    Mutation(
        "A default that depends on the scheduled time overrides a given value.",
        INPUTS,
        "if spec.moment is not None and value is None:",
        "if spec.moment is not None:",
        "time_given",
    ),
    # The time limit of a run.
    Mutation(
        "The report does not say that the run reached its time limit.",
        REPORT,
        "if execution.timed_out and graph.run_timeout is not None:",
        "if execution.timed_out and graph.run_timeout is None:",
        "run_timeout",
    ),
    Mutation(
        "After the time limit, what has not ended counts as cancelled.",
        EXECUTION,
        "        self.timed_out = True\n        self._end()\n",
        "        self.timed_out = True\n        self.abandon()\n",
        "run_timeout",
    ),
)
