"""The Airflow backend: checks what a DAG can express, and runs plans without a server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from volnux.backends.gaps import Gap, not_in_host
from volnux.backends.port import Backend, Capabilities, RunOptions, refuse, require_host
from volnux.errors import Diagnostic, Span
from volnux.events.link import Plan
from volnux.events.portable import unstorable
from volnux.events.spec import EventSpec
from volnux.graph.model import At, Graph, Located, Node
from volnux.graph.report import RunReport
from volnux.imported import imported
from volnux.loading import schedule_faults
from volnux.pointy.options import LONGEST_TIMEOUT
from volnux_airflow import storable
from volnux_airflow.hostedfaults import approval_faults, has_operators, operator_faults
from volnux_airflow.partchecks import part_faults

if TYPE_CHECKING:
    from volnux.kit.backfill import Fill, HostCommand
    from volnux_airflow.live import Installation

__all__ = ["AirflowBackend"]

CAPABILITIES = Capabilities(
    hints=frozenset({"pool", "queue", "priority", "concurrency", "tags", "batch", "task"}),
    catchup=True,
    approvals=True,
)

_ONE_AT_A_TIME = not_in_host(
    "dag.test() runs one task after another; a scheduler runs all tasks that are ready in parallel"
)

_IN_ANY_ORDER = not_in_host(
    "dag.test() runs the tasks that are ready one after another, in any order; a scheduler runs "
    "them in parallel, and the instances of a mapped task in the order of the items",
    always=False,
)


class AirflowBackend(Backend):
    """Runs a plan as a DAG, with Airflow's own `dag.test()`.

    The run uses a temporary Airflow home with its own database. If this process has already
    imported Airflow, the run uses the existing settings instead. Tasks run one at a time.
    """

    name = "airflow"
    capabilities = CAPABILITIES
    gaps: ClassVar[Mapping[str, Gap]] = MappingProxyType(
        {
            "each_stop": _IN_ANY_ORDER,
            "each_together": _ONE_AT_A_TIME,
            "parallel_at_once": _ONE_AT_A_TIME,
            "stop_while_others_run": _ONE_AT_A_TIME,
            "waits_parallel": _IN_ANY_ORDER,
            "waits_in_each_at_once": not_in_host(
                "dag.test() runs one task after another, so the next item starts while one waits; "
                "on a scheduler, an item keeps its slot while it waits"
            ),
        }
    )

    def __init__(self) -> None:
        self._installation: Installation | None = None

    def check(self, plan: Plan, *, imports: bool = True) -> list[Diagnostic]:
        """See `Backend.check`. Also checks ids, values and event settings for Airflow.

        Args:
            plan: the plan.
            imports: whether Airflow may be imported to check the `airflow` settings of events.
        """
        found = super().check(plan)
        found += schedule_faults(plan.graph)
        if not _is_id(plan.graph.name):
            text = (
                f"'{plan.graph.name}' is not a valid DAG id: Airflow allows letters, digits, '-', "
                f"'_' and '.', at most {storable.LONGEST_ID} of them"
            )
            found.append(plan.graph.diagnostic("refused", text, hint="give it another @name"))
        found += part_faults(plan)
        found += [self._at(plan, at, fault) for at, fault in _not_storable(plan)]
        if has_operators(plan):
            if imports:
                require_host(self.name)
            found += operator_faults(plan, imports=imports)
        if _has_settings(plan):
            from volnux_airflow import hostsettings

            if imports:
                require_host(self.name)
            for node, text, hint in hostsettings.faults(plan, imports=imports):
                found.append(plan.graph.diagnostic("refused", text, at=node, hint=hint))
        # Places in several uses of a file have the same position.
        return list(dict.fromkeys(found))

    def refuse(self, plan: Plan) -> None:
        """See `Backend.refuse`. Does not import Airflow: a run must create its home first."""
        refuse(self.name, self.check(plan, imports=imported("airflow") is not None))

    def check_live(self, plan: Plan) -> list[Diagnostic]:
        """See `Backend.check_live`. Queries the Airflow that this machine is configured for."""
        if self._installation is None:
            require_host(self.name)
            from volnux_airflow.live import Installation

            self._installation = Installation()
        return list(self._installation.findings(plan))

    def backfill_command(self, plan: Plan, fill: Fill) -> HostCommand:
        """See `Backend.backfill_command`."""
        from volnux_airflow.backfill import command_of

        return command_of(plan, fill)

    def _at(self, plan: Plan, at: Located | None, fault: str) -> Diagnostic:
        found = plan.graph.diagnostic("refused", f"Airflow cannot store this: {fault}", at=at)
        return replace(found, file=storable.clean_name(found.file))

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        refuse(self.name, approval_faults(plan))
        require_host(self.name)
        from volnux_airflow.home import enter_own_home

        enter_own_home()
        with warnings.catch_warnings():
            # The user of a flow cannot fix what Airflow itself warns about.
            warnings.simplefilter("ignore")
            self.refuse(plan)  # Some checks need Airflow itself.
            from volnux_airflow.local import run_locally

            return run_locally(plan, inputs, options or RunOptions())


def _has_settings(plan: Plan) -> bool:
    return any(spec is not None and spec.event_class.airflow for spec in plan.specs)


def _not_storable(plan: Plan) -> Iterator[tuple[Located | None, str]]:
    """Find the values that Airflow cannot send or store, each with its place in a text."""
    graph = plan.graph
    for number, name in enumerate(graph.filenames):
        if unstorable(name):
            yield At(None, number), "the path of the file is not UTF-8"
    long = [tag for tag in graph.tags if len(tag) > storable.LONGEST_TAG]
    if long:
        most = f"a tag has at most {storable.LONGEST_TAG} characters"
        yield At(_value_span(graph, "tags")), f"{most}, '{long[0]}' has {len(long[0])}"
    if graph.description is not None:
        fault = unstorable(graph.description)
        if fault is not None:
            yield At(_value_span(graph, "description")), f"the description has {fault}"
    for item in graph.inputs:
        said = {
            "default": item.default,
            "choices": item.choices,
            "range": (item.least, item.most),
            "description": item.description,
        }
        for what, value in said.items():
            fault = storable.fault_of(value)
            if fault is not None:
                yield At(item.span), f"the {what} of the input '{item.name}' has {fault}"
    for node, spec in zip(graph.nodes, plan.specs, strict=True):
        if spec is not None:
            yield from ((node, fault) for fault in _of_place(node, spec))


def _of_place(node: Node, spec: EventSpec) -> Iterator[str]:
    if len(node.id) > storable.LONGEST_ID:
        most = f"a task id has at most {storable.LONGEST_ID} characters"
        yield f"{most}, this one has {len(node.id)}"
    for name in ("pool", "queue"):
        length = len(str(node.options.get(name, "")))
        if length > storable.LONGEST_NAME:
            most = f"the name of a {name} has at most {storable.LONGEST_NAME} characters"
            yield f"{most}, this one has {length}"
    counts = {name: node.options.get(name, 0) for name in ("priority", "concurrency")}
    counts["number of attempts"] = spec.retry.max_attempts
    for name, count in counts.items():
        if count not in storable.COUNT:
            yield f"the {name} of {spec.name} has more than 32 bits: {count}"
    times = {
        "backoff_factor": spec.retry.backoff_factor,
        "longest wait before a retry": spec.retry.wait(max(1, spec.retry.max_attempts - 1)),
    }
    for name, seconds in times.items():
        if not seconds <= LONGEST_TIMEOUT:
            yield f"the {name} of {spec.name} is at most {LONGEST_TIMEOUT} s, found {seconds:g}"


def _value_span(graph: Graph, directive: str) -> Span | None:
    """The place of a directive's value in the text; None if the text has no such directive."""
    found = graph.directive(directive)
    return None if found is None else found.value_span


def _is_id(name: str) -> bool:
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    return plain.isalnum() and plain.isascii() and len(name) <= storable.LONGEST_ID
