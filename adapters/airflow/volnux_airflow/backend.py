"""The Airflow backend: what a DAG can express, and a run in this process, without a server."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from volnux.backends.gaps import Gap, not_in_host
from volnux.backends.port import Backend, BackendError, Capabilities, RefusedError, RunOptions
from volnux.errors import Diagnostic, Severity
from volnux.events.link import Plan
from volnux.graph.report import RunReport
from volnux.loading import schedule_faults

if TYPE_CHECKING:
    from volnux_airflow.live import Installation

__all__ = ["AirflowBackend", "require_airflow"]

CAPABILITIES = Capabilities(
    hints=frozenset({"pool", "queue", "priority", "concurrency", "tags"}),
    catchup=True,
)

_LONGEST_ID = 250

_ONE_AT_A_TIME = not_in_host(
    "dag.test() runs one task after the other; a scheduler runs what is ready at once"
)


class AirflowBackend(Backend):
    """Runs a plan as a DAG, with Airflow's own `dag.test()`.

    The run has an Airflow home and a database of its own, which are gone afterwards, unless this
    process has imported Airflow already: then that one's settings hold. Tasks run one at a time.
    """

    name = "airflow"
    capabilities = CAPABILITIES
    gaps: ClassVar[Mapping[str, Gap]] = MappingProxyType(
        {"parallel_at_once": _ONE_AT_A_TIME, "stop_while_others_run": _ONE_AT_A_TIME}
    )

    def __init__(self) -> None:
        self._installation: Installation | None = None

    def check(self, plan: Plan, *, imports: bool = True) -> list[Diagnostic]:
        """See `Backend.check`; ids that Airflow does not take, and schedules nobody can give to.

        Args:
            plan: the plan.
            imports: whether Airflow may be imported, to look at the `airflow` of events.
        """
        found = super().check(plan)
        found += schedule_faults(plan.graph)
        if not _is_id(plan.graph.name):
            text = (
                f"'{plan.graph.name}' is no DAG id: Airflow takes letters, digits, '-', '_' and "
                f"'.', at most {_LONGEST_ID} of them"
            )
            found.append(self._say(plan, None, "refused", text, "give it another @name"))
        for node in plan.graph.places():
            if len(node.id) > _LONGEST_ID:
                text = f"a task id has at most {_LONGEST_ID} characters, this one {len(node.id)}"
                found.append(self._say(plan, node, "refused", text))
        if _has_settings(plan):
            from volnux_airflow import hostsettings

            if imports:
                require_airflow()
            for node, text, hint in hostsettings.faults(plan, imports=imports):
                found.append(self._say(plan, node, "refused", text, hint))
        return found

    def refuse(self, plan: Plan) -> None:
        """See `Backend.refuse`. A run makes a home for Airflow before that is imported."""
        found = self.check(plan, imports="airflow" in sys.modules)
        errors = [each for each in found if each.severity is Severity.ERROR]
        if errors:
            raise RefusedError(self.name, errors)

    def check_live(self, plan: Plan) -> list[Diagnostic]:
        """See `Backend.check_live`; the Airflow that this machine is set up for is asked."""
        if self._installation is None:
            require_airflow()
            from volnux_airflow.live import Installation

            self._installation = Installation()
        return [
            self._say(plan, each.node, "not-there", each.message, each.hint, severity=each.severity)
            for each in self._installation.findings(plan)
        ]

    def run(
        self, plan: Plan, inputs: Mapping[str, Any], options: RunOptions | None = None
    ) -> RunReport:
        """See `Backend.run`."""
        self.refuse(plan)
        require_airflow()
        from volnux_airflow.home import enter_own_home

        enter_own_home()
        self.refuse(plan)  # With what only Airflow knows.
        from volnux_airflow.local import run_locally

        return run_locally(plan, inputs, options or RunOptions())


def require_airflow() -> None:
    """Raise where Airflow is not installed.

    Raises:
        BackendError: with the command that installs it.
    """
    if importlib.util.find_spec("airflow") is None:
        from volnux.extras import how_to_install

        raise BackendError(f"Airflow is not installed: {how_to_install('airflow')}")


def _has_settings(plan: Plan) -> bool:
    return any(spec is not None and spec.event_class.airflow for spec in plan.specs)


def _is_id(name: str) -> bool:
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    return plain.isalnum() and plain.isascii() and len(name) <= _LONGEST_ID
