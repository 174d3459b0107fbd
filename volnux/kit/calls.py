"""The arguments that one run passes to its events."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from volnux.events.failures import failure_of
from volnux.events.given import Given, inputs_of
from volnux.events.link import Plan
from volnux.events.outcome import Call, Host
from volnux.graph.copies import Copies
from volnux.graph.execution import Execution
from volnux.graph.outcome import NoItems
from volnux.kit.instants import instant_of

if TYPE_CHECKING:
    from volnux.backends.port import RunOptions
    from volnux.events.portable import Carrier

__all__ = ["Calls", "carrier_of", "given_by_name", "list_of"]


class Calls:
    """Makes the arguments of every attempt of a run.

    Args:
        plan: the plan of the run.
        inputs: the values of all inputs, by name.
        options: the options of the run.
        host: where its variables and secrets come from; None for that of the options, or for the
            environment and `volnux.toml`.

    Attributes:
        run_id: the id of the run.
        inputs: the values of all inputs, by name.
        scheduled_at: the scheduled time of the run, aware, in the pipeline's time zone.
        host: where its variables and secrets come from; None if it has none.
    """

    def __init__(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions, host: Host | None = None
    ) -> None:
        graph = plan.graph
        self.run_id = options.run_id or uuid.uuid4().hex
        self.inputs = dict(inputs)
        self.scheduled_at = instant_of(graph, options.scheduled_at)
        self.host = host
        if graph.all_variables or graph.all_secrets:
            from volnux.kit.config import host_of

            self.host = host_of(plan, options, host or options.host)
        self._nodes = graph.nodes
        # A place with a lower index is not in a copy: its name and inputs are those of the graph.
        self._plain = 0 if options.index else len(graph.nodes)
        self._plan = plan
        self._outer = options.items
        self._carrier = carrier_of(options)

    def call(self, execution: Execution, index: int, attempt: int, received: Any) -> Call:
        """The arguments of one attempt.

        Args:
            execution: the state machine of the run.
            index: the index of the place.
            attempt: the number of the attempt, from 1.
            received: the value that is piped to the place, or None.
        """
        if index >= self._plain:
            return self._in_copy(execution.copies, index, attempt, received)
        return Call(
            self._nodes[index].id,
            self.run_id,
            self.inputs,
            received,
            attempt,
            self._carrier,
            None,
            self.scheduled_at,
            self.host,
        )

    def _in_copy(self, copies: Copies, index: int, attempt: int, received: Any) -> Call:
        place, numbers, items = copies.located(index)
        return Call(
            place,
            self.run_id,
            self.inputs,
            received,
            attempt,
            self._carrier,
            None,
            self.scheduled_at,
            self.host,
            numbers,
            (*self._outer, *items) if self._outer else items,
        )

    def items(self, execution: Execution, index: int) -> object:
        """The list of an `each`, or `NoItems` if what should contain it cannot be read.

        Args:
            execution: the state machine of the run.
            index: the index of the node that begins the `each`.
        """
        copies = execution.copies
        node = copies.node(index)
        name = copies.of_each[node].source
        if name is None:
            return execution.received(index)
        given = given_by_name(self._plan, node, name)
        return list_of(given, name, self.call(execution, index, 1, None))


def carrier_of(options: RunOptions) -> Carrier | None:
    """How the results of a run leave their process; None if they stay in memory.

    Raises:
        VolnuxError: VOLNUX_VALUES is wrong.
    """
    if not options.portable:
        return options.carrier
    from volnux.events.portable import Carrier
    from volnux.kit.codec import store_of_environment

    return Carrier(store_of_environment())


def given_by_name(plan: Plan, node: int, name: str) -> Given | None:
    """What reads a name at a node; None if the name is an input of the run, or an item.

    Args:
        plan: the plan.
        node: the index of the node.
        name: the name.
    """
    at = plan.graph.nodes[node]
    variables = {spec.name: spec for spec in plan.graph.declaring(at.file).variables}
    return Given.of((), (name,), variables, (), plan.scope_around(at.id))


def list_of(given: Given | None, name: str, call: Call) -> object:
    """The value of a name that stands for the list of an `each`; `NoItems` if it cannot be read.

    Args:
        given: what reads it; see `given_by_name`.
        name: the name.
        call: the arguments of an attempt at the node that begins the `each`.
    """
    if given is None:
        return inputs_of(call).get(name)
    try:
        return given.value(name, call)
    except Exception as error:  # noqa: BLE001 - a host may raise anything
        return NoItems(failure_of(error, attempts=0))
